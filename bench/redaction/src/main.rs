//! Counts the instructions of `Redactor::field` and its sisters, and fails when there are more than
//! promised: `docs/performance-logs.md` says what came out.
//!
//! ```text
//! cargo run --release -p campanile-bench-redaction              # prints the table
//! cargo run --release -p campanile-bench-redaction -- --check   # and fails when something is dearer
//! ```

#[path = "../../shared/total.rs"]
mod total;

use std::hint::black_box;
use std::io;
use std::process::ExitCode;

use campanile_redaction::Redactor;

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

/// What is measured: a name, a value, and the most instructions that it may cost.
struct Case {
    what: &'static str,
    name: &'static str,
    value: &'static str,
    promised: f64,
}

const fn case(what: &'static str, name: &'static str, value: &'static str, promised: f64) -> Case {
    Case {
        what,
        name,
        value,
        promised,
    }
}

/// 200 bytes that a service might log.
const MESSAGE: &str = "a message was handed to 12 connections of room general after 3.482 ms, \
                       2 of them were slow and will be told again; the outbox holds 41 messages \
                       and its oldest one is 17 ms old, which is fine";
/// As many, with an id of so many digits that it could be a card.
const NUMBERED: &str = "message 175928847299117063 was handed to 12 connections of room \
                        general after 3.482 ms, 2 of them were slow and will be told again; \
                        the outbox holds 41 messages and its oldest one is 17 ms old now";
/// As many, with a token in it.
const DIRTY: &str = "message 175928847299117063 was not sent, upstream said 401 to Bearer \
                     mF_9.B5f-4.1JqM after 3.482 ms, 2 of the others were slow; the outbox \
                     holds 41 messages and its oldest one is 17 ms old by now";
/// As many, with four assignments that are harmless.
const ASSIGNING: &str = "handed to connections=12 room=general age=3.482 ms slow=2 and so it is told \
                         again to all those that did not take it, the outbox holds 41 messages \
                         and its oldest one is 17 ms old by now and that is it";

const CASES: &[Case] = &[
    case(
        "a value of a closed set",
        "http.request.method",
        "GET",
        80.0,
    ),
    case("a clean path", "url.path", "/rooms/7", 650.0),
    case(
        "a UUID",
        "chat.room.id",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        1_600.0,
    ),
    case("a clean message", "message", MESSAGE, 2_300.0),
    case(
        "a clean message with a long number",
        "message",
        NUMBERED,
        5_500.0,
    ),
    case(
        "a message with four assignments",
        "message",
        ASSIGNING,
        6_000.0,
    ),
    case("a message with a token", "message", DIRTY, 12_000.0),
    case("a secret by its name", "user.password", "hunter2", 800.0),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => measure().map(|_| ()),
        ["--check"] => measure().and_then(check),
        ["--run", index, count] => run(index, count),
        _ => Err(io::Error::other("expected nothing or --check")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Redacts one value again and again, and nothing else: what runs under callgrind.
fn run(index: &str, count: &str) -> io::Result<()> {
    let index: usize = index.parse().map_err(io::Error::other)?;
    let count: u64 = count.parse().map_err(io::Error::other)?;
    let case = CASES
        .get(index)
        .ok_or_else(|| io::Error::other("no such case"))?;
    let redactor = Redactor::standard();
    for _ in 0..count {
        let value = redactor.field(black_box(case.name), black_box(case.value));
        black_box(&*value);
    }
    Ok(())
}

fn measure() -> io::Result<Vec<(&'static Case, f64)>> {
    println!("| what | bytes | instructions |\n|---|---|---|");
    let mut measured = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        // A run of few is taken from a run of many, so that start-up cancels out.
        let run = |repeats: u64| total::run(&[&index.to_string(), &repeats.to_string()]);
        let (few, many) = (run(FEW)?, run(MANY)?);
        let each = (many - few) / (MANY - FEW) as f64;
        println!("| {} | {} | {each:.0} |", case.what, case.value.len());
        measured.push((case, each));
    }
    Ok(measured)
}

fn check(measured: Vec<(&Case, f64)>) -> io::Result<()> {
    let dearer: Vec<String> = measured
        .iter()
        .filter(|(case, each)| *each > case.promised)
        .map(|(case, each)| format!("{}: {each:.0}, promised {:.0}", case.what, case.promised))
        .collect();
    match dearer.is_empty() {
        true => Ok(()),
        false => Err(io::Error::other(dearer.join("\n"))),
    }
}
