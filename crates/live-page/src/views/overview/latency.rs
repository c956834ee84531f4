//! The heat map of one route, the worst region in it, and what the requests there share.

use std::collections::HashMap;

use campanile_semconv::attribute as a;
use serde_json::{Value, json};

use super::Request;
use super::red::Row;
use crate::address::{query, token};
use crate::facts;
use crate::question::Range;
use crate::stats;
use crate::words;

const COLUMNS: usize = 90;
const BANDS: usize = 22;
/// Fewer slow requests than this are not ranked: chance would do the talking.
const ENOUGH: usize = 30;
/// Columns without a slow request that end a region.
const CALM: usize = 10;

/// Counts by time and duration.
pub(super) struct Map {
    route: String,
    range: Range,
    low: f64,
    high: f64,
    cells: Vec<u32>,
    p50: Vec<Option<f64>>,
    p99: Vec<Option<f64>>,
    errors: Vec<u32>,
    requests: usize,
    /// First and last column of the worst region.
    region: Option<(usize, usize)>,
    target: f64,
    /// The longest request.
    most: f64,
    /// The region that a person drew: time, then duration.
    chosen: Option<[f64; 4]>,
}

/// Draws the map of a route.
pub(super) fn map(row: &Row, range: &Range, chosen: &str) -> Option<Map> {
    let lengths = || row.requests.iter().map(|request| request.length.max(0.001));
    let (least, most) = (lengths().reduce(f64::min)?, lengths().reduce(f64::max)?);
    let low = 10f64.powf(least.log10().floor());
    let high = 10f64
        .powf(most.max(row.target).log10().ceil())
        .max(low * 100.0);
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); COLUMNS];
    let (mut cells, mut errors, mut slow) =
        (vec![0; COLUMNS * BANDS], vec![0; COLUMNS], [0; COLUMNS]);
    for request in &row.requests {
        let Some(column) = range.bin(request.start, COLUMNS) else {
            continue;
        };
        let height = (request.length.max(low) / low).ln() / (high / low).ln();
        cells[column * BANDS + ((height * BANDS as f64) as usize).min(BANDS - 1)] += 1;
        errors[column] += u32::from(request.failed);
        slow[column] += usize::from(request.length > row.target);
        columns[column].push(request.length);
    }
    // Five columns speak together: one alone holds too few.
    let pooled = |column: usize, q: f64, least: u64| {
        let near = column.saturating_sub(2)..(column + 3).min(COLUMNS);
        let mut pool: Vec<f64> = columns[near].iter().flatten().copied().collect();
        pool.sort_unstable_by(f64::total_cmp);
        stats::rank(&pool, q).filter(|_| pool.len() as u64 >= least && !columns[column].is_empty())
    };
    let p50 = (0..COLUMNS).map(|column| pooled(column, 0.5, 1)).collect();
    let p99 = (0..COLUMNS)
        .map(|column| pooled(column, 0.99, stats::ENOUGH_FOR_P99))
        .collect();
    Some(Map {
        route: row.key(),
        range: *range,
        low,
        high,
        cells,
        p50,
        p99,
        errors,
        requests: row.requests.len(),
        region: region(&slow),
        target: row.target,
        most,
        chosen: corners(chosen),
    })
}

/// The stretch of columns with most slow requests: it ends where things stay calm.
pub(super) fn region(slow: &[usize]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize, usize)> = None;
    let mut open: Option<(usize, usize, usize)> = None;
    for (column, &count) in slow.iter().enumerate().filter(|(_, count)| **count > 0) {
        open = match open {
            Some((from, to, sum)) if column - to <= CALM => Some((from, column, sum + count)),
            _ => Some((column, column, count)),
        };
        if open.map(|open| open.2) > best.map(|best| best.2) {
            best = open;
        }
    }
    best.map(|(from, to, _)| (from, to))
}

/// Reads the corners of a region, in either order.
fn corners(text: &str) -> Option<[f64; 4]> {
    let mut numbers = text.split(',').map(|number| number.parse::<f64>().ok());
    let mut next = || numbers.next().flatten().filter(|number| number.is_finite());
    let (from, to, low, high) = (next()?, next()?, next()?, next()?);
    Some([from.min(to), from.max(to), low.min(high), low.max(high)])
}

impl Map {
    /// The time of the worst region.
    pub(super) fn times(&self) -> Option<(f64, f64)> {
        if let Some([from, to, ..]) = self.chosen {
            return Some((from, to));
        }
        let step = (self.range.to - self.range.from) / COLUMNS as f64;
        let (from, to) = self.region?;
        Some((
            self.range.from + step * from as f64,
            self.range.from + step * (to + 1) as f64,
        ))
    }

    /// The shortest and longest request of the worst region.
    fn lengths(&self) -> (f64, f64) {
        match self.chosen {
            Some([_, _, low, high]) => (low, high),
            None => (self.target, (self.most * 1.15).min(self.high)),
        }
    }

