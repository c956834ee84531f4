//! Instructions per measurement, from callgrind.
//!
//! A run of few is taken from a run of many, so that start-up cancels out.

use std::io;

use crate::total;

const FEW: u64 = 4_000;

/// The start-up differs by some hundred thousand instructions from run to run, which has to be
/// little beside what is measured.
fn many(pipeline: &str) -> u64 {
    if pipeline == "lean" { 204_000 } else { 24_000 }
}

/// Instructions for one measurement of this kind.
pub fn count(pipeline: &str, work: &str) -> io::Result<f64> {
    let run = |times: u64| total::run(&[pipeline, work, &times.to_string()]);
    let times = many(pipeline);
    let (few, many) = (run(FEW)?, run(times)?);
    Ok((many - few) / (times - FEW) as f64)
}
