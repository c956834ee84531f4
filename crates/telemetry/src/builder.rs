//! From settings to running telemetry.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile_logs::Sink;
use campanile_redaction::Redactor;
use opentelemetry_sdk::trace::TracerProviderBuilder;

use crate::config::Config;
use crate::telemetry::DROP_DEADLINE;
use crate::{ConfigError, InstallError, Sampling, Telemetry};

/// Reads a variable of the environment.
pub(crate) type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a user does to the SDK's tracer provider.
pub(crate) type AdjustTracers =
    Arc<dyn Fn(TracerProviderBuilder) -> TracerProviderBuilder + Send + Sync>;

/// Settings of a [`Telemetry`] before it starts. Code says the default, the environment decides.
#[derive(Clone)]
pub struct Builder {
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) defaults: BTreeMap<String, String>,
    pub(crate) sampling: Sampling,
    pub(crate) environment: Environment,
    pub(crate) lines: Sink,
    pub(crate) redactor: Redactor,
    pub(crate) span_fields: Vec<String>,
    pub(crate) keeps_panic_hook: bool,
    pub(crate) drop_deadline: Duration,
    pub(crate) adjust_tracers: Option<AdjustTracers>,
}

impl Builder {
    pub(crate) fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            version: None,
            defaults: BTreeMap::new(),
            sampling: Sampling::default(),
            environment: Arc::new(|name| std::env::var(name).ok()),
            lines: Sink::stderr(),
            redactor: Redactor::standard(),
            span_fields: Vec::new(),
            keeps_panic_hook: false,
            drop_deadline: DROP_DEADLINE,
            adjust_tracers: None,
        }
    }

    /// Sets the service's version (`service.version`).
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets where to export when `OTEL_EXPORTER_OTLP_ENDPOINT` is not set (default
    /// `http://localhost:4317`).
    pub fn default_endpoint(self, url: impl Into<String>) -> Self {
        self.setting("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    }

    /// Says in code what a variable would say: any of those in the guide's table.
    ///
    /// The environment wins, so that an operator can correct a binary.
    ///
    /// ```
    /// use campanile_telemetry::Telemetry;
    ///
    /// let builder = Telemetry::from_env("chat-api")
    ///     .setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    ///     .setting("OTEL_METRIC_EXPORT_INTERVAL", "5000");
    /// # let _ = builder;
    /// ```
    pub fn setting(mut self, variable: impl Into<String>, value: impl Into<String>) -> Self {
        self.defaults.insert(variable.into(), value.into());
        self
    }

    /// Says which traces are kept (default: the caller's decision, else all but health checks).
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Records everything by `opentelemetry_sdk` instead of our own pipeline, which writes OTLP
    /// directly: the same as `CAMPANILE_PIPELINE=stock`, and the environment wins.
    ///
    /// What arrives is the same; a request costs more.
    pub fn stock(self) -> Self {
        self.setting("CAMPANILE_PIPELINE", "stock")
    }

    /// Like [`stock`](Self::stock), with span processors, a sampler or an id generator of your own.
    ///
    /// `adjust` gets the builder with our resource, limits, sampler and export in it. With another
    /// sampler, the rules of [`sampling`](Self::sampling) decide only what is kept late.
    ///
    /// ```
    /// use campanile_telemetry::Telemetry;
    /// use opentelemetry_sdk::trace::Sampler;
    ///
    /// let builder = Telemetry::from_env("chat-api")
    ///     .stock_with(|tracers| tracers.with_sampler(Sampler::AlwaysOn));
    /// # let _ = builder;
    /// ```
    pub fn stock_with(
        mut self,
        adjust: impl Fn(TracerProviderBuilder) -> TracerProviderBuilder + Send + Sync + 'static,
    ) -> Self {
        self.adjust_tracers = Some(Arc::new(adjust));
        self.stock()
    }

    /// Makes spans of those of `tracing` by our own bridge instead of `tracing-opentelemetry`: the
    /// same as `CAMPANILE_TRACING_BRIDGE=own`, and the environment wins. It needs the lean pipeline.
    ///
    /// What arrives is the same, at less than half the price, and nothing is made below a request
    /// that is not sampled. `tracing_opentelemetry::OpenTelemetrySpanExt` does nothing then: use
    /// `opentelemetry::Context::current()`.
    pub fn own_bridge(self) -> Self {
        self.setting("CAMPANILE_TRACING_BRIDGE", "own")
    }

    /// Makes events of `tracing` events of their spans, too, and an event at ERROR the error of its
    /// span: the same as `CAMPANILE_SPAN_EVENTS=true`, and the environment wins.
    ///
    /// By default they are log records only, so that each is stored once.
    pub fn span_events(self) -> Self {
        self.setting("CAMPANILE_SPAN_EVENTS", "true")
    }

    /// Reads variables with `get` instead of from the process's environment.
    pub fn environment(
        mut self,
        get: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.environment = Arc::new(get);
        self
    }

    /// Takes secrets out with these rules instead of [`Redactor::standard`].
    ///
    /// ```
    /// use campanile_redaction::Redactor;
    /// use campanile_telemetry::Telemetry;
    ///
    /// let builder = Telemetry::from_env("chat-api")
    ///     .redactor(Redactor::builder().key("x-invite-code").build());
    /// # let _ = builder;
    /// ```
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Names the fields of `tracing` spans that are written on each log line inside them (default:
    /// none).
    pub fn log_span_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.span_fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Lets the panic hook that is there at [`install`](Self::install) speak too.
    ///
    /// A panic becomes one log line, redacted. The standard library's own hook would write the text
    /// as it is to standard error beside that, with whatever secret is in it; so by default a hook
    /// that is already there is replaced. One that is set later, and calls the one it found, is not
    /// concerned.
    pub fn keep_panic_hook(mut self) -> Self {
        self.keeps_panic_hook = true;
        self
    }

    /// Sends the log lines somewhere else than to standard error.
    pub fn lines(mut self, sink: Sink) -> Self {
        self.lines = sink;
        self
    }

    /// How long the drop of the last [`Telemetry`] may take when nobody called
    /// [`shutdown`](Telemetry::shutdown) (default 5 s).
    pub fn drop_deadline(mut self, deadline: Duration) -> Self {
        self.drop_deadline = deadline;
        self
    }

    /// Says what was understood, secrets masked.
    ///
    /// # Errors
    /// When a variable cannot be obeyed. Some switch telemetry off, the others fall back to their
    /// default; this tells them all.
    pub fn check(&self) -> Result<String, ConfigError> {
        Config::read(self).check()
    }

    /// Starts without touching any global: for tests, and for several pipelines in one process.
    pub fn build(self) -> Telemetry {
        Telemetry::start(&self)
    }

    /// Starts, and becomes the process's tracer, meter and subscriber.
    ///
    /// Bad configuration is not an error: telemetry is then off, and one line says why and how
    /// to mend it.
    ///
    /// # Errors
    /// Only when a telemetry or another global subscriber is already installed; nothing was
    /// changed then.
    pub fn install(self) -> Result<Telemetry, InstallError> {
        static INSTALLED: AtomicBool = AtomicBool::new(false);
        if INSTALLED.swap(true, Ordering::SeqCst) {
            return Err(InstallError::already_installed());
        }
        let telemetry = Telemetry::start(&self);
        if tracing::dispatcher::set_global_default(telemetry.subscriber()).is_err() {
            INSTALLED.store(false, Ordering::SeqCst);
            return Err(InstallError::foreign_subscriber());
        }
        telemetry.set_globals();
        telemetry.take_records_of_log();
        telemetry.tell_panics(self.keeps_panic_hook);
        Ok(telemetry)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
