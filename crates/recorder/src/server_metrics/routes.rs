//! Where the series of a route are found again.

use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::Series;
use crate::series::Found;
use crate::{End, MAX_ROUTES};

/// Routes of a page, and pages: room for every route with a template, and as many without.
const PAGE: usize = 64;
const PAGES: usize = 2 * MAX_ROUTES / PAGE;

/// Status codes of a hundred, and hundreds. Place zero of the first is for "no status".
const HUNDRED: usize = 100;
const HUNDREDS: usize = 10;

/// The series of all routes. Whatever is in it stays.
pub(super) struct Routes {
    pages: Box<[OnceLock<Page>]>,
    unusual: RwLock<Found<Unusual, Arc<Series>>>,
}

type Page = Box<[OnceLock<Box<OfRoute>>]>;

/// The series of one route.
#[derive(Default)]
struct OfRoute {
    /// The first there was, which is where most of its requests end: with 200 and no error.
    first: OnceLock<Option<First>>,
    /// All others by hundreds of the status code, as most routes answer with few of them.
    others: [OnceLock<Box<[Place]>>; HUNDREDS],
}

struct First {
    status: Option<u16>,
    series: Series,
}

/// Holds none for good when the last room was lost to another series at that moment.
type Place = OnceLock<Option<Box<Series>>>;

/// Route (by its address, as routes are never freed), status, error.
type Unusual = (usize, Option<u16>, Option<&'static str>);

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            pages: empty(PAGES),
            unusual: RwLock::default(),
        }
    }

    /// The series of an end whose error follows from its status: nearly all. None when it is
    /// another, or has no series.
    #[inline]
    pub(super) fn usual(&self, end: &End<'_>) -> Option<&Series> {
        if !is_usual(end) {
            return None;
        }
        let (page, route) = page(end);
        let route = self.pages.get(page)?.get()?.get(route)?.get()?;
        match route.first.get() {
            Some(Some(first)) if first.status == end.status => Some(&first.series),
            _ => route.other(end.status),
        }
    }

    /// The same, opened by `open` if need be.
    #[cold]
    pub(super) fn add_usual(
        &self,
        end: &End<'_>,
        open: impl Fn() -> Option<Series>,
    ) -> Option<&Series> {
        let (hundred, rest) = place(end.status)?;
        if !is_usual(end) {
            return None;
        }
        let (page, route) = page(end);
        let page = self.pages.get(page)?.get_or_init(|| empty(PAGE));
        let route = page.get(route)?.get_or_init(Box::default);
        let status = end.status;
        let first = || open().map(|series| First { status, series });
        match route.first.get_or_init(first) {
            Some(first) if first.status == status => Some(&first.series),
            _ => {
                let hundred = route.others.get(hundred)?.get_or_init(|| empty(HUNDRED));
                let series = hundred.get(rest)?.get_or_init(|| open().map(Box::new));
                series.as_deref()
            }
        }
    }

    /// The series of any other end.
    pub(super) fn unusual(&self, end: &End<'_>) -> Option<Arc<Series>> {
        let unusual = self.unusual.read().unwrap_or_else(PoisonError::into_inner);
        unusual.get(&key(end)).cloned()
    }

    /// The same, opened by `open` if need be.
    #[cold]
    pub(super) fn add_unusual(
        &self,
        end: &End<'_>,
        open: impl FnOnce() -> Option<Series>,
    ) -> Option<Arc<Series>> {
        let mut unusual = self.unusual.write().unwrap_or_else(PoisonError::into_inner);
        match unusual.entry(key(end)) {
            Entry::Occupied(known) => Some(Arc::clone(known.get())),
            Entry::Vacant(place) => Some(Arc::clone(place.insert(Arc::new(open()?)))),
        }
    }
}

/// Whether the error follows from the status.
#[inline]
fn is_usual(end: &End<'_>) -> bool {
    !end.outcome.is_broken() && end.failure.is_none()
}

/// Where the series of a route are: page, and place there.
#[inline]
fn page(end: &End<'_>) -> (usize, usize) {
    let index = end.route.index();
    (index / PAGE, index % PAGE)
}

/// Where the series of a status is among those of a route: hundred, and rest.
fn place(status: Option<u16>) -> Option<(usize, usize)> {
    let status = match status {
        None => 0,
        Some(0) => return None,
        Some(status) => usize::from(status),
    };
    Some((status / HUNDRED, status % HUNDRED))
}

impl OfRoute {
    /// One that was not the first.
    fn other(&self, status: Option<u16>) -> Option<&Series> {
        let (hundred, rest) = place(status)?;
        let series = self.others.get(hundred)?.get()?.get(rest)?.get()?;
        series.as_deref()
    }
}

fn key(end: &End<'_>) -> Unusual {
    let route = std::ptr::from_ref(end.route).addr();
    (route, end.status, end.error_type())
}

fn empty<T>(places: usize) -> Box<[OnceLock<T>]> {
    (0..places).map(|_| OnceLock::new()).collect()
}
