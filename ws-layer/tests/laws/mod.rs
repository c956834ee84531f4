//! What holds for whatever a client sends: the fuzz targets and `properties` check the same laws.

use campanile_ws::resume::token::{LENGTH, Refused, Token};
use campanile_ws::resume::wire::{Asked, Control, Frame, Hello, Reason, Welcome, escape};
use campanile_ws::resume::{Key, Keys};

/// A token that was not sealed with our keys does not open; one that was and is changed neither.
pub(crate) fn token(bytes: &[u8]) {
    let (Ok(key), Ok(old)) = (Key::new(1, [1; 32]), Key::new(0, [2; 32])) else {
        return;
    };
    let keys = Keys::new(key).accept(old);
    let open = |text: &str| Token::open(text, &keys, b"ann", "live", 1500);
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(open(&text), Err(Refused::Invalid));
    let token = Token {
        sid: 1,
        generation: 2,
        issued: 1000,
        expires: 2000,
        node: 3,
        mark: [4; 25],
    };
    let sealed = token.seal(&keys, b"ann", "live").unwrap_or_default();
    assert_eq!(sealed.len(), LENGTH);
    let mut changed = sealed.clone().into_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let at = (at * 7 + usize::from(*byte)) % LENGTH;
        changed[at] = byte & 0x7f;
    }
    let changed = String::from_utf8_lossy(&changed);
    let expected = if changed == sealed {
        Ok(token)
    } else {
        Err(Refused::Invalid)
    };
    assert_eq!(open(&changed), expected);
}

/// Nothing that arrives panics; what is understood reads the same when it is written again; and
/// whatever an application says arrives as its own.
pub(crate) fn wire(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let text = &*text;
    assert_eq!(Frame::read(&escape(text)), Ok(Frame::Application(text)));
    if let Ok(Frame::Control(control)) = Frame::read(text) {
        let again = control.to_text();
        match Frame::read(&again) {
            Ok(Frame::Control(read)) => assert_eq!(exact(&read), exact(&control)),
            // Escapes of JSON may have made it longer than a frame may be.
            other => assert!(again.len() > text.len(), "{other:?}"),
        }
    }
    if let Ok(hello) = Hello::parse(text) {
        let again = hello.to_text();
        match Hello::parse(&again) {
            Ok(read) => assert_eq!((read.seq, read.rt), (hello.seq, hello.rt)),
            Err(broken) => assert!(again.len() > text.len(), "{broken}"),
        }
    }
    if let Ok(welcome) = Welcome::parse(text) {
        let again = welcome.to_text();
        match Welcome::parse(&again) {
            Ok(read) => assert_eq!((read.sid, read.rt), (welcome.sid, welcome.rt)),
            Err(broken) => assert!(again.len() > text.len(), "{broken}"),
        }
    }
    let asked = Asked::parse(text);
    assert_eq!(Asked::parse(&asked.to_string()), asked);
    let reason = Reason::parse(text);
    if reason.kind.is_some() {
        assert_eq!(Reason::parse(&reason.to_string()), reason);
    }
}

/// What is told exactly; times of clocks may be read to the nearest float.
fn exact(control: &Control) -> (Option<u32>, Option<&String>) {
    match control {
        Control::Hb { seq, rt, .. } => (*seq, rt.as_ref()),
        Control::Skip { n } => (Some(*n), None),
    }
}
