//! The work: one span with two fields around an await, again and again.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tracing::Instrument;

/// The function whose instructions count; see [`drive`].
pub const DRIVE: &str = "campanile_bench_bridge::work::drive";

async fn load(id: u64) -> u64 {
    black_box(id)
}

/// Loads `count` items, each in a span of its own if `has_span`. It is never inlined, as callgrind
/// finds it by its name.
#[inline(never)]
pub fn drive(count: usize, has_span: bool) {
    for id in 0..count as u64 {
        let mut cx = Context::from_waker(Waker::noop());
        let poll = if has_span {
            let span = tracing::info_span!("load_item", item.id = id, db.system = "sqlite");
            pin!(load(id).instrument(span)).as_mut().poll(&mut cx)
        } else {
            pin!(load(id)).as_mut().poll(&mut cx)
        };
        assert!(matches!(poll, Poll::Ready(_)));
    }
}
