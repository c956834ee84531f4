//! The overview: rate, errors and duration by route, the worst region of the slowest one, and one sentence about it.

mod latency;
mod red;
mod sentence;

use std::collections::HashSet;
use std::sync::Arc;

use campanile_otlp_receiver::Span;
use campanile_semconv::metric;
use serde_json::{Value, json};

use self::red::Row;
use crate::app::App;
use crate::facts;
use crate::filter::{Filter, SpanSubject};
use crate::question::{Question, Range};
use crate::stats;
use crate::views;
use crate::words;

/// Points of a sparkline.
const BINS: usize = 60;
/// Routes that are shown; the rest is counted.
const ROUTES: usize = 60;
const GROUPS: usize = 8;

/// A request, with what every part of the overview asks about it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) span: Arc<Span>,
    pub(super) start: f64,
    pub(super) length: f64,
    pub(super) failed: bool,
}

impl Request {
    fn of(span: &Arc<Span>) -> Self {
        Self {
            span: Arc::clone(span),
            start: facts::start_ms(span),
            length: facts::duration_ms(span),
            failed: facts::failed(span),
        }
    }
}

pub(super) fn body(app: &App, question: &Question) -> Value {
    let filter = views::filter(app, question);
    let asked = question.range();
    let spans = app.receiver.spans();
    let in_time = |span: &&Arc<Span>| asked.has(facts::start_ms(span));
    let requests: Vec<_> = select(&spans, &asked, &filter);
    let mut metrics = app.receiver.metrics();
    metrics.retain(|metric| metric.name() == metric::HTTP_SERVER_REQUEST_DURATION.name);
    let oldest = spans
        .iter()
        .filter(in_time)
        .map(|span| facts::start_ms(span))
        .reduce(f64::min);
    let range = asked.shrunk_to(oldest.or_else(|| red::oldest(&metrics, &asked)));
    // A filter speaks of spans; a histogram cannot be asked it.
    let counted = if filter.is_empty() {
        red::counted(&metrics, &asked)
    } else {
        Vec::new()
    };
    let mut rows = red::rows(&requests, counted, &range, &app.targets);
    let groups = groups(&requests, &rows, &range);
    let other = spans
        .iter()
        .filter(in_time)
        .filter(|span| !facts::is_request(span))
        .count();
    let hot = rows
        .iter()
        .find(|row| question.route == row.key())
        .or_else(|| rows.iter().find(|row| !row.requests.is_empty()));
    let map = hot.and_then(|row| latency::map(row, &range, &question.region));
    let share = hot
        .zip(map.as_ref())
        .and_then(|(row, map)| latency::share(row, map));
    let verdict = sentence::verdict(&sentence::Evidence {
        rows: &rows,
        groups: &groups,
        range: &range,
        spans: &spans,
        other,
        app,
        question,
    });
    let source = source(&rows);
    let more = rows.len().saturating_sub(ROUTES);
    rows.truncate(ROUTES);
    json!({
        "verdict": verdict,
        "filter": views::filter_report(&filter, rows.len(), |without| select(&spans, &asked, without).len()),
        "t0": range.from.round(), "t1": range.to.round(),
        "groups": { "by": groups.by, "rows": groups.rows.iter().take(GROUPS).map(|group| group.json(&range)).collect::<Vec<_>>() },
        "heat": map.as_ref().map(latency::Map::json),
        "share": share,
        "routes": { "src": source, "more": more, "rows": views::fit(rows.iter().map(|row| row.json(&range)), 56 * 1024) },
        "other": other,
    })
}

fn select(spans: &[Arc<Span>], range: &Range, filter: &Filter) -> Vec<Request> {
    let requests = spans
        .iter()
        .filter(|span| facts::is_request(span) && range.has(facts::start_ms(span)));
    requests
        .filter(|span| filter.matches(&SpanSubject::new(span)))
        .map(Request::of)
        .collect()
}

