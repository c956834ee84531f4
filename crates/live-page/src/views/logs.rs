//! Log lines: newest first, each with its trace.

use std::sync::Arc;

use campanile_otlp_receiver::{LogRecord, Value as Otlp};
use serde_json::{Value, json};

use crate::address;
use crate::app::App;
use crate::facts;
use crate::filter::{Filter, LogSubject};
use crate::question::{Question, Range};
use crate::views;
use crate::words::{self, Sentence, Verdict};

const ROWS: usize = 250;
const BINS: usize = 72;
const LONGEST: usize = 200;
const LONGEST_FULL: usize = 64 * 1024;

pub(crate) const COLUMNS: [&str; 9] = [
    "seq", "t", "level", "c", "domain", "event", "msg", "trace", "span",
];

pub(super) fn body(app: &App, question: &Question) -> Value {
    let logs = app.receiver.logs();
    let filter = views::filter(app, question);
    let line: Option<u64> = question.line.parse().ok();
    let asked = question.range();
    let oldest = logs
        .iter()
        .map(|log| facts::log_ms(log))
        .filter(|at| asked.has(*at))
        .fold(None, |least: Option<f64>, at| {
            Some(least.map_or(at, |least| least.min(at)))
        });
    let range = asked.shrunk_to(oldest);
    let mut found = select(&logs, &asked, &filter);
    found.sort_by(|a, b| {
        facts::log_ms(b)
            .total_cmp(&facts::log_ms(a))
            .then(b.seq.cmp(&a.seq))
    });
    let total = found.len();
    let rank = |log: &LogRecord| match log.severity_number {
        17.. => 2,
        13..=16 => 1,
        _ => 0,
    };
    let mut bins = vec![[0u32; 3]; BINS];
    let mut counts = [0u64; 3];
    let mut domains: Vec<String> = Vec::new();
    for log in &found {
        counts[rank(log)] += 1;
        if let Some(bin) = range.bin(facts::log_ms(log), BINS) {
            bins[bin][rank(log)] += 1;
        }
        if let Some(domain) = facts::log_domain(log).filter(|_| domains.len() < 8) {
            let domain = words::cut(domain, 40);
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
    }
    domains.sort();
    let verdict = verdict(&found, counts, question);
    let marked = line
        .and_then(|line| logs.iter().find(|log| log.seq == line))
        .map(|log| full(log));
    // A linked line is shown with what surrounds it: newer lines stay, as long as they fit.
    let mut rows: Vec<_> = match question.before.parse::<u64>() {
        Ok(before) => found
            .into_iter()
            .skip_while(|log| log.seq != before)
            .skip(1)
            .collect(),
        Err(_) => found,
    };
    if let Some(place) = line.and_then(|line| rows.iter().position(|log| log.seq == line)) {
        let from = place.saturating_sub(ROWS / 2);
        rows.drain(..from);
    }
    let all = rows.len();
    rows.truncate(ROWS);
    let shown = views::fit(rows.iter().map(|log| row(log)), 72 * 1024);
    let older = (shown.len() < all)
        .then(|| rows.get(shown.len().checked_sub(1)?))
        .flatten()
        .map(|log| log.seq.to_string());
    json!({
        "verdict": verdict,
        "filter": views::filter_report(&filter, total, |without| select(&logs, &asked, without).len()),
        "total": total,
        "errors": counts[2], "warnings": counts[1],
        "hist": bins, "t0": range.from.round(), "t1": range.to.round(),
        "every": words::duration(range.seconds() * 1000.0 / BINS as f64),
        "domains": domains.iter().map(|domain| json!([domain, facts::class_of(domain)])).collect::<Vec<_>>(),
        "line": marked,
        "cols": COLUMNS,
        "rows": shown,
        "older": older,
    })
}

/// The rows of matching records that came after `since`.
pub(crate) fn changed(
    app: &App,
    question: &Question,
    since: u64,
    most: usize,
) -> (Vec<Value>, usize) {
    let logs = app.receiver.logs_since(since);
    let filter = Filter::parse(question.filter_text());
    let found = select(&logs, &question.range(), &filter);
    let skipped = found.len().saturating_sub(most);
    (found.into_iter().skip(skipped).map(row).collect(), skipped)
}

fn select<'a>(logs: &'a [Arc<LogRecord>], range: &Range, filter: &Filter) -> Vec<&'a LogRecord> {
    let logs = logs.iter().map(Arc::as_ref);
    logs.filter(|log| range.has(facts::log_ms(log)) && filter.matches(&LogSubject(log)))
        .collect()
}

