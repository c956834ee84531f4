//! Active requests: counted in atomics, and told when someone collects.
//!
//! An instrument that is added to hashes its attributes each time, twice a request and at 1,100
//! instructions each. Here the attribute sets are few and known, so nothing has to be looked up.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use campanile_semconv::metric;
use opentelemetry::metrics::{Meter, ObservableUpDownCounter};

use crate::Route;
use crate::route::MAX_ACTIVE;

/// The requests under way, for each pair of method and scheme.
#[derive(Debug)]
pub(crate) struct Active {
    slots: [Slot; MAX_ACTIVE],
}

#[derive(Debug, Default)]
struct Slot {
    count: AtomicI64,
    /// Any route of the pair; absent until there has been a request.
    route: OnceLock<&'static Route>,
}

impl Active {
    pub(super) fn new() -> Arc<Self> {
        let slots = std::array::from_fn(|_| Slot::default());
        Arc::new(Self { slots })
    }

    /// What everyone counts in who reports to the global providers.
    pub(super) fn global() -> Arc<Self> {
        static GLOBAL: LazyLock<Arc<Active>> = LazyLock::new(Active::new);
        Arc::clone(&GLOBAL)
    }

    pub(crate) fn add(&self, route: &'static Route, change: i64) {
        let slot = &self.slots[route.active_slot()];
        slot.route.get_or_init(|| route);
        slot.count.fetch_add(change, Ordering::Relaxed);
    }

    /// Has `meter` tell the counts for as long as somebody counts.
    pub(super) fn tell(active: &Arc<Self>, meter: &Meter) -> ObservableUpDownCounter<i64> {
        let active = Arc::downgrade(active);
        let metric = &metric::HTTP_SERVER_ACTIVE_REQUESTS;
        meter
            .i64_observable_up_down_counter(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.brief)
            .with_callback(move |observer| {
                let active = active.upgrade();
                for slot in active.iter().flat_map(|active| &active.slots) {
                    if let Some(route) = slot.route.get() {
                        observer.observe(slot.count.load(Ordering::Relaxed), route.active());
                    }
                }
            })
            .build()
    }
}
