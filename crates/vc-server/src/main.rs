//! Starts the reference server: see `vc-server --help`.

use std::process::ExitCode;

use vc_server::{Failure, Options};

fn main() -> ExitCode {
    let outcome = Options::from_command_line().and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("vc-server: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

#[tokio::main]
async fn run(options: Options) -> Result<(), Failure> {
    if options.check {
        vc_server::check(&options).await
    } else {
        vc_server::serve(options).await
    }
}
