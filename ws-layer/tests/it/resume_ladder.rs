//! Every rung of the ladder, end to end: each attempt ends on exactly one.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use campanile_semconv::{metric, span};
use campanile_ws::resume::store::MemoryStore;
use campanile_ws::resume::{Admission, Key, Keys, Resume, Rung};
use campanile_ws::{Session, Sessions, Upgrade};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::probe::Probe;
use crate::resume::{Dialled, Live, keys};
use crate::server::Server;
use crate::until::{HANG, until};

impl Live {
    /// A session that has lost its connection: its token, its id.
    async fn lost(&self) -> (String, String) {
        let client = self.dial("new").await;
        let sid = client.sid().to_owned();
        let token = client.lose();
        self.detached(1).await;
        (token, sid)
    }

    /// One attempt was made, and it ended so.
    fn assert_one(&self, rung: Rung) {
        for other in Rung::ALL {
            let attempts = self.attempts(other.as_str());
            assert_eq!(attempts, i64::from(other == rung), "{other:?}");
        }
        self.assert_identity();
        self.assert_books();
    }

    /// Dials with a header that is refused; the status and `Retry-After`.
    pub async fn refused(&self, header: &str) -> (u16, Option<u64>) {
        let mut request = self.server.url().into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("ws-resume", header.parse().unwrap());
        let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
        let Error::Http(response) = refused else {
            panic!("{refused}")
        };
        let after = response.headers().get("retry-after");
        let after = after.map(|after| after.to_str().unwrap().parse().unwrap());
        (response.status().as_u16(), after)
    }

    /// Dials as a browser does.
    async fn browser(&self) -> crate::server::Client {
        let mut request = self.server.url().into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "wsobs.v1".parse().unwrap());
        let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "wsobs.v1");
        socket
    }
}

#[tokio::test]
async fn resumed() {
    let live = Live::start().await;
    let (token, sid) = live.lost().await;
    let client = live.resume(&token, 0).await;
    assert_eq!((client.state(), client.sid()), ("resumed", &*sid));
    live.assert_one(Rung::Resumed);
    let resume = live.probe().moments(span::WEBSOCKET_RESUME).remove(0);
    let connect = live.probe().moments(span::WEBSOCKET_CONNECT).remove(0);
    let disconnect = live.probe().moments(span::WEBSOCKET_DISCONNECT).remove(0);
    assert!(resume.links.contains(&connect.context), "from the token");
    assert!(resume.links.contains(&disconnect.context));
    assert_eq!(resume.attributes["websocket.connection.sequence"], "2");
    let cause = ["websocket.close.cause=network"];
    let attempts = live.probe();
    assert_eq!(attempts.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &cause), 1);
    assert_eq!(
        attempts.samples(&metric::WEBSOCKET_RESUME_GAP, &[]).len(),
        1
    );
}

