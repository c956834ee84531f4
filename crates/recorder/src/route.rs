//! What a request is counted under: a closed set of routes.
//!
//! A [`Route`] joins everything that is the same for all requests of one kind: method, protocol
//! version, scheme, template and domain. It is made once and never freed, because the set is
//! closed and capped: past [`MAX_ROUTES`] everything new is counted without its template.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, PoisonError, RwLock};

use campanile_semconv::{attribute, value};
use opentelemetry::KeyValue;

/// How many different routes a process keeps.
pub const MAX_ROUTES: usize = 4096;

/// Replaces the list of known methods (semantic conventions, HTTP spans).
const KNOWN_METHODS: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

/// How many methods the environment may declare.
const MAX_METHODS: usize = 32;
const _: () = assert!(value::HTTP_METHODS.len() <= MAX_METHODS);

/// How many pairs of method and scheme there can be.
pub(crate) const MAX_ACTIVE: usize = 2 * (MAX_METHODS + 1);

/// Reads a list of methods. It is read once in a process, so its parts may live as long.
fn known_methods(list: &str) -> Vec<&'static str> {
    let names = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .take(MAX_METHODS)
        .map(|name| &*Box::leak(name.to_owned().into_boxed_str()))
        .collect()
}

/// A request method, from the closed set of known ones.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Method {
    name: &'static str,
    /// Its place among the known ones; behind them when it is none.
    index: usize,
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl Hash for Method {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl Method {
    /// Finds the known method of this name, case-sensitively; everything else is `_OTHER`.
    ///
    /// The environment variable `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` (comma-separated)
    /// replaces the list of known methods; it is read once.
    pub fn new(name: &str) -> Self {
        static KNOWN: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
            let list = std::env::var(KNOWN_METHODS).ok();
            list.as_deref()
                .map_or_else(|| value::HTTP_METHODS.to_vec(), known_methods)
        });
        let index = KNOWN.iter().position(|known| *known == name);
        Self {
            name: index.map_or(value::OTHER, |index| KNOWN[index]),
            index: index.unwrap_or(MAX_METHODS),
        }
    }

    /// The same for a parsed method: the commonest are found without reading them.
    #[inline]
    pub fn of(method: &http::Method) -> Self {
        static COMMON: LazyLock<[Method; 2]> = LazyLock::new(|| ["GET", "POST"].map(Method::new));
        match *method {
            http::Method::GET => COMMON[0],
            http::Method::POST => COMMON[1],
            _ => Self::new(method.as_str()),
        }
    }

    /// The value of `http.request.method`.
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// Whether the method is none of the known ones.
    pub fn is_other(self) -> bool {
        self.name == value::OTHER
    }
}

/// What a [`Route`] is found by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RouteKey<'a> {
    /// The method.
    pub method: Method,
    /// `1.0`, `1.1`, `2` or `3`; `None` when unknown.
    pub version: Option<&'static str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The matched template; `None` when nothing matched. Never a raw path.
    pub template: Option<&'a str>,
    /// The domain the application declared for it.
    pub domain: Option<&'static str>,
}

impl RouteKey<'_> {
    /// Whether both are the same. Texts of closed sets mostly are the very same text, which is seen
    /// without reading it.
    #[inline]
    fn is(&self, other: &Self) -> bool {
        let are_same = self.method == other.method
            && std::ptr::eq(self.scheme, other.scheme)
            && is_same(self.version, other.version)
            && is_same(self.domain, other.domain);
        if are_same {
            self.template == other.template
        } else {
            self.is_equal(other)
        }
    }

    #[cold]
    fn is_equal(&self, other: &Self) -> bool {
        self == other
    }
}

