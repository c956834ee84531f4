//! What a client asks for, in its header or in its hello.

use super::Who;
use crate::resume::replay::Seq;
use crate::resume::table::{Hub, seconds};
use crate::resume::token::{LENGTH, Refused, Token};
use crate::resume::wire::Asked;

/// What a client asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// The token it brought.
    pub(crate) token: Option<String>,
    /// The last message it has.
    pub(crate) seq: Seq,
    /// Whether it says in its hello which message that is.
    pub(crate) awaits_seq: bool,
    /// Its clock.
    pub(crate) t0: Option<f64>,
    /// Our clock when it asked: milliseconds since the Unix epoch.
    pub(crate) t1: u64,
}

impl Ask {
    /// Reads the `ws-resume` header. A token without a number leaves that to the hello.
    pub(crate) fn from_header(header: &str, now: u64) -> Self {
        let mut ask = Self {
            t1: now,
            ..Self::default()
        };
        if header.len() == LENGTH && !header.contains(';') {
            ask.token = Some(header.to_owned());
            ask.awaits_seq = true;
        } else if let Asked::Resume { token, seq } = Asked::parse(header) {
            ask.token = Some(token.to_owned());
            ask.seq = Seq(seq);
        }
        ask
    }

    /// Whether the token is a valid one of this client.
    pub(crate) fn returns(&self, hub: &Hub, who: Who<'_>) -> bool {
        let token = self.token.as_ref();
        token.is_some_and(|text| self.opened(text, hub, who).is_ok())
    }

    pub(super) fn opened(&self, text: &str, hub: &Hub, who: Who<'_>) -> Result<Token, Refused> {
        let keys = &hub.settings.keys;
        Token::open(text, keys, who.principal, who.endpoint, seconds(self.t1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_new_or_a_token_and_a_number() {
        let read = |text| {
            let ask = Ask::from_header(text, 0);
            (ask.token, ask.seq.0, ask.awaits_seq)
        };
        let abc = Some("abc".to_owned());
        assert_eq!(read("new"), (None, 0, false));
        assert_eq!(read(" abc;seq=41 "), (abc, 41, false));
        let token = "t".repeat(LENGTH);
        assert_eq!(
            read(&token),
            (Some(token.clone()), 0, true),
            "the hello says the rest"
        );
        for junk in ["abc", "abc;seq=x", "abc;seq=-1", "abc;seq=4294967296", ""] {
            assert_eq!(read(junk), (Some(String::new()), 0, false), "{junk}");
        }
    }
}
