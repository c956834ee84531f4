//! What a [`ServerLayer`](crate::ServerLayer) was told.

use std::fmt;
use std::sync::Arc;

use campanile_propagation::{Parent, Trust};
use campanile_recorder::AccessLog;
use campanile_redaction::{redact_query, redact_query_keys};
use http::{HeaderName, HeaderValue, request, response};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};

use crate::TrustedProxies;
use crate::capture::Capture;

/// How much of a request is observed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Observe {
    /// Span and metrics. The default.
    #[default]
    All,
    /// Metrics, but no span: for health checks. What is traced inside is not sampled.
    MetricsOnly,
    /// Nothing at all.
    Nothing,
}

/// How the response tells the trace it belongs to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TraceResponse {
    /// `server-timing: trace;desc=<traceparent>`, which browsers show.
    ServerTiming,
    /// A header of this name, such as `traceresponse`, with a `traceparent` as its value.
    Header(HeaderName),
}

impl TraceResponse {
    /// The header to send, when there is a trace.
    pub(crate) fn header(&self, context: &Context) -> Option<(HeaderName, HeaderValue)> {
        let parent = Parent::from_span_context(context.span().span_context())?.format();
        match self {
            Self::ServerTiming => {
                let value = [b"trace;desc=\"", &parent[..], b"\""].concat();
                Some((
                    HeaderName::from_static("server-timing"),
                    HeaderValue::from_bytes(&value).ok()?,
                ))
            }
            Self::Header(name) => Some((name.clone(), HeaderValue::from_bytes(&parent).ok()?)),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

type Rule<T> = Option<Arc<dyn Fn(&request::Parts) -> T + Send + Sync>>;
type ResponseRule<T> = Option<Arc<dyn Fn(&response::Parts) -> T + Send + Sync>>;

/// Which of the composable parts this layer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Role {
    pub(crate) extracts: bool,
    pub(crate) traces: bool,
    pub(crate) counts: bool,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) role: Role,
    pub(crate) trust: Rule<Trust>,
    pub(crate) filter: Rule<Observe>,
    pub(crate) route: Rule<Option<String>>,
    pub(crate) on_request: Rule<Vec<KeyValue>>,
    pub(crate) on_response: ResponseRule<Vec<KeyValue>>,
    pub(crate) proxies: Option<TrustedProxies>,
    pub(crate) allowed_query: Vec<&'static str>,
    /// When set, only the values of these keys are redacted.
    pub(crate) denied_query: Option<Vec<&'static str>>,
    pub(crate) request_headers: Capture,
    pub(crate) response_headers: Capture,
    pub(crate) baggage: Vec<&'static str>,
    pub(crate) public_baggage: Vec<&'static str>,
    pub(crate) domain: Option<&'static str>,
    pub(crate) https: bool,
    pub(crate) request_id: bool,
    pub(crate) rpc: bool,
    pub(crate) sizes: bool,
    pub(crate) trace_response: Option<TraceResponse>,
    pub(crate) access_log: AccessLog,
    /// Whether a request's head is to be asked for more than what every layer wants to know: see
    /// [`asks`](Self::asks).
    pub(crate) is_asked: bool,
}

impl Settings {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            trust: None,
            filter: None,
            route: None,
            on_request: None,
            on_response: None,
            proxies: None,
            allowed_query: Vec::new(),
            denied_query: None,
            request_headers: Capture::requests(),
            response_headers: Capture::responses(),
            baggage: Vec::new(),
            public_baggage: Vec::new(),
            domain: None,
            https: false,
            request_id: false,
            rpc: false,
            sizes: false,
            trace_response: None,
            is_asked: !role.extracts || !role.traces,
            access_log: if role.traces && role.counts {
                AccessLog::PROBLEMS
            } else {
                AccessLog::Off
            },
        }
    }

    /// The query as it may leave.
    pub(crate) fn redact(&self, query: &str) -> String {
        match &self.denied_query {
            Some(keys) => redact_query_keys(query, keys),
            None => redact_query(query, &self.allowed_query),
        }
    }

    /// Whether a response's head is of interest, or is to be added to.
    pub(crate) fn looks_at_responses(&self) -> bool {
        self.on_response.is_some()
            || self.trace_response.is_some()
            || !self.response_headers.is_empty()
    }

    /// Whether anything is wanted of a request's head that most layers do not want.
    pub(crate) fn asks(&self) -> bool {
        self.has_rules()
            || self.proxies.is_some()
            || self.request_id
            || self.sizes
            || self.rpc
            || !self.baggage.is_empty()
            || !self.request_headers.is_empty()
            || !self.role.extracts
            || !self.role.traces
    }

    /// Whether a rule wants to see the request's parts.
    pub(crate) fn has_rules(&self) -> bool {
        self.trust.is_some()
            || self.filter.is_some()
            || self.route.is_some()
            || self.on_request.is_some()
    }
}
