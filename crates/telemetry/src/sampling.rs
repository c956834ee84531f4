//! Which traces are kept.
//!
//! The decision falls once, where a trace enters this process, and is carried on. What was not
//! kept can still leave its entry span behind when the request fails or is slow; such a span is
//! marked (`campanile.sampling.reason`), so that statistics over sampled traces stay true.

mod sampler;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub(crate) use self::sampler::{Caller, Sampler, Subject, Verdict};

/// Which traces are kept.
///
/// The default is the specification's: a caller's decision is followed, everything else is kept.
/// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` win over the base that is set here; rules
/// stay.
///
/// ```
/// use std::time::Duration;
///
/// use campanile_telemetry::{Sampling, Telemetry};
///
/// let sampling = Sampling::ratio(0.1)
///     .route("/rooms/{id}/history", 0.01)
///     .domain("auth", 1.0)
///     .never("/internal/probe")
///     .slower_than(Duration::from_millis(800));
/// let builder = Telemetry::from_env("chat-api").sampling(sampling);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Sampling {
    pub(crate) parent_based: bool,
    pub(crate) base: Base,
    pub(crate) rules: Vec<Rule>,
    pub(crate) failures: bool,
    pub(crate) slow: Option<Duration>,
}

/// The share of traces that begin here and no rule is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Base {
    Ratio(f64),
}

impl Base {
    pub(crate) fn ratio(self) -> f64 {
        let Self::Ratio(ratio) = self;
        ratio
    }
}

/// What is different for some traces.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) about: About,
    pub(crate) ratio: f64,
    /// Holds against a caller's decision, too.
    pub(crate) never: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum About {
    /// The route's template, or the path where there is none.
    Route(Cow<'static, str>),
    Domain(Cow<'static, str>),
}

/// Where orchestrators ask for health.
const HEALTH: [&str; 4] = ["/health", "/healthz", "/livez", "/readyz"];

/// A request slower than this leaves its span behind.
const SLOW: Duration = Duration::from_secs(1);

impl Default for Sampling {
    /// Follows the caller, else keeps everything but health checks.
    fn default() -> Self {
        Self::ratio(1.0)
    }
}

impl Sampling {
    /// Keeps this share of the traces that begin here, from 0 to 1; values outside are cut.
    pub fn ratio(ratio: f64) -> Self {
        let health = HEALTH.into_iter().map(|path| Rule {
            about: About::Route(Cow::Borrowed(path)),
            ratio: 0.0,
            never: true,
        });
        Self {
            parent_based: true,
            base: Base::Ratio(share(ratio)),
            rules: health.collect(),
            failures: true,
            slow: Some(SLOW),
        }
    }

    /// Keeps another share of the requests to a route (its template, as in `/rooms/{id}`).
    ///
    /// Later rules win over earlier ones. A layer outside the router knows no template yet; then
    /// the raw path is compared.
    pub fn route(self, route: impl Into<Cow<'static, str>>, ratio: f64) -> Self {
        self.rule(About::Route(route.into()), ratio, false)
    }

    /// Keeps another share of the requests of a domain.
    pub fn domain(self, domain: impl Into<Cow<'static, str>>, ratio: f64) -> Self {
        self.rule(About::Domain(domain.into()), ratio, false)
    }

    /// Never keeps requests to a route, whatever the caller decided and however they end. Health
    /// checks (`/health`, `/healthz`, `/livez`, `/readyz`) are from the start.
    pub fn never(self, route: impl Into<Cow<'static, str>>) -> Self {
        self.rule(About::Route(route.into()), 0.0, true)
    }

    /// A request at least this slow leaves its span though its trace was not kept (default 1 s).
    pub fn slower_than(mut self, threshold: Duration) -> Self {
        self.slow = Some(threshold);
        self
    }

    /// Keeps nothing of traces that were not kept, neither failures nor slow requests.
    pub fn without_late_spans(mut self) -> Self {
        self.failures = false;
        self.slow = None;
        self
    }

    fn rule(mut self, about: About, ratio: f64, never: bool) -> Self {
        let ratio = share(ratio);
        self.rules.push(Rule {
            about,
            ratio,
            never,
        });
        self
    }

    pub(crate) fn with_base(mut self, parent_based: bool, base: Base) -> Self {
        self.parent_based = parent_based;
        self.base = base;
        // Who switches sampling off wants nothing at all.
        if base.ratio() <= 0.0 {
            self = self.without_late_spans();
        }
        self
    }

    /// Whether a span that was not kept may yet have to be.
    pub(crate) fn keeps_late(&self) -> bool {
        self.failures || self.slow.is_some()
    }
}

/// For people: what is printed when the telemetry starts.
impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.ratio();
        let parent = if self.parent_based {
            "parent, else "
        } else {
            ""
        };
        write!(f, "{parent}{base}")?;
        let rules = self
            .rules
            .iter()
            .filter(|rule| !HEALTH.iter().any(|path| rule.is_about(path)));
        for rule in rules {
            let (About::Route(name) | About::Domain(name)) = &rule.about;
            write!(f, ", {name} {}", rule.ratio)?;
        }
        Ok(())
    }
}

impl Rule {
    fn is_about(&self, path: &str) -> bool {
        self.never && matches!(&self.about, About::Route(route) if route == path)
    }
}

fn share(ratio: f64) -> f64 {
    if ratio.is_nan() {
        1.0
    } else {
        ratio.clamp(0.0, 1.0)
    }
}
