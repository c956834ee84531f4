//! reqwest's own request and response types.
//!
//! reqwest follows redirects inside, so its attempts cannot be told apart: the span is that of the
//! whole, with the first URL. With `redirect::Policy::none()` it is one attempt.

use std::borrow::Cow;

use campanile_recorder::Answer;
use http::{HeaderMap, Method, Uri};
use http_body::Body;
use reqwest::{Request, Response};

use super::{Destination, OutgoingRequest, ReceivedResponse};
use crate::head::protocol;

impl OutgoingRequest for Request {
    fn method(&self) -> &Method {
        self.method()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn destination(&self, _: Option<&Uri>) -> Destination<'_> {
        let url = self.url();
        let host = url.host_str().unwrap_or_default();
        Destination::new(
            Cow::Borrowed(url.as_str()),
            host,
            url.port_or_known_default(),
        )
    }

    fn body_size(&self) -> Option<u64> {
        self.body().map_or(Some(0), |body| body.size_hint().exact())
    }
}

impl ReceivedResponse for Response {
    fn answer(&self) -> Answer {
        Answer {
            status: self.status().as_u16(),
            version: protocol(self.version()),
            peer: self.remote_addr(),
        }
    }

    fn body_size(&self) -> Option<u64> {
        self.content_length()
    }
}
