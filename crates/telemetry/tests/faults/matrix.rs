//! What a collector does, over both protocols.

use std::time::Duration;

use campanile_otlp_receiver::{Fault, Network, Receiver};
use campanile_telemetry::Loss;

use crate::harness::{Over, until};
use crate::limits::{expired, full, oversized, rejects_some};
use crate::stuck::{blocked, hint_gates, long_hint, slow};
use crate::{delivers_all, loses_all};

macro_rules! over_both {
    ($($(#[$meta:meta])* $name:ident => $case:expr;)+) => {
        mod grpc {
            use super::*;
            $($(#[$meta])* #[tokio::test] async fn $name() { ($case)(Over::Grpc).await })+
        }
        mod http {
            use super::*;
            $($(#[$meta])* #[tokio::test] async fn $name() { ($case)(Over::Http).await })+
        }
    };
}

over_both! {
    healthy => async |over| delivers_all(over, async |_| {}, async |_, _| {}).await;

    refused_then_back => async |over| {
        delivers_all(
            over,
            async |receiver| receiver.set_network(Network::Refuse).await.unwrap(),
            async |receiver, telemetry| {
                until(telemetry, |signal| signal.retries > 0).await;
                receiver.set_network(Network::Up).await.unwrap();
            },
        ).await;
    };

    unavailable_for_a_while => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(40, Fault::status(503));
            },
            async |_, _| {},
        ).await;
    };

    throttled_for_a_while => async |over| {
        delivers_all(
            over,
            async |receiver| {
                let fault = Fault::status(429).retry_after(Duration::from_millis(30));
                receiver.faults().next(fault);
            },
            async |_, _| {},
        ).await;
    };

    reset_before_it_was_taken => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(5, Fault::reset_before_commit());
            },
            async |_, _| {},
        ).await;
    };

    // The sender cannot know: everything is there, some of it more than once.
    reset_after_it_was_taken => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(5, Fault::reset_after_commit());
            },
            async |_, _| {},
        ).await;
    };

    answers_later_than_the_timeout_for_a_while => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(3, Fault::black_hole());
            },
            async |_, _| {},
        ).await;
    };

    frozen_connections_that_thaw => async |over| {
        delivers_all(
            over,
            async |receiver| receiver.set_network(Network::BlackHole).await.unwrap(),
            async |receiver, telemetry| {
                until(telemetry, |signal| signal.retries > 0).await;
                receiver.set_network(Network::Up).await.unwrap();
            },
        ).await;
    };

    refused_for_ever => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.set_network(Network::Refuse).await.unwrap();
        let endpoint = over.endpoint(&receiver).to_owned();
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["refused"]).await;
    };

    silent_for_ever => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.set_network(Network::BlackHole).await.unwrap();
        let endpoint = over.endpoint(&receiver).to_owned();
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["no answer within"]).await;
    };

    unavailable_for_ever => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(503).message("out to lunch"));
        let endpoint = over.endpoint(&receiver).to_owned();
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["out to lunch"]).await;
    };

    exhausted_without_a_hint => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(429));
        let endpoint = over.endpoint(&receiver).to_owned();
        // gRPC: final without RetryInfo. HTTP: worth a retry without Retry-After.
        let reasons = [Loss::Refused, Loss::Shutdown];
        loses_all(over, &receiver, &endpoint, &reasons, &["RESOURCE_EXHAUSTED", "429"]).await;
    };

    internal_error => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(500));
        let endpoint = over.endpoint(&receiver).to_owned();
        let reasons = [Loss::Refused, Loss::Shutdown];
        loses_all(over, &receiver, &endpoint, &reasons, &["INTERNAL", "500"]).await;
    };

    unauthenticated => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(401));
        let endpoint = over.endpoint(&receiver).to_owned();
        let reasons = [Loss::Refused, Loss::Shutdown];
        loses_all(over, &receiver, &endpoint, &reasons, &["UNAUTHENTICATED", "401"]).await;
    };

    a_name_that_does_not_resolve => async |over| {
        let receiver = Receiver::start().await.unwrap();
        // A label of more than 63 characters fails without asking a network.
        let endpoint = format!("http://{}:4317", "x".repeat(70));
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["dns", "lookup", "name"]).await;
    };

    half_rejected => async |over| rejects_some(over).await;
    a_hint_holds_for_the_whole_signal => async |over| hint_gates(over).await;
    a_hint_longer_than_the_shutdown_ends_it_early => async |over| long_hint(over).await;
    slow_answers_have_several_exports_in_flight => async |over| slow(over).await;
    oversized_batches_are_split => async |over| oversized(over).await;
    what_waited_too_long_is_given_up => async |over| expired(over).await;
    a_full_queue_turns_away_and_counts => async |over| full(over).await;
    a_blocked_exporter_holds_nobody_up => async |over| blocked(over).await;
}
