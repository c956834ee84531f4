//! The command line, and the environment variables that say the same.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::Failure;

/// A real chat server that shows you its own telemetry.
///
/// Open the printed chat address, say something, then open the live page. Telemetry goes to the
/// embedded OTLP receiver, or to OTEL_EXPORTER_OTLP_ENDPOINT when that is set; the other OTEL_
/// variables hold as well.
#[derive(Clone, Debug, Parser)]
#[command(name = "vc-server", version)]
pub struct Options {
    /// Where people chat
    #[arg(
        long,
        env = "VC_LISTEN",
        value_name = "ADDRESS", value_parser = address,
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,

    /// Answer to this name too, as when a proxy in front keeps it; localhost and addresses are
    /// always answered
    #[arg(
        long,
        env = "VC_ALLOW_HOST",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub allow_host: Vec<String>,

    /// Where the live page is, on loopback
    #[arg(
        long,
        env = "VC_PAGE_LISTEN",
        value_name = "ADDRESS", value_parser = address,
        default_value = "127.0.0.1:8090"
    )]
    pub page_listen: SocketAddr,

    /// Where the embedded receiver takes OTLP/gRPC
    #[arg(
        long,
        env = "VC_OTLP_LISTEN",
        value_name = "ADDRESS", value_parser = address,
        default_value = "127.0.0.1:0"
    )]
    pub otlp_listen: SocketAddr,

    /// Where the embedded receiver takes OTLP/HTTP
    #[arg(
        long,
        env = "VC_OTLP_HTTP_LISTEN",
        value_name = "ADDRESS", value_parser = address,
        default_value = "127.0.0.1:0"
    )]
    pub otlp_http_listen: SocketAddr,

    /// Keep rooms and messages in this SQLite file; without it they go when the server stops
    #[arg(long, env = "VC_DATABASE", value_name = "PATH")]
    pub database: Option<PathBuf>,

    /// Sign what lets lost live connections be taken up again with this secret of at least 32
    /// characters, the same on every node; without it only this process can
    #[arg(
        long,
        env = "VC_RESUME_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub resume_key: Option<String>,

    /// Let every node with this Redis and the same --resume-key take up what another one lost
    #[cfg(feature = "redis")]
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "resume_key"
    )]
    pub redis: Option<String>,

    /// Let a handful of simulated people chat, so that there is something to see
    #[arg(long, env = "VC_DEMO")]
    pub demo: bool,

    /// For development: serve /faults/panic, /faults/error, /faults/slow and /faults/task, which go
    /// wrong when asked
    #[arg(long, env = "VC_FAULT_ROUTES")]
    pub fault_routes: bool,

    /// Stop by itself after so many seconds
    #[arg(long, env = "VC_DURATION", value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<Duration>,

    /// Say whether this configuration would work, and start nothing
    #[arg(long)]
    pub check: bool,
}

impl Options {
    /// Reads the command line and the environment. `--help` and `--version` end the process.
    ///
    /// # Errors
    /// When something is not understood; the line says what, and what would be.
    pub fn from_command_line() -> Result<Self, Failure> {
        Self::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
            _ => Failure::usage(sentence(&error)),
        })
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = |_| "send an address with a port, such as 127.0.0.1:8080".to_owned();
    text.parse().map_err(expected)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "send a number, such as 60".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() {
        return Err("send more than 0".to_owned());
    }
    Ok(duration)
}

/// The first line of what clap says, its suggestion, and where to read more.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let meant = [ContextKind::SuggestedArg, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| match error.get(kind) {
            Some(ContextValue::String(meant)) => Some(meant.clone()),
            Some(ContextValue::Strings(meant)) => meant.first().cloned(),
            _ => None,
        });
    match meant {
        Some(meant) => {
            format!("{first}; did you mean {meant}? (vc-server --help lists all options)")
        }
        None => format!("{first}; vc-server --help lists all options"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let arguments = std::iter::once(&"vc-server").chain(arguments);
        sentence(&Options::try_parse_from(arguments).unwrap_err())
    }

    #[test]
    fn a_misspelt_flag_is_answered_with_the_one_that_was_meant() {
        assert_eq!(
            refused(&["--dmeo"]),
            "unexpected argument '--dmeo' found; did you mean --demo? \
             (vc-server --help lists all options)"
        );
    }

    #[test]
    fn a_value_that_is_no_address_or_duration_is_named() {
        assert!(refused(&["--listen", "8080"]).starts_with("invalid value '8080' for '--listen"));
        for bad in ["0", "-1", "nan", "inf", "soon", "1e300"] {
            let line = refused(&[&format!("--duration={bad}")]);
            assert!(
                line.starts_with(&format!("invalid value '{bad}' for '--duration")),
                "{line}"
            );
        }
    }

    #[test]
    fn a_fraction_of_a_second_is_a_duration() {
        let options = Options::try_parse_from(["vc-server", "--duration", "0.5"]).unwrap();
        assert_eq!(options.duration, Some(Duration::from_millis(500)));
    }
}
