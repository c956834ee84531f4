//! One simulated person: connects, reads, writes, makes mistakes, goes and comes back.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::client::{Client, Live};
use super::{lines, pause, until_stopped};

const ROOMS: [&str; 4] = ["general", "releases", "on-call", "design"];

const GOODBYE: CloseFrame = CloseFrame {
    code: CloseCode::Normal,
    reason: Utf8Bytes::from_static(""),
};

pub(super) struct Person {
    name: &'static str,
    room: &'static str,
    client: Client,
}

impl Person {
    pub(super) fn new(name: &'static str, client: Client) -> Self {
        Self {
            name,
            room: ROOMS[0],
            client,
        }
    }

    /// Comes and goes until the demo stops.
    pub(super) async fn live(mut self, mut stop: watch::Receiver<bool>) {
        let mut leaving = stop.clone();
        until_stopped(&mut stop, async {
            pause(0.0, 2.0).await;
            while !*leaving.borrow_and_update() {
                if let Ok(socket) = self.client.connect(self.name).await {
                    self.stay(socket, leaving.clone()).await;
                }
                pause(1.0, 5.0).await;
            }
        })
        .await;
    }

    /// Opens the page, then talks for a while. Most say goodbye; some lines just break.
    async fn stay(&mut self, mut socket: Live, stop: watch::Receiver<bool>) {
        self.client.get("/rooms").await;
        self.enter(&mut socket, ROOMS[0]).await;
        for _ in 0..fastrand::u32(8..40) {
            let reading = read_along(&mut socket);
            tokio::select! {
                () = reading => return,
                () = pause(0.6, 4.0) => {}
            }
            if *stop.borrow() {
                break;
            }
            self.act(&mut socket).await;
        }
        if fastrand::u32(..8) > 0 {
            let _ = socket.close(Some(GOODBYE)).await;
            read_along(&mut socket).await;
        }
    }

    async fn act(&mut self, socket: &mut Live) {
        let messages = format!("/rooms/{}/messages", self.room);
        match fastrand::u32(..100) {
            0..50 => {
                say(socket, &json!({"type": "typing"})).await;
                pause(0.2, 0.8).await;
                self.client.post(&messages, &self.draft()).await;
            }
            50..66 => {
                let room = ROOMS[fastrand::usize(..ROOMS.len())];
                self.enter(socket, room).await;
            }
            66..76 => {
                self.client.get(&format!("{messages}?limit=20")).await;
            }
            76..82 => {
                self.client.get(&format!("/rooms/{}", self.room)).await;
            }
            82..86 => {
                self.client
                    .get(&format!("/rooms/{}/transcript", self.room))
                    .await;
            }
            86..90 => {
                // A link to a room that is long gone.
                self.client.get("/rooms/war-room/messages").await;
            }
            90..92 => {
                self.client.get("/wp-login.php").await;
            }
            92..94 => {
                let text = "a".repeat(2_500);
                let too_long = json!({"author": self.name, "text": text});
                self.client.post(&messages, &too_long).await;
            }
            94..96 => {
                let taken = json!({"name": self.room});
                self.client.post("/rooms", &taken).await;
            }
            96..99 => {
                self.client.post_slowly(&messages, &self.draft()).await;
            }
            _ => self.client.hang_up(&messages).await,
        }
    }

    async fn enter(&mut self, socket: &mut Live, room: &'static str) {
        self.room = room;
        say(socket, &json!({"type": "look", "room": room})).await;
        self.client
            .get(&format!("/rooms/{room}/messages?limit=50"))
            .await;
    }

    fn draft(&self) -> Value {
        json!({"author": self.name, "text": lines::next(self.room)})
    }
}

/// Reads what the server tells, until the connection ends.
async fn read_along(socket: &mut Live) {
    while let Some(Ok(_)) = socket.next().await {}
}

async fn say(socket: &mut Live, value: &Value) {
    // A broken connection shows at the next reading.
    let _ = socket.send(Message::text(value.to_string())).await;
}
