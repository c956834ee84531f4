//! From the head of a request to an exchange under way.

use std::mem::swap;
use std::time::Instant;

use campanile_propagation::{Baggage, Extracted, Trust};
use campanile_recorder::{
    Caller, Exchange, Head, LogAttributes, Outcome, RequestId, Route, Seed, Tracing,
};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};

use crate::body_size::RequestBytes;
use crate::kept::Kept;
use crate::observe::{Options, Watched};
use crate::proxies::Origin;
use crate::request_id::X_REQUEST_ID;
use crate::server::Shared;
use crate::settings::{Observe, Settings};
use crate::{grpc, head};

/// What the rules of the application said about a request.
#[derive(Default)]
struct Verdict {
    trust: Trust,
    observe: Observe,
    route: Option<String>,
    attributes: Vec<KeyValue>,
}

/// The head of a request, without its body's type.
struct View<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    lines: head::Lines<'a>,
    extensions: &'a Extensions,
}

impl Shared {
    /// Reads the head and begins the exchange, unless the request is none of our business.
    #[inline]
    pub(crate) fn begin<B>(&self, request: &mut Request<B>) -> Kept {
        let clock = Instant::now();
        let settings = &self.settings;
        let verdict = settings.judge(request);
        if verdict.observe == Observe::Nothing {
            return Kept::default();
        }
        let view = View {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            lines: head::Lines::read(request.headers()),
            extensions: request.extensions(),
        };
        let is_upgrade = view.lines.asks_for_upgrade(view.method);
        let mut kept = self.open(&view, verdict, clock);
        if let Some(watched) = kept.get_mut()
            && (is_upgrade || watched.options.is_some())
        {
            watched.tell_inside(is_upgrade, request);
        }
        kept
    }

    fn open(&self, view: &View<'_>, verdict: Verdict, clock: Instant) -> Kept {
        let settings = &self.settings;
        let options = Options::of(settings, view.headers);
        let peer = head::peer(view.extensions);
        let origin = match &settings.proxies {
            Some(proxies) => proxies.origin(peer.map(|peer| peer.ip()), view.headers),
            None => Origin::default(),
        };
        let (caller, found) = self.caller(view, verdict.trust);
        let mut key = head::key(view.method, view.version, view.uri, settings.https);
        if let Some(is_https) = origin.is_https {
            key.scheme = if is_https { "https" } else { "http" };
        }
        let matched = crate::route::template(view.extensions);
        key.template = matched.or(verdict.route.as_deref());
        key.domain = settings.domain;
        let route = Route::find(&key);
        let is_grpc = view.method == Method::POST && grpc::is_grpc(view.headers);
        let mut attributes = verdict.attributes;
        let members = settings.attributes(view, &found.carried.baggage, is_grpc, &mut attributes);
        let query = view.uri.query().map(|query| settings.redact(query));
        let authority = match &origin.host {
            Some(host) => Some(host.as_bytes()),
            None => view.lines.authority(view.uri),
        };
        let mut exchange = Exchange::begin(
            self.clone(),
            Head {
                clock,
                caller,
                carried: found.carried,
                baggage_drops: found.baggage_drops,
                tracing: settings.tracing(verdict.observe),
                metrics: settings.role.counts,
                route,
                method_original: route.method().is_other().then(|| view.method.as_str()),
                path: view.uri.path(),
                query: query.as_deref(),
                authority,
                user_agent: view.lines.user_agent(),
                client: origin.client.or(peer.map(|peer| peer.ip())),
                peer,
                request_id: options.as_ref().and_then(|options| options.request_id()),
                attributes,
            },
        );
        if let Some(members) = LogAttributes::new(members) {
            exchange.add_to_context(members);
        }
        Kept::new(Watched {
            exchange,
            options,
            is_grpc,
            completed: Outcome::Completed,
        })
    }

