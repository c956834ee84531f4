//! A real Prometheus scrapes what the receiver was sent.
#![allow(clippy::unwrap_used)]

use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use campanile::Telemetry;
use campanile::http::{RouteLayer, ServerLayer};
use campanile_otlp_receiver::Receiver;
use campanile_tests::peers;
use campanile_tests::server::HANG;
use serde_json::Value;
use tower::ServiceExt;

async fn send(receiver: &Receiver, requests: usize) {
    let telemetry = Telemetry::for_test(receiver);
    let app = Router::new()
        .route("/rooms/{id}", get(|| async { "room" }))
        .route_layer(RouteLayer::new().domain("chat"))
        .layer(ServerLayer::new(&telemetry));
    for _ in 0..requests {
        let request = Request::get("/rooms/7").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        axum::body::to_bytes(response.into_body(), 1024)
            .await
            .unwrap();
    }
    let report = telemetry.shutdown(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn a_real_prometheus_answers_the_question_for_p95_by_domain() {
    let Some(program) = peers::prometheus() else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    send(&receiver, 40).await;

    let folder = std::env::temp_dir().join(format!("campanile-prometheus-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let target = receiver.http_endpoint().trim_start_matches("http://");
    let config = format!(
        "scrape_configs:\n  - job_name: receiver\n    scrape_interval: 1s\n    static_configs:\n      - targets: [\"{target}\"]\n"
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    let port = free_port();
    let mut prometheus = tokio::process::Command::new(program);
    prometheus
        .arg(format!(
            "--config.file={}",
            folder.join("prometheus.yml").display()
        ))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = prometheus.spawn().unwrap();

    let query = |text: &'static str| async move {
        let url = format!("http://127.0.0.1:{port}/api/v1/query");
        loop {
            let answer = reqwest::Client::new()
                .get(&url)
                .query(&[("query", text)])
                .send()
                .await;
            if let Ok(answer) = answer {
                let answer: Value = answer.json().await.unwrap();
                if let Some(first) = answer["data"]["result"].get(0) {
                    return (
                        first["metric"].clone(),
                        first["value"][1].as_str().unwrap().to_owned(),
                    );
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let wait = |text| tokio::time::timeout(HANG, query(text));
    let (labels, count) = wait("http_server_request_duration_seconds_count")
        .await
        .unwrap();
    assert_eq!(count, "40", "{labels}");
    assert_eq!(
        (&labels["http_route"], &labels["campanile_domain"]),
        (&"/rooms/{id}".into(), &"chat".into())
    );
    let p95 = "histogram_quantile(0.95, sum by (le, campanile_domain) (http_server_request_duration_seconds_bucket))";
    let (labels, seconds) = wait(p95).await.unwrap();
    assert_eq!(labels["campanile_domain"], "chat");
    assert!(seconds.parse::<f64>().unwrap() > 0.0, "{seconds}");
    child.kill().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
