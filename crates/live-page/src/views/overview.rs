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
    let groups = groups(&requests, &range, app);
    let other = spans
        .iter()
        .filter(in_time)
        .filter(|span| !facts::is_request(span))
        .count();
    let hot = rows
        .iter()
        .find(|row| question.route == row.key())
        .or_else(|| rows.iter().find(|row| !row.requests.is_empty()));
    let map = hot.and_then(|row| latency::map(row, &range));
    let share = hot
        .zip(map.as_ref())
        .and_then(|(row, map)| latency::share(row, map, question));
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
        "routes": { "src": source, "more": more, "rows": rows.iter().map(|row| row.json(&range)).collect::<Vec<_>>() },
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
    target: f64,
}

impl Group {
    pub(super) fn is_failing(&self) -> bool {
        is_failing(self.errors as u64, self.requests.len() as u64)
    }

    pub(super) fn is_slow(&self) -> bool {
        self.percentiles.p95.is_some_and(|p95| p95 > self.target)
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
            (true, _) => ["err", "failing"],
            (_, true) => ["err", "slow"],
            _ => ["ok", "on target"],
        };
        json!({
            "name": words::cut(&self.name, 60), "c": self.class, "st": status, "n": count, "slow": self.is_slow(),
            "rate": words::round(count as f64 / range.seconds()),
            "err": words::round(self.errors as f64 / count.max(1) as f64 * 100.0) / 100.0,
            "p50": self.percentiles.p50.map(words::round), "p95": self.percentiles.p95.map(words::round),
            "v": &seen[..], "e": &errors[..],
        })
    }
}

/// Failing is 1 % and at least three, so that one unlucky request does not speak for a route.
pub(super) fn is_failing(errors: u64, requests: u64) -> bool {
    errors >= 3 && errors * 100 >= requests
}

fn groups(requests: &[Request], range: &Range, app: &App) -> Groups {
    let declared = requests
        .iter()
        .any(|request| facts::domain(&request.span).is_some());
    let mut rows: Vec<Group> = Vec::new();
    for request in requests.iter().filter(|request| range.has(request.start)) {
        let name = match (declared, facts::domain(&request.span)) {
            (true, Some(domain)) => domain,
            (true, None) => continue,
            (false, _) => request.span.resource.service_name(),
        };
        if name.is_empty() {
            continue;
        }
        let (method, route) = facts::route(&request.span);
        let target = app.targets.of(method, route);
        match rows.iter_mut().find(|group| group.name == name) {
            Some(group) => {
                group.requests.push(request.clone());
                group.errors += usize::from(request.failed);
                group.target = group.target.max(target);
            }
            None => rows.push(Group {
                name: name.to_owned(),
                class: facts::class_of(name),
                requests: vec![request.clone()],
                percentiles: stats::Percentiles::default(),
                errors: usize::from(request.failed),
                target,
            }),
        }
    }
    for group in &mut rows {
        let mut lengths: Vec<f64> = group
            .requests
            .iter()
            .map(|request| request.length)
            .collect();
        group.percentiles = stats::exact(&mut lengths);
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Groups {
        by: if declared {
            "campanile.domain"
        } else {
            "service.name"
        },
        rows,
    }
}
