//! A trace against an outline: indented lines, one a span.

use std::sync::Arc;

use super::diff;
use crate::model::{Span, SpanKind};
use crate::seen::Trace;

/// One line of an outline, and the lines below it.
#[derive(Debug)]
struct Node {
    text: String,
    children: Vec<Node>,
}

impl Trace {
    /// Fails the test unless the trace looks like the outline. Ids, times and the order of siblings do not matter.
    ///
    /// A line is a span's name, after which may stand its kind in brackets, `ERROR`, and attributes in braces. What a
    /// line does not say is not compared; spans that the outline does not have are a failure.
    ///
    /// ```no_run
    /// # fn example(trace: campanile_otlp_receiver::Trace) {
    /// trace.assert_outline(r#"
    ///     GET /orders/{id} [server] {http.route="/orders/{id}", http.response.status_code=200}
    ///       SELECT orders [client]
    ///       cache.get
    /// "#);
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it looks otherwise. The message shows the lines that differ, `-` expected, `+` received.
    #[track_caller]
    pub fn assert_outline(&self, outline: &str) {
        let expected = parse(outline);
        let tops = self.tops();
        let (mut left, mut right) = (String::new(), String::new());
        self.compare(&expected, &tops, 0, &mut left, &mut right);
        if left != right {
            panic!(
                "trace {} differs:\n{}",
                self.id(),
                diff::lines(&left, &right)
            );
        }
    }

    /// Pairs lines with spans, and writes both so that what fits is written alike.
    fn compare(
        &self,
        expected: &[Node],
        spans: &[Arc<Span>],
        depth: usize,
        left: &mut String,
        right: &mut String,
    ) {
        let mut rest: Vec<_> = spans.to_vec();
        let mut pairs = Vec::new();
        for node in expected {
            // The whole subtree first; else the same line, so that the difference shows further down.
            let whole = rest.iter().position(|span| self.fits(node, span));
            let same = whole.or_else(|| rest.iter().position(|span| says(&node.text, span)));
            pairs.push((node, same.map(|index| rest.remove(index))));
        }
        let indent = "  ".repeat(depth);
        for (node, span) in pairs {
            left.push_str(&format!("{indent}{}\n", node.text));
            match span {
                Some(span) => {
                    right.push_str(&format!("{indent}{}\n", node.text));
                    let children = self.children_of(&span);
                    self.compare(&node.children, &children, depth + 1, left, right);
                }
                None => node
                    .children
                    .iter()
                    .for_each(|child| child.write(depth + 1, left)),
            }
        }
        for span in rest {
            self.write_received(&span, depth, right);
        }
    }

    fn fits(&self, node: &Node, span: &Span) -> bool {
        let mut children = self.children_of(span);
        says(&node.text, span)
            && node.children.len() == children.len()
            && node.children.iter().all(|node| {
                let fit = children.iter().position(|child| self.fits(node, child));
                fit.map(|index| children.remove(index)).is_some()
            })
    }

    fn write_received(&self, span: &Span, depth: usize, text: &mut String) {
        // Ids that go round in a circle would never end.
        if depth > 64 {
            return;
        }
        text.push_str(&format!("{}{}\n", "  ".repeat(depth), described(span)));
        for child in self.children_of(span) {
            self.write_received(&child, depth + 1, text);
        }
    }
}

impl Node {
    fn write(&self, depth: usize, text: &mut String) {
        text.push_str(&format!("{}{}\n", "  ".repeat(depth), self.text));
        self.children
            .iter()
            .for_each(|child| child.write(depth + 1, text));
    }
}

/// Writes a span as a line of an outline that says everything.
fn described(span: &Span) -> String {
    let mut text = span.name.clone();
    if !matches!(span.kind, SpanKind::Internal | SpanKind::Unspecified) {
        text.push_str(&format!(" [{}]", span.kind));
    }
    if span.is_error() {
        text.push_str(" ERROR");
    }
    if !span.attributes.is_empty() {
        text.push_str(&format!(" {{{}}}", pairs(span).join(", ")));
    }
    text
}

fn pairs(span: &Span) -> Vec<String> {
    let pairs = span.attributes.iter();
    pairs
        .map(|(key, value)| format!("{key}={}", super::typed(value)))
        .collect()
}

/// Says whether everything in the line is true of the span.
fn says(line: &str, span: &Span) -> bool {
    let Some(mut rest) = line.strip_prefix(span.name.as_str()) else {
        return false;
    };
    if let Some(after) = rest.strip_prefix(&format!(" [{}]", span.kind)) {
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(" ERROR") {
        if !span.is_error() {
            return false;
        }
        rest = after;
    }
    if rest.is_empty() {
        return true;
    }
    let Some(inner) = rest
        .strip_prefix(" {")
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return false;
    };
    has_all(inner, &pairs(span))
}

/// Says whether `text` is made of some of `pairs`, separated by commas. A value may have commas in it.
fn has_all(text: &str, pairs: &[String]) -> bool {
    let text = text.trim_start_matches([',', ' ']);
    text.is_empty()
        || pairs.iter().any(|pair| {
            let rest = text.strip_prefix(pair.as_str());
            rest.is_some_and(|rest| {
                (rest.is_empty() || rest.starts_with(',')) && has_all(rest, pairs)
            })
        })
}

fn parse(outline: &str) -> Vec<Node> {
    let lines = outline.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.map(|line| (line.len() - line.trim_start().len(), line.trim()));
    let lines: Vec<_> = lines.collect();
    nodes(&lines)
}

/// Makes nodes of lines; those further in than the first of a run belong to it.
fn nodes(lines: &[(usize, &str)]) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut rest = lines;
    while let [(indent, text), below @ ..] = rest {
        let end = below.iter().position(|(deeper, _)| deeper <= indent);
        let (inside, after) = below.split_at(end.unwrap_or(below.len()));
        let children = self::nodes(inside);
        nodes.push(Node {
            text: (*text).to_owned(),
            children,
        });
        rest = after;
    }
    nodes
}
