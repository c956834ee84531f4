//! What the protocol says a server answers, right requests and wrong ones.

#![allow(clippy::unwrap_used)]

mod common;

use campanile_otlp_receiver::{Receiver, Signal, Transport};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use common::{
    Answer, JSON, PROTOBUF, Sender, TRACE_EXPORT, export_path, framed, gzipped, request, span,
    traces,
};

/// `google.rpc.Status`, as a sender reads it.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn status(answer: &Answer) -> Status {
    assert_eq!(answer.header("content-type"), PROTOBUF);
    Status::decode(answer.body.clone()).unwrap()
}

fn held(receiver: &Receiver, signal: Signal) -> usize {
    let held = receiver.held();
    match signal {
        Signal::Traces => held.spans,
        Signal::Metrics => held.points,
        Signal::Logs => held.logs,
    }
}

#[tokio::test]
async fn all_signals_arrive_over_grpc_plain_and_packed() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    for signal in Signal::ALL {
        let message = request(signal, "a");
        let packed = [
            (None, framed(0, &message)),
            (Some("gzip"), framed(1, &gzipped(&message))),
            #[cfg(feature = "zstd")]
            (
                Some("zstd"),
                framed(1, &zstd::encode_all(message.as_slice(), 3).unwrap()),
            ),
        ];
        let count = packed.len();
        for (encoding, body) in packed {
            let headers = encoding.map(|name| ("grpc-encoding", name));
            let headers: Vec<_> = headers.into_iter().collect();
            let path = export_path(signal);
            let answer = sender
                .call(receiver.grpc_endpoint(), path, &headers, body)
                .await
                .unwrap();
            assert_eq!(
                (answer.status, answer.header("grpc-status")),
                (200, "0"),
                "{answer:?}"
            );
            assert_eq!(answer.body.as_ref(), [0; 5], "an empty message, framed");
        }
        assert_eq!(held(&receiver, signal), count);
        assert_eq!(
            receiver.traffic().of(signal, Transport::Grpc).items,
            count as u64
        );
    }
    assert_eq!(
        receiver.traffic().connections,
        1,
        "one connection carried all of it"
    );
}

#[tokio::test]
async fn all_signals_arrive_over_http_plain_and_packed() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    for signal in Signal::ALL {
        let message = request(signal, "a");
        let packed = [
            ("identity", message.clone()),
            ("gzip", gzipped(&message)),
            #[cfg(feature = "zstd")]
            ("zstd", zstd::encode_all(message.as_slice(), 3).unwrap()),
        ];
        let count = packed.len();
        for (encoding, body) in packed {
            let url = format!("{}/v1/{signal}", receiver.http_endpoint());
            let headers = [("content-encoding", encoding)];
            let answer = sender.post(&url, PROTOBUF, &headers, body).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
            assert_eq!(answer.header("content-type"), PROTOBUF);
        }
        assert_eq!(held(&receiver, signal), count);
        assert_eq!(
            receiver
                .traffic()
                .of(signal, Transport::HttpProtobuf)
                .requests,
            count as u64
        );
    }
    assert_eq!(receiver.traffic().connections, 1, "the connection was kept");
}

#[cfg(feature = "json")]
#[tokio::test]
async fn json_is_answered_in_json() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"a"},
        {"name":"without ids"}]}]}]}"#;
    let answer = sender
        .post(&url, "application/json; charset=utf-8", &[], json)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), JSON);
    let expected = r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"resourceSpans[0].scopeSpans[0].spans[1]: "#;
    assert!(answer.text().starts_with(expected), "{}", answer.text());
    let answer = sender
        .post(&url, JSON, &[], r#"{"resourceSpans":[{"resource":7}]}"#)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (400, JSON));
    assert!(
        answer.text().contains("resourceSpans[0].resource"),
        "{}",
        answer.text()
    );
    assert_eq!(receiver.spans().len(), 1);
    let counts = receiver.traffic();
    let counts = counts.of(Signal::Traces, Transport::HttpJson);
    assert_eq!(
        (
            counts.requests,
            counts.refused_requests,
            counts.refused_items
        ),
        (2, 1, 1)
    );
}

