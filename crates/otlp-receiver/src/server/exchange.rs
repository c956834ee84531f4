//! One request, from its head to its answer: which protocol and signal, which fault, what it brought.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;

use super::body;
use super::connection::{Context, Speaks, Switch};
use super::refusal::Refusal;
use super::reply::Reply;
use super::{grpc, http as otlp_http};
use crate::decode::{Decoded, Rejected};
use crate::fault::{Gate, Kind};
use crate::model::Signal;
use crate::stats::Transport;

/// What the requests of one connection share.
#[derive(Debug)]
pub(super) struct Exchanges {
    pub(super) context: Arc<Context>,
    pub(super) switch: Arc<Switch>,
}

/// The connection was reset on purpose: there is no answer.
#[derive(Debug)]
pub(super) struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset by the test")
    }
}

impl std::error::Error for Reset {}

/// How a request wants to be read and answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) signal: Signal,
    pub(super) transport: Transport,
}

pub(super) async fn answer(
    exchanges: Arc<Exchanges>,
    request: Request<Incoming>,
) -> Result<Reply, Reset> {
    let (head, body) = request.into_parts();
    if is_grpc(&head) {
        return exchanges.answer_grpc(&head, body).await;
    }
    exchanges.answer_http(&head, body).await
}

fn is_grpc(head: &Parts) -> bool {
    content_type(head).starts_with("application/grpc")
}

/// Returns the media type without its parameters, in lower case.
pub(super) fn content_type(head: &Parts) -> String {
    let value = head.headers.get(http::header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

impl Exchanges {
    async fn answer_grpc(&self, head: &Parts, body: Incoming) -> Result<Reply, Reset> {
        let form = match grpc::form(head) {
            _ if self.context.speaks == Speaks::Http => Err(Refusal::not_found(
                "this port serves OTLP/HTTP: gRPC has another",
            )),
            form => form,
        };
        let form = match form {
            Ok(form) => form,
            Err(refusal) => {
                self.context.shared.refuse(None, &refusal.message);
                return Ok(grpc::refuse(&refusal));
            }
        };
        let unpack = |bytes| grpc::unpack(head, bytes, self.context.limits.max_request_bytes);
        match self.receive(form, body, unpack).await? {
            Ok(rejected) => Ok(grpc::accept(&rejected)),
            Err(refusal) => Ok(grpc::refuse(&refusal)),
        }
    }

    async fn answer_http(&self, head: &Parts, body: Incoming) -> Result<Reply, Reset> {
        let served = self.context.speaks != Speaks::Grpc;
        if served && head.method == Method::GET && head.uri.path() == "/metrics" {
            let text = crate::prometheus::exposition(&self.context.shared.store().metrics_since(0));
            return Ok(otlp_http::text(text));
        }
        let form = match otlp_http::form(head) {
            _ if !served => Err(Refusal::unsupported(
                "this port serves OTLP/gRPC (content type application/grpc): HTTP has another",
            )),
            form => form,
        };
        let form = match form {
            Ok(form) => form,
            Err(refusal) => {
                let signal = otlp_http::signal(head.uri.path());
                let of = signal.map(|signal| (signal, Transport::HttpProtobuf));
                self.context.shared.refuse(of, &refusal.message);
                body::drain(body, self.context.limits).await;
                return Ok(otlp_http::refuse(&refusal, otlp_http::answers_in(head)));
            }
        };
        let unpack = |bytes| otlp_http::unpack(head, bytes, self.context.limits.max_request_bytes);
        match self.receive(form, body, unpack).await? {
            Ok(rejected) => Ok(otlp_http::accept(&rejected, form)),
            Err(refusal) => Ok(otlp_http::refuse(&refusal, form.transport)),
        }
    }

    /// Reads, decodes and stores a request of known form, as far as the fault script lets it.
    async fn receive(
        &self,
        form: Form,
        body: Incoming,
        unpack: impl FnOnce(Bytes) -> Result<Bytes, Refusal>,
    ) -> Result<Result<Rejected, Refusal>, Reset> {
        let Form { signal, transport } = form;
        let shared = &self.context.shared;
        shared.count(|traffic| traffic.of_mut(signal, transport).requests += 1);
        let fault = shared.script().take(signal);
        let gate = match &fault {
            Kind::SlowRead(gate) => Some(gate),
            _ => None,
        };
        let result = match self.read(form, body, gate).await.and_then(unpack) {
            Ok(bytes) => self.commit(form, bytes, fault).await?,
            Err(refusal) => Err(refusal),
        };
        match &result {
            Ok(rejected) if rejected.count > 0 => shared.count(|traffic| {
                let counts = traffic.of_mut(signal, transport);
                counts.refused_items = counts.refused_items.saturating_add(rejected.count);
            }),
            Ok(_) => {}
            Err(refusal) => shared.refuse(Some((signal, transport)), &refusal.message),
        }
        Ok(result)
    }

    async fn read(
        &self,
        form: Form,
        body: Incoming,
        gate: Option<&Gate>,
    ) -> Result<Bytes, Refusal> {
        let Form { signal, transport } = form;
        let shared = &self.context.shared;
        body::read(body, self.context.limits, gate, |bytes| {
            shared.count(|traffic| traffic.of_mut(signal, transport).bytes += bytes as u64);
        })
        .await
    }

    async fn commit(
        &self,
        form: Form,
        bytes: Bytes,
        fault: Kind,
    ) -> Result<Result<Rejected, Refusal>, Reset> {
        match &fault {
            Kind::BlackHole => {
                self.switch.ended().await;
                return Err(Reset);
            }
            Kind::ResetBeforeCommit => {
                self.switch.reset();
                return Err(Reset);
            }
            Kind::Status(status) => {
                return Ok(Err(Refusal {
                    http: status.http,
                    grpc: status.grpc,
                    message: status.message.clone(),
                    retry_after: status.retry_after,
                }));
            }
            Kind::Hold(gate) => gate.pass().await,
            Kind::Delay(delay) => tokio::time::sleep(*delay).await,
            _ => {}
        }
        let mut rejected = match self.decode(form, bytes) {
            Ok(Decoded { items, rejected }) => {
                self.context.shared.accept(form.transport, items);
                rejected
            }
            Err(refusal) => return Ok(Err(refusal)),
        };
        match fault {
            Kind::ResetAfterCommit => {
                self.switch.reset();
                return Err(Reset);
            }
            Kind::Partial(count, message) => {
                rejected.count = rejected.count.saturating_add(count);
                rejected.message = message;
            }
            _ => {}
        }
        Ok(Ok(rejected))
    }

    fn decode(&self, form: Form, bytes: Bytes) -> Result<Decoded, Refusal> {
        let mut keys = self.context.shared.keys();
        let decoded = match form.transport {
            #[cfg(feature = "json")]
            Transport::HttpJson => crate::decode::json(form.signal, &bytes, &mut keys),
            _ => crate::decode::protobuf(form.signal, bytes, &mut keys),
        };
        decoded.map_err(|error| Refusal::malformed(error.to_string()))
    }
}
