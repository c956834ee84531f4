//! Which places in the source make spans that pass something on, worked out once for each thread:
//! most do not, and their fields need not be visited.

use std::cell::Cell;

use tracing::Metadata;

use super::scene::is_passed_on;

/// Places that a thread keeps. One whose slot another took is worked out again.
const SLOTS: usize = 128;

/// What is known of a place: the layer, the metadata's address, and whether there is anything.
type Place = (u64, usize, bool);

thread_local! {
    // nothing has the address 0
    static PLACES: [Cell<Place>; SLOTS] = const { [const { Cell::new((0, 0, false)) }; SLOTS] };
}

/// Whether spans of this place have a field that the layer of this number passes on.
#[inline]
pub(super) fn is_any(layer: u64, metadata: &'static Metadata<'static>, wanted: &[String]) -> bool {
    let work_out = || {
        let mut fields = metadata.fields().iter();
        fields.any(|field| is_passed_on(field.name(), wanted))
    };
    let address = std::ptr::from_ref(metadata).addr();
    // what the lowest bits say is the same for all
    let number = ((address >> 4) ^ (address >> 11) ^ layer as usize) % SLOTS;
    let found = PLACES.try_with(|places| {
        let slot = &places[number];
        let (of, place, is_any) = slot.get();
        if of == layer && place == address {
            return is_any;
        }
        let is_any = work_out();
        slot.set((layer, address, is_any));
        is_any
    });
    found.unwrap_or_else(|_| work_out())
}
