//! The client: from one connection to the next.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use campanile_semconv::header::WS_RESUME;
use futures_core::{FusedStream, Stream};
use futures_util::StreamExt;
use http::{HeaderName, HeaderValue, Request};
use opentelemetry::Context;
use tokio::time::{Instant, Sleep, sleep};
use tokio_tungstenite::tungstenite::Message;

use super::attempt::{Dialled, Dialling, Over, Place, dial};
use super::builder::{Prepare, ReconnectingBuilder};
use super::contract::{Contract, Known};
use super::counts::Counts;
use super::link::{Link, Step};
use super::pace::Pace;
use super::{Attached, Detached, Ended, Event, State, Unsent, Why};
use crate::client::Connector;
use crate::endpoint::Series;
use crate::resume::Rung;
use crate::resume::wire::Asked;
use crate::{Cause, Sessions};

/// A connection that lasts this long has held: what comes next begins with short waits again.
const HELD: Duration = Duration::from_secs(5);

/// A WebSocket client that comes back. See the [module](super).
///
/// ```no_run
/// # async fn run(sessions: campanile_ws::Sessions) -> Result<(), Box<dyn std::error::Error>> {
/// use campanile_ws::Reconnecting;
/// use campanile_ws::reconnect::Event;
///
/// let url = "ws://127.0.0.1:9000/live";
/// let mut live = Reconnecting::builder(&sessions, url).endpoint("upstream").open()?;
/// while let Some(event) = live.next().await {
///     match event {
///         Event::Attached(attached) if attached.must_load() => { /* load the state anew */ }
///         Event::Message(message) => { /* each once */ }
///         Event::Detached(detached) => println!("back in {:?}", detached.retry_in),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a client does nothing unless it is polled"]
pub struct Reconnecting {
    connector: Connector,
    request: Request<()>,
    prepare: Option<Prepare>,
    context: Context,
    connect_timeout: Duration,
    max_queue: usize,
    attempts: Option<u32>,
    give_up_after: Option<Duration>,
    pace: Pace,
    counts: Counts,
    phase: Phase,
    queue: VecDeque<Message>,
    known: Option<Known>,
    /// Why the last connection ended.
    cause: Option<Cause>,
    /// When the server was last heard.
    heard: Option<Instant>,
    /// Since when there is no connection.
    away: Option<Instant>,
    /// Attempts that failed in a row.
    failed: u32,
    place: Place,
}

enum Phase {
    Begin,
    Waiting(Pin<Box<Sleep>>),
    Dialling { attempt: Dialling, claimed: bool },
    Attached(Box<Link>),
    Ended,
}

impl Reconnecting {
    /// Sets up a client of `url` (`ws://`, or `wss://` with a TLS feature of tokio-tungstenite),
    /// which reports to `sessions`.
    pub fn builder(sessions: &Sessions, url: impl Into<String>) -> ReconnectingBuilder {
        ReconnectingBuilder::new(sessions, url.into())
    }

    pub(super) fn new(
        builder: ReconnectingBuilder,
        request: Request<()>,
        connector: Connector,
        series: Arc<Series>,
    ) -> Self {
        Self {
            connector,
            request,
            prepare: builder.prepare,
            context: Context::current(),
            connect_timeout: builder.connect_timeout,
            max_queue: builder.queue.max(1),
            attempts: builder.attempts,
            give_up_after: builder.give_up_after,
            pace: Pace::new(builder.backoff, builder.random),
            counts: Counts::new(series),
            phase: Phase::Begin,
            queue: VecDeque::new(),
            known: None,
            cause: None,
            heard: None,
            away: None,
            failed: 0,
            place: Place::default(),
        }
    }

    /// Waits for what happens next; `None` when the client has ended.
    ///
    /// Cancelling is safe: nothing is lost. A message that is returned here counts as handed over,
    /// and is acknowledged while the client is polled again.
    pub async fn next(&mut self) -> Option<Event> {
        StreamExt::next(self).await
    }

    /// Whether there is a connection now, as far as is known.
    pub fn is_attached(&self) -> bool {
        matches!(self.phase, Phase::Attached(_))
    }

    /// Sends text or bytes: at once, or when there is a connection again. It is not sent again when
    /// the connection is lost on the way.
    ///
    /// Cancelling is safe: the message is taken before the first wait, which only lasts while the
    /// socket takes nothing.
    ///
    /// # Errors
    /// There is no connection and the queue is full, the client has ended, or the message is
    /// neither text nor bytes. The error has the message.
    pub async fn send(&mut self, message: Message) -> Result<(), Unsent> {
        if !message.is_text() && !message.is_binary() {
            return Err(Unsent::new(Why::NotData, message));
        }
        if matches!(self.phase, Phase::Ended) {
            return Err(Unsent::new(Why::Ended, message));
        }
        if self.queue.len() >= self.max_queue {
            // What waits goes first, if it can.
            poll_fn(|task| self.poll_write(task)).await;
            if self.queue.len() >= self.max_queue {
                return Err(Unsent::new(Why::Full, message));
            }
        }
        self.queue.push_back(message);
        poll_fn(|task| self.poll_write(task)).await;
        Ok(())
    }

    /// Writes what waits. What fails shows when the client is polled for its events.
    fn poll_write(&mut self, task: &mut Task<'_>) -> Poll<()> {
        match &mut self.phase {
            Phase::Attached(link) => link.write(&mut self.queue, task).map(drop),
            _ => Poll::Ready(()),
        }
    }

