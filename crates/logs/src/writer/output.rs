//! What finally takes the bytes: slowly, in parts, or not at all.

use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Whole lines of up to this size together go into one `write`: a pipe takes that many bytes in one
/// piece (`PIPE_BUF` of Linux), so that another writer cannot cut a line in two.
const PIECE: usize = 4096;

/// How often a non-blocking descriptor that is full is asked again.
const AGAIN: Duration = Duration::from_millis(5);

pub(super) struct Output {
    inner: Box<dyn Write + Send>,
    /// The last write ended inside a line.
    is_torn: bool,
}

impl Output {
    pub(super) fn new(inner: Box<dyn Write + Send>) -> Self {
        Self {
            inner,
            is_torn: false,
        }
    }

    /// Writes lines, and says how many of them could not be. A descriptor that would block is
    /// asked again until `give_up` says otherwise.
    pub(super) fn write(&mut self, lines: &[u8], give_up: &dyn Fn() -> bool) -> u64 {
        pieces(lines)
            .map(|piece| {
                if self.write_piece(piece, give_up) {
                    return 0;
                }
                piece.iter().filter(|byte| **byte == b'\n').count() as u64
            })
            .sum()
    }

    fn write_piece(&mut self, piece: &[u8], give_up: &dyn Fn() -> bool) -> bool {
        if self.is_torn && !self.write_all(b"\n", give_up) {
            return false;
        }
        self.write_all(piece, give_up) && self.flush()
    }

    fn write_all(&mut self, mut bytes: &[u8], give_up: &dyn Fn() -> bool) -> bool {
        while !bytes.is_empty() {
            // Foreign code: its panic must not end the thread.
            let written = catch_unwind(AssertUnwindSafe(|| self.inner.write(bytes)));
            match written {
                Ok(Ok(count)) if count > 0 => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    self.is_torn = !bytes.is_empty();
                }
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock && !give_up() => {
                    std::thread::sleep(AGAIN);
                }
                _ => return false,
            }
        }
        true
    }

    fn flush(&mut self) -> bool {
        matches!(
            catch_unwind(AssertUnwindSafe(|| self.inner.flush())),
            Ok(Ok(()))
        )
    }
}

/// Cuts at the ends of lines: as many as fit into one piece, at least one.
fn pieces(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let window = &lines[..lines.len().min(PIECE)];
        let last = window.iter().rposition(|byte| *byte == b'\n');
        let end = last.or_else(|| lines.iter().position(|byte| *byte == b'\n'));
        let (piece, rest) = lines.split_at(end.map_or(lines.len(), |end| end + 1));
        lines = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Standard error, without the lock that `eprintln!` and the panic handler share: a write that
/// blocks must not block those.
#[cfg(unix)]
pub(crate) fn stderr() -> Box<dyn Write + Send> {
    use std::os::fd::AsFd;

    let own = std::io::stderr().as_fd().try_clone_to_owned();
    match own {
        Ok(own) => Box::new(std::fs::File::from(own)),
        Err(_) => Box::new(std::io::stderr()),
    }
}

/// Standard error.
#[cfg(not(unix))]
pub(crate) fn stderr() -> Box<dyn Write + Send> {
    Box::new(std::io::stderr())
}
