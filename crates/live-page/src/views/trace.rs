//! One trace: its rows, its critical path, and everything known about one of its spans.

mod detail;

use std::sync::Arc;

use campanile_otlp_receiver::{LogRecord, Span, SpanId, TraceId};
use campanile_semconv::attribute as a;
use serde_json::{Value, json};

pub(crate) use self::detail::{pairs, span};
use crate::app::App;
use crate::facts;
use crate::filter::{Filter, SpanSubject};
use crate::question::Question;
use crate::tree::Tree;
use crate::views;
use crate::words::{self, Sentence, Verdict};

/// Rows of one answer. With names cut, they stay under 100 KiB.
const ROWS: usize = 500;
const LONGEST_NAME: usize = 80;
/// Marks of one kind on a bar.
const MARKS: usize = 20;

const COLUMNS: [&str; 16] = [
    "id", "d", "name", "c", "svc", "at", "len", "self", "cp", "gaps", "ev", "logs", "links", "err",
    "hit", "lost",
];

pub(super) fn body(app: &App, question: &Question) -> Value {
    let Ok(id) = question.id.parse::<TraceId>() else {
        let one = Sentence::new("This is not a trace id.");
        return json!({ "verdict": Verdict { rule: "trace_bad_id", one, two: Sentence::new("A trace id is 32 hexadecimal digits.") }, "logs": 0 });
    };
    let all = app.receiver.spans();
    let logs = logs_of(app, id);
    let spans = all
        .iter()
        .filter(|span| span.trace_id == id)
        .cloned()
        .collect();
    let Some(tree) = Tree::build(spans) else {
        return missing(app, logs.len());
    };
    let find = Filter::parse(question.find_text());
    let pointing: Vec<SpanId> = all
        .iter()
        .flat_map(|span| &span.links)
        .filter(|link| link.trace_id == id)
        .map(|link| link.span_id)
        .collect();
    let service = tree
        .root_span()
        .map(|root| root.resource.service_name().to_owned())
        .unwrap_or_default();
    let rows =
        (0..tree.rows.len().min(ROWS)).map(|at| row(&tree, at, &service, &logs, &pointing, &find));
    let rows = views::fit(rows, 88 * 1024);
    let longest = (0..rows.len())
        .filter(|&at| tree.rows[at].span.is_some())
        .max_by(|&a, &b| {
            tree.rows[a]
                .critical_ms()
                .total_cmp(&tree.rows[b].critical_ms())
        });
    json!({
        "verdict": verdict(app, &tree, rows.len()),
        "cols": COLUMNS,
        "spans": rows,
        "count": tree.rows.len(),
        "total": words::round(tree.total),
        "path": shares(&tree),
        "first": longest.map(|at| tree.rows[at].id.to_string()),
        "logs": logs.len(),
    })
}

fn logs_of(app: &App, id: TraceId) -> Vec<Arc<LogRecord>> {
    let mut logs = app.receiver.logs();
    logs.retain(|log| log.trace_id == Some(id));
    logs.sort_by(|a, b| facts::log_ms(a).total_cmp(&facts::log_ms(b)));
    logs
}

/// Counts spans and records of a trace that came after `since`.
pub(crate) fn changed(app: &App, id: &str, since: u64) -> usize {
    let Ok(id) = id.parse::<TraceId>() else {
        return 0;
    };
    let spans = app
        .receiver
        .spans_since(since)
        .iter()
        .filter(|span| span.trace_id == id)
        .count();
    spans
        + app
            .receiver
            .logs_since(since)
            .iter()
            .filter(|log| log.trace_id == Some(id))
            .count()
}

fn missing(app: &App, logs: usize) -> Value {
    let held = app.receiver.held();
    let evicted = held.evicted(campanile_otlp_receiver::Signal::Traces);
    let one = Sentence::new("This trace is not here.");
    let two = if evicted > 0 {
        let since = held
            .oldest
            .and_then(|oldest| oldest.duration_since(std::time::UNIX_EPOCH).ok());
        let two = Sentence::new(format!(
            "{} left to make room for newer ones, and it may be among them; or it was never seen, and may not have been sampled.",
            words::plural(evicted, "span", "spans")
        ));
        match since {
            Some(since) => two
                .then(" Held since ")
                .time(since.as_secs_f64() * 1000.0)
                .then("."),
            None => two,
        }
    } else {
        Sentence::new(
            "It was never seen; it may not have been sampled, or its spans are still on their way: batches leave every few seconds. It appears here by itself.",
        )
    };
    json!({ "verdict": Verdict { rule: "trace_missing", one, two }, "logs": logs })
}

fn row(
    tree: &Tree,
    at: usize,
    service: &str,
    logs: &[Arc<LogRecord>],
    pointing: &[SpanId],
    find: &Filter,
) -> Value {
    let row = &tree.rows[at];
    let stretches = |list: &[(f64, f64)]| {
        list.iter()
            .take(MARKS)
            .map(|(from, length)| [words::round(*from), words::round(*length)])
            .collect::<Vec<_>>()
    };
    let Some(span) = &row.span else {
        return json!([
            row.id.to_string(),
            row.depth,
            "missing parent",
            row.class,
            "",
            words::round(row.at),
            0,
            0,
            [],
            [],
            [],
            [],
            0,
            null,
            false,
            true
        ]);
    };
    let events: Vec<_> = span
        .events
        .iter()
        .take(MARKS)
        .map(|event| words::round(facts::ms(event.time_unix_nano) - tree.start))
        .collect();
    let lines: Vec<_> = logs
        .iter()
        .filter(|log| log.span_id == Some(row.id))
        .take(MARKS)
        .map(|log| words::round(facts::log_ms(log) - tree.start))
        .collect();
    let own = span.resource.service_name();
    json!([
        row.id.to_string(),
        row.depth,
        words::cut(&span.name, LONGEST_NAME),
        row.class,
        if own == service {
            String::new()
        } else {
            words::cut(own, 40)
        },
        words::round(row.at),
        words::round(row.length),
        words::round(tree.self_ms(at)),
        stretches(&row.critical),
        stretches(&tree.gaps(at)),
        events,
        lines,
        span.links.len() + pointing.iter().filter(|id| **id == row.id).count(),
        facts::failure(span).map(|word| words::cut(&word, 40)),
        !find.is_empty()
            && find.matches(&SpanSubject {
                span,
                searches: true
            }),
        false,
    ])
}

