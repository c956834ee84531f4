//! Running telemetry.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use campanile_logs::audit::Audit;
use campanile_logs::{FilterError, LogFilter, Sink};
use campanile_propagation::{Formats, W3cPropagator};
use campanile_recorder::{Handle, Source};
use campanile_redaction::{Pseudonyms, Redactor};
use campanile_semconv::event;
use opentelemetry::global;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_log::AsLog;

use crate::assemble::{self, Providers};
use crate::builder::{Builder, Environment};
use crate::config::Config;
use crate::lifecycle::{self, Goal};
use crate::pipeline::{Notices, Pipeline};
use crate::{Report, Status, Tracer, process, stop};

/// How long a drop without a shutdown may take.
pub(crate) const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// How long an aborting panic may be held up.
const ABORT_DEADLINE: Duration = Duration::from_secs(1);

/// Running telemetry. Clones are the same one.
///
/// Dropping the last clone without [`shutdown`](Self::shutdown) shuts down too, for at most five
/// seconds.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    providers: Providers,
    formats: Formats,
    recorder: Handle,
    subscriber: Dispatch,
    audit: Audit,
    lines: Sink,
    filter: LogFilter,
    /// The global subscriber is this one, so `log` records follow its filter.
    takes_log: AtomicBool,
    redactor: Redactor,
    notices: Arc<Notices>,
    pseudonyms: OnceLock<Pseudonyms>,
    environment: Environment,
    pipeline: Option<Arc<Pipeline>>,
    off: Option<String>,
    ended: AtomicBool,
    drop_deadline: Duration,
}

impl Telemetry {
    /// Settings from the environment (`OTEL_*`), for the service of this name.
    ///
    /// `OTEL_SERVICE_NAME` wins over `service`.
    pub fn from_env(service: &str) -> Builder {
        Builder::new(service)
    }

    /// Exports to `endpoint` over OTLP/gRPC, and touches no global: many of them can live in one
    /// test process. JSON lines are discarded. Of the environment only `CAMPANILE_PIPELINE` and
    /// `CAMPANILE_TRACING_BRIDGE` are read, so that a suite can be run over either of each.
    pub fn for_test(endpoint: impl AsRef<str>) -> Self {
        Builder::new("test")
            .environment(|name| match name {
                "CAMPANILE_PIPELINE" | "CAMPANILE_TRACING_BRIDGE" => std::env::var(name).ok(),
                _ => None,
            })
            .default_endpoint(endpoint.as_ref())
            .setting("OTEL_BSP_SCHEDULE_DELAY", "20")
            .setting("OTEL_BLRP_SCHEDULE_DELAY", "20")
            .lines(Sink::nowhere())
            .drop_deadline(Duration::from_millis(500))
            .build()
    }

    pub(crate) fn start(builder: &Builder) -> Self {
        let config = Config::read(builder);
        let notices = Arc::new(Notices::new(assemble::voice(&config, builder)));
        let mut off = config.off();
        let mut pipeline = None;
        if off.is_none() {
            match assemble::pipeline(&config, &builder.redactor, &notices) {
                Ok(started) => pipeline = started,
                Err(error) => off = Some(format!("the export thread does not start: {error}")),
            }
        }
        let providers = assemble::providers(&config, builder, pipeline.as_deref());
        let filter = assemble::filter(&config);
        let subscriber =
            assemble::subscriber(&config, builder, &filter, &providers, pipeline.as_deref());
        let audit = assemble::audit_ways(&config, builder, &providers, pipeline.as_deref());
        let recorder = assemble::recorder(&config, &providers);
        announce(&notices, &config, off.as_deref());
        Self(Arc::new(Inner {
            providers,
            formats: config.formats,
            recorder,
            subscriber,
            audit,
            lines: builder.lines.clone(),
            filter,
            takes_log: AtomicBool::new(false),
            redactor: builder.redactor.clone(),
            notices,
            pseudonyms: OnceLock::new(),
            environment: builder.environment.clone(),
            pipeline,
            off,
            ended: AtomicBool::new(false),
            drop_deadline: builder.drop_deadline,
        }))
    }

    /// Becomes what libraries find globally.
    pub(crate) fn set_globals(&self) {
        global::set_text_map_propagator(W3cPropagator::of(self.0.formats));
        global::set_tracer_provider(self.0.providers.tracers.clone());
        global::set_meter_provider(self.0.providers.meters.clone());
    }

    /// Lets the records of the `log` crate arrive, unless there is another logger already.
    pub(crate) fn take_records_of_log(&self) {
        if tracing_log::LogTracer::init().is_ok() {
            self.0.takes_log.store(true, Ordering::Relaxed);
            self.0.limit_log();
        }
    }

