//! The stream of one page: small frames, a few a second, and never a queue that grows.
//!
//! Nothing is queued for a page. A task per page holds a cursor into what the receiver stored; when the page is ready
//! for a frame, the frame is made from what came since. A page that reads slowly is asked less often, and once more than
//! 256 KiB of rows have gathered it is told of a gap instead. Totals are computed when they are sent, so it is always the
//! latest that travels.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use futures_core::Stream;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::guard::refuse;
use crate::question::Question;
use crate::views::{logs, traces};

/// Pages connected at once.
pub(crate) const MOST_PAGES: usize = 8;
/// At most 4 frames a second, whatever arrives.
const BETWEEN_ROWS: Duration = Duration::from_millis(250);
/// Totals are computed anew at most once a second.
const BETWEEN_TOTALS: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(15);
const FRAME_ROWS: usize = 200;
const FRAME_BYTES: usize = 64 * 1024;
const BEHIND_BYTES: usize = 256 * 1024;

/// Counts a page for as long as it is connected.
struct Seat(Arc<App>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.pages.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a stream, or says why there is none.
pub(crate) fn open(app: &Arc<App>, question: Question, headers: &HeaderMap) -> Response<Body> {
    let taken = app
        .pages
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |pages| {
            (pages < MOST_PAGES).then_some(pages + 1)
        });
    if taken.is_err() {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "{MOST_PAGES} pages are live already: close one, and this one follows by itself\n"
            ),
        );
    }
    let seat = Seat(Arc::clone(app));
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let cursor = last.unwrap_or(&question.cursor).to_owned();
    // Two frames may wait here; the next one is made when there is room.
    let (frames, wait) = mpsc::channel(2);
    tokio::spawn(run(seat, question, cursor, frames));
    let mut response = Response::new(Body::from_stream(Frames(wait)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Frames as a body.
struct Frames(mpsc::Receiver<String>);

impl Stream for Frames {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_recv(context)
            .map(|frame| frame.map(|frame| Ok(Bytes::from(frame))))
    }
}

/// What there is to tell since a cursor.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) frames: Vec<String>,
    pub(crate) cursor: u64,
}

async fn run(seat: Seat, question: Question, cursor: String, frames: mpsc::Sender<String>) {
    let app = Arc::clone(&seat.0);
    let mut changes = app.receiver.changes();
    let hello = app.hello();
    if frames.send(hello).await.is_err() {
        return;
    }
    let mut cursor = match app.resume(&cursor) {
        Ok(seq) => seq,
        Err(gap) => {
            if frames.send(gap).await.is_err() {
                return;
            }
            app.receiver.held().last_seq
        }
    };
    let mut next = Instant::now();
    let mut totals = Instant::now() + BETWEEN_TOTALS;
    let mut beat = Instant::now() + HEARTBEAT;
    let mut owed = false;
    let mut behind = cursor < app.receiver.held().last_seq;
    loop {
        // What came while the last frame was made is not waited for: `changed` returns at once.
        tokio::select! {
            () = frames.closed() => return,
            () = std::future::ready(()), if behind => {}
            _ = changed(&mut changes) => {}
            // Totals follow what came since the last ones; without any, the window moves on slowly.
            () = sleep_until(beat.min(if owed { totals } else { totals + BETWEEN_TOTALS * 4 })) => {}
        }
        tokio::select! {
            () = frames.closed() => return,
            () = sleep_until(next) => {}
        }
        let with_totals = Instant::now() >= totals;
        let (shared, asked) = (Arc::clone(&app), question.clone());
        // Aggregates over all that is held take a while: not on a thread that others wait for.
        let made = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            (shared.news(&asked, cursor, with_totals), begun.elapsed())
        });
        let Ok((news, cost)) = made.await else { return };
        behind = false;
        owed = !with_totals && (owed || news.cursor > cursor);
        cursor = news.cursor;
        let told = !news.frames.is_empty();
        for frame in news.frames {
            if frames.send(frame).await.is_err() {
                return;
            }
        }
        let now = Instant::now();
        next = now + BETWEEN_ROWS.max(cost * 4);
        if with_totals {
            totals = now + BETWEEN_TOTALS.max(cost * 10);
        }
        if told {
            beat = now + HEARTBEAT;
        } else if now >= beat {
            beat = now + HEARTBEAT;
            if frames.send(": still here\n\n".to_owned()).await.is_err() {
                return;
            }
        }
    }
}

/// Waits for something new; once the receiver is gone nothing new will come, and the heartbeat goes on.
async fn changed(changes: &mut campanile_otlp_receiver::Changes) {
    if changes.changed().await.is_none() {
        std::future::pending::<()>().await;
    }
}

impl App {
    /// The first event of every stream: where it stands and what is held.
    fn hello(&self) -> String {
        let mut whole = self.envelope();
        let kept = whole.get("kept").cloned().unwrap_or_default();
        whole.insert(
            "held".to_owned(),
            json!({ "since": kept["since"], "spans": kept["spans"], "bytes": kept["bytes"] }),
        );
        event("hello", None, &Value::Object(whole))
    }

