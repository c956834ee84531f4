//! `--check`: would this configuration work?
//!
//! It listens nowhere for longer than a moment, and creates nothing that stays.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use crate::serve::{self, Destination};
use crate::{Failure, Options, resume};

/// Says on standard output what would be used.
///
/// # Errors
/// On the first thing that would not work.
pub async fn check(options: &Options) -> Result<(), Failure> {
    let telemetry = serve::telemetry().check();
    let telemetry =
        telemetry.map_err(|error| Failure::new(format!("telemetry would be off: {error}")))?;
    drop(resume::of(options)?);
    drop(serve::listen(options.listen, "--listen").await?);
    if Destination::from_environment() == Destination::Embedded {
        serve::embed(options).await?.receiver.shutdown().await;
    }
    if let Some(path) = &options.database {
        writable(path).map_err(|error| serve::database_failure(path, &error))?;
    }
    serve::say(&format!("configuration is fine; telemetry: {telemetry}"));
    Ok(())
}

/// Whether a database could be kept at `path`.
fn writable(path: &Path) -> io::Result<()> {
    if path.exists() {
        return OpenOptions::new().append(true).open(path).map(drop);
    }
    // SQLite also writes beside its file, so the directory has to be writable.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let probe = path.with_file_name(format!("{name}.{:08x}.probe", fastrand::u32(..)));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)?;
    std::fs::remove_file(probe)
}
