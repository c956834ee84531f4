//! The parts of the paved path, each working alone.

use campanile_recorder::Source;
use tower_layer::Layer;

use crate::settings::Role;
use crate::{Server, ServerLayer};

macro_rules! part {
    ($(#[$doc:meta])+ $name:ident: $role:expr) => {
        $(#[$doc])+
        #[derive(Clone, Debug)]
        pub struct $name(ServerLayer);

        impl $name {
            /// Creates a layer that reports to `source`.
            pub fn new(source: &impl Source) -> Self {
                Self(ServerLayer::with_role(source.recorder(), $role))
            }

            /// Changes the settings, which are those of [`ServerLayer`] as far as they apply.
            pub fn with(self, change: impl FnOnce(ServerLayer) -> ServerLayer) -> Self {
                Self(change(self.0))
            }
        }

        impl<S> Layer<S> for $name {
            type Service = Server<S>;

            fn layer(&self, inner: S) -> Self::Service {
                self.0.layer(inner)
            }
        }
    };
}

part! {
    /// Makes the caller's trace context current, and does nothing else: no span, no metric.
    ExtractLayer: Role { extracts: true, traces: false, counts: false }
}

part! {
    /// Opens the root span and watches it to the end of the body. It continues what is current:
    /// put an [`ExtractLayer`] outside it.
    TraceLayer: Role { extracts: false, traces: true, counts: false }
}

part! {
    /// Counts and measures exchanges; no span.
    MetricsLayer: Role { extracts: false, traces: false, counts: true }
}