    /// Makes a line of each panic from now on. Before a panic ends the process, the last batch is
    /// delivered; where panics unwind, the drop of the last handle does that.
    pub(crate) fn tell_panics(&self, keep_hook: bool) {
        let inner = Arc::downgrade(&self.0);
        let (lines, filter) = (self.0.lines.clone(), self.0.filter.clone());
        let (redactor, notices) = (self.0.redactor.clone(), self.0.notices.clone());
        let others = std::panic::take_hook();
        let others = (keep_hook || lines.is_nowhere()).then_some(others);
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(others) = &others {
                others(panic);
            }
            if filter.max_level() == Some(LevelFilter::OFF) {
                // No log is wanted; that a thread panicked has to be said all the same.
                notices.say(|| campanile_logs::tell_panic(panic, &redactor));
            } else {
                campanile_logs::tell_panic(panic, &redactor);
            }
            lifecycle::flush_after_panic(&lines);
            if cfg!(panic = "abort")
                && let Some(inner) = inner.upgrade()
            {
                let _ = inner.finish_blocking(Goal::Flush, ABORT_DEADLINE);
            }
        }));
    }

    /// Changes which spans and events of `tracing` there are, in the words of `RUST_LOG`, without a
    /// restart.
    ///
    /// ```
    /// # let telemetry = campanile_telemetry::Telemetry::for_test("http://127.0.0.1:1");
    /// telemetry.set_log_filter("debug,hyper=warn")?;
    /// assert!(telemetry.set_log_filter("debug,hyper=loud").is_err());
    /// assert_eq!(telemetry.log_filter(), "debug,hyper=warn");
    /// # Ok::<(), campanile_logs::FilterError>(())
    /// ```
    ///
    /// # Errors
    /// When the directives cannot be understood; nothing changes then.
    pub fn set_log_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.0.filter.set(directives)?;
        self.0.limit_log();
        Ok(())
    }

    /// The directives that decide which spans and events there are.
    pub fn log_filter(&self) -> String {
        self.0.filter.directives()
    }

    /// A `tracing` subscriber with the same layers that `install` sets globally, for
    /// `tracing::dispatcher::set_default` and `with_subscriber` in tests.
    pub fn subscriber(&self) -> Dispatch {
        self.0.subscriber.clone()
    }

    /// A tracer of this pipeline.
    pub fn tracer(&self, name: &'static str) -> Tracer {
        self.0.providers.tracers.tracer(name)
    }

    /// A meter of this pipeline.
    pub fn meter(&self, name: &'static str) -> opentelemetry::metrics::Meter {
        self.0.providers.meters.meter(name)
    }

    /// The rules by which secrets are taken out, with their counts.
    pub fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    /// Records what someone may have to answer for: on the log stream and over OTLP, whatever
    /// filters and samplers say. See [`campanile_logs::audit`].
    pub fn audit(&self) -> Audit {
        self.0.audit.clone()
    }

    /// Stand-ins for ids that must not be read, by the keys of `CAMPANILE_PSEUDONYM_KEY` or of the
    /// file that `CAMPANILE_PSEUDONYM_KEY_FILE` names, read at the first call.
    ///
    /// Without a usable key it is a temporary one, and one line warns of that.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        self.0.pseudonyms.get_or_init(|| {
            let read = Pseudonyms::from_variables(|name| (self.0.environment)(name));
            let (pseudonyms, why) = match read {
                Ok(given) if !given.is_temporary() => return given,
                Ok(temporary) => (temporary, "CAMPANILE_PSEUDONYM_KEY is not set".to_owned()),
                Err(error) => (Pseudonyms::temporary(), error.to_string()),
            };
            self.0.notices.say(|| {
                let event = event::CAMPANILE_TELEMETRY_CONFIG;
                tracing::warn!(target: "campanile", event, why, "pseudonyms are valid until this process ends only");
            });
            pseudonyms
        })
    }

    /// Measures this process from now on: `process.cpu.time`, `process.memory.usage` and so on,
    /// read from `/proc` at each collection. Call it once.
    pub fn observe_process(&self) {
        process::observe(&assemble::own_meter(&self.0.providers.meters));
    }

    /// Measures a tokio runtime from now on: `tokio.task.alive`, `tokio.worker.time` and so on.
    /// Call it once; the numbers of several runtimes are not told apart.
    pub fn observe_runtime(&self, runtime: &tokio::runtime::Handle) {
        process::observe_runtime(&assemble::own_meter(&self.0.providers.meters), runtime);
    }

    /// The state of export now, exact to the item.
    pub fn status(&self) -> Status {
        let books = self.0.books();
        Status {
            off: self.0.off.clone(),
            signals: books.signals,
            audit: books.audit,
            lines_dropped: self.0.lines.dropped(),
        }
    }

    /// Delivers what was recorded until now, for at most `deadline` over all signals.
    ///
    /// It works on any executor, and keeps none busy.
    pub async fn flush(&self, deadline: Duration) -> Report {
        self.0.finish(Goal::Flush, deadline).await
    }

    /// Delivers what was recorded until now, for at most `deadline` over all signals, and stops.
    ///
    /// What is recorded later is counted as lost, and nothing else happens to it.
    pub async fn shutdown(&self, deadline: Duration) -> Report {
        self.0.finish(Goal::Shutdown, deadline).await
    }

    /// Like [`shutdown`](Self::shutdown), for where nothing can be awaited.
    pub fn shutdown_blocking(&self, deadline: Duration) -> Report {
        self.0.finish_blocking(Goal::Shutdown, deadline)
    }

    /// Like [`flush`](Self::flush), for where nothing can be awaited.
    pub fn flush_blocking(&self, deadline: Duration) -> Report {
        self.0.finish_blocking(Goal::Flush, deadline)
    }

    /// Resolves at the first SIGINT or SIGTERM; a second one ends the process at once.
    ///
    /// The signals are caught from the first call on.
    pub fn stop_requested(&self) -> impl Future<Output = ()> + Send + 'static {
        stop::requested()
    }
}

