//! Into another task, or onto another thread.
//!
//! A context is current on one thread for as long as something is polled there. What is spawned
//! starts without one, so it has to be carried over.

use opentelemetry::Context;
use opentelemetry::context::{FutureExt, WithContext};

/// Makes what is current now current in `future`, wherever it is polled.
///
/// Hand the result to the runtime's own `spawn`. Requests made in the new task belong to the same
/// trace and carry the same baggage.
///
/// ```
/// # async fn handler() {
/// use campanile_propagation::carry;
///
/// tokio::spawn(carry(async {
///     // `Context::current()` is that of the handler
/// }));
/// # }
/// ```
pub fn carry<F: Future>(future: F) -> WithContext<F> {
    future.with_current_context()
}

/// The same for a closure: `spawn_blocking`, threads, callbacks.
///
/// ```
/// use campanile_propagation::carry_fn;
///
/// let work = carry_fn(|| "done");
/// assert_eq!(std::thread::spawn(work).join().ok(), Some("done"));
/// ```
pub fn carry_fn<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let context = Context::current();
    move || {
        let _attached = context.attach();
        work()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Baggage;

    fn plan() -> Option<String> {
        let baggage = Baggage::of(&Context::current());
        baggage.get("plan").map(std::borrow::Cow::into_owned)
    }

    #[test]
    fn what_is_current_where_it_is_wrapped_is_current_where_it_runs() {
        let baggage = Baggage::default().with("plan", "pro").unwrap();
        let attached = baggage.into_context(&Context::new()).attach();
        let (future, work) = (Box::pin(carry(async { plan() })), carry_fn(plan));
        drop(attached);
        assert_eq!(plan(), None);
        let poll = move || {
            let mut future = future;
            let mut task = std::task::Context::from_waker(std::task::Waker::noop());
            future.as_mut().poll(&mut task)
        };
        let polled = std::thread::spawn(poll).join().unwrap();
        assert_eq!(polled, std::task::Poll::Ready(Some("pro".to_owned())));
        let worked = std::thread::spawn(move || (work(), plan())).join().unwrap();
        assert_eq!(worked, (Some("pro".to_owned()), None));
    }
}
