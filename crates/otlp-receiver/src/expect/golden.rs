//! Snapshots kept in files: everything received, without what differs from run to run.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::diff;
use crate::model::{Attributes, Metric, PointValue, Span, SpanKind};
use crate::seen::{Seen, Trace};

/// The environment variable that makes tests write their golden files instead of comparing with them.
const UPDATE: &str = "UPDATE_GOLDEN";

/// A file that says what is to be received.
///
/// Ids, times, durations, the order of arrival and the values of sums and counts that depend on time are left out;
/// attributes named by [`ignoring`](Self::ignoring) keep their key and lose their value. `UPDATE_GOLDEN=1 cargo test`
/// writes all such files anew: look at the difference, then commit it.
///
/// ```no_run
/// # fn example(seen: campanile_otlp_receiver::Seen) {
/// use campanile_otlp_receiver::Golden;
///
/// Golden::file("tests/golden/order.txt")
///     .ignoring("server.port")
///     .ignoring("network.peer.port")
///     .assert_same(&seen);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Golden {
    path: PathBuf,
    ignored: Vec<String>,
}

impl Golden {
    /// Names the file, from the folder of the package whose tests run.
    pub fn file(path: impl AsRef<Path>) -> Self {
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .unwrap_or_default();
        Self {
            path: package.join(path),
            ignored: Vec::new(),
        }
    }

    /// Leaves the value of an attribute out, as it differs from run to run. `telemetry.*` means all that begin with
    /// `telemetry.`.
    #[must_use]
    pub fn ignoring(mut self, key: impl Into<String>) -> Self {
        self.ignored.push(key.into());
        self
    }

    /// Fails the test unless what was received is what the file says.
    ///
    /// # Panics
    /// When it differs, with the lines that do, `-` expected, `+` received; or when the file cannot be read or written.
    #[track_caller]
    pub fn assert_same(&self, seen: &Seen) {
        let update = env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0");
        if let Err(problem) = self.compare(seen, update) {
            panic!("{problem}");
        }
    }

    pub(super) fn compare(&self, seen: &Seen, update: bool) -> Result<(), String> {
        let (path, received) = (self.path.display(), self.render(seen));
        if update {
            let folder = self.path.parent().map_or(Ok(()), fs::create_dir_all);
            let written = folder.and_then(|()| fs::write(&self.path, received));
            return written.map_err(|error| format!("cannot write {path}: {error}"));
        }
        let hint = format!("run the test with {UPDATE}=1 to write it");
        let expected = fs::read_to_string(&self.path)
            .map_err(|error| format!("cannot read {path}: {error}: {hint}"))?;
        if expected == received {
            return Ok(());
        }
        let difference = diff::lines(&expected, &received);
        Err(format!(
            "what was received differs from {path} ({hint} anew):\n{difference}"
        ))
    }

    /// Writes what was received in an order of its own.
    fn render(&self, seen: &Seen) -> String {
        let mut blocks: Vec<String> = seen
            .traces()
            .iter()
            .map(|trace| self.trace(trace))
            .collect();
        blocks.sort();
        let mut metrics: Vec<String> = seen
            .metrics
            .iter()
            .map(|metric| self.metric(metric))
            .collect();
        metrics.sort();
        blocks.append(&mut metrics);
        let mut logs: Vec<String> = seen
            .logs
            .iter()
            .map(|log| {
                let within = if log.span_id.is_some() {
                    " (in a span)"
                } else {
                    ""
                };
                let attributes = self.attributes(&log.attributes);
                let (level, event, body) = (log.level(), &log.event_name, super::typed(&log.body));
                let scope = &log.scope.name;
                format!(
                    "log {level} event={event:?} body={body}{within} scope={scope:?}\n{attributes}"
                )
            })
            .collect();
        logs.sort();
        blocks.append(&mut logs);
        blocks.join("\n")
    }

    fn trace(&self, trace: &Trace) -> String {
        let mut text = "trace\n".to_owned();
        let mut tops: Vec<_> = trace
            .tops()
            .iter()
            .map(|span| self.span(trace, span, 1))
            .collect();
        tops.sort();
        tops.iter().for_each(|top| text.push_str(top));
        text
    }

    fn span(&self, trace: &Trace, span: &Span, depth: usize) -> String {
        let indent = "  ".repeat(depth);
        let mut text = format!("{indent}span {:?}", span.name);
        if !matches!(span.kind, SpanKind::Unspecified) {
            text.push_str(&format!(" [{}]", span.kind));
        }
        if span.is_error() {
            text.push_str(&format!(" ERROR {:?}", span.status.message));
        }
        text.push_str(&format!(
            " scope={:?} service={:?}\n",
            span.scope.name,
            span.resource.service_name()
        ));
        let indented = |text: String, more: &str| {
            let lines = text.lines().map(|line| format!("{indent}{more}{line}\n"));
            lines.collect::<String>()
        };
        text.push_str(&indented(self.attributes(&span.attributes), ""));
        for event in &span.events {
            text.push_str(&format!("{indent}  event {:?}\n", event.name));
            text.push_str(&indented(self.attributes(&event.attributes), "  "));
        }
        for link in &span.links {
            text.push_str(&format!("{indent}  link\n"));
            text.push_str(&indented(self.attributes(&link.attributes), "  "));
        }
        // Ids that go round in a circle would never end.
        if depth < 64 {
            let children = trace.children_of(span);
            let mut children: Vec<_> = children
                .iter()
                .map(|child| self.span(trace, child, depth + 1))
                .collect();
            children.sort();
            text.extend(children);
        }
        text
    }

    fn metric(&self, metric: &Metric) -> String {
        let (name, unit, kind) = (metric.name(), metric.unit(), metric.kind());
        let mut text = format!(
            "metric {name} [{kind}] unit={unit:?} scope={:?}\n",
            metric.scope().name
        );
        let mut series = BTreeSet::new();
        for one in &metric.series {
            let buckets = match one.last().map(|point| &point.value) {
                Some(PointValue::Histogram(histogram)) => format!(" bounds={:?}", histogram.bounds),
                _ => String::new(),
            };
            series.insert(format!(
                "  series{buckets}\n{}",
                self.attributes(&one.attributes)
            ));
        }
        text.extend(series);
        text
    }

    /// Writes attributes by key, a line each.
    fn attributes(&self, attributes: &Attributes) -> String {
        let mut text = String::new();
        for (key, value) in attributes.clone().sorted().iter() {
            let value = match self.ignores(key) {
                true => "..".to_owned(),
                false => super::typed(value),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {key} = {value}");
        }
        text
    }

    fn ignores(&self, key: &str) -> bool {
        self.ignored
            .iter()
            .any(|ignored| match ignored.strip_suffix('*') {
                Some(prefix) => key.starts_with(prefix),
                None => key == ignored,
            })
    }
}
