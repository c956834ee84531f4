//! The same bytes in, the same bytes out: bare echo and observed echo, case by case.
//!
//! The cases follow RFC 6455: framing (5.2), masking (5.3), fragmentation (5.4), control frames
//! (5.5), UTF-8 (8.1), closing (7). A case is what a client writes; compared are every byte that
//! comes back and everything that the application saw, errors included.

use campanile_ws::{Sessions, observe};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::probe::Probe;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

/// One masked frame; `head` holds FIN, the reserved bits and the opcode.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![head];
    match payload.len() {
        len @ 0..126 => out.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

fn cases() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut case = |name: String, parts: &[Vec<u8>]| all.push((name, parts.concat()));
    let bye = close(1000, b"");
    for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = vec![b'a'; len];
        case(
            format!("text of {len}"),
            &[frame(FIN | TEXT, &payload), bye.clone()],
        );
        case(
            format!("binary of {len}"),
            &[frame(FIN | BINARY, &payload), bye.clone()],
        );
    }
    for len in [0, 1, 125, 126] {
        let payload = vec![0xfe; len];
        case(
            format!("ping of {len}"),
            &[frame(FIN | PING, &payload), bye.clone()],
        );
        case(
            format!("unasked pong of {len}"),
            &[frame(FIN | PONG, &payload), bye.clone()],
        );
    }
    let ten: Vec<_> = (0..10).map(|i| frame(FIN | PING, &[i])).collect();
    case("ten pings".into(), &[ten.concat(), bye.clone()]);
    for bit in [0x40, 0x20, 0x10] {
        case(
            format!("reserved bit {bit:#x}"),
            &[frame(FIN | bit | TEXT, b"x"), bye.clone()],
        );
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        case(
            format!("reserved opcode {opcode}"),
            &[frame(FIN | opcode, b""), bye.clone()],
        );
    }
    let word = "κόσμε".as_bytes();
    let (front, back) = word.split_at(3);
    case(
        "two fragments, split inside a character".into(),
        &[frame(TEXT, front), frame(FIN, back), bye.clone()],
    );
    case(
        "a ping between fragments".into(),
        &[
            frame(TEXT, front),
            frame(FIN | PING, b"p"),
            frame(FIN, back),
            bye.clone(),
        ],
    );
    let bytewise: Vec<_> = word.iter().map(|byte| frame(0, &[*byte])).collect();
    case(
        "one byte a fragment".into(),
        &[
            frame(TEXT, b""),
            bytewise.concat(),
            frame(FIN, b""),
            bye.clone(),
        ],
    );
    case(
        "empty fragments".into(),
        &[
            frame(BINARY, b""),
            frame(0, b""),
            frame(FIN, b""),
            bye.clone(),
        ],
    );
    case(
        "a continuation of nothing".into(),
        &[frame(FIN, b"x"), bye.clone()],
    );
    case(
        "a new message inside fragments".into(),
        &[frame(TEXT, b"a"), frame(FIN | TEXT, b"b"), bye.clone()],
    );
    case(
        "fragments without an end".into(),
        &[frame(TEXT, b"a"), frame(0, b"b")],
    );
    case(
        "a fragmented ping".into(),
        &[frame(PING, b"p"), frame(FIN, b"q"), bye.clone()],
    );
    case("a fragmented close".into(), &[frame(CLOSE, b"")]);
    let bad_text: [(&str, &[u8]); 8] = [
        ("a lone continuation byte", b"\x80"),
        ("an overlong slash", b"\xc0\xaf"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("past the last character", b"\xf4\x90\x80\x80"),
        ("a truncated character", b"\xe2\x82"),
        ("ff", b"\xff"),
        ("good, then bad", b"good\xc3\x28"),
        ("five bytes", b"\xf8\x88\x80\x80\x80"),
    ];
    for (name, payload) in bad_text {
        case(
            format!("text: {name}"),
            &[frame(FIN | TEXT, payload), bye.clone()],
        );
    }
    for text in [
        "\u{0}",
        "\u{7f}",
        "\u{7ff}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{feff}",
    ] {
        case(
            format!("text: {text:?}"),
            &[frame(FIN | TEXT, text.as_bytes()), bye.clone()],
        );
    }
    case(
        "bad text in the second fragment".into(),
        &[frame(TEXT, b"ok"), frame(FIN, b"\xff"), bye.clone()],
    );
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999,
    ] {
        case(format!("close {code}"), &[close(code, b"reason")]);
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535,
    ] {
        case(format!("bad close {code}"), &[close(code, b"")]);
    }
    case("close without a code".into(), &[frame(FIN | CLOSE, b"")]);
    case("close of one byte".into(), &[frame(FIN | CLOSE, b"\x03")]);
    case(
        "close with 123 bytes of reason".into(),
        &[close(1000, &[b'r'; 123])],
    );
    case(
        "close that is too long".into(),
        &[close(1000, &[b'r'; 124])],
    );
    case(
        "close with a reason that is not UTF-8".into(),
        &[close(1000, b"\xff\xfe")],
    );
    case("two closes".into(), &[close(1000, b""), close(1001, b"")]);
    case(
        "text after close".into(),
        &[close(1000, b""), frame(FIN | TEXT, b"late")],
    );
    case(
        "ping after close".into(),
        &[close(1000, b""), frame(FIN | PING, b"late")],
    );
    case("no mask".into(), &[vec![FIN | TEXT, 1, b'x'], bye.clone()]);
    case("half a header".into(), &[vec![FIN | TEXT]]);
    case(
        "half a payload".into(),
        &[frame(FIN | TEXT, b"hello")[..8].to_vec()],
    );
    case("nothing at all".into(), &[]);
    case(
        "a frame past the limit".into(),
        &[frame(FIN | BINARY, &[0; 70_001]), bye.clone()],
    );
    let parts: Vec<_> = (0..8)
        .map(|i| frame(if i == 0 { BINARY } else { 0 }, &[0; 10_000]))
        .collect();
    case(
        "fragments past the limit".into(),
        &[parts.concat(), bye.clone()],
    );
    let many: Vec<_> = (0..200)
        .map(|i| frame(FIN | TEXT, format!("{i}").as_bytes()))
        .collect();
    case("two hundred messages at once".into(), &[many.concat(), bye]);
    all
}

