//! Instructions per message, from callgrind.
//!
//! A run of few messages is taken from a run of many, so that start-up cancels out.

use std::io;

use crate::total;

const FEW: u64 = 4_000;
/// Starting a pipeline differs by some hundred thousand instructions from run to run, which has to
/// be little beside what is measured.
const MANY: u64 = 104_000;

/// Instructions for one message, sent in batches of this size.
pub fn count(contender: &str, batch: u64) -> io::Result<f64> {
    let batch = batch.to_string();
    let run = |messages: u64| total::run(&[contender, &batch, &messages.to_string()]);
    let (few, many) = (run(FEW)?, run(MANY)?);
    Ok((many - few) / (MANY - FEW) as f64)
}