#[tokio::test]
async fn partial_success_names_what_was_left_out() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let mut nobody = span(2, "nobody");
    nobody.trace_id = vec![0; 16];
    let body = framed(0, &traces(vec![nobody, span(1, "a")]));
    let answer = sender
        .call(receiver.grpc_endpoint(), TRACE_EXPORT, &[], body)
        .await
        .unwrap();
    let response = ExportTraceServiceResponse::decode(&answer.body[5..]).unwrap();
    let partial = response.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(
        partial.error_message.contains("spans[0]"),
        "{}",
        partial.error_message
    );
    assert_eq!(receiver.spans().len(), 1);
}

#[tokio::test]
async fn wrong_http_requests_get_the_right_errors_and_the_receiver_goes_on() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let base = receiver.http_endpoint();
    let traces = format!("{base}/v1/traces");
    let good = request(Signal::Traces, "a");
    let post = |url, content_type, headers, body: &[u8]| {
        let (sender, body): (_, Vec<u8>) = (sender.clone(), body.to_vec());
        async move { sender.post(url, content_type, headers, body).await.unwrap() }
    };

    let answer = post(&traces, PROTOBUF, &[], &good[..good.len() - 1]).await;
    assert_eq!((answer.status, status(&answer).code), (400, 3));
    assert!(status(&answer).message.contains("malformed protobuf"));

    let answer = post(&traces, PROTOBUF, &[("content-encoding", "gzip")], &good).await;
    assert_eq!(answer.status, 400, "it is not gzip");
    let answer = post(&traces, PROTOBUF, &[("content-encoding", "br")], &good).await;
    assert_eq!(answer.status, 415);
    assert!(answer.header("accept-encoding").contains("gzip"));
    let answer = post(&traces, "text/plain", &[], &good).await;
    assert_eq!(answer.status, 415);
    let nowhere = format!("{base}/v1/profiles");
    let answer = post(&nowhere, PROTOBUF, &[], &good).await;
    assert_eq!(answer.status, 404);
    assert!(status(&answer).message.contains("/v1/profiles"));

    let get = http::Request::get(&traces)
        .body(Default::default())
        .unwrap();
    let answer = sender.send(get).await.unwrap();
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));

    assert_eq!(post(&traces, PROTOBUF, &[], &good).await.status, 200);
    let traffic = receiver.traffic();
    assert_eq!(
        traffic.total().refused_requests + traffic.unknown_requests,
        6
    );
    assert_eq!(receiver.spans().len(), 1);
}

#[tokio::test]
async fn wrong_grpc_calls_get_the_right_codes_and_the_receiver_goes_on() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let good = request(Signal::Traces, "a");
    let (endpoint, mut cut) = (receiver.grpc_endpoint(), framed(0, &good));
    cut.pop();
    // Path, headers, body, expected code.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, &'a str);
    let table: [Case<'_>; 9] = [
        (TRACE_EXPORT, &[], framed(0, &good[..good.len() - 1]), "3"),
        (TRACE_EXPORT, &[], vec![0, 0], "3"),
        (TRACE_EXPORT, &[], Vec::new(), "3"),
        (TRACE_EXPORT, &[], cut, "3"),
        (TRACE_EXPORT, &[], framed(1, &good), "3"),
        (
            TRACE_EXPORT,
            &[("grpc-encoding", "gzip")],
            framed(1, &good),
            "3",
        ),
        (
            TRACE_EXPORT,
            &[("grpc-encoding", "snappy")],
            framed(1, &good),
            "12",
        ),
        (TRACE_EXPORT, &[], vec![0, 255, 255, 255, 255, 1], "8"),
        (
            "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
            &[],
            framed(0, &good),
            "12",
        ),
    ];
    let wrong = table.len();
    for (path, headers, body, code) in table {
        let answer = sender
            .call(endpoint, path, headers, body.clone())
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("grpc-status")),
            (200, code),
            "{body:?}"
        );
        assert!(!answer.header("grpc-message").is_empty());
    }
    let answer = sender
        .call(endpoint, TRACE_EXPORT, &[], framed(0, &good))
        .await
        .unwrap();
    assert_eq!(answer.header("grpc-status"), "0");
    let traffic = receiver.traffic();
    assert_eq!(
        traffic.total().refused_requests + traffic.unknown_requests,
        wrong as u64
    );
}