/// Whether both are none, or the very same text.
#[inline]
fn is_same(one: Option<&'static str>, other: Option<&'static str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// One kind of request.
#[derive(Debug)]
pub struct Route {
    key: RouteKey<'static>,
    /// How many routes had been made before it.
    index: usize,
    name: String,
    active: [KeyValue; 2],
    active_slot: usize,
}

impl Route {
    /// Finds the route of `key`, and makes it when it is new.
    #[inline]
    pub fn find(key: &RouteKey<'_>) -> &'static Self {
        RECENT.with(|recent| {
            let slot = &recent[slot(key)];
            match slot.get() {
                Some(route) if route.key.is(key) => route,
                _ => {
                    let route = Self::find_shared(key);
                    slot.set(Some(route));
                    route
                }
            }
        })
    }

    #[cold]
    fn find_shared(key: &RouteKey<'_>) -> &'static Self {
        static ROUTES: LazyLock<RwLock<Routes>> = LazyLock::new(RwLock::default);
        let known = ROUTES
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key);
        known.unwrap_or_else(|| {
            ROUTES
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key)
        })
    }

    /// Whether it is the route of `key`.
    #[inline]
    pub fn is(&self, key: &RouteKey<'_>) -> bool {
        self.key.is(key)
    }

    /// The route of the exchange that is being polled on this thread.
    pub fn current() -> Option<&'static Self> {
        CURRENT.get()
    }

    /// Names the current route better: with a template, a domain, or both.
    pub fn refine(template: Option<&str>, domain: Option<&'static str>) {
        if let Some(route) = CURRENT.get() {
            CURRENT.set(Some(Self::find(&RouteKey {
                template: template.or(route.template()),
                domain: domain.or(route.domain()),
                ..route.key
            })));
        }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.key.method
    }

    /// The protocol version.
    pub fn version(&self) -> Option<&'static str> {
        self.key.version
    }

    /// The scheme.
    pub fn scheme(&self) -> &'static str {
        self.key.scheme
    }

    /// The matched template.
    pub fn template(&self) -> Option<&'static str> {
        self.key.template
    }

    /// Its number among all routes of the process: they count from 0, in the order in which they
    /// were first seen.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The declared domain.
    pub fn domain(&self) -> Option<&'static str> {
        self.key.domain
    }

    /// A number for the pair of method and scheme, below [`MAX_ACTIVE`].
    #[inline]
    pub(crate) fn active_slot(&self) -> usize {
        self.active_slot
    }

    /// The attributes that active requests are counted under.
    pub(crate) fn active(&self) -> &[KeyValue; 2] {
        &self.active
    }

    /// The span's name: `{method} {template}`, with `HTTP` for an unknown method.
    pub fn name(&'static self) -> &'static str {
        &self.name
    }
}

/// How many routes a thread finds again without a lock.
const RECENT_ROUTES: usize = 64;

