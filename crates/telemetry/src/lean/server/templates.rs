//! What the kind of a request and of its end decide about a span: name, closed attributes, status.
//!
//! They are the same bytes for all spans of a series, so they are written once and copied from then
//! on. There are few of them: routes are capped, and everything else is a closed set.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use campanile_recorder::{End, MAX_ROUTES, Outcome, Phase};
use campanile_semconv::attribute as key;

use crate::lean::proto::{self, tag};
use crate::lean::values::Values;

/// Routes of a page, and pages: room for every route with a template, and as many without.
const PAGE: usize = 64;
const PAGES: usize = 2 * MAX_ROUTES / PAGE;

/// Status codes of a hundred, and hundreds.
const HUNDRED: usize = 100;
const HUNDREDS: usize = 10;

/// How many ends that are not usual are kept; what is over is written anew each time.
const MAX_UNUSUAL: usize = 4096;

/// Bytes that all spans of a series share.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) bytes: Box<[u8]>,
    /// Where the name ends, and the attributes begin.
    pub(super) name_end: usize,
    /// Where the attributes end, and the status begins.
    pub(super) status_start: usize,
}

/// By routes.
type Page = Box<[OnceLock<Box<OfRoute>>]>;

/// Those of one route.
#[derive(Debug, Default)]
struct OfRoute {
    /// The first there was, which is how most of its requests end: with 200.
    first: OnceLock<(u16, Template)>,
    /// All others by hundreds of the status code, as most routes answer with few of them.
    others: [OnceLock<Box<[OnceLock<Template>]>>; HUNDREDS],
}

/// What tells ends apart: route, status, outcome, phase, failure.
type Unusual = (
    usize,
    Option<u16>,
    &'static str,
    &'static str,
    Option<&'static str>,
);

/// All templates of a pipeline. Whatever is in it stays.
#[derive(Debug)]
pub(super) struct Templates {
    pages: Box<[OnceLock<Page>]>,
    unusual: RwLock<HashMap<Unusual, Arc<Template>>>,
}

impl Templates {
    pub(super) fn new() -> Self {
        Self {
            pages: empty(PAGES),
            unusual: RwLock::default(),
        }
    }

    /// The template of a request that ran to its end, if there is one.
    #[inline]
    pub(super) fn usual(&self, end: &End<'_>) -> Option<&Template> {
        let status = usual_status(end)?;
        let index = end.route.index();
        let page = self.pages.get(index / PAGE)?.get()?;
        let route = page.get(index % PAGE)?.get()?;
        match route.first.get() {
            Some((first, template)) if *first == status => Some(template),
            _ => route.other(status),
        }
    }

    /// The template of any end. That of a usual one is kept for the next.
    #[cold]
    pub(super) fn make(&self, end: &End<'_>, values: &Values) -> Arc<Template> {
        if let Some(status) = usual_status(end)
            && let index = end.route.index()
            && let Some(page) = self.pages.get(index / PAGE)
            && let Some(route) = page.get_or_init(|| empty(PAGE)).get(index % PAGE)
        {
            let new = || Template::new(end, values);
            route.get_or_init(Box::default).add(status, new);
            return Arc::new(new());
        }
        let key = (
            end.route.index(),
            end.status,
            end.outcome.as_str(),
            end.phase.as_str(),
            end.failure,
        );
        let known = self.unusual.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = known.get(&key) {
            return Arc::clone(template);
        }
        drop(known);
        let template = Arc::new(Template::new(end, values));
        let mut known = self.unusual.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_UNUSUAL {
            known.insert(key, Arc::clone(&template));
        }
        template
    }
}

impl OfRoute {
    /// One that was not the first.
    fn other(&self, status: u16) -> Option<&Template> {
        let (hundred, rest) = place(status);
        self.others.get(hundred)?.get()?.get(rest)?.get()
    }

    fn add(&self, status: u16, new: impl Fn() -> Template) {
        let (first, _) = self.first.get_or_init(|| (status, new()));
        let (hundred, rest) = place(status);
        if *first != status
            && let Some(hundred) = self.others.get(hundred)
            && let Some(place) = hundred.get_or_init(|| empty(HUNDRED)).get(rest)
        {
            place.get_or_init(new);
        }
    }
}

/// Where the template of a status is among those of a route: hundred, and rest.
fn place(status: u16) -> (usize, usize) {
    let status = usize::from(status);
    (status / HUNDRED, status % HUNDRED)
}

/// The status of an end that is nothing else: nearly all.
#[inline]
fn usual_status(end: &End<'_>) -> Option<u16> {
    let is_usual =
        end.outcome == Outcome::Completed && end.phase == Phase::Body && end.failure.is_none();
    end.status.filter(|_| is_usual)
}

fn empty<T>(places: usize) -> Box<[OnceLock<T>]> {
    (0..places).map(|_| OnceLock::new()).collect()
}

impl Template {
    fn new(end: &End<'_>, values: &Values) -> Self {
        let (route, mut out) = (end.route, Vec::new());
        proto::bytes(&mut out, tag::SPAN_NAME, route.name().as_bytes());
        let name_end = out.len();
        let error = end.error_type();
        let texts = [
            (key::HTTP_REQUEST_METHOD, Some(route.method().as_str())),
            (key::URL_SCHEME, Some(route.scheme())),
            (key::NETWORK_PROTOCOL_VERSION, route.version()),
            (key::HTTP_ROUTE, route.template()),
            (key::CAMPANILE_DOMAIN, route.domain()),
            (key::CAMPANILE_OUTCOME, Some(end.outcome.as_str())),
            (key::CAMPANILE_PHASE, Some(end.phase.as_str())),
            (key::ERROR_TYPE, error),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                let value = values.cut(value).as_bytes();
                proto::string_attribute(&mut out, tag::SPAN_ATTRIBUTE, key.as_bytes(), value);
            }
        }
        if let Some(status) = end.status {
            let key = key::HTTP_RESPONSE_STATUS_CODE.as_bytes();
            proto::int_attribute(&mut out, tag::SPAN_ATTRIBUTE, key, i64::from(status));
        }
        let status_start = out.len();
        if error.is_some() {
            proto::message(&mut out, tag::SPAN_STATUS, |out| {
                proto::number(out, tag::STATUS_CODE, 2);
            });
        }
        Self {
            bytes: out.into(),
            name_end,
            status_start,
        }
    }
}
