//! Cells that many threads add to without getting into each other's way.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Cells of a line.
const LINE: usize = 16;

/// What processors fetch together: two lines of 64 bytes.
#[repr(align(128))]
#[derive(Debug)]
struct Line([AtomicU64; LINE]);

/// Several copies of a row of cells, of which a thread uses one.
#[derive(Debug)]
pub(super) struct Stripes {
    lines: Box<[Line]>,
    /// Lines of a stripe.
    width: usize,
}

/// One copy of the row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stripe<'a>(&'a [Line]);

impl Stripes {
    /// Rows of `cells` cells, which all begin as `first`.
    pub(super) fn new(cells: usize, first: impl Fn(usize) -> u64) -> Self {
        let width = cells.div_ceil(LINE);
        let line = |i: usize| {
            let start = i % width * LINE;
            Line(std::array::from_fn(|cell| {
                AtomicU64::new(first(start + cell))
            }))
        };
        Self {
            lines: (0..*STRIPES * width).map(line).collect(),
            width,
        }
    }

    /// The stripe of this thread.
    #[inline]
    pub(super) fn mine(&self) -> Stripe<'_> {
        // There is a power of two of them.
        let mine = thread() & (self.lines.len() / self.width - 1);
        Stripe(&self.lines[mine * self.width..(mine + 1) * self.width])
    }

    /// All of them, as the one who collects sees them.
    pub(super) fn all(&self) -> impl Iterator<Item = Stripe<'_>> {
        self.lines.chunks_exact(self.width).map(Stripe)
    }
}

impl<'a> Stripe<'a> {
    /// A cell of the row; there is one for every number below that of [`Stripes::new`].
    #[inline]
    pub(super) fn cell(self, i: usize) -> &'a AtomicU64 {
        &self.0[i / LINE].0[i % LINE]
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