thread_local! {
    static CURRENT: Cell<Option<&'static Route>> = const { Cell::new(None) };
    static RECENT: [Cell<Option<&'static Route>>; RECENT_ROUTES] =
        const { [const { Cell::new(None) }; RECENT_ROUTES] };
}

/// Where a thread keeps the route of `key`, in place of whatever else belongs there.
///
/// By the text, never by its address: nested routers make a new one for every request.
#[inline]
fn slot(key: &RouteKey<'_>) -> usize {
    let template = key.template.unwrap_or_default().as_bytes();
    let mix = |mix: u64, word: u64| (mix.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let start = (key.method.index as u64) << 32 | template.len() as u64;
    let mut mixed = template
        .as_chunks()
        .0
        .iter()
        .fold(start, |mixed, word| mix(mixed, u64::from_le_bytes(*word)));
    mixed = match template.last_chunk() {
        Some(word) => mix(mixed, u64::from_le_bytes(*word)),
        None => template
            .iter()
            .fold(mixed, |mixed, byte| mix(mixed, u64::from(*byte))),
    };
    (mixed >> 58) as usize % RECENT_ROUTES
}

/// Makes a route the one in question on this thread, until the scope is left.
///
/// A layer polls its inner service inside a scope: whoever knows the route better inside, such as
/// a router, says so by [`Route::refine`], and the layer reads it back.
#[derive(Debug)]
pub struct RouteScope {
    outer: Option<&'static Route>,
}

impl RouteScope {
    /// Enters a scope with `route`.
    pub fn enter(route: &'static Route) -> Self {
        Self {
            outer: CURRENT.replace(Some(route)),
        }
    }

    /// The route as it is known now.
    pub fn route(&self) -> Option<&'static Route> {
        CURRENT.get()
    }
}

impl Drop for RouteScope {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

#[derive(Default)]
struct Routes(HashMap<RouteKey<'static>, &'static Route>);

impl Routes {
    fn get(&self, key: &RouteKey<'_>) -> Option<&'static Route> {
        self.0.get(key).copied()
    }

    fn insert(&mut self, key: &RouteKey<'_>) -> &'static Route {
        if let Some(route) = self.get(key) {
            return route;
        }
        let full = self.0.len() >= MAX_ROUTES;
        let key = RouteKey {
            template: key.template.filter(|_| !full),
            ..*key
        };
        if let Some(route) = self.get(&key) {
            return route;
        }
        let template = key.template.map(|text| &*Box::leak(Box::from(text)));
        let key = RouteKey { template, ..key };
        let route: &'static Route = Box::leak(Box::new(Route {
            name: name(&key),
            active: [
                KeyValue::new(attribute::HTTP_REQUEST_METHOD, key.method.name),
                KeyValue::new(attribute::URL_SCHEME, key.scheme),
            ],
            active_slot: 2 * key.method.index + usize::from(key.scheme == "https"),
            index: self.0.len(),
            key,
        }));
        self.0.insert(key, route);
        route
    }
}

fn name(key: &RouteKey<'_>) -> String {
    let method = if key.method.is_other() {
        "HTTP"
    } else {
        key.method.as_str()
    };
    match &key.template {
        Some(template) => format!("{method} {template}"),
        None => method.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(method: &str, template: Option<&'static str>) -> RouteKey<'static> {
        RouteKey {
            method: Method::new(method),
            version: Some("1.1"),
            scheme: "http",
            template,
            domain: None,
        }
    }

    #[test]
    fn a_route_is_made_once_and_named_by_method_and_template() {
        let route = Route::find(&key("GET", Some("/rooms/{id}")));
        assert!(std::ptr::eq(
            route,
            Route::find(&key("GET", Some("/rooms/{id}")))
        ));
        assert_eq!(route.name(), "GET /rooms/{id}");
        assert_eq!(Route::find(&key("GET", None)).name(), "GET");
    }

    #[test]
    fn an_unknown_method_is_other_and_named_http() {
        let route = Route::find(&key("get", Some("/")));
        assert_eq!(
            (route.method().as_str(), route.name()),
            ("_OTHER", "HTTP /")
        );
    }

    #[test]
    fn a_declared_list_of_methods_replaces_the_known_ones() {
        assert_eq!(known_methods("GET, PURGE,,post "), ["GET", "PURGE", "post"]);
        assert_eq!(known_methods(""), Vec::<&str>::new());
    }

    #[test]
    fn routes_that_share_a_place_are_told_apart() {
        let templates = (0..4 * RECENT_ROUTES).map(|i| format!("/told-apart/{i}"));
        for template in templates.clone().chain(templates) {
            let mut key = key("GET", None);
            key.template = Some(template.as_str());
            let route = Route::find(&key);
            assert_eq!(route.template(), Some(template.as_str()));
            assert!(std::ptr::eq(route, Route::find_shared(&key)));
            key.scheme = "https";
            assert_eq!(Route::find(&key).scheme(), "https");
        }
    }

    #[test]
    fn past_the_cap_a_new_route_loses_its_template() {
        let mut routes = Routes::default();
        for i in 0..MAX_ROUTES {
            let mut key = key("GET", None);
            let template = format!("/{i}");
            key.template = Some(&template);
            assert_eq!(routes.insert(&key).index(), i);
        }
        let first = routes.insert(&key("GET", Some("/late")));
        let second = routes.insert(&key("GET", Some("/later")));
        assert_eq!(first.template(), None);
        assert!(std::ptr::eq(first, second));
    }
}
