//! The list of traces: one row each, newest first.

use std::sync::Arc;

use campanile_otlp_receiver::{Span, TraceId};
use campanile_semconv::attribute as a;
use serde_json::{Value, json};

use crate::app::App;
use crate::facts;
use crate::filter::{Filter, SpanSubject};
use crate::question::{Question, Range};
use crate::tree::{Tree, by_trace};
use crate::views;
use crate::words::{self, Sentence, Verdict};

/// Rows of one answer: with names as long as they come, under 100 KiB.
const ROWS: usize = 300;
const LONGEST_NAME: usize = 120;

pub(crate) const COLUMNS: [&str; 10] =
    ["id", "t", "c", "m", "name", "d", "split", "n", "err", "st"];

/// A trace in the list, before its row is worth computing.
struct Candidate<'a> {
    id: TraceId,
    start: f64,
    spans: Vec<&'a Arc<Span>>,
}

impl Candidate<'_> {
    fn errors(&self) -> usize {
        self.spans.iter().filter(|span| facts::failed(span)).count()
    }

    fn length(&self) -> f64 {
        let root = self.spans.iter().find(|span| span.is_root());
        let end = self
            .spans
            .iter()
            .map(|span| span.end_unix_nano)
            .max()
            .unwrap_or(0);
        root.map_or(facts::ms(end) - self.start, |root| facts::duration_ms(root))
    }

    fn row(&self) -> Value {
        let spans = self.spans.iter().map(|span| Arc::clone(span)).collect();
        Tree::build(spans).map_or(Value::Null, |tree| row(self.id, &tree, self.errors()))
    }
}

pub(super) fn body(app: &App, question: &Question) -> Value {
    let spans = app.receiver.spans();
    let filter = views::filter(app, question);
    let range = question.range();
    let mut found = select(&spans, &range, &filter);
    match question.sort.as_str() {
        "dur" => found.sort_by(|a, b| b.length().total_cmp(&a.length())),
        "err" => found.sort_by_key(|trace| std::cmp::Reverse(trace.errors())),
        _ => found.sort_by(|a, b| b.start.total_cmp(&a.start)),
    }
    let total = found.len();
    let failed = found.iter().filter(|trace| trace.errors() > 0).count();
    if let Ok(before) = question.before.parse::<f64>() {
        found.retain(|trace| trace.start < before);
    }
    let all = found.len();
    found.truncate(ROWS);
    let rows = views::fit(
        found
            .iter()
            .map(Candidate::row)
            .filter(|row| !row.is_null()),
        88 * 1024,
    );
    // Only the order of time has pages: by length or errors, the first rows are what one asks for.
    let older = (rows.len() < all && question.sort.is_empty())
        .then(|| rows.last().map(|row| row[1].to_string()))
        .flatten();
    json!({
        "verdict": verdict(total, failed, &filter, question),
        "filter": views::filter_report(&filter, total, |without| select(&spans, &range, without).len()),
        "total": total,
        "classes": legend(&rows),
        "cols": COLUMNS,
        "rows": rows,
        "older": older,
    })
}

/// The rows of the traces that `changed` spans belong to, if they match. At most `most`, the newest.
pub(crate) fn changed(app: &App, question: &Question, since: u64, most: usize) -> Vec<Value> {
    let spans = app.receiver.spans();
    let touched: std::collections::HashSet<TraceId> = app
        .receiver
        .spans_since(since)
        .iter()
        .map(|span| span.trace_id)
        .collect();
    let of_touched: Vec<_> = spans
        .into_iter()
        .filter(|span| touched.contains(&span.trace_id))
        .collect();
    let filter = Filter::parse(question.filter_text());
    let mut found = select(&of_touched, &question.range(), &filter);
    found.sort_by(|a, b| b.start.total_cmp(&a.start));
    found.truncate(most);
    found
        .iter()
        .map(Candidate::row)
        .filter(|row| !row.is_null())
        .collect()
}

fn select<'a>(spans: &'a [Arc<Span>], range: &Range, filter: &Filter) -> Vec<Candidate<'a>> {
    let traces = by_trace(spans).into_iter().map(|(id, spans)| {
        let root = spans.iter().find(|span| span.is_root());
        let first = root.or_else(|| spans.iter().min_by_key(|span| span.start_unix_nano));
        Candidate {
            id,
            start: first.map_or(0.0, |span| facts::start_ms(span)),
            spans,
        }
    });
    let matching = |trace: &Candidate<'_>| {
        range.has(trace.start)
            && filter.matches_any(trace.spans.iter().map(|span| SpanSubject::new(span)))
    };
    traces.filter(matching).collect()
}

fn row(id: TraceId, tree: &Tree, errors: usize) -> Value {
    let Some(root) = tree.root_span() else {
        return Value::Null;
    };
    let (method, name) = title(root);
    let length = if root.is_root() {
        facts::duration_ms(root)
    } else {
        tree.total
    };
    let split: Vec<_> = tree
        .split()
        .into_iter()
        .take(4)
        .map(|(class, share)| json!([class, words::round(share)]))
        .collect();
    let status = facts::text(root, a::HTTP_RESPONSE_STATUS_CODE).or_else(|| facts::failure(root));
    json!([
        id.to_string(),
        words::round(facts::start_ms(root)),
        tree.rows[tree.root].class,
        method,
        words::cut(&name, LONGEST_NAME),
        words::round(length),
        split,
        tree.rows.iter().filter(|row| row.span.is_some()).count(),
        errors,
        status.map(|status| words::cut(&status, 24)),
    ])
}

/// The method and the rest of a span's title. A request is named by its route, anything else by its name.
pub(crate) fn title(span: &Span) -> (&str, String) {
    let (method, route) = facts::route(span);
    if route.is_empty() || !facts::is_request(span) {
        ("", span.name.clone())
    } else {
        (method, route.to_owned())
    }
}

fn legend(rows: &[Value]) -> Vec<Value> {
    let mut classes: Vec<&str> = Vec::new();
    for part in rows.iter().filter_map(|row| row[6].as_array()).flatten() {
        let class = part[0].as_str().unwrap_or_default();
        if !class.is_empty() && !classes.contains(&class) {
            classes.push(class);
        }
    }
    classes
        .into_iter()
        .filter(|class| matches!(*class, "db" | "cache" | "ws" | "auth" | "chat" | "voice"))
        .map(|class| json!([class, class]))
        .collect()
}

fn verdict(total: usize, failed: usize, filter: &Filter, question: &Question) -> Verdict {
    let (count, failures) = (total as u64, failed as u64);
    let what = words::plural(count, "trace", "traces");
    let verb = match (filter.is_empty(), total) {
        (true, 1) => "is held",
        (true, _) => "are held",
        (false, 1) => "matches",
        (false, _) => "match",
    };
    let one = Sentence::new(format!("{what} {verb}"));
    let one = match failures {
        0 => one.then(". None failed."),
        1 if total == 1 => one.then(". ").em("It failed."),
        1 => one.then(", ").em("1 of them failed.".to_owned()),
        _ => one
            .then(", ")
            .em(format!("{} of them failed.", words::count(failures))),
    };
    let one = if total == 0 {
        Sentence::new("No trace in this time.")
    } else {
        one
    };
    let order = match question.sort.as_str() {
        "dur" => "Longest first.",
        "err" => "Most errors first.",
        _ => "Newest first.",
    };
    Verdict {
        rule: "traces",
        one,
        two: Sentence::new(format!(
            "{order} Length is logarithmic, 1\u{a0}ms to 4\u{a0}s. "
        )),
    }
}
