//! Every name on the wire, spelled once.
//!
//! Attribute keys, metric descriptors, event names, span names and closed value sets are constants
//! here and nowhere else. `docs/signals.md` is written from [`attribute::ALL`], [`metric::ALL`],
//! [`event::ALL`] and [`span::ALL`], so the catalogue cannot disagree with the code.
//!
//! Standard names follow the OpenTelemetry semantic conventions, version [`SCHEMA_URL`]; names of
//! our own live in the namespaces `websocket.`, `voice.` and `campanile.`, those of the reference
//! server in `chat.`.
//!
//! ```
//! use campanile_semconv::{attribute, metric};
//!
//! assert_eq!(attribute::HTTP_ROUTE, "http.route");
//! assert_eq!(metric::HTTP_SERVER_REQUEST_DURATION.unit, "s");
//! ```

pub mod attribute;
pub mod event;
pub mod header;
pub mod metric;
pub mod span;
pub mod value;

/// The schema that our instrumentation scopes declare (OTLP `schema_url`).
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// Who defined a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The OpenTelemetry semantic conventions.
    Standard,
    /// Campanile, because no convention exists yet.
    Own,
}

impl Origin {
    /// The word used in `docs/signals.md`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Own => "own",
        }
    }
}
