//! The store of several nodes: one Redis, or what speaks its protocol and runs its scripts.
//!
//! Each step is a Lua script, so that it is atomic; the scripts compute the names of some keys, so
//! this is for a single Redis and its replicas, not for Redis Cluster. Every key has a time to
//! live: should all nodes vanish, nothing stays.
//!
//! | key, after the prefix | content |
//! | --- | --- |
//! | `s:<sid>` | hash: the record |
//! | `r:<sid>` | list: its messages, in order |
//! | `n:<node>` | set: the sessions that the node holds |
//! | `i:<node>` | list: what the node is told at its next beat |
//! | `e:<sid>` | the last generation of a session that has ended within five minutes |
//! | `nodes` | sorted set: until when each node's lease lasts, by Redis's clock |
//! | `owners` | set: the nodes that hold sessions |
//!
//! Leases are judged by Redis's clock alone, so clocks of nodes that are seconds apart do not make
//! a living node look gone.

mod codec;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, FromRedisValue, Pipeline, Script, ScriptInvocation, Value, cmd};

use super::{
    Adopted, Answer, Beat, Before, Claim, Claimed, End, NodeId, Opened, Record, Save, Saved,
    SessionStore, StoreError,
};

/// How much of a batch goes to Redis at once: what comes behind it waits no longer than it takes.
const CHUNK: usize = 1024 * 1024;

/// Sessions in Redis. Cheap to clone; clones share one connection.
///
/// Connects when it is first used, and again by itself when the connection is lost. While Redis is
/// away every call fails at once, or when its time is over: sessions go on without it.
///
/// ```
/// use campanile_ws::resume::store::RedisStore;
///
/// let store = RedisStore::connect("redis://127.0.0.1:6379")?.prefix("shop:");
/// # Ok::<(), campanile_ws::resume::StoreError>(())
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    client: Client,
    connection: OnceLock<ConnectionManager>,
    scripts: Arc<Scripts>,
    prefix: String,
    timeout: Duration,
    life: Duration,
}

struct Scripts {
    open: Script,
    save: Script,
    save_text: String,
    claim: Script,
    end: Script,
    beat: Script,
    adopt: Script,
    leave: Script,
}

/// A script behind what all of them begin with.
macro_rules! script {
    ($name:literal) => {
        concat!(
            include_str!("redis/common.lua"),
            include_str!(concat!("redis/", $name))
        )
    };
}

impl RedisStore {
    /// How long a session that waits for its client stays after its window, so that whoever holds
    /// it can count its end.
    const GRACE: Duration = Duration::from_secs(5 * 60);

    /// A store at `redis://[user:password@]host[:port][/database]`, or `unix:` and a path. Asks
    /// nobody yet.
    ///
    /// # Errors
    /// The URL cannot be read.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(StoreError::new)?;
        let scripts = Scripts {
            open: Script::new(script!("open.lua")),
            save: Script::new(script!("save.lua")),
            save_text: script!("save.lua").to_owned(),
            claim: Script::new(script!("claim.lua")),
            end: Script::new(script!("end.lua")),
            beat: Script::new(script!("beat.lua")),
            adopt: Script::new(script!("adopt.lua")),
            leave: Script::new(script!("leave.lua")),
        };
        Ok(Self(Arc::new(Inner {
            client,
            connection: OnceLock::new(),
            scripts: Arc::new(scripts),
            prefix: "campanile:1:".to_owned(),
            timeout: Duration::from_millis(500),
            life: Duration::from_secs(24 * 60 * 60),
        })))
    }

    /// What the names of keys begin with: one for each service that shares a Redis. Default:
    /// `campanile:1:`.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|inner| inner.prefix = prefix.into())
    }

    /// How long Redis has to answer; twice that for a claim, as a client waits for it either way.
    /// Default: 500 ms.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.timeout = timeout)
    }

    /// How long a session stays that nobody writes of any more, because all nodes are gone.
    /// Default: 24 h, as long as a token lives.
    pub fn life(self, life: Duration) -> Self {
        self.with(|inner| inner.life = life)
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        inner.connection = OnceLock::new();
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

impl Inner {
    /// The connection, made in the runtime of the first caller.
    fn connection(&self) -> Result<ConnectionManager, StoreError> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection.clone());
        }
        // One attempt for each call: the next one comes soon enough.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(1024);
        let made = ConnectionManager::new_lazy_with_config(self.client.clone(), config);
        let made = made.map_err(StoreError::new)?;
        Ok(self.connection.get_or_init(|| made).clone())
    }

    fn prepare<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.arg(&self.prefix)
            .arg(millis(self.life))
            .arg(millis(RedisStore::GRACE));
        call
    }

    async fn call<T: FromRedisValue>(
        &self,
        call: ScriptInvocation<'_>,
        timeout: Duration,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection()?;
        bounded(timeout, call.invoke_async(&mut connection)).await
    }

    async fn save(&self, batch: &[Save]) -> Result<Vec<Saved>, StoreError> {
        let mut saved = Vec::with_capacity(batch.len());
        for chunk in chunks(batch) {
            let mut pipeline = Pipeline::with_capacity(chunk.len() + 1);
            let text = &self.scripts.save_text;
            pipeline.cmd("SCRIPT").arg("LOAD").arg(text).ignore();
            for save in chunk {
                let mut call = cmd("EVALSHA");
                call.arg(self.scripts.save.get_hash()).arg(0);
                call.arg(&self.prefix)
                    .arg(millis(self.life))
                    .arg(millis(RedisStore::GRACE));
                codec::write_save(&mut call, save);
                pipeline.add_command(call);
            }
            let mut connection = self.connection()?;
            let answers = pipeline.query_async::<Vec<bool>>(&mut connection);
            let answers = bounded(self.timeout, answers).await?;
            saved.extend(answers.into_iter().map(is_kept));
        }
        Ok(saved)
    }
}

