//! Senders that mean no good, or know no better: the receiver answers or hangs up, keeps its memory, and goes on.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use campanile_otlp_receiver::{Receiver, Signal, fuzzing};
use common::{JSON, PROTOBUF, Sender, TRACE_EXPORT, framed, gzipped, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connect(endpoint: &str) -> TcpStream {
    TcpStream::connect(endpoint.trim_start_matches("http://"))
        .await
        .unwrap()
}

/// Sends bytes as they are, and returns what comes back until the receiver hangs up.
async fn raw(endpoint: &str, bytes: &[u8]) -> String {
    let mut stream = connect(endpoint).await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is a way of hanging up.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn goes_on(receiver: &Receiver) {
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let body = request(Signal::Traces, "still here");
    let answer = Sender::default()
        .post(&url, PROTOBUF, &[], body)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(receiver.seen().spans().named("still here").len(), 1);
}

#[tokio::test]
async fn slow_headers_are_hung_up_on() {
    let builder = Receiver::builder().header_timeout(Duration::from_millis(50));
    let receiver = builder.start().await.unwrap();
    raw(
        receiver.http_endpoint(),
        b"POST /v1/traces HTTP/1.1\r\nx-slow: ",
    )
    .await;
    goes_on(&receiver).await;
}

#[tokio::test]
async fn a_body_far_beyond_the_limit_gets_its_answer() {
    let receiver = Receiver::builder()
        .max_request_bytes(8 << 20)
        .start()
        .await
        .unwrap();
    let sender = Sender::default();
    for path in ["/v1/traces", "/v1/nothing"] {
        let url = format!("{}{path}", receiver.http_endpoint());
        let answer = sender
            .post(&url, PROTOBUF, &[], vec![0; 24 << 20])
            .await
            .unwrap();
        assert_eq!(answer.status, if path == "/v1/traces" { 413 } else { 404 });
    }
    goes_on(&receiver).await;
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408() {
    let builder = Receiver::builder().body_timeout(Duration::from_millis(50));
    let receiver = builder.start().await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/x-protobuf\r\n";
    let half = format!("{head}content-length: 100\r\n\r\nhalf");
    let answer = raw(receiver.http_endpoint(), half.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    goes_on(&receiver).await;
}

#[tokio::test]
async fn half_a_request_stores_nothing_and_is_counted() {
    let receiver = Receiver::start().await.unwrap();
    let mut stream = connect(receiver.http_endpoint()).await;
    let head = b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\nhalf";
    stream.write_all(head).await.unwrap();
    receiver
        .wait_for(|seen| (seen.traffic().total().bytes == 4).then_some(()))
        .await
        .unwrap();
    drop(stream);
    let gone = receiver.wait_for(|seen| (seen.traffic().open_connections == 0).then_some(()));
    gone.await.unwrap();
    assert!(receiver.spans().is_empty());
    goes_on(&receiver).await;
}

#[tokio::test]
async fn huge_lengths_are_refused_before_any_memory_is_taken() {
    // The receiver waits for what a chunk announces, but not for long.
    let builder = Receiver::builder().body_timeout(Duration::from_millis(100));
    let receiver = builder.start().await.unwrap();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let huge = format!("{head}content-length: 18446744073709551615\r\n\r\n{{}}");
    let answer = raw(receiver.http_endpoint(), huge.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let large = format!("{head}content-length: 99999999999\r\n\r\n{{}}");
    let answer = raw(receiver.http_endpoint(), large.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let chunk = format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n");
    raw(receiver.http_endpoint(), chunk.as_bytes()).await;
    // A length within the protobuf that reaches far beyond its end.
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let body = b"\x0a\xff\xff\xff\xff\x0f".as_slice();
    let answer = Sender::default()
        .post(&url, PROTOBUF, &[], body)
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    goes_on(&receiver).await;
}

#[tokio::test]
async fn bombs_of_gzip_and_zstd_end_at_the_limit() {
    let receiver = Receiver::start().await.unwrap();
    let sender = Sender::default();
    let zeros = vec![0; 64 << 20];
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let gzip = gzipped(&zeros);
    let twice = [gzip.clone(), gzip.clone()].concat();
    let zstd = zstd::encode_all(zeros.as_slice(), 3).unwrap();
    for (encoding, bomb) in [("gzip", gzip.clone()), ("gzip", twice), ("zstd", zstd)] {
        assert!(bomb.len() < 1 << 20);
        let headers = [("content-encoding", encoding)];
        let answer = sender.post(&url, PROTOBUF, &headers, bomb).await.unwrap();
        assert_eq!(answer.status, 413, "{encoding}");
    }
    let headers = [("grpc-encoding", "gzip")];
    let call = sender.call(
        receiver.grpc_endpoint(),
        TRACE_EXPORT,
        &headers,
        framed(1, &gzip),
    );
    assert_eq!(call.await.unwrap().header("grpc-status"), "8");
    goes_on(&receiver).await;
}

#[tokio::test]
async fn a_zstd_frame_that_asks_for_a_huge_window_is_refused() {
    let receiver = Receiver::start().await.unwrap();
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    // Magic number, no content size, a window of 2^31 bytes, then an empty last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let headers = [("content-encoding", "zstd")];
    let answer = Sender::default()
        .post(&url, PROTOBUF, &headers, frame.to_vec())
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("zstd"), "{}", answer.text());
}

#[tokio::test]
async fn nonsense_on_either_port_ends_its_connection_only() {
    let receiver = Receiver::start().await.unwrap();
    let nonsense: [&[u8]; 5] = [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"POST /v1/traces HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ];
    for endpoint in [receiver.grpc_endpoint(), receiver.http_endpoint()] {
        for bytes in nonsense {
            raw(endpoint, bytes).await;
        }
    }
    goes_on(&receiver).await;
}

#[tokio::test]
async fn every_truncation_is_an_error_and_no_panic() {
    let receiver = Receiver::start().await.unwrap();
    let sender = Sender::default();
    let json =
        br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}]}]}]}"#;
    let url = format!("{}/v1/logs", receiver.http_endpoint());
    for length in 1..json.len() {
        let answer = sender
            .post(&url, JSON, &[], json[..length].to_vec())
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{length} bytes");
    }
    let packed = gzipped(&request(Signal::Logs, "a"));
    for length in 1..packed.len() {
        let headers = [("content-encoding", "gzip")];
        let answer = sender
            .post(&url, PROTOBUF, &headers, packed[..length].to_vec())
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{length} bytes");
    }
    assert!(receiver.logs().is_empty());
    assert_eq!(
        receiver.traffic().connections,
        1,
        "the connection was kept all along"
    );
}

/// A small generator, the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    /// Changes some bytes: another value, removed, doubled, or the rest cut off.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len());
            match self.next(5) {
                _ if bytes.is_empty() => bytes.push(self.next(256) as u8),
                0 => bytes[at] = self.next(256) as u8,
                1 => bytes[at] ^= 1 << self.next(8),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, bytes[at]),
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}

#[test]
fn fuzz_inputs_and_their_neighbours_are_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, feed) in fuzzing::TARGETS {
        let mut seeds = 0;
        for seed in fs::read_dir(corpus.join(format!("receiver_{name}"))).unwrap() {
            let seed = fs::read(seed.unwrap().path()).unwrap();
            feed(&seed);
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            for _ in 0..500 {
                feed(&random.mutate(&seed));
            }
            seeds += 1;
        }
        assert!(seeds >= 3, "{name} has {seeds} seeds");
    }
}
