//! `baggage`, kept as its sender wrote it and parsed when someone reads it (W3C Baggage).
//!
//! A malformed member loses itself only. What goes out is legal: members are either the sender's
//! own text, or were written here with everything percent-encoded that has to be.

mod text;

use std::borrow::Cow;

use http::HeaderValue;
use opentelemetry::Context;

use self::text::Parts;
use crate::Carried;

/// All members go when there are at most this many.
pub const MAX_MEMBERS: usize = 64;

/// All members go when their text has at most this many bytes, commas included.
pub const MAX_BYTES: usize = 8192;

/// Baggage as legal text, which may be empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Baggage {
    text: Option<HeaderValue>,
}

/// A member of [`Baggage`], decoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BaggageMember<'a> {
    /// The key, a token; never decoded.
    pub key: &'a str,
    /// The value, percent-decoded; invalid UTF-8 becomes U+FFFD.
    pub value: Cow<'a, str>,
    /// What follows the value: `key` or `key=value`, still encoded.
    pub properties: Option<&'a str>,
}

impl Baggage {
    /// Takes the lines of the header, in order, and says how many members were dropped: malformed
    /// ones, and those past 64 members or 8192 bytes.
    ///
    /// Costs no allocation when there is one line and nothing in it is wrong.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> (Self, u32) {
        let mut lines = lines.into_iter();
        let Some(first) = lines.next() else {
            return (Self::default(), 0);
        };
        match lines.next() {
            None => Self::from_line(first),
            second => Self::keep_legal([Some(first), second].into_iter().flatten().chain(lines)),
        }
    }

    /// The same for a single line.
    #[inline]
    pub(crate) fn from_line(line: &HeaderValue) -> (Self, u32) {
        if text::is_legal(line.as_bytes()) {
            let text = Some(line.clone());
            return (Self { text }, 0);
        }
        Self::keep_legal([line])
    }

    #[cold]
    fn keep_legal<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> (Self, u32) {
        let (text, dropped) = text::keep_legal(lines.into_iter().map(HeaderValue::as_bytes));
        (Self::of_text(&text), dropped)
    }

    fn of_text(text: &str) -> Self {
        let text = Some(text).filter(|text| !text.is_empty());
        Self {
            text: text.and_then(|text| HeaderValue::from_str(text).ok()),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.text.is_none()
    }

    /// The header value to send on.
    pub fn as_header(&self) -> Option<&HeaderValue> {
        self.text.as_ref()
    }

    /// The members, in order.
    ///
    /// ```
    /// use campanile_propagation::Baggage;
    ///
    /// let line = http::HeaderValue::from_static("user=Am%C3%A9lie;since=2024, plan = pro");
    /// let (baggage, dropped) = Baggage::from_lines([&line]);
    /// let read: Vec<_> = baggage.members().map(|m| (m.key, m.value.into_owned())).collect();
    /// assert_eq!(read, [("user", "Amélie".into()), ("plan", "pro".into())]);
    /// assert_eq!(dropped, 0);
    /// ```
    pub fn members(&self) -> impl Iterator<Item = BaggageMember<'_>> {
        self.parts().map(|(parts, _)| BaggageMember {
            key: parts.key,
            value: text::decode(parts.value),
            properties: parts.properties,
        })
    }

    /// The decoded value of `key`; the last one when several members have it.
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        let found = self.parts().filter(|(parts, _)| parts.key == key).last();
        found.map(|(parts, _)| text::decode(parts.value))
    }

    /// The same with `key` set to `value`, in place of every member of that key.
    ///
    /// `None` when `key` is not a token, or the limits leave no room: nothing changes silently.
    pub fn with(&self, key: &str, value: &str) -> Option<Self> {
        let own = text::write(key, value)?;
        let rest = self
            .parts()
            .filter(|(parts, _)| parts.key != key)
            .map(|(_, member)| member);
        let all: Vec<_> = rest.chain([own.as_str()]).collect();
        let text = all.join(",");
        let fits = all.len() <= MAX_MEMBERS && text.len() <= MAX_BYTES;
        fits.then(|| Self::of_text(&text))
    }

    /// The same without `key`.
    pub fn without(&self, key: &str) -> Self {
        self.only(|name| name != key)
    }

    /// Only the members whose key satisfies `keep`, each with the sender's own text.
    pub fn only(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let kept = self
            .parts()
            .filter(|(parts, _)| keep(parts.key))
            .map(|(_, member)| member);
        Self::of_text(&kept.collect::<Vec<_>>().join(","))
    }

    fn parts(&self) -> impl Iterator<Item = (Parts<'_>, &str)> {
        let text = self
            .text
            .as_ref()
            .and_then(|text| text.to_str().ok())
            .unwrap_or_default();
        text::legal_members(text)
    }

    /// What `context` carries; empty when it carries none.
    pub fn of(context: &Context) -> Self {
        Carried::of(context)
            .map(|carried| carried.baggage)
            .unwrap_or_default()
    }

    /// A child of `context` that carries this baggage instead of its own.
    ///
    /// ```
    /// use campanile_propagation::Baggage;
    /// use opentelemetry::Context;
    ///
    /// let here = Context::current();
    /// let baggage = Baggage::of(&here).with("plan", "pro").expect("a legal key");
    /// let _attached = baggage.into_context(&here).attach();
    /// assert_eq!(Baggage::of(&Context::current()).get("plan").as_deref(), Some("pro"));
    /// ```
    pub fn into_context(self, context: &Context) -> Context {
        let mut carried = Carried::of(context).unwrap_or_default();
        carried.baggage = self;
        context.with_value(carried)
    }
}

#[cfg(test)]
mod tests;
