//! What the suites need beside Rust, and how it is installed.
//!
//! Debian packages come by `apt-get`, Python wheels into `.provision/venv`, npm packages into
//! `.provision/node_modules`: nothing of the machine's own is touched, and nothing is fetched that
//! is already there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = "tests/peers/python/requirements.txt";
const PACKAGE_JSON: &str = "tests/peers/node/package.json";

/// Something the suites need.
struct Need {
    what: &'static str,
    why: &'static str,
    present: fn() -> bool,
    install: fn() -> Result<(), String>,
}

const NEEDS: &[Need] = &[
    Need {
        what: "chromium",
        why: "looks at the pages as a person would",
        present: || has("chromium"),
        install: || apt(&["chromium"]),
    },
    Need {
        what: "nginx and prometheus",
        why: "a proxy in front, a scraper behind",
        present: || {
            Path::new("/usr/sbin/nginx").exists() && Path::new("/usr/bin/prometheus").exists()
        },
        install: || apt(&["nginx-light", "prometheus"]),
    },
    Need {
        what: "redis-server",
        why: "holds sessions for several nodes; the suites start their own",
        present: || has("redis-server"),
        install: || apt_without_service(&["redis-server"]),
    },
    Need {
        what: "valgrind",
        why: "counts instructions (`--full`)",
        present: || has("valgrind"),
        install: || apt(&["valgrind"]),
    },
    Need {
        what: "node and npm",
        why: "runs the npm peers and drives Chromium",
        present: || has("node") && has("npm"),
        install: || apt(&["nodejs", "npm"]),
    },
    Need {
        what: "python3 with venv",
        why: "runs the Python peers",
        present: || {
            has("python3")
                && succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
        },
        install: || apt(&["python3", "python3-venv"]),
    },
    Need {
        what: "Python peers (websockets, OTLP exporters, rotel)",
        why: "independent senders and clients",
        present: || is_stamped("venv", REQUIREMENTS),
        install: python,
    },
    Need {
        what: "npm peers (ws, OTLP exporters, playwright-core)",
        why: "independent senders and clients",
        present: || is_stamped("node_modules", PACKAGE_JSON),
        install: node,
    },
    Need {
        what: "cargo-deny",
        why: "licences, bans, sources",
        present: || has("cargo-deny"),
        install: || {
            run(Command::new("cargo").args(["install", "--locked", "--quiet", "cargo-deny"]))
        },
    },
];

/// Installs what is missing, or says what will be skipped. Returns whether all is there.
pub(crate) fn run_all(install: bool) -> Result<bool, String> {
    let mut complete = true;
    for need in NEEDS {
        let Need { what, why, .. } = need;
        if (need.present)() {
            println!("have     {what}");
        } else if install {
            println!("install  {what}: {why}");
            (need.install)().map_err(|problem| format!("cannot install {what}: {problem}"))?;
        } else {
            complete = false;
            println!("MISSING  {what}: {why}. What needs it is SKIPPED; `--install` installs it.");
        }
    }
    Ok(complete)
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn python() -> Result<(), String> {
    let venv = folder().join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let pip = venv.join("bin/pip");
    run(Command::new(pip).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        REQUIREMENTS,
    ]))?;
    stamp("venv", REQUIREMENTS)
}

fn node() -> Result<(), String> {
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for file in ["package.json", "package-lock.json"] {
        let from = crate::root().join("tests/peers/node").join(file);
        if from.exists() {
            fs::copy(from, folder.join(file)).map_err(|error| error.to_string())?;
        }
    }
    run(Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--silent",
        ])
        .current_dir(folder))?;
    stamp("node_modules", PACKAGE_JSON)
}

fn apt(packages: &[&str]) -> Result<(), String> {
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
    ]);
    run(command.args(packages))
}

/// Installs a package for its programs: its service is neither started now nor at the next boot.
fn apt_without_service(packages: &[&str]) -> Result<(), String> {
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    let policy = Path::new(POLICY);
    let is_ours = !policy.exists();
    if is_ours {
        // Asked by every package before it starts a service; 101 is no.
        let wrote = fs::write(policy, "#!/bin/sh\nexit 101\n");
        wrote.map_err(|error| format!("{POLICY}: {error}"))?;
        run(Command::new("chmod").args(["755", POLICY]))?;
    }
    let installed = apt(packages);
    if is_ours {
        fs::remove_file(policy).map_err(|error| format!("{POLICY}: {error}"))?;
    }
    installed?;
    for package in packages {
        run(Command::new("update-rc.d").args([package, "disable"]))?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    crate::root().join(".provision")
}

/// Notes which list of packages a folder was made from, so that a changed list installs again.
fn stamp(what: &str, list: &str) -> Result<(), String> {
    let list = crate::root().join(list);
    fs::copy(list, folder().join(what).join(".stamp"))
        .map(drop)
        .map_err(|error| error.to_string())
}

fn is_stamped(what: &str, list: &str) -> bool {
    let read = |path: &Path| fs::read(path).ok();
    let stamp = read(&folder().join(what).join(".stamp"));
    stamp.is_some() && stamp == read(&crate::root().join(list))
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Runs a command in the workspace's folder, and says which one failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    if command.get_current_dir().is_none() {
        command.current_dir(crate::root());
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("{command:?} did not start: {error}")),
    }
}
