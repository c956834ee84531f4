//! A trace as a tree: who called whom, in order of time, with its critical path.

use std::collections::HashMap;
use std::sync::Arc;

use campanile_otlp_receiver::{Span, SpanId, TraceId};

use crate::critical::{self, Bar};
use crate::facts;

/// The spans of one trace, in the order of a waterfall.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) rows: Vec<Row>,
    /// Row of the span that stands for the trace: its first root, else its earliest span.
    pub(crate) root: usize,
    /// When it began, and how long the whole lasted, in milliseconds.
    pub(crate) start: f64,
    pub(crate) total: f64,
    /// Spans whose parent is not held.
    pub(crate) orphans: usize,
    bars: Vec<Bar>,
}

/// One line of the waterfall.
#[derive(Debug)]
pub(crate) struct Row {
    /// None when this is a parent that never arrived.
    pub(crate) span: Option<Arc<Span>>,
    pub(crate) id: SpanId,
    pub(crate) depth: usize,
    /// Milliseconds from the beginning of the trace.
    pub(crate) at: f64,
    pub(crate) length: f64,
    pub(crate) class: &'static str,
    /// Stretches on the critical path.
    pub(crate) critical: Vec<(f64, f64)>,
}

impl Row {
    pub(crate) fn critical_ms(&self) -> f64 {
        self.critical.iter().map(|(_, length)| length).sum()
    }
}

impl Tree {
    /// Builds the tree. None without spans.
    pub(crate) fn build(mut spans: Vec<Arc<Span>>) -> Option<Self> {
        spans.sort_by_key(|span| (span.start_unix_nano, span.seq));
        let mut places: HashMap<SpanId, usize> = HashMap::with_capacity(spans.len());
        // A span id that comes twice is a retry of the sender: the first to begin stands.
        spans.retain({
            let mut kept = 0;
            let places = &mut places;
            move |span| {
                let new = !places.contains_key(&span.span_id);
                if new {
                    places.insert(span.span_id, kept);
                    kept += 1;
                }
                new
            }
        });
        let mut children = vec![Vec::new(); spans.len()];
        let mut tops = Vec::new();
        let mut lost: Vec<(SpanId, Vec<usize>)> = Vec::new();
        let mut lost_places: HashMap<SpanId, usize> = HashMap::new();
        for (at, span) in spans.iter().enumerate() {
            match span.parent_span_id {
                None => tops.push(Top::Span(at)),
                Some(parent) if parent == span.span_id => tops.push(Top::Span(at)),
                Some(parent) => match places.get(&parent) {
                    Some(&parent) => children[parent].push(at),
                    None => {
                        let place = *lost_places.entry(parent).or_insert_with(|| {
                            tops.push(Top::Lost(lost.len()));
                            lost.push((parent, Vec::new()));
                            lost.len() - 1
                        });
                        lost[place].1.push(at);
                    }
                },
            }
        }
        let start = facts::start_ms(spans.first()?);
        let end = spans
            .iter()
            .map(|span| facts::ms(span.end_unix_nano))
            .fold(start, f64::max);
        let orphans = lost.iter().map(|(_, children)| children.len()).sum();
        let mut tree = Self {
            rows: Vec::new(),
            root: 0,
            start,
            total: end - start,
            orphans,
            bars: Vec::new(),
        };
        let mut seen = vec![false; spans.len()];
        for top in tops {
            match top {
                Top::Span(at) => tree.walk(&spans, &children, at, 0, &mut seen),
                Top::Lost(place) => {
                    let (id, orphans) = &lost[place];
                    let at = facts::start_ms(&spans[orphans[0]]) - start;
                    let class = facts::class(&spans[orphans[0]]);
                    tree.rows.push(Row {
                        span: None,
                        id: *id,
                        depth: 0,
                        at,
                        length: 0.0,
                        class,
                        critical: Vec::new(),
                    });
                    for &orphan in orphans {
                        tree.walk(&spans, &children, orphan, 1, &mut seen);
                    }
                }
            }
        }
        // Parents that name each other in a ring hang on nothing: each ring is opened at its earliest span.
        for at in 0..spans.len() {
            tree.walk(&spans, &children, at, 0, &mut seen);
        }
        tree.find_root();
        tree.find_path();
        Some(tree)
    }

