//! How a timeout inside is told from an ordinary answer.

/// Put into the extensions of a response that stands in for one that took too long: the exchange
/// ends as `timeout`, whatever the status.
///
/// A timeout layer inside makes an answer of its own, which looks like any other. Where that answer
/// is made, say so:
///
/// ```
/// use campanile_http::TimedOut;
/// use http::{Response, StatusCode};
///
/// fn too_late() -> Response<&'static str> {
///     let answer = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).extension(TimedOut);
///     answer.body("this took too long").expect("a valid answer")
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimedOut;

/// Whether an error is one of the well-known timeouts; the only ones that can be told without a
/// bound on the error's type.
pub(crate) fn is_timeout<E>() -> bool {
    let name = std::any::type_name::<E>();
    [
        "tokio::time::error::Elapsed",
        "tower::timeout::error::Elapsed",
    ]
    .contains(&name)
}
