//! The rules together: by name, by shape, by list.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use campanile_semconv::attribute;

use crate::allow::{self, Lists, News};
use crate::kind::{Counts, Kind};
use crate::shapes::Shapes;
use crate::{REDACTED, keys};

/// Takes secrets out of what leaves the process, and counts them.
///
/// A clone is the same redactor: it shares the counts. Rules are compiled once; a text costs time
/// in proportion to its length, whatever is in it, and a clean short one next to nothing. What was
/// redacted once stays as it is.
#[derive(Clone)]
pub struct Redactor(Option<Arc<Inner>>);

struct Inner {
    keys: Vec<String>,
    shapes: Option<Shapes>,
    lists: Lists,
    counts: Counts,
    news: News,
}

impl Redactor {
    /// Secret names, secret shapes, and lists for the domains `auth` and `moderation`.
    pub fn standard() -> Self {
        Self::builder().build()
    }

    /// Changes nothing: for measurements, and for tests that show what would leave.
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts from [`standard`](Self::standard).
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Whether both are the same redactor: clones of one, or both off.
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// Whether it does anything at all.
    pub fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a field or an attribute of this name; borrowed when nothing had to go.
    ///
    /// ```
    /// use campanile_redaction::Redactor;
    ///
    /// let redactor = Redactor::standard();
    /// assert_eq!(redactor.field("api_key", "4f1c"), "REDACTED");
    /// let kept = redactor.field("url.path", "/rooms/7");
    /// assert!(matches!(kept, std::borrow::Cow::Borrowed("/rooms/7")));
    /// ```
    pub fn field<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        let Some(inner) = &self.0 else {
            return Cow::Borrowed(value);
        };
        if value.is_empty() || is_closed(name) {
            return Cow::Borrowed(value);
        }
        if inner.is_secret(name) {
            if value == REDACTED {
                return Cow::Borrowed(value);
            }
            inner.counts.add(Kind::Key);
            return Cow::Owned(REDACTED.to_owned());
        }
        inner.text(value)
    }

    /// Text without a name: a message, an error, what a panic said. Borrowed when nothing had to go.
    ///
    /// ```
    /// use campanile_redaction::Redactor;
    ///
    /// let redactor = Redactor::standard();
    /// let text = "cannot reach postgres://app:hunter2@db/chat?password=hunter2";
    /// assert_eq!(
    ///     redactor.text(text),
    ///     "cannot reach postgres://app:REDACTED@db/chat?password=REDACTED"
    /// );
    /// ```
    #[inline]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Some(inner) => inner.text(text),
            None => Cow::Borrowed(text),
        }
    }

    /// Whether the value of a field of this name is a secret, whatever it looks like.
    ///
    /// [`field`](Self::field) asks this itself; it is here for values that are not text, and for
    /// who wants to ask once for a name that is known beforehand.
    pub fn is_secret(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.is_secret(name))
    }

    /// Whether a field of this name may leave in this domain; counts what may not.
    ///
    /// True in domains without a list. The fields of the log contract always leave.
    ///
    /// ```
    /// use campanile_redaction::Redactor;
    ///
    /// let redactor = Redactor::standard();
    /// assert!(redactor.allows(Some("auth"), "reason"));
    /// assert!(!redactor.allows(Some("auth"), "email"));
    /// assert!(redactor.allows(Some("chat"), "email"));
    /// ```
    pub fn allows(&self, domain: Option<&str>, name: &str) -> bool {
        let (Some(inner), Some(domain)) = (&self.0, domain) else {
            return true;
        };
        if inner.lists.allows(domain, name) {
            return true;
        }
        inner.counts.add(Kind::NotAllowed);
        if cfg!(debug_assertions) {
            inner.news.dropped(domain, name);
        }
        false
    }

    /// Whether this domain has a list, so that [`allows`](Self::allows) is worth asking.
    pub fn limits(&self, domain: &str) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.lists.limits(domain))
    }

    /// How much was redacted since the start, by kind.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.0.iter().flat_map(|inner| inner.counts.all())
    }

    /// Fields that [`allows`](Self::allows) dropped and that were not told yet: domain and name,
    /// each pair once, at most 64 in all. Always empty in release builds.
    ///
    /// For whoever can write a line about them, from where it may: not while one is being written.
    pub fn take_dropped(&self) -> Vec<(String, String)> {
        self.0
            .as_ref()
            .map_or_else(Vec::new, |inner| inner.news.take())
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::standard()
    }
}

