//! Which events there are, changeable while the process runs.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::Context;

/// A filter over all layers, as [`EnvFilter`] reads it (`info,hyper=warn`), that can be replaced.
///
/// A clone is the same filter: one goes into the subscriber, the other one changes it.
///
/// ```
/// use campanile_logs::{Lines, LogFilter, Sink};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let filter = LogFilter::new("warn")?;
/// let (sink, captured) = Sink::captured();
/// let subscriber = tracing_subscriber::registry()
///     .with(filter.clone())
///     .with(Lines::new("shop", sink));
/// tracing::subscriber::with_default(subscriber, || {
///     let say = |text| tracing::info!("{text}");
///     say("not yet");
///     filter.set("info").unwrap();
///     say("now");
/// });
/// assert!(captured.text().contains("now") && !captured.text().contains("not yet"));
/// # Ok::<(), campanile_logs::FilterError>(())
/// ```
#[derive(Clone)]
pub struct LogFilter(Arc<Shared>);

struct Shared {
    current: RwLock<Arc<Current>>,
    /// Some filter looked at spans' fields: they have to be followed.
    follows_spans: AtomicBool,
}

struct Current {
    directives: String,
    filter: EnvFilter,
}

impl Current {
    fn read(directives: &str) -> Result<Self, FilterError> {
        let parsed = EnvFilter::builder().parse(directives);
        let filter = parsed.map_err(|error| FilterError {
            input: directives.to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self {
            directives: directives.to_owned(),
            filter,
        })
    }
}

/// Whether directives name spans or their fields: `[span{field=value}]=level`.
fn names_spans(directives: &str) -> bool {
    directives.contains(['[', '{'])
}

impl LogFilter {
    /// Reads directives: a level, or `target=level`, or several of them with commas between.
    ///
    /// # Errors
    /// When they cannot be understood.
    pub fn new(directives: &str) -> Result<Self, FilterError> {
        Ok(Self(Arc::new(Shared {
            follows_spans: AtomicBool::new(names_spans(directives)),
            current: RwLock::new(Arc::new(Current::read(directives)?)),
        })))
    }

    /// Replaces the directives, for all threads from now on.
    ///
    /// Directives about a span's fields concern spans that begin after this.
    ///
    /// # Errors
    /// When they cannot be understood; nothing changes then.
    pub fn set(&self, directives: &str) -> Result<(), FilterError> {
        let next = Arc::new(Current::read(directives)?);
        if names_spans(directives) {
            self.0.follows_spans.store(true, Ordering::Relaxed);
        }
        let mut current = self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = next;
        drop(current);
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    /// The directives that are in force.
    pub fn directives(&self) -> String {
        self.current().directives.clone()
    }

    /// The most verbose level that may pass; none when that depends on spans.
    pub fn max_level(&self) -> Option<LevelFilter> {
        self.current().filter.max_level_hint()
    }

    /// Nothing is locked while the filter works: it formats fields, which may log.
    fn current(&self) -> Arc<Current> {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn follows_spans(&self) -> bool {
        self.0.follows_spans.load(Ordering::Relaxed)
    }
}

impl Default for LogFilter {
    /// Everything from INFO on.
    fn default() -> Self {
        let current = Current {
            directives: "info".to_owned(),
            filter: EnvFilter::new("info"),
        };
        Self(Arc::new(Shared {
            follows_spans: AtomicBool::new(false),
            current: RwLock::new(Arc::new(current)),
        }))
    }
}

impl<S: Subscriber> Layer<S> for LogFilter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&self.current().filter, metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.max_level()
    }

    fn enabled(&self, metadata: &Metadata<'_>, cx: Context<'_, S>) -> bool {
        Layer::<S>::enabled(&self.current().filter, metadata, cx)
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, cx: Context<'_, S>) {
        if self.follows_spans() {
            Layer::<S>::on_new_span(&self.current().filter, attributes, id, cx);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, cx: Context<'_, S>) {
        if self.follows_spans() {
            Layer::<S>::on_record(&self.current().filter, id, values, cx);
        }
    }

    fn on_enter(&self, id: &span::Id, cx: Context<'_, S>) {
        if self.follows_spans() {
            Layer::<S>::on_enter(&self.current().filter, id, cx);
        }
    }

    fn on_exit(&self, id: &span::Id, cx: Context<'_, S>) {
        if self.follows_spans() {
            Layer::<S>::on_exit(&self.current().filter, id, cx);
        }
    }

    fn on_close(&self, id: span::Id, cx: Context<'_, S>) {
        if self.follows_spans() {
            Layer::<S>::on_close(&self.current().filter, id, cx);
        }
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogFilter")
            .field(&self.current().directives)
            .finish()
    }
}

/// Directives that cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilterError {
    input: String,
    why: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot read the log filter \"{}\": {}: write a level (error, warn, info, debug, trace, off) or target=level, with commas between",
            self.input.escape_debug(),
            self.why
        )
    }
}

impl std::error::Error for FilterError {}
