//! What all handlers share: the receiver, targets, and answers that are still fresh.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use campanile_otlp_receiver::{Receiver, Signal};
use serde_json::{Map, Value, json};

use crate::question::{Question, now_ms};
use crate::{Onward, facts, views};

/// Answers older than this are computed anew even when nothing arrived: the window moves on.
const MOVES_AFTER: Duration = Duration::from_secs(5);
/// Answers younger than this are shared, whatever arrived.
const SHARED_FOR: Duration = Duration::from_millis(200);
/// Answers kept at most; far more than 8 pages ask for.
const KEPT: usize = 64;

pub(crate) type Provider = Arc<dyn Fn() -> Vec<Onward> + Send + Sync>;

pub(crate) struct App {
    pub(crate) receiver: Receiver,
    pub(crate) targets: Targets,
    pub(crate) onward: Option<(String, Provider)>,
    /// Pages that are connected.
    pub(crate) pages: AtomicUsize,
    /// Rows that slow pages were not told one by one.
    pub(crate) skipped: AtomicU64,
    /// Distinguishes this run from another one whose sequence numbers a page may remember.
    pub(crate) epoch: String,
    answers: Mutex<HashMap<Question, Answer>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("receiver", &self.receiver)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Answer {
    at: Instant,
    seq: u64,
    cost: Duration,
    body: Arc<Map<String, Value>>,
}

/// How long requests may take.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    pub(crate) default: Duration,
    pub(crate) routes: HashMap<String, Duration>,
}

impl Targets {
    /// The target of a route in milliseconds.
    pub(crate) fn of(&self, method: &str, route: &str) -> f64 {
        let named = self.routes.get(&format!("{method} {route}"));
        named
            .or_else(|| self.routes.get(route))
            .unwrap_or(&self.default)
            .as_secs_f64()
            * 1000.0
    }
}

impl App {
    pub(crate) fn new(
        receiver: Receiver,
        targets: Targets,
        onward: Option<(String, Provider)>,
    ) -> Self {
        Self {
            receiver,
            targets,
            onward,
            pages: AtomicUsize::new(0),
            skipped: AtomicU64::new(0),
            epoch: format!("e{:x}", now_ms() as u64),
            answers: Mutex::new(HashMap::new()),
        }
    }

    /// Answers a question from what is held, or from the same answer given a moment ago.
    pub(crate) fn answer(&self, question: &Question) -> Arc<Map<String, Value>> {
        let key = Question {
            cursor: String::new(),
            ..question.clone()
        };
        let seq = self.receiver.held().last_seq;
        let fresh = |answer: &Answer| {
            let age = answer.at.elapsed();
            // A costly answer is shared longer, so that asking never takes more than a tenth of a core.
            age < SHARED_FOR.max(answer.cost * 10)
                || (answer.seq == seq && age < MOVES_AFTER && key.view != "pipeline")
        };
        let known = self
            .answers()
            .get(&key)
            .filter(|answer| fresh(answer))
            .map(|answer| Arc::clone(&answer.body));
        if let Some(body) = known {
            return body;
        }
        let begun = Instant::now();
        let body = Arc::new(views::body(self, &key));
        let mut answers = self.answers();
        if answers.len() >= KEPT {
            answers.retain(|_, answer| fresh(answer));
        }
        if answers.len() < KEPT {
            answers.insert(
                key,
                Answer {
                    at: begun,
                    seq,
                    cost: begun.elapsed(),
                    body: Arc::clone(&body),
                },
            );
        }
        body
    }

    /// Everything a page needs to draw a view for the first time.
    pub(crate) fn snapshot(&self, question: &Question) -> Value {
        // Read before the answer, so that the stream repeats an item rather than misses one.
        let mut whole = self.envelope();
        let body = self.answer(question);
        whole.extend(body.iter().map(|(key, value)| (key.clone(), value.clone())));
        Value::Object(whole)
    }

    /// What stands around every answer: when, up to where, and what is held.
    pub(crate) fn envelope(&self) -> Map<String, Value> {
        let mut whole = Map::new();
        whole.insert("v".to_owned(), json!(1));
        whole.insert("now".to_owned(), json!(now_ms().round()));
        whole.insert(
            "cursor".to_owned(),
            json!(self.cursor(self.receiver.held().last_seq)),
        );
        whole.insert("kept".to_owned(), self.kept());
        whole
    }

    pub(crate) fn cursor(&self, seq: u64) -> String {
        format!("{}.{seq}", self.epoch)
    }

    /// The sequence number of a cursor of this run.
    pub(crate) fn seq(&self, cursor: &str) -> Option<u64> {
        cursor
            .strip_prefix(self.epoch.as_str())?
            .strip_prefix('.')?
            .parse()
            .ok()
    }

    fn kept(&self) -> Value {
        let held = self.receiver.held();
        let traffic = self.receiver.traffic();
        let total = traffic.total();
        let evicted: u64 = Signal::ALL.iter().map(|&signal| held.evicted(signal)).sum();
        let badges = self.answer(&Question {
            view: "badges".to_owned(),
            ..Question::default()
        });
        json!({
            "arrived": total.items,
            "since": held.oldest.and_then(|oldest| oldest.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_millis() as u64),
            "spans": held.spans,
            "bytes": held.bytes,
            "max": held.max_bytes,
            "evicted": evicted,
            "refused": total.refused_items + total.refused_requests + traffic.unknown_requests,
            "connections": traffic.connections,
            "grpc": self.receiver.grpc_endpoint(),
            "http": self.receiver.http_endpoint(),
            "badges": *badges,
        })
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<Question, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts error lines and connections that broke, for the rail.
    pub(crate) fn badges(&self, question: &Question) -> Map<String, Value> {
        let range = question.range();
        let errors = self
            .receiver
            .logs()
            .iter()
            .filter(|log| log.severity_number >= 17 && range.has(facts::log_ms(log)))
            .count();
        let broken = self
            .receiver
            .spans()
            .iter()
            .filter(|span| views::ws::is_broken(span) && range.has(facts::start_ms(span)))
            .count();
        let mut badges = Map::new();
        if errors > 0 {
            badges.insert("logs".to_owned(), json!(["err", errors]));
        }
        if broken > 0 {
            badges.insert("ws".to_owned(), json!(["warn", broken]));
        }
        badges
    }

    pub(crate) fn count_skipped(&self, rows: u64) {
        self.skipped.fetch_add(rows, Ordering::Relaxed);
    }
}
