//! Why a request is answered by an error, in the words of both protocols.

use std::time::Duration;

use prost::Message;

/// An answer other than success.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) http: u16,
    /// The gRPC code.
    pub(super) grpc: u32,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    fn new(http: u16, grpc: u32, message: String) -> Self {
        let retry_after = None;
        Self {
            http,
            grpc,
            message,
            retry_after,
        }
    }

    /// The request is not what the protocol says.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, 3, message.into())
    }

    /// The request is larger than the limit.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("request exceeds {limit} bytes: send smaller batches");
        Self::new(413, 8, message)
    }

    /// The request's compression or content type is not known here.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(415, 12, message.into())
    }

    /// The sender stopped sending.
    pub(super) fn too_slow() -> Self {
        Self::new(408, 4, "the request's body took too long".to_owned())
    }

    /// Nothing is served at that path.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, 12, message.into())
    }

    /// Only POST is served.
    pub(super) fn method() -> Self {
        Self::new(405, 12, "only POST is served here".to_owned())
    }

    /// Writes it as a protobuf `google.rpc.Status`.
    pub(super) fn to_status(&self) -> Vec<u8> {
        let details = self.retry_after.map(retry_info).into_iter().collect();
        let status = Status {
            code: i32::try_from(self.grpc).unwrap_or(2),
            message: self.message.clone(),
            details,
        };
        status.encode_to_vec()
    }
}

fn retry_info(delay: Duration) -> Any {
    let delay = RetryDelay {
        seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
        nanos: delay.subsec_nanos() as i32,
    };
    let info = RetryInfo {
        retry_delay: Some(delay),
    };
    Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
        value: info.encode_to_vec(),
    }
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}