/// A batch in parts of at most [`CHUNK`] bytes, or of one.
fn chunks(mut batch: &[Save]) -> impl Iterator<Item = &[Save]> {
    std::iter::from_fn(move || {
        let mut size = 0;
        let fits = |save: &&Save| {
            let payload = save.entries.iter().map(|entry| entry.payload.len() + 32);
            size += 256 + payload.sum::<usize>();
            size <= CHUNK
        };
        let count = batch.iter().take_while(fits).count().max(1);
        let (chunk, rest) = batch.split_at_checked(count)?;
        batch = rest;
        Some(chunk)
    })
}

async fn bounded<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, redis::RedisError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(timeout, call).await {
        Ok(answer) => answer.map_err(StoreError::new),
        Err(_) => Err(StoreError::new("redis did not answer in time")),
    }
}

fn is_kept(kept: bool) -> Saved {
    if kept { Saved::Kept } else { Saved::Fenced }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl SessionStore for RedisStore {
    fn open<'a>(&'a self, record: &'a Record) -> Answer<'a, Opened> {
        Box::pin(async move {
            let mut call = self.0.prepare(&self.0.scripts.open);
            codec::write_record(&mut call, record);
            let answer: String = self.0.call(call, self.0.timeout).await?;
            Ok(match answer.as_str() {
                "later" => Opened::Later,
                "elsewhere" => Opened::Elsewhere,
                before => Opened::Kept(codec::read_before(before)?),
            })
        })
    }

    fn save<'a>(&'a self, batch: &'a [Save]) -> Answer<'a, Vec<Saved>> {
        Box::pin(self.0.save(batch))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move {
            let mut call = self.0.prepare(&self.0.scripts.claim);
            call.arg(codec::sid(claim.sid))
                .arg(claim.generation)
                .arg(codec::node(claim.node))
                .arg(claim.now)
                .arg(claim.force);
            let answer: Value = self.0.call(call, self.0.timeout * 2).await?;
            codec::read_claimed(claim.sid, answer)
        })
    }

    fn end(&self, end: End) -> Answer<'_, Option<Before>> {
        Box::pin(async move {
            let mut call = self.0.prepare(&self.0.scripts.end);
            call.arg(codec::sid(end.sid)).arg(end.generation);
            call.arg(codec::node(end.node)).arg(end.closes);
            let answer: Option<String> = self.0.call(call, self.0.timeout).await?;
            answer.map(|before| codec::read_before(&before)).transpose()
        })
    }

    fn beat(&self, node: NodeId, _now: u64, lease: u64) -> Answer<'_, Beat> {
        Box::pin(async move {
            let mut call = self.0.prepare(&self.0.scripts.beat);
            call.arg(codec::node(node)).arg(lease);
            let answer = self.0.call(call, self.0.timeout).await?;
            let (lapsed, notes): (bool, Vec<String>) = answer;
            let notes = notes.iter().filter_map(|note| codec::read_note(note));
            let notes = notes.collect();
            Ok(Beat { notes, lapsed })
        })
    }

    fn adopt(&self, node: NodeId, _now: u64, max: usize) -> Answer<'_, Vec<Adopted>> {
        Box::pin(async move {
            let mut call = self.0.prepare(&self.0.scripts.adopt);
            call.arg(codec::node(node)).arg(max);
            let orphans: Vec<Value> = self.0.call(call, self.0.timeout * 2).await?;
            Ok(orphans
                .into_iter()
                .filter_map(codec::read_adopted)
                .collect())
        })
    }

    fn leave(&self, node: NodeId) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut call = self.0.prepare(&self.0.scripts.leave);
            call.arg(codec::node(node));
            self.0.call(call, self.0.timeout).await
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may have a password in it.
        f.debug_struct("RedisStore")
            .field("prefix", &self.0.prefix)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}