fn source(rows: &[Row]) -> &'static str {
    let sources: HashSet<bool> = rows.iter().map(|row| row.estimated).collect();
    match (sources.contains(&true), sources.contains(&false)) {
        (true, false) => "estimates from http.server.request.duration",
        (true, true) => "from spans and http.server.request.duration",
        _ => "from spans",
    }
}

/// Requests by the part of the application they belong to, or by service where no part is declared.
pub(super) struct Groups {
    pub(super) by: &'static str,
    pub(super) rows: Vec<Group>,
}

pub(super) struct Group {
    pub(super) name: String,
    class: &'static str,
    pub(super) requests: Vec<Request>,
    percentiles: stats::Percentiles,
    pub(super) errors: usize,
    /// Whether one of its routes takes longer than its target.
    over: bool,
    /// Whether one of its routes fails.
    failing: bool,
}

impl Group {
    fn new(name: String, first: Request) -> Self {
        Self {
            class: facts::class_of(&name),
            name,
            requests: vec![first],
            percentiles: stats::Percentiles::default(),
            errors: 0,
            over: false,
            failing: false,
        }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing || is_failing(self.errors as u64, self.requests.len() as u64)
    }

    pub(super) fn is_slow(&self) -> bool {
        self.over
    }

    fn json(&self, range: &Range) -> Value {
        let (mut seen, mut errors) = ([0u32; BINS], [0u32; BINS]);
        for request in &self.requests {
            if let Some(bin) = range.bin(request.start, BINS) {
                seen[bin] += 1;
                errors[bin] += u32::from(request.failed);
            }
        }
        let count = self.requests.len();
        let status = match (self.is_failing(), self.is_slow()) {
            // As in the sentence: a few failures among many slow requests are a consequence.
            (true, over) if !over || self.errors * 20 >= count => ["err", "failing"],
            (_, true) => ["err", "slow"],
            _ => ["ok", "on target"],
        };
        json!({
            "name": words::cut(&self.name, 60), "c": self.class, "st": status, "n": count,
            "rate": words::round(count as f64 / range.seconds()),
            "err": words::round(self.errors as f64 / count.max(1) as f64 * 100.0) / 100.0,
            "p50": self.percentiles.p50.map(words::round), "p95": self.percentiles.p95.map(words::round),
            // The last part of a moving range is not over yet: it would read as a fall.
            "v": &seen[..BINS - usize::from(range.moves)], "e": &errors[..BINS - usize::from(range.moves)],
        })
    }
}

/// Failing is 1 % and at least three, so that one unlucky request does not speak for a route.
pub(super) fn is_failing(errors: u64, requests: u64) -> bool {
    errors >= 3 && errors.saturating_mul(100) >= requests
}

fn groups(requests: &[Request], routes: &[Row], range: &Range) -> Groups {
    let declared = requests
        .iter()
        .any(|request| facts::domain(&request.span).is_some());
    let name_of = |request: &Request| {
        let name = match declared {
            true => facts::domain(&request.span),
            false => Some(request.span.resource.service_name()),
        };
        name.filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let mut rows: Vec<Group> = Vec::new();
    for request in requests.iter().filter(|request| range.has(request.start)) {
        let Some(name) = name_of(request) else {
            continue;
        };
        match rows.iter_mut().find(|group| group.name == name) {
            Some(group) => group.requests.push(request.clone()),
            None => rows.push(Group::new(name, request.clone())),
        }
    }
    for group in &mut rows {
        let mut lengths: Vec<_> = group.requests.iter().map(|one| one.length).collect();
        group.percentiles = stats::exact(&mut lengths);
        group.errors = group.requests.iter().filter(|one| one.failed).count();
        let has = |row: &Row| {
            let last = row.requests.last().and_then(name_of);
            last.as_deref() == Some(group.name.as_str())
        };
        for row in routes.iter().filter(|row| has(row)) {
            group.over |= row.over_target().is_some();
            group.failing |= row.is_failing();
        }
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let by = if declared {
        "campanile.domain"
    } else {
        "service.name"
    };
    Groups { by, rows }
}
