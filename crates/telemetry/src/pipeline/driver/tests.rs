use std::net::Ipv4Addr;

use super::*;
use crate::config::ValueLimits;
use crate::pipeline::lane::{Bounds, Finished};
use opentelemetry_sdk::Resource;

fn lane() -> Arc<Lane> {
    let bounds = Bounds {
        items: 100,
        bytes: 1 << 20,
        batch: 10,
    };
    Arc::new(Lane::new(Signal::Traces, bounds, 300))
}

fn driver(lane: &Arc<Lane>) -> Driver {
    let route = Route {
        signal: lane.signal,
        bounds: lane.bounds.clone(),
        pace: Pace {
            delay: Duration::ZERO,
            max_age: Duration::from_secs(60),
            concurrency: 4,
            stagger: Duration::ZERO,
            max_request: 1 << 20,
            backoff: Backoff::default(),
        },
        outlet: Outlet::Console,
    };
    let resource = Resource::builder_empty().build();
    let redactor = campanile_redaction::Redactor::off();
    let encoder = Encoder::new(&resource, ValueLimits::default(), &redactor);
    let notices = Arc::new(Notices::new(tracing::Dispatch::none()));
    Driver::new(lane, &route, &Arc::new(encoder), &notices)
}

fn finished(items: u64) -> Finished {
    Finished {
        request: Bytes::from_static(b"already encoded"),
        items,
    }
}

#[tokio::test]
async fn a_driver_that_breaks_leaves_no_item_without_an_end() {
    let lane = lane();
    lane.push_finished(finished(7));
    let mut broken = driver(&lane);
    broken.harvest(Instant::now());
    lane.push_finished(finished(2));
    drop(broken);
    lane.ledger(|ledger| {
        assert_eq!(
            (ledger.dropped[Loss::Internal as usize], ledger.queued),
            (7, 2)
        );
        assert_eq!(ledger.held_bytes, weight::request(b"already encoded"));
    });
    // The next one carries on with what is still in the lane.
    let mut next = driver(&lane);
    next.harvest(Instant::now());
    assert_eq!(next.backlog.len(), 1);
}

#[tokio::test]
async fn what_is_put_back_takes_its_old_place() {
    let lane = lane();
    for items in [1, 2, 3] {
        lane.push_finished(finished(items));
    }
    let mut driver = driver(&lane);
    driver.harvest(Instant::now());
    let first = driver.backlog.pop_front().expect("three batches");
    let second = driver.backlog.pop_front().expect("three batches");
    lane.ledger(|ledger| ledger.launch(3));
    driver.take_back([second]);
    driver.take_back([first]);
    let items: Vec<u64> = driver.backlog.iter().map(|batch| batch.items).collect();
    assert_eq!(items, [1, 2, 3]);
}

#[test]
fn http_is_looked_for_beside_the_usual_port_of_grpc() {
    let outlet = |endpoint: &str| {
        let variables =
            std::collections::HashMap::from([("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned())]);
        let builder = crate::Telemetry::from_env("test")
            .environment(move |name| variables.get(name).cloned());
        let config = crate::config::Config::read(&builder);
        config.signals[0].outlet.clone().expect("exported")
    };
    let place = |endpoint: String| {
        let destination = fallback(Signal::Logs, &outlet(&endpoint)).expect("gRPC has a fallback");
        destination.endpoint.to_string()
    };
    let host = Ipv4Addr::LOCALHOST;
    assert_eq!(
        place(format!("http://{host}:4317")),
        format!("http://{host}:4318/v1/logs")
    );
    assert_eq!(
        place(format!("http://{host}:9/x")),
        format!("http://{host}:9/v1/logs")
    );
    assert!(fallback(Signal::Logs, &Outlet::Console).is_none());
}
