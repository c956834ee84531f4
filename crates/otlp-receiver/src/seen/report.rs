//! Everything held, as text for a person who wonders why a test failed.

use std::fmt::{self, Write};

use super::Seen;
use crate::model::{LogRecord, Metric, Point, PointValue};

/// Lines of each signal; more would bury what one looks for.
const MOST: usize = 60;

pub(super) fn write(seen: &Seen, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let held = &seen.held;
    writeln!(
        f,
        "held: {} spans, {} points of {} metric series, {} log records",
        held.spans, held.points, held.series, held.logs
    )?;
    let traffic = seen.traffic.total();
    writeln!(
        f,
        "arrived: {} connections, {} requests, {} refused",
        seen.traffic.connections,
        traffic.requests + seen.traffic.unknown_requests,
        traffic.refused_requests + seen.traffic.unknown_requests,
    )?;
    let refusals = [&traffic.last_refusal, &seen.traffic.last_unknown];
    for refusal in refusals.into_iter().flatten() {
        writeln!(f, "   refused: {}", refusal.message)?;
    }
    let evicted: u64 = held.evicted.iter().sum();
    if evicted > 0 {
        writeln!(
            f,
            "evicted: {evicted} items, as {} bytes were full",
            held.max_bytes
        )?;
    }
    limited(f, seen.traces())?;
    limited(f, seen.metrics.iter().map(MetricLines))?;
    limited(f, seen.logs.iter().map(|log| LogLine(log)))
}

fn limited<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
) -> fmt::Result {
    let mut text = String::new();
    for item in items {
        write!(text, "{item}")?;
    }
    for line in text.lines().take(MOST) {
        writeln!(f, "{line}")?;
    }
    match text.lines().count().saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(f, "... and {more} lines more"),
    }
}

struct MetricLines<'a>(&'a Metric);

impl fmt::Display for MetricLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.0;
        write!(f, "metric {} [{}", metric.name(), metric.kind())?;
        if let Some(temporality) = metric.kind().temporality() {
            write!(f, ", {temporality}")?;
        }
        writeln!(
            f,
            "] unit {:?} ({})",
            metric.unit(),
            metric.resource().service_name()
        )?;
        for series in &metric.series {
            write!(f, "   {{{}}}", series.attributes)?;
            if let Some(point) = series.last() {
                write_point(f, point)?;
            }
            writeln!(f, " ({} points)", series.points.len())?;
        }
        Ok(())
    }
}

fn write_point(f: &mut fmt::Formatter<'_>, point: &Point) -> fmt::Result {
    match &point.value {
        PointValue::Number(Some(number)) => write!(f, " {number}"),
        PointValue::Number(None) => f.write_str(" no value"),
        other => {
            write!(f, " count {}", other.count().unwrap_or_default())?;
            other.sum().map_or(Ok(()), |sum| write!(f, " sum {sum}"))
        }
    }
}

struct LogLine<'a>(&'a LogRecord);

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.0;
        write!(f, "log {}", log.level())?;
        if !log.event_name.is_empty() {
            write!(f, " event {}", log.event_name)?;
        }
        write!(f, " {:?} {}", log.body.to_string(), log.attributes)?;
        match log.trace_id {
            Some(trace) => writeln!(f, " (trace {trace})"),
            None => writeln!(f),
        }
    }
}