#[tokio::test]
async fn replayed_by_a_browser_that_says_it_in_its_hello() {
    let live = Live::start().await;
    let mut socket = live.browser().await;
    let hello = r#"{"op":"hello","seq":0}"#;
    socket.send(Message::text(hello)).await.unwrap();
    let mut client = Dialled::after(socket).await;
    live.push("one").await;
    live.push("two").await;
    assert_eq!(client.text().await, "one");
    let token = client.lose();
    live.detached(1).await;

    let mut socket = live.browser().await;
    let hello = format!(r#"{{"op":"hello","rt":"{token}","seq":1,"attempt":1,"t0":7}}"#);
    socket.send(Message::text(hello)).await.unwrap();
    let mut client = Dialled::after(socket).await;
    assert_eq!((client.state(), client.number("n")), ("replayed", 1));
    assert!(client.welcome["t1"].as_f64() <= client.welcome["t2"].as_f64());
    assert_eq!(client.text().await, "two");
    live.assert_one(Rung::Replayed);
    let replayed = live
        .probe()
        .samples(&metric::WEBSOCKET_RESUME_REPLAYED, &[]);
    assert_eq!(replayed, [(1.0, 1)]);
}

#[tokio::test]
async fn resynced_when_the_log_no_longer_has_what_was_missed() {
    let small = |resume: Resume| resume.buffer(2, 1000, Duration::from_secs(60));
    let live = Live::with(MemoryStore::new(), small, |builder| builder).await;
    let mut client = live.dial("new").await;
    for text in ["one", "two", "three", "four"] {
        live.push(text).await;
        assert_eq!(client.text().await, text);
    }
    let token = client.lose();
    live.detached(1).await;
    let mut client = live.resume(&token, 1).await;
    assert_eq!((client.state(), client.number("lost")), ("resynced", 1));
    assert_eq!((client.number("from"), client.number("n")), (2, 2));
    assert_eq!(client.text().await, "three");
    assert_eq!(client.text().await, "four");
    live.assert_one(Rung::Resynced);
}

#[tokio::test]
async fn expired_by_the_window_and_by_the_token() {
    let live = Live::start().await;
    let (token, sid) = live.lost().await;
    live.wall.advance(Duration::from_secs(121));
    let client = live.resume(&token, 0).await;
    assert_eq!(client.state(), "expired");
    assert_ne!(client.sid(), sid, "a session of its own");
    let abandoned = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[]) == 1;
    live.probe().until("the end", abandoned).await;
    assert_eq!(live.ends("abandoned"), 1);
    live.assert_one(Rung::Expired);

    let short = |resume: Resume| resume.token_life(Duration::from_secs(10));
    let live = Live::with(MemoryStore::new(), short, |builder| builder).await;
    let (token, _) = live.lost().await;
    live.wall.advance(Duration::from_secs(14));
    assert_eq!(
        live.resume(&token, 0).await.state(),
        "resumed",
        "clocks may be 5 s apart"
    );
    let (token, _) = {
        let client = live.dial("new").await;
        (client.token(), client)
    };
    live.wall.advance(Duration::from_secs(17));
    assert_eq!(live.resume(&token, 0).await.state(), "expired");
}

#[tokio::test]
async fn unknown_session_when_nobody_has_heard_of_it() {
    let live = Live::start().await;
    let (token, _) = live.lost().await;
    let other = Live::start().await;
    let client = other.resume(&token, 3).await;
    assert_eq!(client.state(), "unknown_session");
    assert_eq!(client.number("from"), 0, "it begins anew");
    other.assert_one(Rung::UnknownSession);
    let connect = other.probe().moments(span::WEBSOCKET_CONNECT).remove(0);
    let old = live.probe().moments(span::WEBSOCKET_CONNECT).remove(0);
    assert!(
        connect.links.contains(&old.context),
        "it is linked all the same"
    );
    assert!(connect.attributes.contains_key("session.previous_id"));
}

#[tokio::test]
async fn token_invalid_whichever_bit_is_changed() {
    let live = Live::start().await;
    let (token, sid) = live.lost().await;
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    // One bit in each field of the token, and in each byte of its tag.
    let bits: Vec<usize> = (0..bytes.len()).map(|byte| byte * 8 + byte % 8).collect();
    for bit in &bits {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let client = live.resume(&URL_SAFE_NO_PAD.encode(bytes), 0).await;
        assert_eq!(client.state(), "token_invalid", "bit {bit}");
        assert_ne!(client.sid(), sid);
    }
    for junk in ["", "x", &token[1..], &format!("{token}A")] {
        assert_eq!(live.resume(junk, 0).await.state(), "token_invalid");
    }
    for header in [";seq=", "new;seq=1", &format!("{token};seq=x")] {
        assert_eq!(live.dial(header).await.state(), "token_invalid");
    }
    let attempts = i64::try_from(bits.len()).unwrap() + 7;
    assert_eq!(live.attempts("token_invalid"), attempts);
    assert_eq!(live.resume(&token, 0).await.state(), "resumed", "unharmed");
}

#[tokio::test]
async fn token_replayed_and_a_copy_does_not_get_the_session() {
    let live = Live::start().await;
    let (stolen, sid) = live.lost().await;
    let mut client = live.resume(&stolen, 0).await;
    // From its first word on the client has the new token, and the old one is spent.
    client.ack_and_wait(0).await;
    let thief = live.resume(&stolen, 0).await;
    assert_eq!(thief.state(), "token_replayed");
    assert_ne!(thief.sid(), sid);
    live.push("to the thief").await;
    client.ack_and_wait(0).await;
    assert_eq!(
        live.ends("superseded"),
        0,
        "it is attached: nothing happens to it"
    );

    let token = client.lose();
    live.detached(1).await;
    let again = live.resume(&stolen, 0).await;
    assert_eq!(again.state(), "token_replayed");
    assert_eq!(
        live.ends("superseded"),
        1,
        "who waited is not waited for any more"
    );
    live.detached(0).await;
    assert_eq!(live.resume(&token, 0).await.state(), "unknown_session");
    live.assert_identity();
}

