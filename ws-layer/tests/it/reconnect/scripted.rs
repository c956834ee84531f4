//! A server that does what a test says, over plain tokio-tungstenite.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Runs a script; await the handle to see that it came to its end.
pub async fn server<F>(script: impl FnOnce(Listener) -> F) -> (String, JoinHandle<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/live", listener.local_addr().unwrap());
    (url, tokio::spawn(script(Listener(listener))))
}

/// A welcome that wants no wait.
pub fn welcome(state: &str, from: u32, n: u32) -> Value {
    json!({
        "op": "welcome", "sid": "5f", "state": state, "rt": format!("after-{state}-{from}"),
        "from": from, "n": n, "lost": 0, "ttl": 120, "hb": 25, "ack": 64,
        "retry": {"base": 20, "cap": 40, "spread": 0},
    })
}

pub struct Listener(TcpListener);

impl Listener {
    /// Accepts a connection, and says in the answer's header whether a welcome is to come.
    #[allow(clippy::result_large_err)]
    async fn socket(&self, is_welcome: bool) -> Accepted {
        let (tcp, _) = self.0.accept().await.unwrap();
        let mut asked = String::new();
        let look = |request: &Request, mut response: Response| {
            let header = request.headers().get("ws-resume");
            header
                .map_or("", |it| it.to_str().unwrap())
                .clone_into(&mut asked);
            if is_welcome {
                let headers = response.headers_mut();
                headers.insert("ws-session", "welcome".parse().unwrap());
            }
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(tcp, look).await;
        let socket = socket.unwrap();
        Accepted { socket, asked }
    }

    pub async fn accept(&self) -> Accepted {
        self.socket(true).await
    }

    /// A server that knows nothing of the contract.
    pub async fn plain(&self) -> Accepted {
        self.socket(false).await
    }

    /// Accepts, and says this first.
    pub async fn welcome(&self, welcome: Value) -> Accepted {
        let mut accepted = self.accept().await;
        accepted.text(&welcome.to_string()).await;
        accepted
    }

    /// Answers the request with this status line, and these headers.
    pub async fn refuse(&self, head: &str) {
        let (mut tcp, _) = self.0.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = tcp.read(&mut request).await.unwrap();
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
        tcp.write_all(answer.as_bytes()).await.unwrap();
    }
}

pub struct Accepted {
    socket: WebSocketStream<TcpStream>,
    /// The `ws-resume` header.
    pub asked: String,
}

impl Accepted {
    pub async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn control(&mut self, control: Value) {
        self.text(&format!("\u{1e}{control}")).await;
    }

    /// The next data frame.
    pub async fn read(&mut self) -> Message {
        loop {
            let message = self.socket.next().await.unwrap().unwrap();
            if message.is_text() || message.is_binary() {
                return message;
            }
        }
    }

    /// The next frame, which is a heartbeat: it is answered if it asks for that.
    pub async fn beat(&mut self) -> Value {
        let message = self.read().await;
        let text = message.to_text().unwrap();
        let beat: Value = serde_json::from_str(text.strip_prefix('\u{1e}').unwrap()).unwrap();
        assert_eq!(beat["op"], "hb");
        if !beat["t0"].is_null() {
            self.control(json!({"op": "hb", "t0": beat["t0"], "t1": 1.0, "t2": 2.0}))
                .await;
        }
        beat
    }

    /// Closes, and waits for the answer.
    pub async fn close(mut self, code: u16, reason: &str) {
        let (code, reason) = (code.into(), reason.to_owned().into());
        let frame = CloseFrame { code, reason };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// The code that the client closes with.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.socket.next().await.unwrap().unwrap() {
                return frame.unwrap().code.into();
            }
        }
    }

    /// Waits until the client is gone.
    pub async fn closed_without_a_word(mut self) {
        while let Some(Ok(message)) = self.socket.next().await {
            assert!(!message.is_close());
        }
    }
}
