//! One trace as a tree.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Span, SpanKind, TraceId};

/// The spans of one trace.
///
/// Printed, it is a tree. A span whose parent did not arrive stands at the top, and says so.
#[derive(Clone, Debug)]
pub struct Trace {
    id: TraceId,
    spans: Vec<Arc<Span>>,
}

impl Trace {
    pub(super) fn new(id: TraceId, mut spans: Vec<Arc<Span>>) -> Self {
        spans.sort_by_key(|span| (span.start_unix_nano, span.seq));
        Self { id, spans }
    }

    /// Returns its id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Returns its spans, in the order of their start.
    pub fn spans(&self) -> &[Arc<Span>] {
        &self.spans
    }

    /// Returns the one span at the top: without a parent, or whose parent did not arrive.
    ///
    /// None when there is none, or more than one.
    pub fn root(&self) -> Option<Arc<Span>> {
        match self.tops().as_slice() {
            [root] => Some(Arc::clone(root)),
            _ => None,
        }
    }

    /// Returns the spans at the top, in the order of their start.
    pub fn tops(&self) -> Vec<Arc<Span>> {
        let tops = self.spans.iter().filter(|span| !self.has_parent(span));
        tops.cloned().collect()
    }

    /// Returns the spans whose parent is `span`, in the order of their start.
    pub fn children_of(&self, span: &Span) -> Vec<Arc<Span>> {
        let children = self.spans.iter().filter(|child| {
            child.parent_span_id == Some(span.span_id) && child.span_id != span.span_id
        });
        children.cloned().collect()
    }

    /// Says whether its parent arrived. A span that names itself has none.
    fn has_parent(&self, span: &Span) -> bool {
        span.parent_span_id.is_some_and(|parent| {
            parent != span.span_id && self.spans.iter().any(|other| other.span_id == parent)
        })
    }

    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        span: &Span,
        indent: &str,
        depth: usize,
    ) -> fmt::Result {
        write_span(f, span)?;
        if !self.has_parent(span)
            && let Some(parent) = span.parent_span_id
        {
            write!(f, " (parent {parent} did not arrive)")?;
        }
        writeln!(f)?;
        for event in &span.events {
            writeln!(f, "{indent}   * {} {}", event.name, event.attributes)?;
        }
        for link in &span.links {
            writeln!(
                f,
                "{indent}   ~ links to {}/{} {}",
                link.trace_id, link.span_id, link.attributes
            )?;
        }
        // Ids that go round in a circle would never end.
        if depth == 64 {
            return writeln!(f, "{indent}   ...");
        }
        let children = self.children_of(span);
        for (index, child) in children.iter().enumerate() {
            let last = index + 1 == children.len();
            write!(f, "{indent}{}", if last { "└─ " } else { "├─ " })?;
            let indent = format!("{indent}{}", if last { "   " } else { "│  " });
            self.write(f, child, &indent, depth + 1)?;
        }
        Ok(())
    }
}

fn write_span(f: &mut fmt::Formatter<'_>, span: &Span) -> fmt::Result {
    f.write_str(&span.name)?;
    if !matches!(span.kind, SpanKind::Internal | SpanKind::Unspecified) {
        write!(f, " [{}]", span.kind)?;
    }
    write!(f, " {}", Millis(span.duration()))?;
    if span.is_error() {
        write!(f, " ERROR {:?}", span.status.message)?;
    }
    if !span.attributes.is_empty() {
        write!(f, " {}", span.attributes)?;
    }
    Ok(())
}

struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ms", self.0.as_secs_f64() * 1000.0)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = self.spans.first().map(|span| span.resource.service_name());
        writeln!(f, "trace {} ({})", self.id, services.unwrap_or_default())?;
        let tops = self.tops();
        for top in &tops {
            f.write_str("   ")?;
            self.write(f, top, "   ", 0)?;
        }
        if tops.is_empty() && !self.spans.is_empty() {
            writeln!(
                f,
                "   {} spans that are each other's parents",
                self.spans.len()
            )?;
        }
        Ok(())
    }
}
