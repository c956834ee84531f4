//! The service for the public W3C Trace Context validation harness; see `campanile_tests::w3c`.
//!
//! ```sh
//! cargo run --release -p campanile-tests --bin w3c-service -- --port 5000 [--unsampled]
//! SPEC_LEVEL=2 STRICT_LEVEL=2 python test.py http://127.0.0.1:5000/
//! ```

use std::net::Ipv4Addr;

use campanile_tests::w3c;
use clap::Parser;

/// Posts what it is told to, with the trace context that came in.
#[derive(Parser)]
struct Arguments {
    /// The port to listen on, on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// Samples nothing, whatever the caller says.
    #[arg(long)]
    unsampled: bool,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let sampler = if arguments.unsampled {
        "always_off"
    } else {
        "always_on"
    };
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    println!("w3c-service http://{}/", listener.local_addr()?);
    let pipeline = w3c::Pipeline::start(sampler).await?;
    axum::serve(listener, w3c::app(&pipeline)).await
}