#[tokio::test]
async fn a_welcome_that_never_arrived_leaves_the_token_good() {
    let live = Live::start().await;
    let (token, sid) = live.lost().await;
    let mut later = String::new();
    for _ in 0..3 {
        let client = live.resume(&token, 0).await;
        assert_eq!((client.state(), client.sid()), ("resumed", &*sid));
        later = client.lose();
        live.detached(1).await;
    }
    // Of those that were given out meanwhile one did arrive: those before it are used up.
    let mut client = live.resume(&later, 0).await;
    assert_eq!(client.state(), "resumed");
    client.ack_and_wait(0).await;
    for used in [&token, &later] {
        assert_eq!(live.resume(used, 0).await.state(), "token_replayed");
    }
    live.assert_identity();
}

#[tokio::test]
async fn conflict_when_the_old_socket_is_still_open() {
    let live = Live::start().await;
    let mut old = live.dial("new").await;
    live.push("one").await;
    assert_eq!(old.text().await, "one");
    let mut new = live.resume(&old.token(), 0).await;
    assert_eq!((new.state(), new.sid()), ("conflict", old.sid()));
    assert_eq!(new.number("n"), 1);
    assert_eq!(new.text().await, "one");
    assert_eq!(old.closed().await, (1000, "k=superseded".to_owned()));
    live.push("two").await;
    assert_eq!(new.text().await, "two");
    let cause = ["websocket.close.cause=superseded"];
    drop(old);
    let superseded = |probe: &Probe| probe.sum(&metric::WEBSOCKET_DISCONNECTS, &cause) == 1;
    live.probe().until("the old socket's end", superseded).await;
    live.assert_one(Rung::Conflict);
    let detachments = live
        .probe()
        .sum(&metric::WEBSOCKET_SESSION_DETACHMENTS, &[]);
    assert_eq!(detachments, 0);
    assert_eq!(live.outcome("lost"), 0);
}

/// A server whose principal is the value of the header `user`; without one it refuses.
async fn by_user(probe: Probe) -> Server {
    let sessions = Sessions::builder(&probe.handle()).resume(Resume::new(keys()));
    let sessions = sessions.build();
    let handler = |headers: axum::http::HeaderMap, upgrade: Upgrade| async move {
        let upgrade = upgrade.endpoint("live");
        match headers.get("user") {
            Some(user) => {
                let serve = async |mut session: Session| while session.recv().await.is_some() {};
                upgrade.principal(user.as_bytes()).on_session(serve)
            }
            None => upgrade.refuse(axum::http::StatusCode::UNAUTHORIZED),
        }
    };
    let app = axum::Router::new()
        .route("/live", axum::routing::any(handler))
        .with_state(sessions.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Server {
        address,
        probe,
        sessions,
    }
}

async fn dial_as(server: &Server, user: Option<&str>, header: &str) -> Result<Dialled, Error> {
    let mut request = server.url().into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("ws-resume", header.parse().unwrap());
    if let Some(user) = user {
        headers.insert("user", user.parse().unwrap());
    }
    let (socket, _) = tokio_tungstenite::connect_async(request).await?;
    Ok(Dialled::after(socket).await)
}

#[tokio::test]
async fn unauthorized_for_another_principal_and_for_none() {
    let server = by_user(Probe::new()).await;
    let client = dial_as(&server, Some("ann"), "new").await.unwrap();
    let header = format!("{};seq=0", client.token());
    let bob = dial_as(&server, Some("bob"), &header).await.unwrap();
    assert_eq!(bob.state(), "unauthorized");
    assert_ne!(bob.sid(), client.sid());
    assert!(dial_as(&server, None, &header).await.is_err());
    let result = ["websocket.resume.result=unauthorized"];
    let attempts = server
        .probe
        .sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &result);
    assert_eq!(attempts, 2);
    assert!(dial_as(&server, None, "new").await.is_err());
    let attempts = server.probe.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &[]);
    assert_eq!(attempts, 2, "without a token it is no attempt");
}

