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
        for (name, _, content) in FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            let text = std::str::from_utf8(content).expect("text");
            for module in text
                .split("from './")
                .skip(1)
                .filter_map(|rest| rest.split('\'').next())
            {
                assert!(
                    FILES.iter().any(|(known, ..)| *known == module),
                    "{name} imports {module}"
                );
            }
        }
    }
}
