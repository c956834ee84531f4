//! Tower layers that give each HTTP exchange one span, one duration and one outcome.
//!
//! [`ServerLayer`] is the paved path: it reads the caller's trace context, opens the root span,
//! runs the inner service inside its context, and watches the response to the last frame of its
//! body, its error or its drop. Span and metric end together, exactly once.
//!
//! It knows no SDK: what happens is told to the [`Recorder`](campanile_recorder::Recorder) that
//! it was given.

mod head;
mod observe;
mod route;
mod server;

pub use observe::{ResponseBody, ResponseFuture};
pub use route::{RouteLayer, Routed};
pub use server::{Server, ServerLayer};
