//! From the head of a request to an exchange under way.

use std::mem::swap;

use campanile_propagation::{Baggage, Extracted, Formats, Trust, Unread};
use campanile_recorder::{
    Caller, Exchange, Head, HeadMore, LogAttributes, Outcome, RequestId, Route, RouteKey, Seed,
    Tick, Tracing,
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

/// What only some layers are asked for: what the rules of the application said about a request, and
/// what was found in it.
#[derive(Default)]
struct Asked {
    trust: Trust,
    observe: Observe,
    route: Option<String>,
    attributes: Vec<KeyValue>,
    origin: Origin,
    options: Option<Box<Options>>,
    found: Option<Extracted>,
    members: Vec<(&'static str, String)>,
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
        let clock = Tick::now();
        if self.settings.is_asked || self.formats != Formats::default() {
            return self.begin_asked(request, clock);
        }
        let view = View::of(request);
        if view.is_unusual() {
            return self.begin_asked(request, clock);
        }
        self.open(&view, None, clock)
    }

    /// The same where there is more to do than usually.
    #[cold]
    #[inline(never)]
    fn begin_asked<B>(&self, request: &mut Request<B>, clock: Tick) -> Kept {
        let settings = &self.settings;
        let mut asked = settings.judge(request);
        if asked.observe == Observe::Nothing {
            return Kept::default();
        }
        let view = View::of(request);
        let is_upgrade = view.lines.asks_for_upgrade(view.method);
        asked.options = Options::of(settings, view.headers);
        if let Some(proxies) = &settings.proxies {
            let peer = head::peer(view.extensions).map(|peer| peer.ip());
            asked.origin = proxies.origin(peer, view.headers);
        }
        if settings.role.extracts && self.reads_now(&view, asked.trust) {
            let found = asked.found.insert(self.find(&view, asked.trust));
            asked.members = settings.members(&found.carried.baggage);
        }
        settings.attributes(&view, &asked.members, &mut asked.attributes);
        let mut kept = self.open(&view, Some(&mut asked), clock);
        if let Some(watched) = kept.get_mut() {
            if let Some(members) = LogAttributes::new(asked.members) {
                watched.exchange.add_to_context(members);
            }
            if is_upgrade || watched.options.is_some() {
                watched.tell_inside(is_upgrade, request);
            }
        }
        kept
    }

    fn open(&self, view: &View<'_>, asked: Option<&mut Asked>, clock: Tick) -> Kept {
        let settings = &self.settings;
        let peer = head::peer(view.extensions);
        let mut key = head::key(view.method, view.version, view.uri, settings.https);
        key.template = crate::route::template(view.extensions);
        key.domain = settings.domain;
        let is_grpc = view.method == Method::POST && grpc::is_grpc(view.headers);
        let lines = view.lines.context();
        let parent = match asked {
            None => lines.parent(),
            Some(_) => None,
        };
        let head = Head {
            clock,
            caller: parent.map_or(Caller::Unknown, Caller::Parent),
            carried: lines.rest(parent),
            tracing: Tracing::Span,
            metrics: settings.role.counts,
            route: self.route(&key),
            path: view.uri.path(),
            authority: view.lines.authority(view.uri),
            user_agent: view.lines.user_agent(),
            client: peer.map(|peer| peer.ip()),
            peer,
            more: None,
        };
        let is_plain = asked.is_none() && view.uri.query().is_none() && !key.method.is_other();
        let completed = Outcome::Completed;
        if is_plain {
            return Kept::new(|| Watched {
                exchange: Exchange::begin(self, &head),
                options: None,
                is_grpc,
                completed,
            });
        }
        let (exchange, options) = self.open_asked(view, asked, key, head);
        Kept::new(|| Watched {
            exchange,
            options,
            is_grpc,
            completed,
        })
    }

    /// Begins an exchange that has more than most: `head` and `key` are those of the others.
    #[cold]
    #[inline(never)]
    fn open_asked(
        &self,
        view: &View<'_>,
        asked: Option<&mut Asked>,
        key: RouteKey<'_>,
        head: Head<'_>,
    ) -> (Exchange<Shared>, Option<Box<Options>>) {
        let settings = &self.settings;
        let (options, asked): (_, Option<&Asked>) = match asked {
            None => (None, None),
            Some(asked) => (asked.options.take(), Some(asked)),
        };
        let (caller, carried) = match asked {
            None => (head.caller, head.carried),
            Some(asked) => self.caller(view, asked),
        };
        let usual = Asked::default();
        let asked = asked.unwrap_or(&usual);
        let scheme = match asked.origin.is_https {
            Some(true) => "https",
            Some(false) => "http",
            None => key.scheme,
        };
        let route = match (asked.origin.is_https, &asked.route) {
            (None, None) => head.route,
            _ => Route::find(&RouteKey {
                scheme,
                template: key.template.or(asked.route.as_deref()),
                ..key
            }),
        };
        let host = asked.origin.host.as_deref();
        let query = view.uri.query().map(|query| settings.redact(query));
        let more = HeadMore {
            method_original: route.method().is_other().then(|| view.method.as_str()),
            query: query.as_deref(),
            request_id: options
                .as_ref()
                .and_then(|options| options.request_id.as_ref()),
            attributes: &asked.attributes,
            baggage_drops: asked.found.as_ref().map_or(0, |found| found.baggage_drops),
        };
        let head = Head {
            caller,
            carried,
            tracing: settings.tracing(asked.observe),
            route,
            authority: host.map(str::as_bytes).or(head.authority),
            client: asked.origin.client.or(head.client),
            more: Some(&more),
            ..head
        };
        let exchange = Exchange::begin(self, &head);
        (exchange, options)
    }

    /// Where the root span hangs, and what travels with it, when that was asked for.
    fn caller<'a>(&self, view: &View<'a>, asked: &'a Asked) -> (Caller, Unread<'a>) {
        if !self.settings.role.extracts {
            return (current(), Unread::default());
        }
        let (parent, carried) = match &asked.found {
            Some(found) => (found.parent, Unread::from(&found.carried)),
            None => {
                let lines = view.lines.context();
                let parent = lines.parent();
                (parent, lines.rest(parent))
            }
        };
        let caller = match (parent, asked.trust) {
            (Some(parent), Trust::Continue) => Caller::Parent(parent),
            (Some(parent), _) => Caller::Link(parent),
            (None, _) => Caller::Unknown,
        };
        (caller, carried)
    }

    /// Whether what travels beside the caller's span has to be read before the request runs: as its
    /// sender is not simply believed, or baggage is to be shown, or a walk over the headers is not
    /// enough to find all of it.
    fn reads_now(&self, view: &View<'_>, trust: Trust) -> bool {
        trust != Trust::Continue
            || !self.settings.baggage.is_empty()
            || view.lines.is_repeated()
            || self.formats != Formats::default()
    }

    /// What the headers say about the caller, as far as it is believed.
    fn find(&self, view: &View<'_>, trust: Trust) -> Extracted {
        let keep = &self.settings.public_baggage;
        let is_simple = !view.lines.is_repeated() && self.formats == Formats::default();
        let mut found = match trust {
            Trust::Ignore => Extracted::default(),
            _ if !is_simple => self.formats.extract(view.headers),
            Trust::PublicEdge if keep.is_empty() => Extracted {
                parent: view.lines.context().parent(),
                ..Extracted::default()
            },
            _ => view.lines.context().extract(),
        };
        if trust != Trust::Continue {
            let carried = std::mem::take(&mut found.carried);
            if !keep.is_empty() {
                found.carried.baggage = carried.baggage.only(|key| keep.contains(&key));
            }
        }
        found
    }
}

