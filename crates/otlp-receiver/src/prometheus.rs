//! What was received, as the text that Prometheus scrapes, under the names that OTLP-to-Prometheus translation gives.
//!
//! Points of delta temporality have no counterpart there and are left out with a comment, as Prometheus itself leaves
//! them out. An exponential histogram becomes a classic one over its own bucket bounds, as the text format knows no
//! other.

mod name;

pub use self::name::{label_name, metric_name};

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::model::{
    Attributes, ExponentialHistogram, Histogram, Metric, MetricKind, Point, PointValue, Resource,
    Summary, Temporality,
};

/// Writes the newest point of every series, in the text format 0.0.4.
///
/// Labels are the attributes, `job` and `instance` from the resource (scrape with `honor_labels: true`), and
/// `otel_scope_name` and `otel_scope_version`. Other resource attributes stand on `target_info`.
pub fn exposition(metrics: &[Metric]) -> String {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut left_out = Vec::new();
    for metric in metrics {
        let name = metric_name(metric.name(), metric.unit(), metric.kind());
        if metric_name(metric.name(), "", MetricKind::Gauge).is_empty() {
            left_out.push("a metric without a name".to_owned());
            continue;
        }
        if metric.kind().temporality() == Some(Temporality::Delta) {
            left_out.push(format!("{name}: delta temporality"));
            continue;
        }
        let family = families
            .entry(name.clone())
            .or_insert_with(|| Family::new(metric));
        if family.kind != prometheus_type(metric.kind()) {
            left_out.push(format!(
                "{name}: another metric of this name is a {}",
                family.kind
            ));
            continue;
        }
        family.add(metric);
    }
    let target_info = Family::target_info(metrics);
    if !target_info.samples.is_empty() {
        families.insert("target_info".to_owned(), target_info);
    }
    let mut text = String::new();
    for (name, family) in families
        .iter()
        .filter(|(_, family)| !family.samples.is_empty())
    {
        family.write(name, &mut text);
    }
    for line in left_out {
        text.push_str("# left out: ");
        text.push_str(&line.replace('\n', " "));
        text.push('\n');
    }
    text
}

/// All series of one Prometheus name.
struct Family {
    kind: &'static str,
    help: String,
    /// Values by suffix and labels: the newest wins, should two metrics translate to the same series.
    samples: BTreeMap<(Labels, Order), (&'static str, Labels, String)>,
}

/// Label names and values.
type Labels = Vec<(String, String)>;

/// Keeps buckets in order, and sum and count after them.
type Order = usize;

impl Family {
    fn new(metric: &Metric) -> Self {
        Self {
            kind: prometheus_type(metric.kind()),
            help: metric.description().to_owned(),
            samples: BTreeMap::new(),
        }
    }

    fn target_info(metrics: &[Metric]) -> Self {
        let mut family = Self {
            kind: "gauge",
            help: "Target metadata".to_owned(),
            samples: BTreeMap::new(),
        };
        for metric in metrics {
            let resource = metric.resource();
            let identity = ["service.name", "service.namespace", "service.instance.id"];
            let others = resource.attributes.iter();
            let others = others.filter(|(key, _)| !identity.contains(key));
            let mut labels = target(resource);
            if labels.is_empty() {
                continue;
            }
            merge(
                &mut labels,
                others.map(|(key, value)| (label_name(key), value.to_string())),
            );
            let sample = ("", labels.clone(), "1".to_owned());
            family.samples.insert((labels, 0), sample);
        }
        family
    }

    fn add(&mut self, metric: &Metric) {
        for series in &metric.series {
            let Some(point) = series.last().filter(|point| !point.is_no_recorded_value()) else {
                continue;
            };
            let labels = labels(metric, &series.attributes);
            for (order, (suffix, extra, value)) in lines(point).into_iter().enumerate() {
                let mut all = labels.clone();
                // A label that this line has of its own stands for an attribute's of that name.
                all.retain(|(key, _)| !extra.iter().any(|(own, _)| own == key));
                all.extend(extra);
                self.samples
                    .insert((labels.clone(), order), (suffix, all, value));
            }
        }
    }

    fn write(&self, name: &str, text: &mut String) {
        // Writing to a string cannot fail.
        if !self.help.is_empty() {
            let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(text, "# HELP {name} {help}");
        }
        let _ = writeln!(text, "# TYPE {name} {}", self.kind);
        for (suffix, labels, value) in self.samples.values() {
            let labels = labels.iter().map(|(key, value)| {
                let value = value
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                format!("{key}=\"{value}\"")
            });
            let labels = labels.collect::<Vec<_>>().join(",");
            let labels = if labels.is_empty() {
                labels
            } else {
                format!("{{{labels}}}")
            };
            let _ = writeln!(text, "{name}{suffix}{labels} {value}");
        }
    }
}

fn prometheus_type(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Sum {
            monotonic: true, ..
        } => "counter",
        MetricKind::Sum { .. } | MetricKind::Gauge => "gauge",
        MetricKind::Histogram { .. } | MetricKind::ExponentialHistogram { .. } => "histogram",
        MetricKind::Summary => "summary",
    }
}

