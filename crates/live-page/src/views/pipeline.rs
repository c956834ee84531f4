//! The pipeline: what arrived, what was refused, what is held, and what had to go.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use campanile_otlp_receiver::{Counts, Signal, Transport};
use serde_json::{Value, json};

use crate::app::App;
use crate::words::{self, Sentence, Verdict};

pub(super) fn body(app: &App) -> Value {
    let traffic = app.receiver.traffic();
    let held = app.receiver.held();
    let total = traffic.total();
    let refused = total.refused_items + total.refused_requests + traffic.unknown_requests;
    let mut signals = Vec::new();
    let mut refusals: Vec<(u64, String, String)> = Vec::new();
    for signal in Signal::ALL {
        let items = match signal {
            Signal::Traces => held.spans,
            Signal::Metrics => held.points,
            Signal::Logs => held.logs,
        };
        signals.push(line(
            &words::capital(signal.as_str()),
            signal.as_str().to_owned(),
            &traffic.of_signal(signal),
            false,
            held.evicted(signal),
            items,
        ));
        for transport in Transport::ALL {
            let counts = traffic.of(signal, transport);
            if counts.requests > 0 {
                signals.push(line(
                    &format!("over {transport}"),
                    format!("{signal} {transport}"),
                    counts,
                    true,
                    0,
                    0,
                ));
            }
            if let Some(refusal) = &counts.last_refusal {
                refusals.push((
                    ms(refusal.at),
                    format!("{signal} over {transport}"),
                    words::cut(&refusal.message, 300),
                ));
            }
        }
    }
    if let Some(refusal) = &traffic.last_unknown {
        refusals.push((
            ms(refusal.at),
            "no known signal".to_owned(),
            words::cut(&refusal.message, 300),
        ));
    }
    refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.0));
    let (onward_to, onward) = match &app.onward {
        Some((name, provider)) => (
            name.clone(),
            provider()
                .into_iter()
                .map(|fact| json!([fact.name, fact.value, fact.warning]))
                .collect(),
        ),
        None => (String::new(), Vec::<Value>::new()),
    };
    json!({
        "verdict": verdict(total.items, refused, Signal::ALL.iter().map(|&signal| held.evicted(signal)).sum()),
        "pipeline": {
            "requests": total.requests, "items": total.items, "refused": refused, "wire": total.bytes, "open": traffic.open_connections,
            "bytes": held.bytes, "max": held.max_bytes,
            "pages": app.pages.load(Ordering::Relaxed), "skipped": app.skipped.load(Ordering::Relaxed),
            "signals": signals, "refusals": refusals, "onward": onward, "onwardTo": onward_to,
            "grpc": app.receiver.grpc_endpoint(), "http": app.receiver.http_endpoint(),
        },
    })
}

fn line(name: &str, key: String, counts: &Counts, sub: bool, evicted: u64, held: usize) -> Value {
    json!({
        "name": name, "key": key, "sub": sub, "requests": counts.requests, "items": counts.items,
        "refused": counts.refused_items + counts.refused_requests, "evicted": evicted, "held": held, "last": counts.last_accepted.map(ms),
    })
}

fn ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

fn verdict(items: u64, refused: u64, evicted: u64) -> Verdict {
    let arrived = words::plural(items, "item", "items");
    let (rule, one) = match (items, refused) {
        (0, 0) => ("pipeline_empty", Sentence::new("Nothing has arrived yet.")),
        (_, 0) => (
            "pipeline",
            Sentence::new(format!("{arrived} arrived, none refused.")),
        ),
        (_, refused) => (
            "pipeline_refused",
            Sentence::wrong(format!(
                "{} refused",
                words::plural(refused, "item or request", "items and requests")
            ))
            .then(format!(", {} accepted.", words::count(items))),
        ),
    };
    let two = match evicted {
        0 => Sentence::new("Everything that was accepted is still here."),
        evicted => Sentence::new(format!(
            "{} left to make room for newer ones: the oldest go first.",
            words::plural(evicted, "item", "items")
        )),
    };
    Verdict { rule, one, two }
}
