//! How live connections that were lost are taken up again: with which key, and on which nodes.

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
    let resume = Resume::new(Keys::new(key));
    #[cfg(feature = "redis")]
    let resume = shared(resume, options)?;
    Ok(Some(resume))
}

/// On every node that keeps its sessions in the same Redis.
#[cfg(feature = "redis")]
fn shared(resume: Resume, options: &Options) -> Result<Resume, Failure> {
    use campanile::ws::resume::Keep;
    use campanile::ws::resume::store::RedisStore;

    let Some(url) = &options.redis else {
        return Ok(resume);
    };
    let store = RedisStore::connect(url);
    let store = store.map_err(|error| Failure::usage(format!("--redis: {error}")))?;
    Ok(resume.store(store).keep(Keep::Always))
}

/// With a key that nobody else has: by this process, for as long as it lives. `None` where the
/// system has no random bytes to give.
pub(crate) fn alone() -> Option<Resume> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).ok()?;
    let key = Key::new(KEY_ID, secret).ok()?;
    Some(Resume::new(Keys::new(key)))
}
