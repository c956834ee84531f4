//! What went wrong, as a client reads it (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::store::{MAX_ROOMS, NotOpened, StoreError};
use crate::words::Refused;

/// A failed request: status, sentence, and the field it is about.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    field: Option<&'static str>,
}

impl Problem {
    /// Creates a problem that says `detail`.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            field: None,
        }
    }

    /// There is no such thing here.
    pub(crate) fn not_found(what: &str) -> Self {
        let detail = format!("there is no such {what} here: GET /rooms lists what there is");
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The address is right, the method is not.
    pub(crate) fn method() -> Self {
        let detail = "this method is not for this address: the allow header lists those that are";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    /// A part of the work ended before its time. What it panicked with is in the log.
    pub(crate) fn unfinished() -> Self {
        let detail = "the request was not finished: the server's log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// The request took too long to arrive.
    pub(crate) fn late() -> Self {
        let detail = "the request did not arrive in 10 s: send it again";
        Self::new(StatusCode::REQUEST_TIMEOUT, detail)
    }
}

impl From<StoreError> for Problem {
    /// What the database said stays here: the span and the log line have it.
    fn from(error: StoreError) -> Self {
        if error.is_busy() {
            let detail = "the database is busy: try again in a second";
            Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        } else {
            let detail = "the database failed: the server's log says why";
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            detail: refused.to_string(),
            field: Some(refused.field()),
        }
    }
}

impl From<NotOpened> for Problem {
    fn from(reason: NotOpened) -> Self {
        match reason {
            NotOpened::NameTaken => {
                let detail = "name is taken by another room: choose another";
                Self {
                    field: Some("name"),
                    ..Self::new(StatusCode::CONFLICT, detail)
                }
            }
            NotOpened::TooMany => {
                let detail = format!("there are {MAX_ROOMS} rooms already: use one of them");
                Self::new(StatusCode::CONFLICT, detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
