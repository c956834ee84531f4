//! Text frames after the first one: whose they are, and how they are written.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Control, Hello, LIMIT, MARK, Welcome};

/// A text frame after the first one.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    /// The application's text, as it was given to the sender.
    Application(&'a str),
    /// The contract's.
    Control(Control),
    /// The contract's, from a version that knows more: to be ignored.
    Later,
}

impl<'a> Frame<'a> {
    /// Reads a text frame of a session that negotiated the contract.
    ///
    /// # Errors
    /// It begins as a frame of the contract and is none: close with [`Broken::code`].
    pub fn read(text: &'a str) -> Result<Self, Broken> {
        let Some(rest) = text.strip_prefix(MARK) else {
            return Ok(Self::Application(text));
        };
        if rest.starts_with(MARK) {
            return Ok(Self::Application(rest));
        }
        if text.len() > LIMIT {
            return Err(Broken(1009, "control too long"));
        }
        let broken = Broken(1007, "control is json");
        match serde_json::from_str(rest) {
            Ok(control) => Ok(Self::Control(control)),
            Err(_) => match op(rest).ok_or(broken)?.as_str() {
                Control::HB | Control::SKIP => Err(broken),
                _ => Ok(Self::Later),
            },
        }
    }
}

fn op(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Op {
        op: String,
    }
    serde_json::from_str(json).ok().map(|Op { op }| op)
}

/// An application's text as it goes over the wire.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.starts_with(MARK) {
        format!("{MARK}{text}").into()
    } else {
        text.into()
    }
}

/// A frame of the contract that cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Broken(u16, &'static str);

impl Broken {
    /// What to close with: 1007 (not readable), 1008 (another frame was expected), 1009 (too long).
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The reason to close with.
    pub const fn reason(self) -> &'static str {
        self.1
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: close with {}", self.1, self.0)
    }
}

impl std::error::Error for Broken {}

impl Control {
    pub(super) const HB: &'static str = "hb";
    pub(super) const SKIP: &'static str = "skip";

    /// An acknowledgement alone: the application was handed everything up to `seq`.
    pub const fn ack(seq: u32) -> Self {
        Self::Hb {
            seq: Some(seq),
            t0: None,
            t1: None,
            t2: None,
            rt: None,
        }
    }

    /// The frame as it goes over the wire, with its mark.
    pub fn to_text(&self) -> String {
        let mut text = String::from(MARK);
        text.push_str(&json(self));
        text
    }
}

impl Hello {
    /// A hello that says nothing but that it is one.
    pub fn new() -> Self {
        Self {
            op: "hello".to_owned(),
            ..Self::default()
        }
    }

    /// Reads a client's first frame.
    ///
    /// # Errors
    /// It is no hello: close with [`Broken::code`].
    pub fn parse(text: &str) -> Result<Self, Broken> {
        if text.len() > LIMIT {
            return Err(Broken(1009, "hello too long"));
        }
        let hello: Self = serde_json::from_str(text).map_err(|_| Broken(1007, "hello is json"))?;
        if hello.op != "hello" {
            return Err(Broken(1008, "hello expected"));
        }
        Ok(hello)
    }

    /// The frame as it goes over the wire.
    pub fn to_text(&self) -> String {
        json(self)
    }
}

impl Welcome {
    /// A welcome to a session that cannot be resumed: its id, and nothing else.
    pub fn new(sid: u128) -> Self {
        Self {
            op: "welcome".to_owned(),
            sid: format!("{sid:032x}"),
            ..Self::default()
        }
    }

    /// Reads a server's first frame.
    ///
    /// # Errors
    /// It is no welcome: close with [`Broken::code`].
    pub fn parse(text: &str) -> Result<Self, Broken> {
        if text.len() > LIMIT {
            return Err(Broken(1009, "welcome too long"));
        }
        let welcome: Self =
            serde_json::from_str(text).map_err(|_| Broken(1007, "welcome is json"))?;
        if welcome.op != "welcome" {
            return Err(Broken(1008, "welcome expected"));
        }
        Ok(welcome)
    }

    /// The frame as it goes over the wire.
    pub fn to_text(&self) -> String {
        json(self)
    }
}

/// Strings and numbers alone: there is nothing that JSON cannot say.
fn json(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).unwrap_or_default()
}