    /// Sends what waits, ends the session with code 1000, and waits for the answer for a second at
    /// most. The server does not keep the session.
    pub async fn close(mut self) {
        if let Phase::Attached(link) = std::mem::replace(&mut self.phase, Phase::Ended) {
            link.close(&mut self.queue).await;
            self.counts.closed();
        }
    }

    fn dial(&mut self) {
        let mut request = self.request.clone();
        if let Some(prepare) = &self.prepare {
            prepare(&mut request);
        }
        let claim = self.known.as_ref().and_then(Known::claim);
        let asked = claim.map_or(Asked::New, |(token, seq)| Asked::Resume { token, seq });
        if let Ok(mut value) = HeaderValue::from_str(&asked.to_string()) {
            value.set_sensitive(true);
            let name = HeaderName::from_static(WS_RESUME);
            request.headers_mut().insert(name, value);
        }
        self.phase = Phase::Dialling {
            claimed: claim.is_some(),
            attempt: dial(
                self.connector.clone(),
                request,
                self.context.clone(),
                self.place.clone(),
                self.connect_timeout,
            ),
        };
    }

    /// There is a connection.
    fn attach(&mut self, dialled: Dialled) -> Event {
        let now = Instant::now();
        let Dialled { session, welcome } = dialled;
        self.place.take(&session);
        let before = self.known.take();
        let (contract, attached) = match welcome {
            Some(welcome) => {
                if let Some(retry) = welcome.retry {
                    self.pace.told(retry);
                }
                let (contract, attached) = Contract::welcomed(before.as_ref(), welcome, now);
                (Some(contract), attached)
            }
            None => (
                None,
                Attached {
                    sid: None,
                    state: State::Plain,
                    rung: None,
                },
            ),
        };
        let claimed = before.as_ref().and_then(Known::claim).is_some();
        if claimed {
            let rung = attached.rung.unwrap_or(Rung::UnknownSession);
            self.counts.attempted(rung, self.cause);
        }
        if contract.is_some() {
            let gap = self.heard.map(|heard| (now - heard).as_secs_f64());
            let replayed = match attached.state {
                State::Replayed { messages } => messages,
                _ => 0,
            };
            self.counts.attached(attached.rung, gap, replayed);
        } else {
            self.counts.plain();
        }
        self.away = None;
        self.phase = Phase::Attached(Box::new(Link::new(session, contract, now)));
        Event::Attached(attached)
    }

    /// The connection was lost.
    fn lost(&mut self, over: Over) -> Event {
        if let Phase::Attached(link) = std::mem::replace(&mut self.phase, Phase::Ended) {
            self.heard = Some(link.heard);
            if link.since.elapsed() >= HELD {
                self.pace.reset();
                self.failed = 0;
            }
            self.known = link.into_known();
        }
        self.cause = Some(over.cause);
        self.away(over)
    }

    /// An attempt failed.
    fn failed(&mut self, over: Over, claimed: bool) -> Event {
        if claimed {
            self.counts.attempted(over.rung, self.cause);
        }
        self.failed = self.failed.saturating_add(1);
        self.away(over)
    }

    /// There is no connection: wait for the next attempt, or stop.
    fn away(&mut self, over: Over) -> Event {
        if let Some(ended) = over.ended {
            return self.end(ended);
        }
        self.counts.lost();
        if over.is_poisoned
            && let Some(known) = &mut self.known
        {
            known.forget();
        }
        if let Some(after) = over.after {
            self.pace.not_before(after);
        }
        let away = *self.away.get_or_insert_with(Instant::now);
        let wait = self.pace.wait();
        let is_late = self
            .give_up_after
            .is_some_and(|limit| away.elapsed() + wait >= limit);
        if is_late || self.attempts.is_some_and(|most| self.failed >= most) {
            return self.end(Ended::GaveUp);
        }
        self.phase = Phase::Waiting(Box::pin(sleep(wait)));
        Event::Detached(Detached {
            cause: over.cause,
            attempt: self.failed,
            retry_in: wait,
        })
    }

    fn end(&mut self, ended: Ended) -> Event {
        self.phase = Phase::Ended;
        self.counts.stopped(&ended);
        Event::Ended(ended)
    }
}

impl Stream for Reconnecting {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        loop {
            let event = match &mut this.phase {
                Phase::Begin => {
                    this.dial();
                    continue;
                }
                Phase::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(task));
                    this.dial();
                    continue;
                }
                Phase::Dialling { attempt, claimed } => {
                    let claimed = *claimed;
                    match ready!(attempt.as_mut().poll(task)) {
                        Ok(dialled) => this.attach(dialled),
                        Err(over) => this.failed(over, claimed),
                    }
                }
                Phase::Attached(link) => match ready!(link.poll(&mut this.queue, task)) {
                    Step::Message(message) => Event::Message(message),
                    Step::Over(over) => this.lost(over),
                },
                Phase::Ended => return Poll::Ready(None),
            };
            return Poll::Ready(Some(event));
        }
    }
}

impl FusedStream for Reconnecting {
    fn is_terminated(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Begin => "begin",
            Phase::Waiting(_) => "waiting",
            Phase::Dialling { .. } => "dialling",
            Phase::Attached(_) => "attached",
            Phase::Ended => "ended",
        };
        f.debug_struct("Reconnecting")
            .field("phase", &phase)
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}