fn labels(metric: &Metric, attributes: &Attributes) -> Labels {
    let mut labels = target(metric.resource());
    let scope = metric.scope();
    let scope = [
        ("otel_scope_name", &scope.name),
        ("otel_scope_version", &scope.version),
    ];
    let scope = scope.into_iter().filter(|(_, value)| !value.is_empty());
    labels.extend(scope.map(|(key, value)| (key.to_owned(), value.clone())));
    let own = attributes.iter();
    merge(
        &mut labels,
        own.map(|(key, value)| (label_name(key), value.to_string())),
    );
    labels
}

/// Names the target: `job` is namespace/name or name, `instance` the instance's id.
fn target(resource: &Resource) -> Labels {
    let text = |key| {
        resource
            .attributes
            .get_str(key)
            .filter(|text| !text.is_empty())
    };
    let job = text("service.name").map(|name| match text("service.namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    });
    let instance = text("service.instance.id").map(str::to_owned);
    let labels = [("job", job), ("instance", instance)].into_iter();
    labels
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

/// Adds labels. Keys that translate to the same name share a label, their values joined by `;`.
fn merge(labels: &mut Labels, more: impl Iterator<Item = (String, String)>) {
    // A label without a name would spoil the whole text, and this one names the metric.
    for (key, value) in more.filter(|(key, _)| !key.is_empty() && key != "__name__") {
        match labels.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => {
                known.push(';');
                known.push_str(&value);
            }
            None => labels.push((key, value)),
        }
    }
}

/// Splits a point into lines: suffix, labels of their own, value.
fn lines(point: &Point) -> Vec<(&'static str, Labels, String)> {
    match &point.value {
        PointValue::Number(None) => Vec::new(),
        PointValue::Number(Some(number)) => vec![("", Vec::new(), double(number.as_f64()))],
        PointValue::Histogram(histogram) => histogram_lines(histogram),
        PointValue::ExponentialHistogram(histogram) => exponential_lines(histogram),
        PointValue::Summary(summary) => summary_lines(summary),
    }
}

fn histogram_lines(histogram: &Histogram) -> Vec<(&'static str, Labels, String)> {
    let bounds = histogram.bounds.iter().copied();
    let counts = histogram.bucket_counts.iter().copied();
    bucket_lines(bounds.zip(counts), histogram.count, histogram.sum)
}

fn exponential_lines(histogram: &ExponentialHistogram) -> Vec<(&'static str, Labels, String)> {
    // Exact for powers of two, which a power of the rounded base would not be.
    let width = (-f64::from(histogram.scale)).exp2();
    let bound = |index: i64| (index as f64 * width).exp2();
    let negative = histogram.negative.counts.iter().enumerate().rev();
    let negative = negative.map(|(index, count)| {
        let lower = i64::from(histogram.negative.offset) + index as i64;
        (-bound(lower), *count)
    });
    let zero = std::iter::once((histogram.zero_threshold, histogram.zero_count));
    let positive = histogram.positive.counts.iter().enumerate();
    let positive = positive.map(|(index, count)| {
        let lower = i64::from(histogram.positive.offset) + index as i64;
        (bound(lower + 1), *count)
    });
    let buckets = negative.chain(zero).chain(positive);
    bucket_lines(buckets, histogram.count, histogram.sum)
}

/// Accumulates buckets, given with their upper bounds, as Prometheus wants them.
fn bucket_lines(
    buckets: impl Iterator<Item = (f64, u64)>,
    count: u64,
    sum: Option<f64>,
) -> Vec<(&'static str, Labels, String)> {
    let le = |bound: String| vec![("le".to_owned(), bound)];
    let mut below = 0_u64;
    let mut lines = Vec::new();
    for (bound, count) in buckets.filter(|(bound, _)| bound.is_finite()) {
        below = below.saturating_add(count);
        lines.push(("_bucket", le(double(bound)), below.to_string()));
    }
    lines.push(("_bucket", le("+Inf".to_owned()), count.to_string()));
    lines.extend(sum.map(|sum| ("_sum", Vec::new(), double(sum))));
    lines.push(("_count", Vec::new(), count.to_string()));
    lines
}

fn summary_lines(summary: &Summary) -> Vec<(&'static str, Labels, String)> {
    let quantiles = summary.quantiles.iter().map(|(quantile, value)| {
        let quantile = vec![("quantile".to_owned(), double(*quantile))];
        ("", quantile, double(*value))
    });
    let mut lines: Vec<_> = quantiles.collect();
    lines.push(("_sum", Vec::new(), double(summary.sum)));
    lines.push(("_count", Vec::new(), summary.count.to_string()));
    lines
}

fn double(number: f64) -> String {
    if number == f64::INFINITY {
        "+Inf".to_owned()
    } else if number == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests;
