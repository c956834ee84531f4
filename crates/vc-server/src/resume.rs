//! How live connections that were lost are taken up again: with which key.

use campanile::ws::resume::{Key, Keys, Resume};

use crate::{Failure, Options};

/// The id of the key, should there ever be a second one to rotate to.
const KEY_ID: u8 = 1;

/// As the options say.
pub(crate) fn of(options: &Options) -> Result<Option<Resume>, Failure> {
    let Some(secret) = &options.resume_key else {
        return Ok(alone());
    };
    let key = Key::new(KEY_ID, secret.as_bytes());
    let key = key.map_err(|error| Failure::usage(format!("--resume-key: {error}")))?;
    Ok(Some(Resume::new(Keys::new(key))))
}

/// With a key that nobody else has: by this process, for as long as it lives. `None` where the
/// system has no random bytes to give.
pub(crate) fn alone() -> Option<Resume> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).ok()?;
    let key = Key::new(KEY_ID, secret).ok()?;
    Some(Resume::new(Keys::new(key)))
}