#[tokio::test]
async fn oversized_requests_are_refused_packed_or_not() {
    let receiver = Receiver::builder()
        .max_request_bytes(10_000)
        .start()
        .await
        .unwrap();
    let sender = Sender::default();
    let large = request(Signal::Traces, &"x".repeat(20_000));
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let answer = sender
        .post(&url, PROTOBUF, &[], large.clone())
        .await
        .unwrap();
    assert_eq!((answer.status, status(&answer).code), (413, 8));
    let bomb = gzipped(&large);
    assert!(bomb.len() < 1000);
    let headers = [("content-encoding", "gzip")];
    let answer = sender
        .post(&url, PROTOBUF, &headers, bomb.clone())
        .await
        .unwrap();
    assert_eq!(answer.status, 413);
    let headers = [("grpc-encoding", "gzip")];
    for (headers, body) in [
        (&headers[..0], framed(0, &large)),
        (&headers[..], framed(1, &bomb)),
    ] {
        let answer = sender
            .call(receiver.grpc_endpoint(), TRACE_EXPORT, headers, body)
            .await
            .unwrap();
        assert_eq!(answer.header("grpc-status"), "8");
        assert!(answer.header("grpc-message").contains("smaller batches"));
    }
    assert!(receiver.spans().is_empty());
}

#[tokio::test]
async fn one_port_speaks_both_and_separate_ports_say_where_the_other_is() {
    let one = Receiver::builder()
        .one_port(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap();
    let (sender, good) = (Sender::default(), request(Signal::Logs, "a"));
    assert_eq!(one.grpc_endpoint(), one.http_endpoint());
    let url = format!("{}/v1/logs", one.http_endpoint());
    assert_eq!(
        sender
            .post(&url, PROTOBUF, &[], good.clone())
            .await
            .unwrap()
            .status,
        200
    );
    let path = export_path(Signal::Logs);
    let answer = sender
        .call(one.grpc_endpoint(), path, &[], framed(0, &good))
        .await
        .unwrap();
    assert_eq!(answer.header("grpc-status"), "0");
    assert_eq!(one.logs().len(), 2);

    let two = Receiver::start().await.unwrap();
    let url = format!("{}/v1/logs", two.grpc_endpoint());
    let answer = sender
        .post(&url, PROTOBUF, &[], good.clone())
        .await
        .unwrap();
    assert_eq!(answer.status, 415);
    let answer = sender
        .call(two.http_endpoint(), path, &[], framed(0, &good))
        .await
        .unwrap();
    assert_eq!(answer.header("grpc-status"), "12");
    assert!(two.logs().is_empty());
}

#[tokio::test]
async fn prometheus_can_scrape_what_was_received() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let url = format!("{}/v1/metrics", receiver.http_endpoint());
    sender
        .post(&url, PROTOBUF, &[], request(Signal::Metrics, "shop.orders"))
        .await
        .unwrap();
    let url = format!("{}/metrics", receiver.http_endpoint());
    let scrape = http::Request::get(url).body(Default::default()).unwrap();
    let answer = sender.send(scrape).await.unwrap();
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(
        answer.text(),
        "# TYPE shop_orders_total counter\nshop_orders_total 1\n"
    );
}
