//! Why the server does not start, in one line that names the remedy.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// The server cannot start, or the command line cannot be obeyed.
#[derive(Debug)]
pub struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    /// The server cannot start: exit code 1.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self {
            line: one_line(&line.into()),
            code: 1,
        }
    }

    /// The command line cannot be understood: exit code 2.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self {
            code: 2,
            ..Self::new(line)
        }
    }

    /// An address cannot be listened at; `option` chooses another.
    pub(crate) fn bind(address: SocketAddr, option: &str, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken".to_owned(),
            io::ErrorKind::PermissionDenied => "this needs more rights".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            _ => error.to_string(),
        };
        Self::new(format!(
            "cannot listen at {address}: {why}; choose another address with {option}, \
             port 0 takes a free one"
        ))
    }

    /// Returns the process's exit code.
    pub fn code(&self) -> u8 {
        self.code
    }
}

/// What a library says may have several lines; a person at a prompt reads one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Failure {}
