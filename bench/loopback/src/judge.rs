//! Whether ours keep up.

use std::io;

use crate::contenders::CONTROL;
use crate::turns::{Measured, Spread};

/// What is held to the budget.
const OURS: [&str; 2] = ["lean-sampled", "lean-unsampled"];

/// The least part of the bare server's throughput.
const LEAST: f64 = 0.80;

/// The least part of spans that arrive: who drops them is not faster.
const DELIVERED: f64 = 0.999;

/// Fails when ours are below the budget.
pub fn check(measured: &[Measured]) -> io::Result<()> {
    let problems = judge(measured);
    if problems.is_empty() {
        println!("ours keep up");
        return Ok(());
    }
    Err(io::Error::other(problems.join("\n")))
}

/// Both may be below by as much as those of the same bare server, once more, scattered in this very
/// run: much for the rate, little for processor time.
fn judge(measured: &[Measured]) -> Vec<String> {
    let find = |wanted: &str| measured.iter().find(|one| one.name == wanted);
    let spread = |spread: &Spread| spread.high - spread.low;
    let control = find(CONTROL);
    let noise = control.map_or(0.0, |control| spread(&control.rate));
    let cpu_noise = control.map_or(0.0, |control| spread(&control.cpu));
    let mut problems = Vec::new();
    for name in OURS {
        let Some(one) = find(name) else {
            problems.push(format!("{name}: not measured"));
            continue;
        };
        if one.cpu.median < LEAST - cpu_noise {
            problems.push(format!(
                "{name}: {:.2} of bare by processor time, the least is {LEAST} less {cpu_noise:.2} of noise",
                one.cpu.median
            ));
        }
        if one.rate.median < LEAST - noise {
            problems.push(format!(
                "{name}: {:.2} of bare by requests a second, the least is {LEAST} less {noise:.2} of noise",
                one.rate.median
            ));
        }
        if one.delivered.is_some_and(|part| part < DELIVERED) {
            problems.push(format!("{name}: spans were lost: {:?}", one.delivered));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &'static str, rate: f64, cpu: f64, delivered: f64) -> Measured {
        let spread = |median: f64, by: f64| Spread {
            low: median - by,
            median,
            high: median + by,
        };
        Measured {
            name,
            rate: spread(rate, 0.03),
            cpu: spread(cpu, 0.01),
            delivered: Some(delivered),
        }
    }

    #[test]
    fn below_the_budget_is_named_and_noise_excuses_no_more_than_there_was() {
        let problems = |rate, cpu, delivered| {
            let others = one("lean-unsampled", 0.9, 0.9, 1.0);
            let control = one(CONTROL, 1.0, 1.0, 1.0);
            judge(&[control, others, one("lean-sampled", rate, cpu, delivered)]).len()
        };
        assert_eq!(problems(0.80, 0.80, 1.0), 0);
        assert_eq!(problems(0.75, 0.80, 1.0), 0);
        assert_eq!(problems(0.73, 0.80, 1.0), 1);
        assert_eq!(problems(0.90, 0.79, 1.0), 0);
        assert_eq!(problems(0.90, 0.77, 1.0), 1);
        assert_eq!(problems(0.90, 0.90, 0.9), 1);
        assert_eq!(judge(&[]).len(), 2);
    }
}