/// Echoes data until the end; says what it saw.
async fn echo<S>(mut socket: S) -> Vec<String>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    let mut seen = Vec::new();
    while let Some(next) = socket.next().await {
        seen.push(format!("{next:?}"));
        match next {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                if let Err(error) = socket.send(message).await {
                    seen.push(format!("send: {error:?}"));
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    seen
}

async fn accept(io: DuplexStream) -> WebSocketStream<DuplexStream> {
    let limits = WebSocketConfig::default()
        .max_frame_size(Some(70_000))
        .max_message_size(Some(70_000));
    WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await
}

/// Plays a script, `step` bytes at a time; returns what the application saw and what came back.
async fn play(script: &[u8], step: usize, sessions: Option<&Sessions>) -> (Vec<String>, Vec<u8>) {
    let (client, server) = duplex(1 << 20);
    let (mut read, mut write) = tokio::io::split(client);
    let serve = async {
        let socket = accept(server).await;
        match sessions {
            None => echo(socket).await,
            Some(sessions) => echo(observe(socket, sessions).start()).await,
        }
    };
    let speak = async {
        for part in script.chunks(step) {
            if write.write_all(part).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = write.shutdown().await;
    };
    let listen = async {
        let mut back = Vec::new();
        let _ = read.read_to_end(&mut back).await;
        back
    };
    let (seen, (), back) = tokio::join!(serve, speak, listen);
    (seen, back)
}

#[tokio::test]
async fn an_observed_socket_is_byte_for_byte_the_bare_one() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .spans_per_second(1_000_000)
        .build();
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    for (name, script) in &cases {
        for step in [usize::MAX, 7] {
            let bare = play(script, step.min(1 << 20), None).await;
            let observed = play(script, step.min(1 << 20), Some(&sessions)).await;
            assert_eq!(bare.0, observed.0, "{name}");
            assert_eq!(bare.1, observed.1, "{name}");
        }
    }
    let ends = probe.sum(&campanile_semconv::metric::WEBSOCKET_DISCONNECTS, &[]);
    assert_eq!(ends, 2 * i64::try_from(cases.len()).unwrap());
}
