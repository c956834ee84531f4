//! Nodes that share a store, without a network.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ws::Message as Sent;
use axum::http::HeaderMap;
use axum::routing::any;
use axum::serve::Listener;
use campanile_semconv::metric::{self, Metric};
use campanile_ws::resume::store::{
    Adopted, Answer, Beat, Before, Claim, Claimed, End, MemoryStore, NodeId, Opened, Record, Save,
    Saved, SessionStore,
};
use campanile_ws::resume::{Keep, Key, Keys, Resume, Rung, StoreError};
use campanile_ws::{Outbox, OutboxLimits, Sessions, Upgrade};
use fastrand::Rng;
use tokio::io::DuplexStream;
use tokio::sync::{RwLock, RwLockWriteGuard, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::probe::Probe;

/// How long a session waits.
pub const WINDOW: Duration = Duration::from_secs(120);
/// How long a node that says nothing counts as alive.
const LEASE: Duration = Duration::from_secs(5);
/// How long a node may be unable to reach the store.
const LONGEST_OUTAGE: Duration = Duration::from_secs(18);
/// After so long all nodes have told what they could not during an outage.
const SETTLED: Duration = Duration::from_secs(12);
/// Messages that a session keeps.
pub const BUFFER: usize = 64;

/// A store that a node cannot reach during an outage, and a dead one not any more.
#[derive(Clone, Debug)]
struct Line {
    store: MemoryStore,
    is_cut: Arc<AtomicBool>,
}

impl Line {
    fn or_cut<'a, T: Send + 'a>(&'a self, answer: impl FnOnce() -> Answer<'a, T>) -> Answer<'a, T> {
        if self.is_cut.load(Ordering::Relaxed) {
            return Box::pin(std::future::ready(Err(StoreError::new("cut"))));
        }
        answer()
    }
}

impl SessionStore for Line {
    fn open<'a>(&'a self, record: &'a Record) -> Answer<'a, Opened> {
        self.or_cut(|| self.store.open(record))
    }

    fn save<'a>(&'a self, batch: &'a [Save]) -> Answer<'a, Vec<Saved>> {
        self.or_cut(|| self.store.save(batch))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.or_cut(|| self.store.claim(claim))
    }

    fn end(&self, end: End) -> Answer<'_, Option<Before>> {
        self.or_cut(|| self.store.end(end))
    }

    fn beat(&self, node: NodeId, now: u64, lease: u64) -> Answer<'_, Beat> {
        self.or_cut(|| self.store.beat(node, now, lease))
    }

    fn adopt(&self, node: NodeId, now: u64, max: usize) -> Answer<'_, Vec<Adopted>> {
        self.or_cut(|| self.store.adopt(node, now, max))
    }

    fn leave(&self, node: NodeId) -> Answer<'_, ()> {
        self.or_cut(|| self.store.leave(node))
    }
}

/// The server's end of connections that were dialled.
struct Door(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Door {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

struct Node {
    /// Which of the processes that stood in this place it is.
    incarnation: u64,
    door: mpsc::UnboundedSender<DuplexStream>,
    sessions: Sessions,
    probe: Probe,
    is_cut: Arc<AtomicBool>,
    /// Whether it may not have told all that it knows.
    is_unsure: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// Where a member's session has its queue.
#[derive(Clone)]
struct Home {
    incarnation: u64,
    outbox: Outbox<Sent>,
    is_unsure: Arc<AtomicBool>,
}

type Homes = Arc<Mutex<HashMap<u64, Home>>>;

pub struct Fleet {
    keep: Keep,
    /// The wall clock of all nodes, and when it said so.
    epoch: (SystemTime, Instant),
    store: MemoryStore,
    nodes: Mutex<Vec<Node>>,
    homes: Homes,
    /// What the probes of dead nodes had.
    buried: Mutex<Vec<Books>>,
    /// Members act while they hold it for reading.
    pub gate: RwLock<()>,
    /// Held by an outage, and by those that want none.
    weather: tokio::sync::Mutex<()>,
    /// When which nodes were cut off, and when all were back.
    pub outages: Mutex<Vec<(f64, usize)>>,
    /// What the members were told, by rung.
    told: Mutex<HashMap<String, i64>>,
}

/// The counters of a node that belong to the identity of sessions.
#[derive(Clone, Debug, Default)]
struct Books {
    detachments: i64,
    returns: i64,
    ends: HashMap<&'static str, i64>,
    attempts: HashMap<&'static str, i64>,
}

/// What a checkpoint found.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub attached: usize,
    pub detached: i64,
    pub detachments: i64,
    pub returns: i64,
    pub abandoned: i64,
    pub stored: usize,
    pub pending: i64,
    pub accepted: i64,
}

fn sum(probe: &Probe, metric: &'static Metric) -> i64 {
    probe.sum(metric, &[])
}

impl Books {
    fn of(probe: &Probe) -> Self {
        let attempts: HashMap<_, _> = Rung::ALL
            .into_iter()
            .map(|rung| {
                let with = format!("websocket.resume.result={}", rung.as_str());
                let count = probe.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &[&with]);
                (rung.as_str(), count)
            })
            .collect();
        let returns = Rung::ALL.into_iter().filter(|rung| rung.is_return());
        let ends = ["abandoned", "superseded", "revoked", "drain_lost"].map(|end| {
            let with = format!("websocket.session.end={end}");
            (end, probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[&with]))
        });
        Self {
            detachments: sum(probe, &metric::WEBSOCKET_SESSION_DETACHMENTS),
            returns: returns.map(|rung| attempts[rung.as_str()]).sum(),
            ends: ends.into(),
            attempts,
        }
    }
}

