//! The real binary: what it prints, how it refuses, how it stops.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

fn vc_server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vc-server"));
    for (name, _) in std::env::vars_os() {
        let own = name.to_string_lossy();
        if own.starts_with("OTEL_") || own.starts_with("VC_") {
            command.env_remove(name);
        }
    }
    command
        .env("VC_LISTEN", "127.0.0.1:0")
        .env("VC_PAGE_LISTEN", "127.0.0.1:0");
    command
}

/// Asserts that it failed with this code and one line, and returns the line.
fn one_line(output: &Output, code: i32) -> String {
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    assert!(line.starts_with("vc-server: "), "{line}");
    line
}

fn refusal(arguments: &[&str], code: i32) -> String {
    one_line(&vc_server().args(arguments).output().unwrap(), code)
}

#[test]
fn an_unknown_flag_is_one_line_and_points_to_help() {
    let line = refusal(&["--bogus"], 2);
    assert!(
        line.contains("'--bogus'") && line.contains("--help"),
        "{line}"
    );
}

#[test]
fn a_value_that_is_no_address_is_one_line_with_an_example() {
    let line = refusal(&["--listen", "8080"], 2);
    assert!(
        line.contains("'8080'") && line.contains("127.0.0.1:8080"),
        "{line}"
    );
}

#[test]
fn a_taken_port_is_named_with_the_option_that_chooses_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in [
        "--listen",
        "--page-listen",
        "--otlp-listen",
        "--otlp-http-listen",
    ] {
        let line = refusal(&[option, &address], 1);
        assert!(line.contains(&address) && line.contains(option), "{line}");
        assert_eq!(line, refusal(&["--check", option, &address], 1));
    }
}

#[test]
fn a_database_that_cannot_be_written_is_named_with_the_option() {
    for arguments in [&[][..], &["--check"]] {
        let output = vc_server()
            .args(arguments)
            .args(["--database", "/nonexistent/chat.sqlite"])
            .output();
        let line = one_line(&output.unwrap(), 1);
        assert!(
            line.contains("/nonexistent/chat.sqlite") && line.contains("--database"),
            "{line}"
        );
    }
}

#[test]
fn a_live_page_for_everyone_is_refused() {
    let line = refusal(&["--page-listen", "0.0.0.0:0"], 1);
    assert!(line.contains("--page-listen"), "{line}");
}

#[test]
fn check_accepts_a_good_configuration_and_creates_nothing() {
    let folder = std::env::temp_dir().join(format!("vc-server-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = vc_server()
        .arg("--check")
        .arg("--database")
        .arg(folder.join("chat.sqlite"))
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let kept = std::fs::read_dir(&folder).unwrap().count();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn bad_telemetry_configuration_fails_the_check() {
    let output = vc_server()
        .arg("--check")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collecter:four")
        .output();
    let line = one_line(&output.unwrap(), 1);
    assert!(line.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{line}");
}

#[test]
fn bad_telemetry_configuration_does_not_stop_the_server() {
    let output = vc_server()
        .args(["--duration", "0.3"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collecter:four")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{said}");
}

#[tokio::test]
async fn telemetry_that_goes_elsewhere_arrives_there_and_the_live_page_is_off() {
    let receiver = campanile_otlp_receiver::Receiver::start().await.unwrap();
    let output = vc_server()
        .args(["--duration", "0.3"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.grpc_endpoint())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("live page  off") && !said.contains("otlp"),
        "{said}"
    );
    let logs = receiver.logs();
    let start = logs
        .iter()
        .find(|line| line.event_name == "chat.server.started")
        .unwrap();
    assert_eq!(start.resource.service_name(), "vc-server");
    assert!(
        logs.iter()
            .any(|line| line.event_name == "chat.server.stopped")
    );
}

/// A running server; killed when a test fails half-way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_prints_where_everything_is_and_ends_after_its_duration() {
    let mut command = vc_server();
    command
        .args(["--demo", "--duration", "1.5"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = Running(command.spawn().unwrap());
    let lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    for (line, name) in lines
        .iter()
        .zip(["chat", "live page", "otlp grpc", "otlp http"])
    {
        let (label, url) = line.split_once("http://").unwrap();
        assert_eq!(label.trim_end(), name);
        let port = url.trim_end_matches('/').rsplit_once(':').unwrap().1;
        assert_ne!(port.parse::<u16>().unwrap(), 0, "{line}");
    }
    assert!(server.0.wait().unwrap().success());
    let mut said = String::new();
    server
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(!said.contains("panicked"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_people_of_the_demo_chat_until_it_is_terminated() {
    let mut command = vc_server();
    command
        .args(["--demo", "--duration", "60"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut server = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let stored = lines.any(|line| line.unwrap().contains("message stored"));
    assert!(stored, "nobody said anything");
    terminate(&server);
    assert!(server.0.wait().unwrap().success());
}

#[cfg(unix)]
fn terminate(server: &Running) {
    let id = server.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
}

#[cfg(unix)]
#[test]
fn it_stops_cleanly_when_terminated_with_a_request_half_sent() {
    use std::io::Write;

    let mut server = Running(
        vc_server()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let chat = lines.next().unwrap().unwrap();
    let address = chat
        .split_once("http://")
        .unwrap()
        .1
        .trim_end_matches('/')
        .to_owned();
    let mut half = std::net::TcpStream::connect(address).unwrap();
    half.write_all(b"POST /rooms HTTP/1.1\r\nhost: x\r\ncontent-le")
        .unwrap();
    terminate(&server);
    assert!(server.0.wait().unwrap().success());
}