impl Inner {
    fn is_secret(&self, name: &str) -> bool {
        keys::is_secret(name) || (!self.keys.is_empty() && self.is_added(name))
    }

    /// Whether the user named it: the whole name, or its last part, in any spelling.
    fn is_added(&self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        self.keys
            .iter()
            .any(|key| same_name(key, name) || same_name(key, last))
    }

    #[inline]
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.shapes {
            Some(shapes) => shapes.redact(text, &|name| self.is_secret(name), &self.counts),
            None => Cow::Borrowed(text),
        }
    }
}

/// Equal but for case and the choice of separator.
fn same_name(one: &str, other: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'-' | b'.' => b'_',
        byte => byte.to_ascii_lowercase(),
    };
    one.bytes().map(plain).eq(other.bytes().map(plain))
}

/// Attributes whose values come from closed sets, or from the application's own source: there is
/// nothing to look for.
fn is_closed(name: &str) -> bool {
    matches!(
        name,
        attribute::HTTP_REQUEST_METHOD
            | attribute::HTTP_ROUTE
            | attribute::URL_SCHEME
            | attribute::NETWORK_PROTOCOL_VERSION
            | attribute::CAMPANILE_DOMAIN
            | attribute::CAMPANILE_OUTCOME
            | attribute::CAMPANILE_PHASE
            | attribute::CAMPANILE_SAMPLING_REASON
            | attribute::CAMPANILE_SAMPLING_RESULT
            | attribute::CLIENT_ADDRESS
            | attribute::NETWORK_PEER_ADDRESS
            | attribute::WEBSOCKET_ENDPOINT
            | attribute::WEBSOCKET_ROLE
            | attribute::WEBSOCKET_CLOSE_CLASS
            | attribute::WEBSOCKET_CLOSE_CAUSE
    )
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(inner) = &self.0 else {
            return f.write_str("Redactor(off)");
        };
        f.debug_struct("Redactor")
            .field("keys", &inner.keys)
            .field("shapes", &inner.shapes.is_some())
            .field("lists", &inner.lists)
            .finish_non_exhaustive()
    }
}

/// Makes a [`Redactor`], from what [`Redactor::standard`] does.
///
/// ```
/// use campanile_redaction::Redactor;
///
/// let redactor = Redactor::builder()
///     .key("x-internal-pass-code")
///     .allow("auth", ["reason", "method", "tenant.*"])
///     .allow_everything("moderation")
///     .build();
/// assert_eq!(redactor.field("X_Internal_Pass_Code", "7"), "REDACTED");
/// assert!(redactor.allows(Some("auth"), "tenant.plan"));
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    keys: Vec<String>,
    shapes: bool,
    lists: Lists,
}

impl Builder {
    fn new() -> Self {
        let mut lists = Lists::default();
        for domain in ["auth", "moderation"] {
            lists.set(domain, allow::BY_DEFAULT.iter().copied());
        }
        Self {
            keys: Vec::new(),
            shapes: true,
            lists,
        }
    }

    /// Adds a name whose value is a secret: a whole name, or the last part of dotted ones. Case and
    /// the choice between `-`, `_` and `.` do not matter.
    pub fn key(mut self, name: impl Into<String>) -> Self {
        self.keys.push(name.into());
        self
    }

    /// Whether values and texts are searched for shapes of secrets (default: yes). Names count
    /// either way.
    pub fn shapes(mut self, yes: bool) -> Self {
        self.shapes = yes;
        self
    }

    /// Lets only these fields leave in `domain`, instead of those it had; `tenant.*` means all that
    /// begin with `tenant.`. The log contract's own and the public namespaces of the semantic
    /// conventions leave besides (`http.*`, `url.*`, `error.type`, ...).
    pub fn allow<'a>(mut self, domain: &str, fields: impl IntoIterator<Item = &'a str>) -> Self {
        self.lists.set(domain, fields);
        self
    }

    /// Takes the list away from `domain`.
    pub fn allow_everything(mut self, domain: &str) -> Self {
        self.lists.remove(domain);
        self
    }

    /// Compiles the rules.
    pub fn build(self) -> Redactor {
        Redactor(Some(Arc::new(Inner {
            keys: self.keys,
            shapes: self.shapes.then(Shapes::new),
            lists: self.lists,
            counts: Counts::default(),
            news: News::default(),
        })))
    }
}
