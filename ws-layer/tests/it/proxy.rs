//! nginx in front, as Debian packages it (`nginx-light`).
//!
//! Where it is missing this test says so and passes, unless `CAMPANILE_REQUIRE_PEERS=1`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use campanile_semconv::{metric, span};
use campanile_ws::{Sessions, Upgrade};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::probe::Probe;
use crate::server::{Server, echo, finish};
use crate::until::{HANG, until};

/// Debian puts it outside of a user's search path.
fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let found = folders
        .into_iter()
        .map(|folder| folder.join("nginx"))
        .find(|nginx| nginx.exists());
    if found.is_none() {
        let missing = "nginx is missing: install the package nginx-light";
        let required = std::env::var_os("CAMPANILE_REQUIRE_PEERS");
        assert!(required.is_none_or(|value| value != "1"), "{missing}");
        eprintln!("SKIPPED: {missing}");
    }
    found
}

fn config(folder: &Path, listen: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
        master_process off;
        worker_processes 1;
        pid {folder}/pid;
        error_log stderr warn;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            server {{
                listen {listen};
                location / {{
                    proxy_pass http://{upstream};
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                }}
            }}
        }}"
    )
}

/// Starts nginx on a free port; another may take that port in between, so it tries again.
async fn start(nginx: &Path, folder: &Path, upstream: SocketAddr) -> (Child, SocketAddr) {
    for _ in 0..5 {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = free.local_addr().unwrap();
        drop(free);
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config(folder, listen, upstream)).unwrap();
        let mut child = Command::new(nginx)
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(folder)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listens = async || TcpStream::connect(listen).await.ok();
        tokio::select! {
            _ = child.wait() => {}
            _ = until(HANG, "nginx that listens", listens) => return (child, listen),
        }
    }
    panic!("nginx did not listen");
}

#[tokio::test]
async fn a_session_through_nginx_is_linked_measured_and_ended_as_without() {
    let Some(nginx) = binary() else { return };
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .heartbeat(Duration::from_millis(200))
        .build();
    let handler = |upgrade: Upgrade| async move { upgrade.endpoint("live").on_session(echo) };
    let server = Server::with(probe, sessions, handler).await;
    let folder = std::env::temp_dir().join(format!("campanile-nginx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (mut child, address) = start(&nginx, &folder, server.address).await;

    let url = format!("ws://{address}/live");
    let mut request = url.into_client_request().unwrap();
    let offer = "wsobs.v1, wsobs.tp.00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", offer.parse().unwrap());
    let (mut client, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    for text in ["one", "two"] {
        client.send(Message::text(text)).await.unwrap();
        loop {
            // Our pings come through the proxy, too.
            match client.next().await.unwrap().unwrap() {
                Message::Ping(_) => {}
                answer => break assert_eq!(answer, Message::text(text)),
            }
        }
    }
    let reading = tokio::spawn(async move {
        finish(&mut client).await;
    });
    let probe = &server.probe;
    let connect = probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    assert_eq!(connect.links[1].span_id().to_string(), "b7ad6b7169203331");
    let beats = |probe: &Probe| {
        !probe
            .samples(&metric::WEBSOCKET_HEARTBEAT_DURATION, &[])
            .is_empty()
    };
    probe.until("a heartbeat through the proxy", beats).await;
    let received = |probe: &Probe| {
        let receipt = ["websocket.delivery.stage=receipt"];
        let ages = probe.samples(&metric::WEBSOCKET_DELIVERY_AGE, &receipt);
        ages.iter().map(|(_, times)| times).sum::<u64>() == 2
    };
    probe.until("both receipts", received).await;

    // The proxy dies, and both ends with it.
    child.kill().await.unwrap();
    reading.await.unwrap();
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.class"], "abnormal");
    assert_eq!(end.attributes["websocket.close.cause"], "network");
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}
