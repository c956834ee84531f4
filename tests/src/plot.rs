//! Draws what a suite has measured, as SVG for the guide.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 40.0;

/// How many fall into each second.
fn seconds(sorted: &[u64], from: u64, count: usize) -> Vec<usize> {
    let mut bins = vec![0; count];
    for at in sorted {
        let second = usize::try_from(at.saturating_sub(from) / 1000);
        if let Some(bin) = second.ok().and_then(|second| bins.get_mut(second)) {
            *bin += 1;
        }
    }
    bins
}

#[expect(clippy::cast_precision_loss, reason = "small numbers of a drawing")]
fn float(count: usize) -> f64 {
    count as f64
}

/// Clients that left one node and arrived at the other in each second of a drain, with the rate
/// that the drain plans for and the limit. Times are sorted, in milliseconds.
pub fn drain(left: &[u64], arrived: &[u64], rate: usize, limit: usize) -> String {
    let from = left.first().copied().unwrap_or_default();
    let until = arrived.last().copied().unwrap_or(from);
    let count = usize::try_from((until - from) / 1000 + 1).unwrap_or(1);
    let (left, arrived) = (seconds(left, from, count), seconds(arrived, from, count));
    let most = left.iter().chain(&arrived).chain([&limit]).max().copied();
    let most = float(most.unwrap_or(1)) * 1.05;
    let x = |second: f64| LEFT + second * (WIDTH - LEFT - 16.0) / float(count);
    let y = |value: usize| HEIGHT - BOTTOM - float(value) / most * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Clients that left the draining node and arrived at the other, by second</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut put = |line: String| {
        let _ = writeln!(svg, "{line}");
    };
    let base = y(0);
    for (second, value) in arrived.iter().enumerate() {
        let (at, next) = (x(float(second)), x(float(second + 1)));
        let (top, wide) = (y(*value), next - at - 2.0);
        let tall = base - top;
        put(format!(
            "<rect x=\"{at:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"#4a90c2\"/>"
        ));
    }
    let steps: Vec<String> = left
        .iter()
        .enumerate()
        .flat_map(|(second, value)| {
            [second, second + 1].map(|at| format!("{:.1},{:.1}", x(float(at)), y(*value)))
        })
        .collect();
    put(format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#c2571a\" stroke-width=\"2\"/>",
        steps.join(" ")
    ));
    for (value, name, dash) in [(rate, "planned", "2 4"), (limit, "admitted at most", "8 4")] {
        let (at, right) = (y(value), WIDTH - 16.0);
        put(format!(
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#333\" stroke-dasharray=\"{dash}\"/>"
        ));
        let above = at - 4.0;
        put(format!(
            "<text x=\"{right}\" y=\"{above:.1}\" text-anchor=\"end\">{name}: {value}/s</text>"
        ));
    }
    put(format!(
        "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{base:.1}\" y2=\"{base:.1}\" stroke=\"#333\"/>",
        WIDTH - 16.0
    ));
    let step = (count / 12).max(1);
    for second in (0..=count).step_by(step) {
        let at = x(float(second));
        let below = base + 16.0;
        put(format!(
            "<text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{second} s</text>"
        ));
    }
    let middle = (LEFT + WIDTH) / 2.0;
    put(format!(
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">since the drain began</text>",
        HEIGHT - 8.0
    ));
    put(format!(
        "<text x=\"{LEFT}\" y=\"18\"><tspan fill=\"#c2571a\">line: left the draining node</tspan>\
         <tspan dx=\"16\" fill=\"#2f6f9f\">bars: arrived at the other</tspan>\
         <tspan dx=\"16\" fill=\"#333\">clients a second</tspan></text>"
    ));
    for value in [0, rate / 2, rate] {
        let (at, before) = (y(value) + 4.0, LEFT - 6.0);
        put(format!(
            "<text x=\"{before}\" y=\"{at:.1}\" text-anchor=\"end\">{value}</text>"
        ));
    }
    svg.push_str("</svg>\n");
    svg
}
