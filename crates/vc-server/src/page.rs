//! The page a person chats from: a few files inside the binary, and the headers that guard them.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::api::{Named, Problem};

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and contents.
const ASSETS: [(&str, &str, &[u8]); 7] = [
    (
        "campanile-ws.js",
        SCRIPT,
        // The module that others get from npm: the same file.
        include_bytes!("../../../ws-layer/js/campanile-ws.js"),
    ),
    ("chat.css", STYLE, include_bytes!("../page/chat.css")),
    ("chat.js", SCRIPT, include_bytes!("../page/chat.js")),
    ("dom.js", SCRIPT, include_bytes!("../page/dom.js")),
    (
        "icon.svg",
        "image/svg+xml",
        include_bytes!("../page/icon.svg"),
    ),
    ("messages.js", SCRIPT, include_bytes!("../page/messages.js")),
    ("socket.js", SCRIPT, include_bytes!("../page/socket.js")),
];

/// The page itself.
pub(crate) async fn index() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, include_bytes!("../page/index.html").as_slice())
}

/// What the page is made of.
pub(crate) async fn asset(Named(name): Named<String>) -> Result<Response, Problem> {
    let found = ASSETS.iter().find(|asset| asset.0 == name);
    let (_, kind, bytes) = found.ok_or_else(|| Problem::not_found("asset"))?;
    Ok(([(header::CONTENT_TYPE, *kind)], *bytes).into_response())
}

/// Only what this server serves may run or load, and nothing may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

/// Adds the headers that every answer carries.
pub(crate) async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    set(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    set(
        headers,
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        headers,
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(headers, header::CACHE_CONTROL, "no-cache");
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
