//! Instructions per request, from callgrind.
//!
//! A run of few requests is taken from a run of many, so that start-up cancels out. On the request
//! thread only what runs inside the loop counts.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::contenders::Contender;
use crate::work::DRIVE;

const FEW: u64 = 500;
const MANY: u64 = 2500;
const REPEATS: usize = 3;

/// The heap's entrances.
const ALLOCATE: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];

/// What one request costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Instructions on the request thread.
    pub request_thread: f64,
    /// Instructions on all threads.
    pub all_threads: f64,
    /// Calls of the allocator on the request thread.
    pub allocations: f64,
}

impl Cost {
    pub fn over(self, other: Self) -> Self {
        self.combine(other, |one, other| one - other)
    }

    fn combine(self, other: Self, with: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            request_thread: with(self.request_thread, other.request_thread),
            all_threads: with(self.all_threads, other.all_threads),
            allocations: with(self.allocations, other.allocations),
        }
    }
}

/// Counts what a request costs with `contender`: the median of a few measurements, as it depends on
/// the moment at which the exporter's thread gives memory back.
pub fn count(contender: &Contender) -> io::Result<Cost> {
    let measure = |_| {
        let (few, many) = (run(contender, FEW)?, run(contender, MANY)?);
        let requests = (MANY - FEW) as f64;
        Ok(many.combine(few, |many, few| (many - few) / requests))
    };
    let mut costs = (0..REPEATS).map(measure).collect::<io::Result<Vec<_>>>()?;
    costs.sort_by(|one, other| one.request_thread.total_cmp(&other.request_thread));
    Ok(costs[REPEATS / 2])
}

fn run(contender: &Contender, requests: u64) -> io::Result<Cost> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--separate-threads=yes"])
        // else it is chance which thread runs, and with it how far the heap is fragmented
        .arg("--fair-sched=yes")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["--run", contender.name, &requests.to_string()])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| io::Error::other(format!("valgrind did not start: {error}")))?;
    if !status.success() {
        return Err(io::Error::other(format!(
            "{} failed under valgrind: {status}",
            contender.name
        )));
    }
    let mut cost = Profile::read(&folder.path().join("out-01"))?.cost()?;
    for entry in std::fs::read_dir(folder.path())? {
        let path = entry?.path();
        if !path.ends_with("out-01") {
            cost.all_threads += Profile::read(&path)?.total;
        }
    }
    Ok(cost)
}

/// What callgrind wrote for one thread: how often each function was called, and what that cost.
#[derive(Debug, Default)]
struct Profile {
    calls: HashMap<String, (f64, f64)>,
    total: f64,
}

impl Profile {
    fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string(path)?))
    }

    /// Reads the format of callgrind's manual: `cfn=(id) name` is who gets called (the name stands
    /// only at its first use), `calls=n ..` how often, and the next line ends in the cost.
    fn parse(text: &str) -> Self {
        let mut profile = Self::default();
        let mut names = HashMap::new();
        let (mut callee, mut times) = (String::new(), None::<f64>);
        for line in text.lines() {
            if let Some(times) = times.take() {
                let entry = profile.calls.entry(callee.clone()).or_default();
                entry.0 += times;
                entry.1 += last_number(line);
            } else if let Some(reference) = line.strip_prefix("cfn=").or(line.strip_prefix("fn=")) {
                let (id, name) = reference.split_once(' ').unwrap_or((reference, ""));
                if !name.is_empty() {
                    names.insert(id, name);
                }
                if line.starts_with('c') {
                    callee = names.get(id).copied().unwrap_or_default().to_owned();
                }
            } else if let Some(rest) = line.strip_prefix("calls=") {
                times = rest.split(' ').next().and_then(|times| times.parse().ok());
            } else if line.starts_with("totals:") || line.starts_with("summary:") {
                profile.total = last_number(line);
            }
        }
        profile
    }

    fn cost(&self) -> io::Result<Cost> {
        let is_drive = |name: &str| name.starts_with(DRIVE);
        let drive = self.calls.iter().find(|(name, _)| is_drive(name));
        let (_, (_, instructions)) =
            drive.ok_or_else(|| io::Error::other("the profile does not name the request loop"))?;
        let allocations = ALLOCATE.iter().filter_map(|name| self.calls.get(*name));
        Ok(Cost {
            request_thread: *instructions,
            all_threads: *instructions,
            allocations: allocations.map(|(times, _)| times).sum(),
        })
    }
}

fn last_number(line: &str) -> f64 {
    let last = line.split_whitespace().last();
    last.and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_a_function_add_up_by_its_short_name() {
        let text = "fn=(1) main\n10 5\ncfn=(2) DRIVE\ncalls=1 20\n12 900\n\
                    fn=(2)\n20 100\ncfn=(3) malloc\ncalls=3 0\n21 300\nfn=(4) other\ncfn=(3)\n\
                    calls=2 0\n+1 200\ntotals: 1005\n";
        let profile = Profile::parse(&text.replace("DRIVE", DRIVE));
        let cost = profile.cost().expect("a cost");
        assert_eq!((cost.request_thread, cost.allocations), (900.0, 5.0));
        assert_eq!(profile.total, 1005.0);
    }

    #[test]
    fn a_profile_without_the_loop_is_an_error() {
        assert!(Profile::parse("totals: 7\n").cost().is_err());
    }
}