impl<'a> View<'a> {
    fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            lines: head::Lines::read(request.headers()),
            extensions: request.extensions(),
        }
    }

    /// Whether it repeats a header, or asks to leave HTTP.
    fn is_unusual(&self) -> bool {
        self.lines.is_repeated() || self.lines.asks_for_upgrade(self.method)
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
}

impl Settings {
    /// Asks the rules. They see the whole head, so it is taken out of the request for them.
    fn judge<B>(&self, request: &mut Request<B>) -> Asked {
        if !self.has_rules() {
            return Asked::default();
        }
        let (mut parts, ()) = Request::new(()).into_parts();
        swap_head(request, &mut parts);
        let asked = Asked {
            trust: ask(self.trust.as_deref(), &parts),
            observe: ask(self.filter.as_deref(), &parts),
            route: ask(self.route.as_deref(), &parts),
            attributes: ask(self.on_request.as_deref(), &parts),
            ..Asked::default()
        };
        swap_head(request, &mut parts);
        asked
    }

    fn tracing(&self, observe: Observe) -> Tracing {
        match observe {
            _ if !self.role.traces => Tracing::PassOn,
            Observe::MetricsOnly => Tracing::Suppressed,
            _ => Tracing::Span,
        }
    }

    /// The baggage that is allowed on spans and log lines, decoded.
    fn members(&self, baggage: &Baggage) -> Vec<(&'static str, String)> {
        let allowed = self.baggage.iter();
        allowed
            .filter_map(|key| Some((*key, baggage.get(key)?.into_owned())))
            .collect()
    }

    /// Adds what the settings ask to have on the span.
    fn attributes(
        &self,
        view: &View<'_>,
        members: &[(&'static str, String)],
        all: &mut Vec<KeyValue>,
    ) {
        all.extend(self.request_headers.read(view.headers));
        let member = |(key, value): &(&'static str, String)| KeyValue::new(*key, value.clone());
        all.extend(members.iter().map(member));
        if self.rpc && view.method == Method::POST && grpc::is_grpc(view.headers) {
            all.extend(head::rpc(view.uri.path()));
        }
    }
}

/// Where a layer that reads no headers hangs its span.
fn current() -> Caller {
    let current = Context::current();
    if current.has_active_span() {
        Caller::Context(current)
    } else {
        Caller::Unknown
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
