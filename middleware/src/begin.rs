//! From the head of a request to an exchange under way.

use std::borrow::Cow;
use std::mem::swap;
use std::sync::Arc;

use campanile_propagation::{Baggage, Extracted, Formats, Trust};
use campanile_recorder::{
    Caller, Exchange, Head, LogAttributes, Outcome, RequestId, Route, Seed, Tracing,
};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};

use crate::body_size::RequestBytes;
use crate::observe::Watched;
use crate::proxies::Origin;
use crate::request_id::X_REQUEST_ID;
use crate::settings::{Observe, Settings};
use crate::{ServerLayer, grpc, head};

/// What the rules of the application said about a request.
#[derive(Default)]
struct Verdict {
    trust: Trust,
    observe: Observe,
    route: Option<String>,
    attributes: Vec<KeyValue>,
}

/// The head of a request, without its body's type.
#[derive(Clone, Copy)]
struct View<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl ServerLayer {
    /// Reads the head and begins the exchange, unless the request is none of our business.
    pub(crate) fn begin<B>(&self, request: &mut Request<B>) -> Option<Box<Watched>> {
        let settings = &self.settings;
        let verdict = settings.judge(request);
        if verdict.observe == Observe::Nothing {
            return None;
        }
        let view = View {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        };
        let request_id = settings.request_id.then(|| id(view.headers));
        let mut watched = self.open(view, verdict, request_id.clone());
        let is_upgrade = head::asks_for_upgrade(view.method, view.headers);
        if let Some(id) = request_id {
            watched.exchange.add_to_context(id.clone());
            request
                .headers_mut()
                .insert(X_REQUEST_ID, id.as_header().clone());
            request.extensions_mut().insert(id);
        }
        if let Some(bytes) = &watched.request_bytes {
            request.extensions_mut().insert(bytes.clone());
        }
        if is_upgrade {
            request.extensions_mut().insert(Seed {
                context: watched.exchange.context().clone(),
                recorder: self.recorder.clone(),
                route: watched.exchange.route(),
            });
        }
        Some(watched)
    }

    fn open(
        &self,
        view: View<'_>,
        verdict: Verdict,
        request_id: Option<RequestId>,
    ) -> Box<Watched> {
        let settings = &*self.settings;
        let peer = head::peer(view.extensions);
        let origin = match &settings.proxies {
            Some(proxies) => proxies.origin(peer.map(|peer| peer.ip()), view.headers),
            None => Origin::default(),
        };
        let (
            caller,
            Extracted {
                carried,
                baggage_drops,
                ..
            },
        ) = settings.caller(view.headers, verdict.trust, self.recorder.formats());
        let is_https = origin.is_https.unwrap_or(settings.https);
        let mut key = head::key(view.method, view.version, view.uri, is_https);
        let matched = crate::route::template(view.extensions).map(Cow::Borrowed);
        key.template = matched.or(verdict.route.map(Cow::Owned));
        key.domain = settings.domain;
        if origin.is_https.is_some() {
            key.scheme = if is_https { "https" } else { "http" };
        }
        let route = Route::find(&key);
        let is_grpc = view.method == Method::POST && grpc::is_grpc(view.headers);
        let mut attributes = verdict.attributes;
        attributes.extend(settings.request_headers.read(view.headers));
        let members = settings.of_baggage(&carried.baggage);
        attributes.extend(
            members
                .iter()
                .map(|(key, value)| KeyValue::new(*key, value.clone())),
        );
        if settings.rpc && is_grpc {
            attributes.extend(head::rpc(view.uri.path()));
        }
        let query = view.uri.query().map(|query| settings.redact(query));
        let (server_address, server_port) = match &origin.host {
            Some(host) => head::host_and_port(host),
            None => head::server(view.uri, view.headers),
        };
        let mut exchange = Exchange::begin(
            &self.recorder,
            Head {
                caller,
                carried,
                baggage_drops,
                tracing: settings.tracing(verdict.observe),
                metrics: settings.role.counts,
                route,
                method_original: route.method().is_other().then(|| view.method.as_str()),
                path: view.uri.path(),
                query: query.as_deref(),
                server_address,
                server_port,
                user_agent: head::user_agent(view.headers),
                client: origin.client.or(peer.map(|peer| peer.ip())),
                peer,
                request_id: request_id.as_ref().map(RequestId::as_str),
                attributes,
            },
        );
        exchange.set_access_log(settings.access_log);
        if let Some(members) = LogAttributes::new(members) {
            exchange.add_to_context(members);
        }
        let request_bytes = settings.sizes.then(RequestBytes::default);
        Box::new(Watched {
            exchange,
            settings: Arc::clone(&self.settings),
            request_id,
            request_bytes,
            is_grpc,
            completed: Outcome::Completed,
        })
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

    /// Where the root span hangs, and what travels with it.
    fn caller(&self, headers: &HeaderMap, trust: Trust, formats: Formats) -> (Caller, Extracted) {
        if !self.role.extracts {
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
            _ => formats.extract(headers),
        };
        let caller = match (found.parent, trust) {
            (Some(parent), Trust::Continue) => Caller::Parent(parent),
            (Some(parent), _) => Caller::Link(parent),
            (None, _) => Caller::Unknown,
        };
        if trust != Trust::Continue {
            let kept = found
                .carried
                .baggage
                .only(|key| self.public_baggage.contains(&key));
            found.carried = Default::default();
            found.carried.baggage = kept;
        }
        (caller, found)
    }

    fn tracing(&self, observe: Observe) -> Tracing {
        match observe {
            _ if !self.role.traces => Tracing::PassOn,
            Observe::MetricsOnly => Tracing::Suppressed,
            _ => Tracing::Span,
        }
    }

    /// The allowed members, decoded.
    fn of_baggage(&self, baggage: &Baggage) -> Vec<(&'static str, String)> {
        let allowed = self.baggage.iter();
        allowed
            .filter_map(|key| Some((*key, baggage.get(key)?.into_owned())))
            .collect()
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
