//! Endpoints at which something else listens, or nothing that answers.

use std::time::Duration;

use campanile_otlp_receiver::Receiver;
use campanile_telemetry::{Loss, Signal, Telemetry};

use crate::harness::{self, Over, PATIENCE, offer, spans, telemetry, until};
use crate::{N, SHORT, end, loses_all, of, settled};

#[tokio::test]
async fn grpc_to_an_http_port_falls_back_and_says_so_once() {
    let receiver = Receiver::start().await.unwrap();
    let (sink, captured) = campanile_logs::Sink::captured();
    let telemetry = Telemetry::from_env("test")
        .environment(harness::only_the_pipeline)
        .default_endpoint(receiver.http_endpoint())
        // Several attempts are under way together when the first one fails.
        .setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
        .lines(sink)
        .build();
    offer(&telemetry, 0..N);
    let report = end(&telemetry, &receiver, PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(spans(&receiver).len() as i64, N);
    let text = settled(&captured, "set OTEL_EXPORTER_OTLP_PROTOCOL").await;
    let told = text.matches("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
    assert_eq!(told.count(), 1, "{text}");
}

#[tokio::test]
async fn http_to_a_grpc_port_is_kept_and_named() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = telemetry(Over::Http, receiver.grpc_endpoint(), &[]);
    offer(&telemetry, 0..N);
    until(&telemetry, |signal| signal.error.is_some()).await;
    let report = telemetry.shutdown(SHORT).await;
    let traces = of(&report, Signal::Traces);
    assert_eq!((traces.delivered, traces.lost()), (0, N as u64), "{report}");
}

#[tokio::test]
async fn something_else_on_the_port_is_survived() {
    use tokio::io::AsyncWriteExt;

    let receiver = Receiver::start().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // Answers every connection with what a TLS server says to plain text.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream
                .write_all(&[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46])
                .await;
        }
    });
    for over in [Over::Grpc, Over::Http] {
        let telemetry = telemetry(over, &endpoint, &[]);
        offer(&telemetry, 0..N);
        until(&telemetry, |signal| signal.error.is_some()).await;
        let report = end(&telemetry, &receiver, SHORT).await;
        assert_eq!(of(&report, Signal::Traces).lost(), N as u64, "{report}");
    }
}

/// A firewall that drops: connects hang, and the attempt's timeout still holds.
#[tokio::test]
async fn a_connect_that_hangs_ends_with_the_attempt() {
    let receiver = Receiver::start().await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let _listener = socket.listen(1).unwrap();
    // Fill the accept queue until a connect hangs.
    let mut waiting = Vec::new();
    loop {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(100), connect).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => break,
        }
    }
    for over in [Over::Grpc, Over::Http] {
        loses_all(
            over,
            &receiver,
            &format!("http://{address}"),
            &[Loss::Shutdown],
            &["no answer within", "deadline"],
        )
        .await;
    }
}
