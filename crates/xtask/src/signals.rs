//! Writes `docs/signals.md` and the registries beside it from the constants of `crates/semconv`.

use std::fmt::Write;
use std::fs;

use crate::registry;
use campanile_semconv::{Origin, SCHEMA_URL, attribute, event, metric, span};

const PAGE: &str = "docs/signals.md";

/// What operators ask of these metrics. Suites ask a real Prometheus the same.
const INDICATORS: &str = r#"
## Indicators

Each is one query. **Freshness**, `on_time / (on_time + late + expired + dropped + lost)`: see [freshness](guide/freshness.md).

**Resume success**, `(resumed + replayed) / attempts`, of the connections that brought a token:

```text
sum(rate(websocket_resume_attempts_total{websocket_resume_result=~"resumed|replayed"}[5m]))
/ sum(rate(websocket_resume_attempts_total[5m]))
```

**Session survival**, `returned / (returned + abandoned + drain_lost)` with `returned = resumed + replayed + resynced`, of the
sessions that lost their connection:

```text
sum(rate(websocket_resume_attempts_total{websocket_resume_result=~"resumed|replayed|resynced"}[5m]))
/ (sum(rate(websocket_resume_attempts_total{websocket_resume_result=~"resumed|replayed|resynced"}[5m]))
  + (sum(rate(websocket_session_ends_total{websocket_session_end=~"abandoned|drain_lost"}[5m])) or vector(0)))
```
"#;

/// Writes the page and the registries, or checks that they are what would be written.
pub(crate) fn run(check: bool) -> Result<(), String> {
    let registry = registry::files()
        .into_iter()
        .map(|(name, text)| (format!("docs/signals/{name}"), text));
    for (name, text) in registry.chain([(PAGE.to_owned(), page())]) {
        let path = crate::root().join(&name);
        if check {
            let found = fs::read_to_string(&path).unwrap_or_default();
            if found != text {
                return Err(format!("{name} is stale: run `cargo xtask signals`"));
            }
            continue;
        }
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        folder
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("cannot write {name}: {error}"))?;
    }
    Ok(())
}

fn page() -> String {
    let mut out = String::from(
        "# Signals\n\n\
         <!-- Written by `cargo xtask signals` from crates/semconv; a test fails when it is stale. -->\n\n\
         Every name that Campanile puts on the wire. *standard* names follow the OpenTelemetry semantic\n\
         conventions; *own* names fill what they leave open. A closed set lists the only values that may occur.\n\n",
    );
    let _ = writeln!(out, "Schema: <{SCHEMA_URL}>\n");
    out += "## Metrics\n\n| metric | instrument | unit | attributes | buckets | origin |\n| --- | --- | --- | --- | --- | --- |\n";
    for metric in metric::ALL {
        let buckets: Vec<_> = metric.buckets.iter().map(f64::to_string).collect();
        let (instrument, origin) = (metric.instrument.as_str(), metric.origin.as_str());
        let (name, unit, brief) = (metric.name, metric.unit, metric.brief);
        let (attributes, buckets) = (codes(metric.attributes), buckets.join(" "));
        let _ = writeln!(
            out,
            "| `{name}`<br>{brief} | {instrument} | `{unit}` | {attributes} | {buckets} | {origin} |"
        );
    }
    out += INDICATORS;
    out += "\n## Spans\n\nHTTP server spans are named `{method} {route}`, as the conventions ask. Ours:\n\n| span | made when |\n| --- | --- |\n";
    for span in span::ALL {
        let _ = writeln!(out, "| `{}` | {} |", span.name, span.brief);
    }
    out += "\n## Log events\n\n| event | meaning | origin |\n| --- | --- | --- |\n";
    for event in event::ALL {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} |",
            event.name,
            event.brief,
            event.origin.as_str()
        );
    }
    out += "\n### Of the reference server\n\nDeclared in `crates/vc-server/src/events.rs`, as an application declares its own.\n\n| event | domain | level | outcomes | fields |\n| --- | --- | --- | --- | --- |\n";
    for event in vc_server::EVENTS {
        let keys: Vec<_> = event.fields.iter().map(|field| field.key).collect();
        let _ = writeln!(
            out,
            "| `{}`<br>{} | {} | {} | {} | {} |",
            event.name,
            event.brief,
            event.domain,
            event.level,
            codes(event.outcomes),
            codes(&keys)
        );
    }
    for (title, origin) in [
        ("Attributes of our own", Origin::Own),
        ("Standard attributes", Origin::Standard),
    ] {
        let _ = writeln!(
            out,
            "\n## {title}\n\n| attribute | type | meaning | closed set |\n| --- | --- | --- | --- |"
        );
        for a in attribute::ALL.iter().filter(|a| a.origin == origin) {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                a.key,
                a.ty.as_str(),
                a.brief,
                codes(a.values)
            );
        }
    }
    out
}

fn codes(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(" ")
}