#[tokio::test]
async fn overloaded_in_the_terms_of_each_client() {
    let one = |builder: campanile_ws::Builder| builder.admission(Admission::new(1).burst(4));
    let live = Live::with(MemoryStore::new(), |resume| resume, one).await;
    let first = live.dial("new").await;
    let _second = live.dial("new").await;
    let _third = live.dial("new").await;
    let (status, after) = live.refused("new").await;
    assert_eq!(status, 503, "what is left is for those that return");
    assert!(after >= Some(1));
    let client = live.resume(&first.token(), 0).await;
    assert_eq!(client.state(), "conflict");
    let token = client.token();
    assert_eq!(live.refused(&format!("{token};seq=0")).await.0, 503);
    assert_eq!(live.attempts("overloaded"), 1);

    let mut browser = live.browser().await;
    let hello = format!(r#"{{"op":"hello","rt":"{token}","seq":0}}"#);
    browser.send(Message::text(hello)).await.unwrap();
    let Message::Close(Some(frame)) = browser.next().await.unwrap().unwrap() else {
        panic!("a browser is told by a close frame")
    };
    assert_eq!(u16::from(frame.code), 1013);
    let after = frame.reason.strip_prefix("k=overload;ra=").unwrap();
    assert!(after.parse::<u32>().unwrap() >= 1000, "{after}");
    assert_eq!(live.attempts("overloaded"), 2);
    let rate = ["websocket.admission.reason=rate"];
    let rejects = live
        .probe()
        .sum(&metric::WEBSOCKET_ADMISSION_REJECTS, &rate);
    assert_eq!(rejects, 3);
}

#[tokio::test]
async fn handshake_failed_when_the_client_says_what_cannot_be() {
    let live = Live::start().await;
    let (token, _) = live.lost().await;
    let refused = live.refused_hello(&token, 1).await;
    assert_eq!(refused, (1002, "seq ahead".to_owned()));
    live.assert_one(Rung::HandshakeFailed);
    assert_eq!(live.resume(&token, 0).await.state(), "resumed", "unharmed");
}

#[tokio::test(start_paused = true)]
async fn hello_timeout_when_a_token_came_and_the_rest_did_not() {
    let live = Live::start().await;
    let (token, _) = live.lost().await;
    let mut request = live.server.url().into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "wsobs.v1".parse().unwrap());
    headers.insert("ws-resume", token.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else {
        panic!("no hello came")
    };
    assert_eq!(u16::from(frame.code), 1008);
    let counted = |probe: &Probe| probe.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &[]) == 1;
    live.probe().until("the attempt", counted).await;
    live.assert_one(Rung::HelloTimeout);
}

#[tokio::test]
async fn a_new_key_signs_while_tokens_of_the_old_one_are_still_good() {
    let old = || Key::new(1, [7; 32]).unwrap();
    let new = || Key::new(2, [9; 32]).unwrap();
    let store = MemoryStore::new();
    let before = Live::with(store.clone(), |resume| resume, |builder| builder).await;
    let (token, sid) = before.lost().await;
    let both = |_| Resume::new(Keys::new(new()).accept(old())).store(store.clone());
    let after = Live::with(store.clone(), both, |builder| builder).await;
    // The store is told behind.
    let resumed = async || {
        let client = after.resume(&token, 0).await;
        (client.state() == "resumed").then_some(client)
    };
    let mut client = until(HANG, "a token of the old key that is accepted", resumed).await;
    assert_eq!(client.sid(), sid);
    client.ack_and_wait(0).await;
    let token = client.lose();
    after.detached(1).await;
    assert_eq!(before.resume(&token, 0).await.state(), "token_invalid");
    assert_eq!(after.resume(&token, 0).await.state(), "resumed");
}

#[tokio::test]
async fn who_is_revoked_is_found_under_the_key_that_signed_before() {
    let old = || Key::new(1, [7; 32]).unwrap();
    let new = || Key::new(2, [9; 32]).unwrap();
    let store = MemoryStore::new();
    let both = |_| Resume::new(Keys::new(new()).accept(old())).store(store.clone());
    let after = Live::with(store.clone(), both, |builder| builder).await;
    after.lost().await;
    let before = Live::with(store.clone(), |resume| resume, |builder| builder).await;
    before.lost().await;
    let drained = before.server.sessions.drain(Duration::from_secs(10)).await;
    assert_eq!(drained.lost, 0);
    after.detached(2).await;
    assert_eq!(after.server.sessions.revoke(b"ann"), 2);
    assert_eq!(after.ends("revoked"), 2);
    after.detached(0).await;
}
