//! What an upgrade hands to its socket.

use opentelemetry::Context;

use crate::{Handle, Route};

/// The upgrade request's context, recorder and route.
///
/// The HTTP layer puts it into the request's extensions, on upgrades only; the WebSocket layer
/// takes it over to the socket's task, which axum does not.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The context of the upgrade request; its span is what session spans link to.
    pub context: Context,
    /// The pipeline to report to.
    pub recorder: Handle,
    /// The route of the upgrade request, as far as it was known before the handler ran.
    pub route: &'static Route,
}
