//! Cells that many threads add to without getting into each other's way.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A row of cells. It begins with a line: what processors fetch together, two times 64 bytes.
#[repr(align(128))]
#[derive(Debug)]
struct Row<const CELLS: usize>([AtomicU64; CELLS]);

/// Several copies of a row of cells, of which a thread uses one.
#[derive(Debug)]
pub(crate) struct Stripes<const CELLS: usize>(Box<[Row<CELLS>]>);

/// One copy of the row.
pub(crate) type Stripe<const CELLS: usize> = [AtomicU64; CELLS];

impl<const CELLS: usize> Stripes<CELLS> {
    /// Rows whose cells begin as `first` says.
    pub(crate) fn new(first: impl Fn(usize) -> u64) -> Self {
        let row = || Row(std::array::from_fn(|cell| AtomicU64::new(first(cell))));
        Self((0..*STRIPES).map(|_| row()).collect())
    }

    /// The stripe of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> &Stripe<CELLS> {
        // There is a power of two of them.
        &self.0[thread() & (self.0.len() - 1)].0
    }

    /// All of them, as the one who collects sees them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Stripe<CELLS>> {
        self.0.iter().map(|row| &row.0)
    }
}

/// How many stripes: as many as threads can run at once, within reason.
static STRIPES: LazyLock<usize> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(4, usize::from);
    threads.next_power_of_two().clamp(4, 16)
});

/// This thread's number, from one.
#[inline]
fn thread() -> usize {
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    match NUMBER.get() {
        0 => {
            static THREADS: AtomicUsize = AtomicUsize::new(0);
            let number = THREADS.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            NUMBER.set(number);
            number
        }
        number => number,
    }
}
