//! What observation costs, counted by the allocator: for a message, for a connection that idles,
//! for a message in flight.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::alloc::System;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_recorder::{Handle, Stock};
use campanile_ws::{Failure, Fault, Session, Sessions, observe};
use futures_util::{Sink, SinkExt, Stream};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context as Trace, TraceFlags};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tungstenite_029::Message;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A socket of no size that takes everything and says nothing.
struct Void;

#[derive(Debug)]
struct Never;

impl Fault for Never {
    fn failure(&self) -> Failure {
        Failure::Misuse
    }

    fn cut_off() -> Self {
        Self
    }
}

impl Stream for Void {
    type Item = Result<Message, Never>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<Message> for Void {
    type Error = Never;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Never> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }
}

async fn send(session: &mut Session<Void>, batch: usize, message: &Message) {
    for _ in 0..batch {
        session.feed(message.clone()).await.unwrap();
    }
    session.flush().await.unwrap();
}

/// The tests share one allocator, so they are one test.
#[tokio::test]
async fn costs_stay_within_their_bounds() {
    let sessions = Sessions::builder(&Handle::new(Stock::from_global()))
        .without_heartbeat()
        .build();

    // A message: nothing is allocated once the ring has its size.
    let mut session = observe(Void, &sessions).start();
    let message = Message::text("hello");
    for _ in 0..4 {
        send(&mut session, 64, &message).await;
    }
    for batch in [1, 4, 64] {
        let region = Region::new(GLOBAL);
        for _ in 0..1_000 {
            send(&mut session, batch, &message).await;
        }
        let spent = region.change();
        // A background tick may fall in between; a message may not.
        assert!(spent.allocations < 50, "batch {batch}: {spent:?}");
    }
    drop(session);

    // An idle connection: what stays on the heap, and the size of the session itself. Its place
    // among the heartbeats is in it.
    let sessions = Sessions::new(&Handle::new(Stock::from_global()));
    const CONNECTIONS: usize = 2_000;
    let caller = SpanContext::new(
        1.into(),
        1.into(),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    let context = || Trace::new().with_remote_span_context(caller.clone());
    let mut kept = Vec::with_capacity(CONNECTIONS);
    let region = Region::new(GLOBAL);
    for _ in 0..CONNECTIONS {
        kept.push(
            observe(Void, &sessions)
                .context(context())
                .with_pings()
                .start(),
        );
    }
    let spent = region.change();
    let heap = (spent.bytes_allocated - spent.bytes_deallocated) / CONNECTIONS;
    let inline = size_of::<Session<Void>>();
    println!("an idle connection: {inline} bytes inline, {heap} on the heap");
    assert!(inline + heap <= 256, "{inline} + {heap}");

    // A message in flight: 8 bytes, up to the growth of the ring.
    const IN_FLIGHT: usize = 4_096;
    let session = kept.last_mut().unwrap();
    let region = Region::new(GLOBAL);
    send(session, IN_FLIGHT, &message).await;
    let spent = region.change();
    let held = spent.bytes_allocated - spent.bytes_deallocated;
    println!("a message in flight: {} bytes", held / IN_FLIGHT);
    assert!(held <= 8 * IN_FLIGHT + 1_024, "{held}");
}