impl Inner {
    /// Whether there is anything to do; a second shutdown finds nothing.
    fn begin(
        &self,
        goal: Goal,
        deadline: Duration,
    ) -> Result<tokio::sync::oneshot::Receiver<Report>, Box<Report>> {
        let ended = match goal {
            Goal::Flush => self.ended.load(Ordering::SeqCst),
            Goal::Shutdown => self.ended.swap(true, Ordering::SeqCst),
        };
        let Some(pipeline) = &self.pipeline else {
            return Err(Box::default());
        };
        if ended {
            let mut report = lifecycle::report(pipeline);
            report.ended = true;
            return Err(Box::new(report));
        }
        Ok(lifecycle::begin(
            pipeline,
            &self.providers.meters,
            goal,
            deadline,
        ))
    }

    async fn finish(&self, goal: Goal, deadline: Duration) -> Report {
        let begin = Instant::now();
        let report = match self.begin(goal, deadline) {
            Ok(report) => match report.await {
                Ok(report) => report,
                Err(_) => self.books(),
            },
            Err(report) => *report,
        };
        lifecycle::flush_lines(&self.lines, lifecycle::left(begin, deadline)).await;
        self.end_lines(goal);
        report
    }

    fn finish_blocking(&self, goal: Goal, deadline: Duration) -> Report {
        let begin = Instant::now();
        let report = match self.begin(goal, deadline) {
            Ok(report) => lifecycle::wait(report, deadline).unwrap_or_else(|| self.books()),
            Err(report) => *report,
        };
        self.lines.flush(lifecycle::left(begin, deadline));
        self.end_lines(goal);
        report
    }

    /// What is said after a shutdown is the last of the process: it waits until it is written.
    fn end_lines(&self, goal: Goal) {
        if goal == Goal::Shutdown {
            self.lines.linger(lifecycle::LINGER);
        }
    }

    /// `log` records that no filter lets through cost a comparison.
    fn limit_log(&self) {
        if self.takes_log.load(Ordering::Relaxed) {
            let level = self.filter.max_level().unwrap_or(LevelFilter::TRACE);
            tracing_log::log::set_max_level(level.as_log());
        }
    }

    fn books(&self) -> Report {
        let pipeline = self.pipeline.as_deref();
        pipeline.map(lifecycle::report).unwrap_or_default()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !*self.ended.get_mut() {
            let _ = self.finish_blocking(Goal::Shutdown, self.drop_deadline);
        } else {
            self.lines.flush(lifecycle::LAST_WORDS);
        }
    }
}

/// Says once what was understood, secrets masked, or why nothing is exported.
fn announce(notices: &Notices, config: &Config, off: Option<&str>) {
    let event = event::CAMPANILE_TELEMETRY_CONFIG;
    notices.say(|| {
        match off {
            Some(why) if config.disabled => {
                tracing::info!(target: "campanile", event, why, "telemetry is off");
            }
            Some(why) => tracing::error!(target: "campanile", event, why, "telemetry is off"),
            None => {
                let understood = config.describe();
                tracing::info!(target: "campanile", event, "telemetry: {understood}");
            }
        }
        for note in &config.notes {
            tracing::warn!(target: "campanile", event, "telemetry: {note}");
        }
    });
}

impl Source for Telemetry {
    fn recorder(&self) -> Handle {
        self.0.recorder.clone()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
