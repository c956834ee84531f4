use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::{Count, Gauge, Method, Outcome, Phase, Record, RouteKey, Sizes};

/// Adds up what every series was told.
#[derive(Default)]
struct Told(Arc<Mutex<BTreeMap<String, i64>>>);

struct One {
    name: String,
    all: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl One {
    fn add(&self, amount: i64) {
        let mut all = self.all.lock().unwrap();
        *all.entry(self.name.clone()).or_default() += amount;
    }
}

impl Count<u64> for One {
    fn add(&self, amount: u64) {
        self.add(i64::try_from(amount).unwrap());
    }
}

impl Count<i64> for One {
    fn add(&self, amount: i64) {
        self.add(amount);
    }
}

impl Record for One {
    fn record_many(&self, _: f64, times: u64) {
        self.add(i64::try_from(times).unwrap());
    }
}

impl Told {
    fn open(&self, metric: &Metric, attributes: &[KeyValue]) -> Arc<One> {
        let attributes = attributes
            .iter()
            .map(|one| format!(" {}={}", one.key, one.value));
        let name = attributes.fold(metric.name.to_owned(), |name, one| name + &one);
        let all = Arc::clone(&self.0);
        Arc::new(One { name, all })
    }

    /// The series of a metric whose text holds `part`.
    fn of(&self, metric: &Metric, part: &str) -> Vec<i64> {
        let all = self.0.lock().unwrap();
        let name = format!("{} ", metric.name);
        let found = all
            .iter()
            .filter(|(text, _)| text.starts_with(&name) && text.contains(part));
        found.map(|(_, amount)| *amount).collect()
    }
}

impl Meter for Told {
    fn counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Counter {
        Counter::new(self.open(metric, attributes))
    }

    fn up_down_counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> UpDownCounter {
        UpDownCounter::new(self.open(metric, attributes))
    }

    fn histogram(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Histogram {
        Histogram::new(self.open(metric, attributes))
    }

    fn gauge(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Gauge {
        Gauge::new(self.open(metric, attributes))
    }
}

fn route(template: String) -> &'static Route {
    Route::find(&RouteKey {
        method: Method::new("GET"),
        version: Some("2"),
        scheme: "https",
        template: Some(&template),
        domain: None,
    })
}

fn end(route: &'static Route, status: Option<u16>, outcome: Outcome) -> End<'static> {
    End {
        status,
        outcome,
        phase: Phase::Head,
        elapsed_ns: 3_000_000,
        route,
        sizes: Sizes::default(),
        failure: None,
        attributes: &[],
    }
}

#[test]
fn ends_are_told_apart_by_route_status_and_error() {
    let told = Arc::new(Told::default());
    let metrics = ServerMetrics::new(told.clone());
    let (one, other) = (route("/one".into()), route("/other".into()));
    let mut failed = end(one, Some(200), Outcome::Completed);
    failed.failure = Some("UNAVAILABLE");
    let ends = [
        end(one, Some(200), Outcome::Completed),
        end(one, Some(503), Outcome::Completed),
        end(one, Some(599), Outcome::Completed),
        end(one, Some(999), Outcome::Completed),
        end(one, Some(0), Outcome::Completed),
        end(one, Some(u16::MAX), Outcome::Completed),
        end(one, None, Outcome::Upgraded),
        end(one, None, Outcome::Panic),
        end(one, Some(200), Outcome::ClientGone),
        failed,
        end(other, Some(200), Outcome::Completed),
    ];
    for times in 1..=3 {
        for end in &ends {
            metrics.begin(end.route);
            metrics.end(end, None);
        }
        let durations = told.of(&metric::HTTP_SERVER_REQUEST_DURATION, "");
        assert_eq!(durations, [times; 11]);
    }
    let duration = &metric::HTTP_SERVER_REQUEST_DURATION;
    for (part, series) in [
        ("http.route=/other", 1),
        ("http.response.status_code=200", 4),
        ("http.response.status_code=503 error.type=503", 1),
        ("error.type=client_gone", 1),
        ("error.type=UNAVAILABLE", 1),
        ("error.type=panic", 1),
        ("network.protocol.version=2", 11),
    ] {
        assert_eq!(told.of(duration, part).len(), series, "{part}");
    }
    let active = told.of(&metric::HTTP_SERVER_ACTIVE_REQUESTS, "");
    assert_eq!(active, [0], "one series, and everything has ended");
}

#[test]
fn sizes_are_told_where_they_are_counted() {
    let told = Arc::new(Told::default());
    let metrics = ServerMetrics::new(told.clone());
    let mut end = end(route("/sizes".into()), Some(200), Outcome::Completed);
    metrics.end(&end, None);
    end.sizes.response = Some(10);
    metrics.end(&end, None);
    assert_eq!(told.of(&metric::HTTP_SERVER_REQUEST_DURATION, ""), [2]);
    assert_eq!(told.of(&metric::HTTP_SERVER_RESPONSE_BODY_SIZE, ""), [1]);
    assert!(
        told.of(&metric::HTTP_SERVER_REQUEST_BODY_SIZE, "")
            .is_empty()
    );
}

#[test]
fn past_the_cap_series_are_counted_as_one_and_old_ones_go_on() {
    let told = Arc::new(Told::default());
    let metrics = ServerMetrics::new(told.clone());
    let ends: Vec<_> = (0..MAX_SERIES + 50)
        .map(|n| end(route(format!("/past/{n}")), Some(200), Outcome::Completed))
        .collect();
    let broken = end(ends[0].route, None, Outcome::Panic);
    for _ in 0..2 {
        ends.iter().for_each(|end| metrics.end(end, None));
        metrics.end(&broken, None);
    }
    let duration = &metric::HTTP_SERVER_REQUEST_DURATION;
    assert_eq!(told.of(duration, "http.route"), vec![2; MAX_SERIES]);
    assert_eq!(told.of(duration, "otel.metric.overflow=true"), [2 * 51]);
    let overflows = told.of(&metric::CAMPANILE_CARDINALITY_OVERFLOWS, duration.name);
    assert_eq!(overflows, [2 * 51]);
}