    /// Reads where a page stands, or tells it what it missed.
    pub(crate) fn resume(&self, cursor: &str) -> Result<u64, String> {
        let held = self.receiver.held();
        let last = held.last_seq;
        let gap = |from: &str, rows: u64, why: &str| {
            event(
                "gap",
                None,
                &json!({ "from": from, "to": self.cursor(last), "rows": rows, "why": why }),
            )
        };
        if cursor.is_empty() {
            return Ok(last);
        }
        let Some(seq) = self.seq(cursor).filter(|seq| *seq <= last) else {
            return Err(gap(&crate::words::cut(cursor, 60), 0, "restarted"));
        };
        let first = self
            .receiver
            .spans()
            .first()
            .map(|span| span.seq)
            .into_iter()
            .chain(self.receiver.logs().first().map(|log| log.seq))
            .min();
        match first {
            Some(first)
                if first > seq + 1 && last > seq && held.oldest.is_some() && self.has_evicted() =>
            {
                Err(gap(cursor, first - seq - 1, "evicted"))
            }
            _ => Ok(seq),
        }
    }

    fn has_evicted(&self) -> bool {
        let held = self.receiver.held();
        campanile_otlp_receiver::Signal::ALL
            .iter()
            .any(|&signal| held.evicted(signal) > 0)
    }

    /// Makes the frames for a page that has seen everything up to `since`.
    pub(crate) fn news(&self, question: &Question, since: u64, with_totals: bool) -> News {
        // Read first: what is stored meanwhile is told twice rather than never.
        let last = self.receiver.held().last_seq;
        let mut frames = Vec::new();
        let (rows, left_out) = match question.view.as_str() {
            "traces" => (traces::changed(self, question, since, BEHIND_BYTES / 64), 0),
            "logs" => logs::changed(self, question, since, BEHIND_BYTES / 64),
            _ => (Vec::new(), 0),
        };
        let columns: &[&str] = if question.view == "logs" {
            &logs::COLUMNS
        } else {
            &traces::COLUMNS
        };
        let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
        let bytes: usize = rows.iter().map(|row| row.len() + 1).sum();
        if bytes > BEHIND_BYTES || left_out > 0 {
            let missed = (rows.len() + left_out) as u64;
            self.count_skipped(missed);
            let (from, to) = (self.cursor(since), self.cursor(last));
            frames.push(event(
                "gap",
                Some(&to),
                &json!({ "from": from, "to": to, "rows": missed, "why": "client_slow" }),
            ));
            return News {
                frames,
                cursor: last,
            };
        }
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let (mut taken, mut bytes) = (0, 0);
            while taken < rest.len().min(FRAME_ROWS)
                && (taken == 0 || bytes + rest[taken].len() < FRAME_BYTES - 8192)
            {
                bytes += rest[taken].len() + 1;
                taken += 1;
            }
            let (now, later) = rest.split_at(taken);
            rest = later;
            frames.push(self.frame(
                question,
                Some((columns, now)),
                with_totals && later.is_empty(),
                last,
                since,
            ));
        }
        if frames.is_empty() && (with_totals || last > since) {
            frames.push(self.frame(question, None, with_totals, last, since));
        }
        News {
            frames,
            cursor: last,
        }
    }

    fn frame(
        &self,
        question: &Question,
        rows: Option<(&[&str], &[String])>,
        with_totals: bool,
        last: u64,
        since: u64,
    ) -> String {
        let mut whole = self.envelope();
        let range = question.range();
        whole.insert(
            "w".to_owned(),
            json!([range.from.round(), range.to.round()]),
        );
        let cursor = self.cursor(last);
        whole.insert("cursor".to_owned(), json!(cursor));
        if let Some((columns, _)) = rows {
            whole.insert("cols".to_owned(), json!(columns));
            whole.insert("drop".to_owned(), json!([]));
        }
        if question.view == "trace" {
            let changed = if last > since {
                crate::views::trace::changed(self, &question.id, since)
            } else {
                0
            };
            whole.insert("agg".to_owned(), json!({ "changed": changed }));
        } else if with_totals {
            whole.insert("agg".to_owned(), Value::Object(self.totals(question)));
        }
        let mut data = Value::Object(whole).to_string();
        if let Some((_, rows)) = rows {
            // The rows are text already.
            data.truncate(data.len() - 1);
            data.push_str(",\"add\":[");
            data.push_str(&rows.join(","));
            data.push_str("]}");
        }
        format!("id: {cursor}\nevent: d\ndata: {data}\n\n")
    }

    /// A view without its rows.
    fn totals(&self, question: &Question) -> Map<String, Value> {
        let mut totals = (*self.answer(question)).clone();
        for rows in ["cols", "rows", "older", "line"] {
            totals.remove(rows);
        }
        totals
    }
}

fn event(name: &str, id: Option<&str>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n")
}