/// No member acts, and every node reaches the store. A node that dies during an outage takes what it
/// could not tell with it.
pub struct Calm<'a> {
    _still: RwLockWriteGuard<'a, ()>,
    _fair: tokio::sync::MutexGuard<'a, ()>,
}

impl Fleet {
    pub async fn start(keep: Keep, nodes: u64) -> Self {
        let fleet = Self {
            keep,
            epoch: (SystemTime::now(), Instant::now()),
            store: MemoryStore::new(),
            nodes: Mutex::default(),
            homes: Homes::default(),
            buried: Mutex::default(),
            gate: RwLock::new(()),
            weather: tokio::sync::Mutex::default(),
            outages: Mutex::default(),
            told: Mutex::default(),
        };
        let all = (0..nodes).map(|incarnation| fleet.node(incarnation));
        *fleet.nodes.lock().unwrap() = all.collect();
        fleet
    }

    fn node(&self, incarnation: u64) -> Node {
        let (epoch, began) = self.epoch;
        let is_cut = Arc::new(AtomicBool::new(false));
        let line = Line {
            store: self.store.clone(),
            is_cut: is_cut.clone(),
        };
        let keys = Keys::new(Key::new(1, [7; 32]).unwrap());
        let resume = Resume::new(keys)
            .window(WINDOW)
            .buffer(BUFFER, 64 * 1024, WINDOW)
            .keep(self.keep)
            .store(line)
            .clock(move || epoch + began.elapsed());
        let probe = Probe::new();
        let sessions = Sessions::builder(&probe.handle())
            .resume(resume)
            .spans_per_second(0)
            .build();
        let is_unsure = Arc::new(AtomicBool::new(false));
        let (homes, node_is_unsure) = (self.homes.clone(), is_unsure.clone());
        let live = move |headers: HeaderMap, upgrade: Upgrade| {
            let (homes, is_unsure) = (homes.clone(), node_is_unsure.clone());
            async move {
                let member: u64 = headers["member"].to_str().unwrap().parse().unwrap();
                let upgrade = upgrade.read_buffer_size(1024).write_buffer_size(0);
                let upgrade = upgrade.endpoint("live").principal(member.to_be_bytes());
                upgrade.on_session(async move |session| {
                    let mut session = session.with_outbox::<Sent>(OutboxLimits::default());
                    let outbox = session.outbox().clone();
                    let home = Home {
                        incarnation,
                        outbox,
                        is_unsure,
                    };
                    homes.lock().unwrap().insert(member, home);
                    while let Some(Ok(_)) = session.recv().await {}
                })
            }
        };
        let app = Router::new()
            .route("/", any(live))
            .with_state(sessions.clone());
        let (door, dialled) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move { axum::serve(Door(dialled), app).await.unwrap() });
        Node {
            incarnation,
            door,
            sessions,
            probe,
            is_cut,
            is_unsure,
            task,
        }
    }

    /// Connects to the node in this place; says which process it is.
    pub fn dial(&self, place: usize) -> (u64, DuplexStream) {
        let nodes = self.nodes.lock().unwrap();
        let (ours, theirs) = tokio::io::duplex(4096);
        nodes[place].door.send(theirs).unwrap();
        (nodes[place].incarnation, ours)
    }

    pub fn is_alive(&self, incarnation: u64) -> bool {
        let nodes = self.nodes.lock().unwrap();
        nodes.iter().any(|node| node.incarnation == incarnation)
    }

    /// Where to push for a member, and whether that node cannot reach the store, or could not a
    /// moment ago; unless it is dead.
    pub fn outbox(&self, member: u64) -> Option<(Outbox<Sent>, Arc<AtomicBool>)> {
        let homes = self.homes.lock().unwrap();
        let home = homes.get(&member)?;
        Some((home.outbox.clone(), home.is_unsure.clone()))
    }

    /// Which node a member's session is at, as far as is known there.
    pub fn home(&self, member: u64) -> Option<u64> {
        let homes = self.homes.lock().unwrap();
        homes.get(&member).map(|home| home.incarnation)
    }

    /// Seconds of virtual time.
    pub fn since_the_start(&self) -> f64 {
        self.epoch.1.elapsed().as_secs_f64()
    }

    pub fn forget(&self, member: u64) {
        self.homes.lock().unwrap().remove(&member);
    }

    /// A member that brought a token was told this state.
    pub fn told(&self, state: &str) {
        let mut told = self.told.lock().unwrap();
        *told.entry(state.to_owned()).or_default() += 1;
    }

    /// Again and again, some nodes or all of them cannot reach the store for a while.
    pub async fn outages(&self, mut rng: Rng) {
        loop {
            sleep(Duration::from_secs_f64(rng.f64() * 60.0)).await;
            let _turn = self.weather.lock().await;
            let which = rng.usize(1..8);
            let set = |flag: fn(&Node) -> &AtomicBool, to| {
                let nodes = self.nodes.lock().unwrap();
                let cut = nodes
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| which & 1 << i != 0);
                cut.for_each(|(_, node)| flag(node).store(to, Ordering::Relaxed));
            };
            set(|node| &node.is_unsure, true);
            set(|node| &node.is_cut, true);
            self.outages
                .lock()
                .unwrap()
                .push((self.since_the_start(), which));
            sleep(LONGEST_OUTAGE.mul_f64(rng.f64())).await;
            set(|node| &node.is_cut, false);
            self.outages
                .lock()
                .unwrap()
                .push((self.since_the_start(), 0));
            sleep(Duration::from_secs(1)).await;
            set(|node| &node.is_unsure, false);
        }
    }

    /// The node in this place is gone from one moment to the next, and a new one takes its place.
    /// Its clients notice when its lease is over and the others have taken its sessions on.
    pub async fn kill(&self, _: &Calm<'_>, place: usize) {
        let orphans = self.bury(place);
        // Each node takes on 256 a second.
        sleep(LEASE + Duration::from_secs(2) + Duration::from_secs(1) * orphans / 256).await;
    }

    /// Returns how many sessions the dead node had.
    fn bury(&self, place: usize) -> u32 {
        let mut nodes = self.nodes.lock().unwrap();
        let last = nodes.iter().map(|node| node.incarnation).max().unwrap();
        let dead = std::mem::replace(&mut nodes[place], self.node(last + 1));
        dead.is_cut.store(true, Ordering::Relaxed);
        dead.task.abort();
        self.buried.lock().unwrap().push(Books::of(&dead.probe));
        let mut homes = self.homes.lock().unwrap();
        homes.retain(|_, home| home.incarnation != dead.incarnation);
        u32::try_from(dead.sessions.open() + dead.sessions.detached()).unwrap()
    }

    fn books(&self) -> Vec<Books> {
        let mut books = self.buried.lock().unwrap().clone();
        let nodes = self.nodes.lock().unwrap();
        books.extend(nodes.iter().map(|node| Books::of(&node.probe)));
        books
    }

    /// Stops the world, and lets the nodes tell each other what they have to.
    pub async fn calm(&self) -> Calm<'_> {
        let calm = Calm {
            _still: self.gate.write().await,
            _fair: self.weather.lock().await,
        };
        sleep(SETTLED).await;
        calm
    }

    /// Does the sums.
    pub async fn checkpoint(&self, _: &Calm<'_>) -> State {
        let books = self.books();
        let nodes = self.nodes.lock().unwrap();
        let mut state = State {
            detachments: books.iter().map(|books| books.detachments).sum(),
            returns: books.iter().map(|books| books.returns).sum(),
            abandoned: books.iter().map(|books| books.ends["abandoned"]).sum(),
            stored: self.store.sessions(),
            ..State::default()
        };
        for node in nodes.iter() {
            let accepted = sum(&node.probe, &metric::WEBSOCKET_DELIVERY_ACCEPTED);
            let decided = sum(&node.probe, &metric::WEBSOCKET_DELIVERY_MESSAGES);
            let pending = sum(&node.probe, &metric::WEBSOCKET_DELIVERY_PENDING);
            assert_eq!(
                accepted,
                decided + pending,
                "messages of {}",
                node.incarnation
            );
            assert!(pending >= 0);
            state.accepted += accepted;
            state.pending += pending;
            state.attached += node.sessions.open();
            let detached = sum(&node.probe, &metric::WEBSOCKET_SESSION_DETACHED);
            assert_eq!(detached, i64::try_from(node.sessions.detached()).unwrap());
            state.detached += detached;
        }
        let ends: i64 = books.iter().flat_map(|books| books.ends.values()).sum();
        assert_eq!(
            state.detachments,
            state.returns + ends + state.detached,
            "{state:?} {books:?}"
        );
        state
    }

    /// Every attempt that a member made is counted once, under the name that it was told.
    pub fn assert_attempts(&self) {
        let mut counted = HashMap::<String, i64>::new();
        for books in self.books() {
            for (rung, count) in books.attempts {
                *counted.entry(rung.to_owned()).or_default() += count;
            }
        }
        counted.retain(|_, count| *count > 0);
        println!("{counted:?}");
        assert_eq!(counted, *self.told.lock().unwrap());
    }
}
