//! The verdict of the overview: fixed rules, worst first, each with a template of its own.

use std::sync::Arc;

use campanile_otlp_receiver::{Signal, Span};

use super::latency;
use super::red::Row;
use super::{Groups, Request};
use crate::address::{query, token};
use crate::app::App;
use crate::facts;
use crate::question::{Question, Range};
use crate::tree::Tree;
use crate::views::trace::spent;
use crate::words::{self, Sentence, Verdict};

/// Slow requests whose critical paths are read to say where the time went.
const READ: usize = 20;
/// Trouble that ended longer ago than this is told in the past.
const PAST_MS: f64 = 60_000.0;

/// What the rules look at.
pub(super) struct Evidence<'a> {
    pub(super) rows: &'a [Row],
    pub(super) groups: &'a Groups,
    pub(super) range: &'a Range,
    pub(super) spans: &'a [Arc<Span>],
    pub(super) other: usize,
    pub(super) app: &'a App,
    pub(super) question: &'a Question,
}

pub(super) fn verdict(evidence: &Evidence<'_>) -> Verdict {
    let Some(worst) = evidence.rows.first() else {
        return no_request(evidence);
    };
    // A few failures among many slow requests are a consequence: the sentence is about the cause.
    let slow_most = |over: &(&str, f64, f64)| {
        !worst.is_failing() || (worst.errors.saturating_mul(20) < worst.count && over.2 >= 2.0)
    };
    let (rule, one, mut two) = match worst.over_target().filter(slow_most) {
        Some(over) => slow(evidence, worst, over),
        None if worst.is_failing() => failing(evidence, worst),
        None => ("on_target", on_target(evidence), Sentence::default()),
    };
    if !two.is_empty() {
        two = two.then(" ");
    }
    if rule != "on_target" {
        two = others(evidence, domain(worst).as_deref(), two);
    }
    Verdict {
        rule,
        one,
        two: losses(evidence, two),
    }
}

fn no_request(evidence: &Evidence<'_>) -> Verdict {
    let one = match evidence.other as u64 {
        0 => Sentence::new("No span in this time."),
        spans => Sentence::new(format!(
            "{} arrived, none of them a request.",
            words::plural(spans, "span", "spans")
        )),
    };
    Verdict {
        rule: "no_request",
        one,
        two: losses(evidence, Sentence::default()),
    }
}

fn failing<'a>(evidence: &Evidence<'_>, worst: &Row) -> (&'a str, Sentence, Sentence) {
    let failed: Vec<&Request> = worst
        .requests
        .iter()
        .filter(|request| request.failed)
        .collect();
    let first = failed.iter().map(|request| request.start).reduce(f64::min);
    let last = failed.iter().map(|request| request.start).reduce(f64::max);
    let over = last.is_some_and(|last| evidence.range.to - last > PAST_MS);
    let mut one = Sentence::wrong(format!(
        "{} {} failing.",
        subject(worst),
        if over { "was" } else { "is" }
    ))
    .then(format!(
        " {} of {} failed",
        words::count(worst.errors),
        words::plural(worst.count, "request", "requests")
    ));
    one = when(one, first, last, over);
    let mut two = Sentence::new(format!(
        "{} of ",
        words::percent(worst.errors as f64 / worst.count as f64, 1)
    ))
    .link(
        words::cut(&worst.key(), 60),
        list(evidence, worst, " error:true"),
    );
    if let Some(latest) = failed.iter().max_by(|a, b| a.start.total_cmp(&b.start)) {
        let how = facts::failure(&latest.span).unwrap_or_default();
        two = two.then("; the latest ended ").link(
            format!("with {}", words::cut(&how, 40)),
            format!("/traces/{}", latest.span.trace_id),
        );
    }
    ("route_failing", one, two.then("."))
}

fn slow<'a>(
    evidence: &Evidence<'_>,
    worst: &Row,
    (name, value, times): (&str, f64, f64),
) -> (&'a str, Sentence, Sentence) {
    let map = latency::map(worst, evidence.range, "");
    let region = map.as_ref().and_then(latency::Map::times);
    let over = region.is_some_and(|(_, to)| evidence.range.to - to > PAST_MS);
    let mut one = Sentence::wrong(format!(
        "{} {} slow.",
        subject(worst),
        if over { "was" } else { "is" }
    ))
    .then(format!(
        " {} took {} at {name}, {}",
        words::cut(&worst.key(), 44),
        words::duration(value),
        words::times(times)
    ));
    one = when(
        one,
        region.map(|region| region.0),
        region.map(|region| region.1),
        over,
    );
    let two = match culprit(evidence, worst) {
        Some((share, span)) => {
            let href = format!("/traces/{}?span={}", span.trace_id, span.span_id);
            Sentence::new(format!(
                "{} of a slow request is spent ",
                words::percent(share, 0)
            ))
            .link(spent(&span), href)
            .then(".")
        }
        None => Sentence::default()
            .link(
                "See the slow ones",
                list(evidence, worst, &format!(" dur>{}ms", worst.target)),
            )
            .then("."),
    };
    ("route_slow", one, two)
}