    /// Where the root span hangs, and what travels with it.
    fn caller(&self, view: &View<'_>, trust: Trust) -> (Caller, Extracted) {
        if !self.settings.role.extracts {
            let current = Context::current();
            let is_useful = current.has_active_span();
            let caller = if is_useful {
                Caller::Context(current)
            } else {
                Caller::Unknown
            };
            return (caller, Extracted::default());
        }
        let mut found = match trust {
            Trust::Ignore => Extracted::default(),
            _ => view.lines.extract(self.formats, view.headers),
        };
        let caller = match (found.parent, trust) {
            (Some(parent), Trust::Continue) => Caller::Parent(parent),
            (Some(parent), _) => Caller::Link(parent),
            (None, _) => Caller::Unknown,
        };
        if trust != Trust::Continue {
            let keep = &self.settings.public_baggage;
            let carried = std::mem::take(&mut found.carried);
            if !keep.is_empty() {
                found.carried.baggage = carried.baggage.only(|key| keep.contains(&key));
            }
        }
        (caller, found)
    }
}

impl Watched {
    /// Puts into the request what its handler looks for there.
    #[cold]
    fn tell_inside<B>(&mut self, is_upgrade: bool, request: &mut Request<B>) {
        if let Some(options) = &self.options {
            if let Some(id) = &options.request_id {
                self.exchange.add_to_context(id.clone());
                let header = id.as_header().clone();
                request.headers_mut().insert(X_REQUEST_ID, header);
                request.extensions_mut().insert(id.clone());
            }
            if let Some(bytes) = &options.request_bytes {
                request.extensions_mut().insert(bytes.clone());
            }
        }
        if is_upgrade {
            request.extensions_mut().insert(Seed {
                context: self.exchange.context().clone(),
                recorder: self.exchange.owner().recorder.clone(),
                route: self.exchange.route(),
            });
        }
    }
}

impl Options {
    /// What the settings ask for; nothing, and no allocation, if that is nothing.
    fn of(settings: &Settings, headers: &HeaderMap) -> Option<Box<Self>> {
        (settings.request_id || settings.sizes).then(|| {
            Box::new(Self {
                request_id: settings.request_id.then(|| id(headers)),
                request_bytes: settings.sizes.then(RequestBytes::default),
            })
        })
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_ref().map(RequestId::as_str)
    }
}

impl Settings {
    /// Asks the rules. They see the whole head, so it is taken out of the request for them.
    fn judge<B>(&self, request: &mut Request<B>) -> Verdict {
        if !self.has_rules() {
            return Verdict::default();
        }
        let (mut parts, ()) = Request::new(()).into_parts();
        swap_head(request, &mut parts);
        let verdict = Verdict {
            trust: ask(self.trust.as_deref(), &parts),
            observe: ask(self.filter.as_deref(), &parts),
            route: ask(self.route.as_deref(), &parts),
            attributes: ask(self.on_request.as_deref(), &parts),
        };
        swap_head(request, &mut parts);
        verdict
    }

    fn tracing(&self, observe: Observe) -> Tracing {
        match observe {
            _ if !self.role.traces => Tracing::PassOn,
            Observe::MetricsOnly => Tracing::Suppressed,
            _ => Tracing::Span,
        }
    }

    /// Adds what the settings ask to have on the span, and returns the allowed baggage, decoded.
    fn attributes(
        &self,
        view: &View<'_>,
        baggage: &Baggage,
        is_grpc: bool,
        all: &mut Vec<KeyValue>,
    ) -> Vec<(&'static str, String)> {
        all.extend(self.request_headers.read(view.headers));
        let allowed = self.baggage.iter();
        let members: Vec<_> = allowed
            .filter_map(|key| Some((*key, baggage.get(key)?.into_owned())))
            .collect();
        let member = |(key, value): &(&'static str, String)| KeyValue::new(*key, value.clone());
        all.extend(members.iter().map(member));
        if self.rpc && is_grpc {
            all.extend(head::rpc(view.uri.path()));
        }
        members
    }
}

fn swap_head<B>(request: &mut Request<B>, parts: &mut Parts) {
    swap(request.method_mut(), &mut parts.method);
    swap(request.uri_mut(), &mut parts.uri);
    swap(request.version_mut(), &mut parts.version);
    swap(request.headers_mut(), &mut parts.headers);
    swap(request.extensions_mut(), &mut parts.extensions);
}

fn ask<T: Default>(rule: Option<&(dyn Fn(&Parts) -> T + Send + Sync)>, parts: &Parts) -> T {
    rule.map(|rule| rule(parts)).unwrap_or_default()
}

/// The caller's id when it is fit, else a new one.
fn id(headers: &HeaderMap) -> RequestId {
    headers
        .get(X_REQUEST_ID)
        .and_then(RequestId::from_header)
        .unwrap_or_else(RequestId::random)
}