/// The critical path by what it was spent on: span names, largest first, the rest together.
fn shares(tree: &Tree) -> Vec<Value> {
    let mut sums: Vec<(&'static str, String, f64)> = Vec::new();
    for row in &tree.rows {
        let (Some(span), spent) = (&row.span, row.critical_ms()) else {
            continue;
        };
        match sums
            .iter_mut()
            .find(|(class, name, _)| *class == row.class && *name == span.name)
        {
            Some((.., sum)) => *sum += spent,
            None if spent > 0.0 => sums.push((row.class, span.name.clone(), spent)),
            None => {}
        }
    }
    let total: f64 = sums.iter().map(|(.., sum)| sum).sum();
    sums.sort_by(|a, b| b.2.total_cmp(&a.2));
    let rest: f64 = sums.iter().skip(6).map(|(.., sum)| sum).sum();
    sums.truncate(6);
    if rest > 0.0 {
        sums.push(("", "others".to_owned(), rest));
    }
    sums.into_iter()
        .map(|(class, name, sum)| {
            json!([
                class,
                words::cut(&name, 48),
                words::round(sum / total.max(1e-9))
            ])
        })
        .collect()
}

fn verdict(app: &App, tree: &Tree, drawn: usize) -> Verdict {
    let Some(root) = tree.root_span() else {
        return Verdict::default();
    };
    let length = facts::duration_ms(root);
    let title = words::cut(&root.name, 60);
    let longest = tree
        .rows
        .iter()
        .enumerate()
        .filter(|(at, row)| *at != tree.root && row.span.is_some())
        .max_by(|a, b| a.1.critical_ms().total_cmp(&b.1.critical_ms()));
    let noun = if facts::is_request(root) {
        "request"
    } else {
        "operation"
    };
    let (rule, one) = match (facts::failure(root), longest) {
        (Some(word), _) => {
            let word = words::cut(&word, 48);
            let how = if word.chars().all(|digit| digit.is_ascii_digit()) {
                format!(" with {word}")
            } else {
                format!(": {word}")
            };
            (
                "trace_failed",
                Sentence::wrong(format!("This {noun} failed"))
                    .then(format!(" after {}{how}.", words::duration(length))),
            )
        }
        (None, Some((_, row))) if length > 0.0 && row.critical_ms() >= 0.3 * length => {
            let name = row
                .span
                .as_ref()
                .map(|span| spent(span))
                .unwrap_or_default();
            let (method, route) = facts::route(root);
            let spent = words::duration(row.critical_ms());
            // Healthy is quiet: the colour is for what took longer than it should.
            let one = if length > app.targets.of(method, route) {
                Sentence::wrong(spent)
            } else {
                Sentence::new(spent)
            };
            let rest = format!(
                " of this {} {noun} was spent {name}.",
                words::duration(length)
            );
            ("trace_spent", one.then(rest))
        }
        _ => (
            "trace_plain",
            Sentence::new(format!("{title} took {}.", words::duration(length))),
        ),
    };
    let services: std::collections::BTreeSet<&str> = tree
        .rows
        .iter()
        .filter_map(|row| row.span.as_ref())
        .map(|span| span.resource.service_name())
        .collect();
    let spans = tree.rows.iter().filter(|row| row.span.is_some()).count() as u64;
    let errors = tree
        .rows
        .iter()
        .filter(|row| row.span.as_ref().is_some_and(|span| facts::failed(span)))
        .count() as u64;
    let mut two = Sentence::new(format!(
        "{title} on {} at ",
        words::cut(root.resource.service_name(), 40)
    ))
    .time(facts::start_ms(root));
    if let Some(status) = facts::text(root, a::HTTP_RESPONSE_STATUS_CODE) {
        two = two.then(format!(", answered {}", words::cut(&status, 12)));
    }
    two = two.then(format!(
        ". {}, {}",
        words::plural(spans, "span", "spans"),
        words::plural(services.len() as u64, "service", "services")
    ));
    if errors > 0 {
        two = two
            .then(", ")
            .failed(words::plural(errors, "error", "errors"));
    }
    two = two.then(". ");
    if tree.orphans > 0 {
        let names = if tree.orphans == 1 {
            "1 span names a parent".to_owned()
        } else {
            format!("{} spans name a parent", words::count(tree.orphans as u64))
        };
        two = two.warning(format!("{names} that never arrived."));
    }
    if tree.rows.len() > drawn {
        two = two.then(format!(
            " The first {} rows are drawn.",
            words::count(drawn as u64)
        ));
    }
    Verdict { rule, one, two }
}

/// How time in a span reads: waiting, querying, or just being in it.
pub(crate) fn spent(span: &Span) -> String {
    let name = words::cut(&span.name, 48);
    let lower = span.name.to_lowercase();
    if lower.contains("acquire") && (lower.contains("pool") || lower.contains("conn")) {
        "waiting for a database connection".to_owned()
    } else {
        format!("in {name}")
    }
}
