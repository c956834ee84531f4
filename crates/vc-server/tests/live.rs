//! The live connection, with a WebSocket client of its own.
#![allow(clippy::unwrap_used)]

mod support;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::Server;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

struct Guest(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Guest {
    async fn connect(server: &Server, author: &str) -> Self {
        let url = format!("ws://{}/live?author={author}", server.address);
        let (socket, _) = connect_async(url).await.unwrap();
        let mut guest = Self(socket);
        assert_eq!(guest.read("welcome").await["author"], author);
        guest
    }

    async fn say(&mut self, value: Value) {
        self.0.send(Message::text(value.to_string())).await.unwrap();
    }

    /// Reads up to the next event of this type.
    async fn read(&mut self, kind: &str) -> Value {
        loop {
            let message = self.0.next().await.unwrap().unwrap();
            if let Message::Text(text) = message {
                let event: Value = serde_json::from_str(&text).unwrap();
                if event["type"] == kind {
                    return event;
                }
            }
        }
    }
}

async fn refused(server: &Server, path: &str, origin: Option<&str>) -> u16 {
    let url = format!("ws://{}{path}", server.address);
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn two_people_see_each_others_messages_in_order() {
    let server = Server::start().await;
    let mut ines = Guest::connect(&server, "Ines").await;
    let mut jun = Guest::connect(&server, "Jun").await;
    for (author, text, reference) in [
        ("Ines", "<img src=x onerror=alert(1)>", "a"),
        ("Jun", "\u{202e}not what it seems", "b"),
    ] {
        let draft = json!({"author": author, "text": text, "ref": reference});
        let sent = server.post("/rooms/general/messages", &draft).await.json();
        for guest in [&mut ines, &mut jun] {
            let event = guest.read("message").await;
            assert_eq!(
                (&event["message"], &event["ref"]),
                (&sent, &json!(reference))
            );
            assert_eq!(event["message"]["text"], text);
        }
    }
}

#[tokio::test]
async fn who_is_here_and_who_types_is_told() {
    let server = Server::start().await;
    let mut ines = Guest::connect(&server, "Ines").await;
    let mut jun = Guest::connect(&server, "Jun").await;
    jun.say(json!({"type": "look", "room": "design"})).await;
    assert_eq!(
        ines.read("here").await,
        json!({"type": "here", "room": "design", "count": 1})
    );
    let room = server.get("/rooms/design").await.json();
    assert_eq!(room["here"], 1);
    jun.say(json!({"type": "typing"})).await;
    let typing = json!({"type": "typing", "room": "design", "author": "Jun"});
    assert_eq!(ines.read("typing").await, typing);
    drop(jun);
    assert_eq!(ines.read("here").await["count"], 0);
}

#[tokio::test]
async fn a_room_that_was_opened_is_told() {
    let server = Server::start().await;
    let mut ines = Guest::connect(&server, "Ines").await;
    let opened = server.post("/rooms", json!({"name": "Fjord"})).await;
    assert_eq!(opened.status, 201);
    let event = ines.read("room").await;
    assert_eq!(event["room"]["id"], opened.json()["id"]);
    assert_eq!(event["room"]["name"], "Fjord");
}

#[tokio::test]
async fn what_is_not_understood_is_answered_and_the_connection_lives_on() {
    let server = Server::start().await;
    let mut ines = Guest::connect(&server, "Ines").await;
    for nonsense in [
        json!({"type": "shout"}),
        json!([]),
        json!({"type": "look", "room": "no"}),
    ] {
        ines.say(nonsense).await;
        assert!(ines.read("problem").await["detail"].is_string());
    }
    ines.0.send(Message::text("{")).await.unwrap();
    ines.read("problem").await;
    ines.0.send(Message::binary(vec![0, 255])).await.unwrap();
    ines.say(json!({"type": "ping", "at": 1.5})).await;
    assert_eq!(ines.read("pong").await["at"], 1.5);
}

#[tokio::test]
async fn too_much_at_once_ends_the_connection() {
    let server = Server::start().await;
    let mut ines = Guest::connect(&server, "Ines").await;
    let huge = "x".repeat(100_000);
    ines.0.send(Message::text(huge)).await.unwrap();
    loop {
        match ines.0.next().await {
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn a_nameless_guest_and_a_strange_page_are_refused_before_the_upgrade() {
    let server = Server::start().await;
    assert_eq!(refused(&server, "/live", None).await, 422);
    assert_eq!(refused(&server, "/live?author=%E2%80%AE", None).await, 422);
    let strange = Some("https://example.com");
    assert_eq!(refused(&server, "/live?author=Ines", strange).await, 403);
    assert_eq!(server.get("/live?author=Ines").await.problem().0, 400);
}
