//! How many spans a second one core takes in: the receiver against the `rotel` agent, over gRPC and over HTTP.
//!
//! `receiver-ingest compare [SPANS]` starts each server pinned to core 0 and a sender pinned to core 1, sends the spans
//! in requests of 512, and prints a table. The server's own CPU time is the number to trust on a machine with other work.
//! `rotel` is looked for at `ROTEL_AGENT`, else in `.provision/venv`.

mod load;
mod server;
#[path = "../../tests/src/until.rs"]
mod until;

use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["compare"] => compare(1_000_000).await,
        ["compare", spans] => compare(spans.parse()?).await,
        ["serve"] => server::serve().await,
        ["load", protocol, endpoint, spans] => {
            println!("{}", load::run(protocol, endpoint, spans.parse()?).await?);
            Ok(())
        }
        _ => Err("usage: receiver-ingest compare [SPANS]".into()),
    }
}

async fn compare(spans: u64) -> Result<()> {
    println!(
        "{spans} spans of {} bytes in requests of {}",
        load::span_bytes(),
        load::BATCH
    );
    println!();
    println!(
        "| server | protocol | spans/s by the clock | spans/s of its CPU time | memory before | half-way | peak |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for protocol in ["grpc", "http"] {
        for kind in [server::Kind::Receiver, server::Kind::Rotel] {
            let server = server::Running::start(kind).await?;
            let endpoint = server.endpoint(protocol);
            // Connections, allocator and caches warm up outside the measurement.
            load::in_child(protocol, &endpoint, 10_000).await?;
            let (before, cpu) = (server.memory()?, server.cpu_seconds()?);
            let first = load::in_child(protocol, &endpoint, spans / 2).await?;
            let halfway = server.memory()?;
            let second = load::in_child(protocol, &endpoint, spans / 2).await?;
            let cpu = server.cpu_seconds()? - cpu;
            let wall = (first + second) / 2.0;
            println!(
                "| {kind} | {protocol} | {wall:.0} | {:.0} | {before} MiB | {halfway} MiB | {} MiB |",
                spans as f64 / cpu,
                server.peak_memory()?,
            );
            server.stop().await?;
        }
    }
    Ok(())
}