fn row(log: &LogRecord) -> Value {
    let domain = facts::log_domain(log).unwrap_or_else(|| log.resource.service_name());
    json!([
        log.seq,
        words::round(facts::log_ms(log)),
        words::cut(log.level(), 12).to_lowercase(),
        facts::log_domain(log).map_or("", facts::class_of),
        words::cut(domain, 40),
        words::cut(&log.event_name, 80),
        words::cut(&message(log), LONGEST),
        log.trace_id.map(|id| id.to_string()),
        log.span_id.map(|id| id.to_string()),
    ])
}

/// One record in full.
pub(crate) fn full(log: &LogRecord) -> Value {
    json!({
        "seq": log.seq, "t": words::round(facts::log_ms(log)), "level": log.level(), "event": words::cut(&log.event_name, LONGEST_FULL),
        "msg": words::cut(&message(log), LONGEST_FULL),
        "trace": log.trace_id.map(|id| id.to_string()), "span": log.span_id.map(|id| id.to_string()),
        "attributes": super::trace::pairs(log.attributes.iter().chain(log.resource.attributes.iter().filter(|(key, _)| *key == "service.name"))),
    })
}

/// The body; without one, the first attributes say what happened.
fn message(log: &LogRecord) -> String {
    match &log.body {
        Otlp::Empty => {
            let said: Vec<_> = log
                .attributes
                .iter()
                .take(4)
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            said.join(" ")
        }
        body => body.to_string(),
    }
}

fn verdict(found: &[&LogRecord], counts: [u64; 3], question: &Question) -> Verdict {
    let total: u64 = counts.iter().sum();
    let lines = words::plural(total, "line", "lines");
    if total == 0 {
        return Verdict {
            rule: "logs_none",
            one: Sentence::new("No line in this time."),
            two: Sentence::default(),
        };
    }
    let cause = |log: &LogRecord| {
        if log.event_name.is_empty() {
            words::cut(&message(log), 60)
        } else {
            log.event_name.clone()
        }
    };
    let mut causes: Vec<(String, u64, f64)> = Vec::new();
    for log in found.iter().filter(|log| log.severity_number >= 17) {
        let cause = cause(log);
        if let Some((_, count, first)) = causes.iter_mut().find(|(known, ..)| *known == cause) {
            *count += 1;
            *first = first.min(facts::log_ms(log));
        } else if causes.len() < 100 {
            causes.push((cause, 1, facts::log_ms(log)));
        }
    }
    causes.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    let errors = counts[2];
    let one = match (errors, counts[1]) {
        (0, 0) => Sentence::new(format!("{lines}, none of them an error.")),
        (0, warnings) => Sentence::new(format!(
            "{lines}, no errors, {}.",
            words::plural(warnings, "warning", "warnings")
        )),
        (1, _) => Sentence::new(format!("{lines}, ")).em("1 of them an error."),
        (errors, _) => {
            let most = causes
                .first()
                .is_some_and(|(_, count, _)| causes.len() > 1 && count * 10 >= errors * 7);
            let tail = if causes.len() == 1 {
                ", all from one cause"
            } else if most {
                ", most from one cause"
            } else {
                ""
            };
            Sentence::new(format!("{lines}, "))
                .em(format!("{} of them errors{tail}.", words::count(errors)))
        }
    };
    let two = match causes.first() {
        Some((cause, count, first)) => {
            let count = if *count == 1 {
                "1 error is ".to_owned()
            } else {
                format!("{} errors are ", words::count(*count))
            };
            let begun = Sentence::new(count);
            let named = found.iter().any(|log| log.event_name == *cause);
            let shown = words::cut(cause, 80);
            let said = if named && address::fits(cause) {
                let token = address::token("event", cause);
                let query = address::query(&[("q", &token), ("t", &question.t)]);
                begun.link(shown, format!("/logs?{query}"))
            } else {
                begun.then(format!("“{shown}”"))
            };
            said.then(", since ").time(*first).then(".")
        }
        None => Sentence::new("Newest first. A line opens in place; its trace is one click away."),
    };
    Verdict {
        rule: "logs",
        one,
        two,
    }
}