    fn walk(
        &mut self,
        spans: &[Arc<Span>],
        children: &[Vec<usize>],
        from: usize,
        depth: usize,
        seen: &mut [bool],
    ) {
        let mut open = vec![(from, depth, None::<&'static str>)];
        while let Some((at, depth, parent_class)) = open.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let span = &spans[at];
            let class = facts::own_class(span)
                .or(parent_class)
                .unwrap_or_else(|| facts::class(span));
            // A child belongs to the part of the application that its parent named, within one service, but a
            // database's colour stays the database's.
            open.extend(children[at].iter().rev().map(|&child| {
                let same = spans[child].resource.service_name() == span.resource.service_name();
                (
                    child,
                    depth + 1,
                    (same && !matches!(class, "db" | "cache")).then_some(class),
                )
            }));
            self.rows.push(Row {
                span: Some(Arc::clone(span)),
                id: span.span_id,
                depth,
                at: facts::start_ms(span) - self.start,
                length: facts::duration_ms(span),
                class,
                critical: Vec::new(),
            });
        }
    }

    fn find_root(&mut self) {
        let is_root = |row: &Row| row.span.as_ref().is_some_and(|span| span.is_root());
        let root = self.rows.iter().position(is_root);
        self.root = root
            .or_else(|| self.rows.iter().position(|row| row.span.is_some()))
            .unwrap_or(0);
    }

    fn find_path(&mut self) {
        self.bars = self
            .rows
            .iter()
            .map(|row| Bar {
                start: row.at,
                end: row.at + row.length,
                children: Vec::new(),
            })
            .collect();
        let mut above: Vec<usize> = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            while above
                .last()
                .is_some_and(|&parent| self.rows[parent].depth >= row.depth)
            {
                above.pop();
            }
            if let Some(&parent) = above.last() {
                self.bars[parent].children.push(at);
            }
            above.push(at);
        }
        for (row, critical) in self
            .rows
            .iter_mut()
            .zip(critical::path(&self.bars, self.root))
        {
            row.critical = critical;
        }
    }

    /// The span that stands for the trace.
    pub(crate) fn root_span(&self) -> Option<&Arc<Span>> {
        self.rows.get(self.root)?.span.as_ref()
    }

    /// Milliseconds in which none of its children ran.
    pub(crate) fn self_ms(&self, row: usize) -> f64 {
        critical::uncovered(&self.bars, row)
            .iter()
            .map(|(_, length)| length)
            .sum()
    }

    /// Stretches of a span with children in which no child ran, off the critical path and long enough to be seen.
    pub(crate) fn gaps(&self, row: usize) -> Vec<(f64, f64)> {
        if self.bars[row].children.is_empty() || !self.rows[row].critical.is_empty() {
            return Vec::new();
        }
        let least = self.total * 0.02;
        critical::uncovered(&self.bars, row)
            .into_iter()
            .filter(|(_, length)| *length > least)
            .collect()
    }

    /// How the time splits by colour class, largest first: shares of the sum of all spans' own time.
    pub(crate) fn split(&self) -> Vec<(&'static str, f64)> {
        let mut sums: Vec<(&'static str, f64)> = Vec::new();
        for at in (0..self.rows.len()).filter(|&at| self.rows[at].span.is_some()) {
            let own = self.self_ms(at);
            match sums
                .iter_mut()
                .find(|(class, _)| *class == self.rows[at].class)
            {
                Some((_, sum)) => *sum += own,
                None => sums.push((self.rows[at].class, own)),
            }
        }
        let total: f64 = sums.iter().map(|(_, sum)| sum).sum();
        sums.sort_by(|a, b| b.1.total_cmp(&a.1));
        sums.into_iter()
            .map(|(class, sum)| (class, sum / total.max(1e-9)))
            .collect()
    }
}

enum Top {
    Span(usize),
    Lost(usize),
}

/// Puts spans together by trace, in the order of their first arrival.
pub(crate) fn by_trace(spans: &[Arc<Span>]) -> Vec<(TraceId, Vec<&Arc<Span>>)> {
    let mut places: HashMap<TraceId, usize> = HashMap::new();
    let mut traces: Vec<(TraceId, Vec<&Arc<Span>>)> = Vec::new();
    for span in spans {
        let place = *places.entry(span.trace_id).or_insert_with(|| {
            traces.push((span.trace_id, Vec::new()));
            traces.len() - 1
        });
        traces[place].1.push(span);
    }
    traces
}

#[cfg(test)]
mod tests;