    fn holds(&self, request: &Request) -> bool {
        let (low, high) = self.lengths();
        let in_time = |(from, to): (f64, f64)| (from..=to).contains(&request.start);
        request.length > low && request.length <= high && self.times().is_some_and(in_time)
    }

    pub(super) fn json(&self) -> Value {
        let round = |values: &[Option<f64>]| {
            values
                .iter()
                .map(|value| value.map(words::round))
                .collect::<Vec<_>>()
        };
        let place =
            |at: f64| ((at - self.range.from) / (self.range.to - self.range.from)).clamp(0.0, 1.0);
        let (low, high) = self.lengths();
        let boxed = self.times().map(|(t0, t1)| {
            json!({
                "x0": words::round(place(t0)), "x1": words::round(place(t1)), "t0": t0.round(), "t1": t1.round(),
                "lo": low.max(self.low), "hi": high.min(self.high), "chosen": self.chosen.is_some(),
            })
        });
        json!({
            "route": words::cut(&self.route, 120), "cols": COLUMNS, "rows": BANDS, "lo": self.low, "hi": self.high,
            "t0": self.range.from.round(), "t1": self.range.to.round(), "n": self.requests,
            "cells": self.cells, "p50": round(&self.p50), "p99": round(&self.p99), "err": self.errors, "box": boxed,
        })
    }
}

/// Compares the worst region with the rest: the attributes whose shares differ most.
pub(super) fn share(row: &Row, map: &Map) -> Option<Value> {
    let (from, to) = map.times()?;
    let (low, high) = map.lengths();
    let boxed = map.chosen.is_some();
    let (inside, outside): (Vec<&Request>, Vec<&Request>) =
        row.requests.iter().partition(|request| map.holds(request));
    let mut filter = if row.route.is_empty() {
        token("name", &row.method)
    } else {
        format!("{} method:{}", token("route", &row.route), row.method)
    };
    filter.push_str(&format!(" dur>{low}ms"));
    if map.chosen.is_some() {
        filter.push_str(&format!(" dur<={high}ms"));
    }
    let time = format!("{}..{}", from.max(0.0) as u64, to.max(0.0).ceil() as u64);
    let href = format!(
        "/traces?{}",
        query(&[("q", &filter), ("t", &time), ("sort", "dur")])
    );
    if inside.len() < ENOUGH {
        return Some(
            json!({ "few": true, "boxed": boxed, "inside": inside.len(), "outside": outside.len(), "href": href, "rows": [] }),
        );
    }
    let (counted, rest) = (count(&inside), count(&outside));
    let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    let mut rows: Vec<_> = counted
        .iter()
        .map(|(pair, &count)| {
            (
                pair,
                share(count, inside.len()),
                share(rest.get(pair).copied().unwrap_or(0), outside.len()),
            )
        })
        .filter(|(_, inside, outside)| inside - outside > 0.05)
        .collect();
    rows.sort_by(|a, b| (b.1 - b.2).total_cmp(&(a.1 - a.2)).then(a.0.cmp(b.0)));
    let rows: Vec<_> = rows
        .into_iter()
        .take(5)
        .map(|((key, value), inside, outside)| {
            json!([key, value, words::round(inside), words::round(outside)])
        })
        .collect();
    Some(
        json!({ "boxed": boxed, "inside": inside.len(), "outside": outside.len(), "href": href, "rows": rows }),
    )
}

/// Counts requests by attribute and value. Identifiers, which differ everywhere, fall out by their small shares.
fn count(requests: &[&Request]) -> HashMap<(String, String), usize> {
    let mut counted = HashMap::new();
    for request in requests {
        let attributes = request
            .span
            .attributes
            .iter()
            .chain(request.span.resource.attributes.iter());
        for (key, value) in attributes {
            *counted
                .entry((words::cut(key, 60), words::cut(&value.to_string(), 60)))
                .or_insert(0) += 1;
        }
        if request.failed && request.span.attributes.get(a::ERROR_TYPE).is_none() {
            let how = facts::failure(&request.span).unwrap_or_default();
            *counted
                .entry(("error".to_owned(), words::cut(&how, 60)))
                .or_insert(0) += 1;
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_read_in_either_order_or_not_at_all() {
        assert_eq!(corners("9,1,500,20.5"), Some([1.0, 9.0, 20.5, 500.0]));
        for text in ["", "1,2,3", "1,2,3,x", "1,2,3,inf", "NaN,1,1,1"] {
            assert_eq!(corners(text), None, "{text}");
        }
    }

    #[test]
    fn a_region_ends_where_things_stay_calm() {
        let mut slow = [0; COLUMNS];
        assert_eq!(region(&slow), None);
        slow[3] = 1;
        slow[40] = 2;
        slow[45] = 3;
        slow[80] = 4;
        assert_eq!(region(&slow), Some((40, 45)));
    }
}
