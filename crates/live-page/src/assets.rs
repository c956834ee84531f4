//! The page's files, compiled in: nothing is fetched from anywhere else.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

macro_rules! files {
    ($($name:literal: $kind:ident),+ $(,)?) => {
        /// Name, content type, content.
        const FILES: &[(&str, &str, &[u8])] = &[$(($name, $kind, include_bytes!(concat!("../assets/", $name)))),+];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

files! {
    "charts.js": SCRIPT, "dom.js": SCRIPT, "filter.js": SCRIPT, "fmt.js": SCRIPT, "hold.js": SCRIPT, "keys.js": SCRIPT,
    "list.js": SCRIPT, "live.js": SCRIPT, "main.js": SCRIPT, "parts.js": SCRIPT, "theme.js": SCRIPT, "toast.js": SCRIPT,
    "view-empty.js": SCRIPT, "view-logs.js": SCRIPT, "view-metrics.js": SCRIPT, "view-overview.js": SCRIPT,
    "view-pipeline.js": SCRIPT, "view-trace.js": SCRIPT, "view-traces.js": SCRIPT, "view-ws.js": SCRIPT,
    "page.css": STYLE, "icon.svg": IMAGE,
}

const PAGE: &str = include_str!("../assets/index.html");

/// Answers with the page itself: the same for every view, which its script tells apart by the address.
pub(crate) fn page() -> Response<Body> {
    respond(
        "text/html; charset=utf-8",
        PAGE.as_bytes(),
        &HeaderMap::new(),
    )
}

/// Answers with one of its files.
pub(crate) fn file(name: &str, request: &HeaderMap) -> Option<Response<Body>> {
    let (_, kind, content) = FILES.iter().find(|(known, ..)| *known == name)?;
    Some(respond(kind, content, request))
}

/// A browser may keep a file, but asks each time whether it still holds: after an update nobody sees half of two pages.
fn respond(kind: &'static str, content: &'static [u8], request: &HeaderMap) -> Response<Body> {
    let tag = tag(content);
    let known = request
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag));
    let body = if same {
        Body::empty()
    } else {
        Body::from(content)
    };
    let mut response = Response::new(body);
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn tag(content: &[u8]) -> String {
    let hash = content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(name: &str) -> Vec<&'static str> {
        let text = content(name);
        let imported = text.split("from './").skip(1);
        imported
            .filter_map(|rest| rest.split('\'').next())
            .collect()
    }

    fn content(name: &str) -> &'static str {
        let file = FILES.iter().find(|(known, ..)| *known == name);
        let (.., content) = file.unwrap_or_else(|| panic!("{name} is not served"));
        std::str::from_utf8(content).expect("text")
    }

    /// Everything a browser reads to draw one view.
    fn loaded(view: &str) -> std::collections::BTreeSet<&str> {
        let mut loaded = std::collections::BTreeSet::from(["theme.js"]);
        let mut open = vec!["main.js", view];
        while let Some(name) = open.pop() {
            if loaded.insert(name) {
                open.extend(imports(name));
            }
        }
        loaded
    }

    #[test]
    fn the_script_of_a_page_stays_under_60_kib() {
        for (view, ..) in FILES.iter().filter(|(name, ..)| name.starts_with("view-")) {
            let script: usize = loaded(view).iter().map(|name| content(name).len()).sum();
            assert!(script < 60 * 1024, "{view} needs {script} bytes of script");
        }
    }

    #[test]
    fn nothing_in_the_page_needs_what_its_policy_forbids() {
        for (name, _, content) in FILES.iter().chain([&("index.html", "", PAGE.as_bytes())]) {
            let text = std::str::from_utf8(content).expect("text");
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "style=\"",
                "onclick=",
                "javascript:",
                "https://",
            ] {
                assert!(!text.contains(forbidden), "{name} contains {forbidden}");
            }
        }
    }

    #[test]
    fn every_module_that_is_imported_is_served() {
        for (name, kind, _) in FILES {
            if *kind == SCRIPT {
                imports(name)
                    .into_iter()
                    .for_each(|module| assert!(!content(module).is_empty()));
            }
        }
        for view in content("main.js").split("import('./").skip(1) {
            content(view.split('\'').next().expect("a name"));
        }
    }
}