fn when(sentence: Sentence, first: Option<f64>, last: Option<f64>, over: bool) -> Sentence {
    match (first, last) {
        (Some(first), Some(last)) if over && last - first > 1000.0 => sentence
            .then(", from ")
            .time(first)
            .then(" to ")
            .time(last)
            .then("."),
        (Some(first), _) if over => sentence.then(", at ").time(first).then("."),
        (Some(first), _) => sentence.then(", since ").time(first).then("."),
        _ => sentence.then("."),
    }
}

/// Who the sentence is about: the part of the application, else the route.
fn subject(row: &Row) -> String {
    words::capital(&words::cut(&domain(row).unwrap_or_else(|| row.key()), 40))
}

fn domain(row: &Row) -> Option<String> {
    row.requests
        .last()
        .and_then(|request| facts::domain(&request.span).map(str::to_owned))
}

fn list(evidence: &Evidence<'_>, row: &Row, more: &str) -> String {
    let mut filter = if row.route.is_empty() {
        token("name", &row.method)
    } else {
        token("route", &row.route)
    };
    filter.push_str(more);
    format!(
        "/traces?{}",
        query(&[("q", &filter), ("t", &evidence.question.t)])
    )
}

/// The kind of span, other than the request itself, that most of the slow requests' critical paths goes to.
fn culprit(evidence: &Evidence<'_>, row: &Row) -> Option<(f64, Arc<Span>)> {
    let mut slow: Vec<&Request> = row
        .requests
        .iter()
        .filter(|request| request.length > row.target)
        .collect();
    slow.sort_by(|a, b| b.length.total_cmp(&a.length));
    slow.truncate(READ);
    let mut whole = 0.0;
    let mut sums: Vec<(String, f64, Arc<Span>)> = Vec::new();
    for request in slow {
        let spans = evidence
            .spans
            .iter()
            .filter(|span| span.trace_id == request.span.trace_id)
            .cloned()
            .collect();
        let tree = Tree::build(spans)?;
        whole += request.length;
        for found in tree
            .rows
            .iter()
            .filter(|row| row.id != request.span.span_id)
        {
            let Some(span) = &found.span else { continue };
            // What encloses the request, as the caller's own span, is not where the request spent its time.
            if facts::start_ms(span) < request.start {
                continue;
            }
            match sums.iter_mut().find(|(name, ..)| *name == span.name) {
                Some((_, sum, _)) => *sum += found.critical_ms(),
                None => sums.push((span.name.clone(), found.critical_ms(), Arc::clone(span))),
            }
        }
    }
    let (_, sum, span) = sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let share = sum / whole.max(1e-9);
    (share >= 0.3).then_some((share.min(1.0), span))
}

fn on_target(evidence: &Evidence<'_>) -> Sentence {
    let groups = &evidence.groups.rows;
    let is_domain = evidence.groups.by == "campanile.domain";
    match (is_domain, groups.len(), evidence.rows.len()) {
        (true, 1, _) => Sentence::new(format!("{} is on target.", words::capital(&groups[0].name))),
        (true, domains, _) if domains > 1 => {
            Sentence::new(format!("All {domains} domains are on target."))
        }
        (_, _, 1) => Sentence::new(format!(
            "{} is on target.",
            words::cut(&evidence.rows[0].key(), 60)
        )),
        (_, _, routes) => Sentence::new(format!("All {routes} routes are on target.")),
    }
}

fn others(evidence: &Evidence<'_>, subject: Option<&str>, two: Sentence) -> Sentence {
    let fine: Vec<String> = evidence
        .groups
        .rows
        .iter()
        .filter(|group| {
            !group.is_failing() && !group.is_slow() && Some(group.name.as_str()) != subject
        })
        .map(|group| group.name.clone())
        .collect();
    match fine.as_slice() {
        _ if evidence.groups.rows.len() < 2 => two,
        [] => two,
        [one] => two.then(format!("{} is on target. ", words::capital(one))),
        [most @ .., last] if most.len() < 4 => two.then(format!(
            "{} and {last} are on target. ",
            words::capital(&most.join(", "))
        )),
        all => two.then(format!("{} other domains are on target. ", all.len())),
    }
}

/// Whatever of the telemetry itself was refused or had to go.
fn losses(evidence: &Evidence<'_>, two: Sentence) -> Sentence {
    let traffic = evidence.app.receiver.traffic();
    let total = traffic.total();
    let refused = total.refused_items + total.refused_requests;
    let held = evidence.app.receiver.held();
    let errors = evidence.rows.iter().map(|row| row.errors).sum::<u64>();
    let two = if evidence
        .rows
        .first()
        .is_some_and(|row| !row.is_failing() && row.over_target().is_none())
    {
        let requests = evidence.rows.iter().map(|row| row.count).sum();
        two.then(format!(
            "{}, {}. ",
            words::plural(requests, "request", "requests"),
            if errors == 0 {
                "none failed".to_owned()
            } else {
                format!("{} failed", words::count(errors))
            }
        ))
    } else {
        two
    };
    if refused > 0 {
        two.link(
            format!(
                "{} of telemetry refused",
                words::plural(refused, "item", "items")
            ),
            "/pipeline",
        )
        .then(".")
    } else if Signal::ALL.iter().any(|&signal| held.evicted(signal) > 0) {
        two.then("No telemetry was lost; the oldest has left to make room.")
    } else {
        two.then("No telemetry was lost.")
    }
}
