//! The rules of the semantic conventions that a registry cannot express.

mod general;
mod http;
mod metrics;
mod spans;

use super::Findings;
use crate::seen::Seen;

pub(super) fn check(seen: &Seen, findings: &mut Findings<'_>) {
    for span in &seen.spans {
        http::check(span, findings);
        spans::check(span, findings);
    }
    for metric in &seen.metrics {
        metrics::check(metric, findings);
    }
    general::check(seen, findings);
}
