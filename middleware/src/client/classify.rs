//! From a client's error to one of a closed set of faults.

use std::error::Error;
use std::fmt;

use campanile_recorder::Fault;

/// Names the fault behind an error of type `E`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot look into `{E}`, because it does not implement `std::error::Error`",
    note = "a boxed error needs a rule: `layer.classify(|error: &BoxError| Fault::of(&**error))`"
)]
pub trait Classify<E> {
    /// Names the fault. It must not panic.
    fn classify(&self, error: &E) -> Fault;
}

/// Goes by the error's chain of causes: see [`Fault::of`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ByChain;

impl<E: Error + 'static> Classify<E> for ByChain {
    fn classify(&self, error: &E) -> Fault {
        Fault::of(error)
    }
}

/// Goes by a rule: see [`ClientLayer::classify`](super::ClientLayer::classify).
#[derive(Clone, Copy)]
pub struct ByRule<F>(pub(super) F);

impl<E, F: Fn(&E) -> Fault> Classify<E> for ByRule<F> {
    fn classify(&self, error: &E) -> Fault {
        (self.0)(error)
    }
}

impl<F> fmt::Debug for ByRule<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByRule")
    }
}
