//! From the environment to OTLP pipelines that fail open and stop on time.
//!
//! [`Telemetry::from_env`] reads the `OTEL_*` variables, [`Builder::install`] starts everything:
//! spans, metrics and logs over OTLP, JSON lines on standard error. Bad configuration, a dead
//! collector or a missing runtime never stop or slow the service; what was lost is counted.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use campanile_telemetry::Telemetry;
//!
//! # async fn serve() {}
//! # async fn main_() -> Result<(), Box<dyn std::error::Error>> {
//! let telemetry = Telemetry::from_env("chat-api").install()?;
//! serve().await;
//! telemetry.shutdown(Duration::from_secs(5)).await.log();
//! # Ok(())
//! # }
//! ```

mod assemble;
mod builder;
mod config;
mod error;
mod lean;
mod lifecycle;
mod own_metrics;
mod pipeline;
mod process;
mod report;
mod sampling;
mod sdk;
mod signal;
mod status;
mod stop;
mod stripe;
mod telemetry;
mod tracer;
mod transport;

pub use builder::Builder;
pub use error::{ConfigError, InstallError};
#[cfg(any(test, feature = "differential"))]
#[doc(hidden)]
pub use lean::differential;
pub use pipeline::Loss;
pub use report::Report;
pub use sampling::Sampling;
pub use signal::Signal;
pub use status::{SignalStatus, Status};
pub use telemetry::Telemetry;
pub use tracer::{Span, Tracer};

/// The guide's code compiles, and does what it says.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../docs/guide/start-and-stop.md")]
    mod start_and_stop {}
    #[doc = include_str!("../../../docs/guide/environment.md")]
    mod environment {}
    #[doc = include_str!("../../../docs/guide/collector-down.md")]
    mod collector_down {}
    #[doc = include_str!("../../../docs/guide/audit.md")]
    mod audit {}
    #[doc = include_str!("../../../docs/guide/logs.md")]
    mod logs {}
    #[doc = include_str!("../../../docs/guide/sampling.md")]
    mod sampling {}
    #[doc = include_str!("../../../docs/guide/tracing-spans.md")]
    mod tracing_spans {}
    #[doc = include_str!("../../../docs/guide/privacy.md")]
    mod privacy {}
}
