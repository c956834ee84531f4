//! The filter language of the page: `route:/rooms/* status:5xx dur>500ms "a phrase" -service:db has:session.id`.
//!
//! Space is and, a comma is or, `*` stands for anything. It is evaluated here, so that only what is visible travels.
//! Nothing a person types is an error: what cannot be meant is told with a remedy, and left out.

mod parse;
mod subject;

pub(crate) use self::parse::split;
pub(crate) use self::subject::{LogSubject, MetricSubject, SpanSubject, Subject};

use serde::Serialize;

/// The keys that mean something of their own; any other key is an attribute's.
pub(crate) const KEYS: [(&str, &str); 18] = [
    ("service", "who made it"),
    ("route", "the template, as /rooms/{id}"),
    ("status", "200, 5xx, error"),
    ("dur", "dur>500ms"),
    ("level", "level>=warn"),
    ("domain", "a part of the application"),
    ("event", "an event's name"),
    ("error", "true, or its type"),
    ("name", "a span, metric or event"),
    ("method", "GET, POST"),
    ("kind", "server, client, internal"),
    ("trace", "a trace id"),
    ("span", "a span id"),
    ("session", "a session id"),
    ("ep", "a WebSocket endpoint"),
    ("node", "an instance or host"),
    ("at", "at:10:36..10:40, UTC"),
    ("has", "has:session.id"),
];

/// A filter, ready to be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    terms: Vec<Term>,
    /// What could not be meant.
    pub(crate) problems: Vec<Problem>,
}

/// A token that means nothing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Problem {
    pub(crate) token: String,
    pub(crate) message: String,
    /// The token as it was probably meant.
    pub(crate) fix: Option<String>,
}

#[derive(Clone, Debug)]
struct Term {
    token: String,
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Name or message contains it.
    Bare(Pattern),
    Has(String),
    Is(String, Vec<Pattern>),
    /// Milliseconds for `dur`, the rank for `level`, else the number itself.
    Compare(String, Op, f64),
    /// Minutes of the day, UTC.
    At(f64, f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    More,
    Least,
    Less,
    Most,
}

/// Text in lower case; `*` stands for anything.
#[derive(Clone, Debug)]
struct Pattern {
    pieces: Vec<String>,
}

impl Filter {
    /// Reads a filter. Never fails: see [`problems`](Self::problems).
    pub(crate) fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        for token in split(text) {
            match parse::term(token) {
                Ok(term) => filter.terms.push(term),
                Err(problem) => filter.problems.push(problem),
            }
        }
        filter
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Says whether one thing matches all terms.
    pub(crate) fn matches(&self, subject: &impl Subject) -> bool {
        self.terms
            .iter()
            .all(|term| term.test.matches(subject) != term.negated)
    }

    /// Says whether a group does: one member matches all that is asked, and none what is excluded.
    pub(crate) fn matches_any<S: Subject>(&self, members: impl Iterator<Item = S> + Clone) -> bool {
        let excluded = |member: &S| {
            self.terms
                .iter()
                .any(|term| term.negated && term.test.matches(member))
        };
        let asked = |member: &S| {
            self.terms
                .iter()
                .all(|term| term.negated || term.test.matches(member))
        };
        self.is_empty()
            || (members.clone().any(|member| asked(&member))
                && !members.clone().any(|member| excluded(&member)))
    }

    /// The filter without one of its tokens, for each of them.
    pub(crate) fn without_each(&self) -> impl Iterator<Item = (&str, Self)> {
        self.terms.iter().enumerate().map(|(at, left_out)| {
            let terms = self
                .terms
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at);
            let terms = terms.map(|(_, term)| term.clone()).collect();
            (
                left_out.token.as_str(),
                Self {
                    terms,
                    problems: Vec::new(),
                },
            )
        })
    }

    /// Tells about keys that are neither ours nor an attribute's. `is_held` says whether an attribute is.
    pub(crate) fn judge_keys(
        &mut self,
        is_held: impl Fn(&str) -> bool,
        held: impl Fn() -> Vec<String>,
    ) {
        for term in &self.terms {
            let Some(key) = term.test.key() else { continue };
            if KEYS.iter().any(|(known, _)| *known == key) || is_held(key) {
                continue;
            }
            let near = parse::nearest(key, &held());
            let fix = near.as_ref().map(|near| term.token.replacen(key, near, 1));
            let message = match near {
                Some(near) => format!("is not a key and no attribute held. Did you mean {near}?"),
                None => "is not a key, and nothing held has such an attribute.".to_owned(),
            };
            self.problems.push(Problem {
                token: term.token.clone(),
                message,
                fix,
            });
        }
    }
}

impl Test {
    fn key(&self) -> Option<&str> {
        match self {
            Self::Has(key) | Self::Is(key, _) | Self::Compare(key, ..) => Some(key),
            Self::Bare(_) | Self::At(..) => None,
        }
    }

    fn matches(&self, subject: &impl Subject) -> bool {
        match self {
            Self::Bare(pattern) => subject.says(&mut |text| pattern.within(text)),
            Self::Has(key) => subject.values(key, &mut |text| !text.is_empty()),
            Self::Is(key, patterns) => subject.values(key, &mut |text| {
                patterns.iter().any(|pattern| pattern.is(text))
            }),
            Self::Compare(key, op, than) => subject.number(key).is_some_and(|number| match op {
                Op::More => number > *than,
                Op::Least => number >= *than,
                Op::Less => number < *than,
                Op::Most => number <= *than,
            }),
            Self::At(from, to) => {
                let minute = subject.unix_ms() / 60_000.0 % 1440.0;
                if from <= to {
                    (*from..=*to).contains(&minute)
                } else {
                    minute >= *from || minute <= *to
                }
            }
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        Self {
            pieces: text.to_lowercase().split('*').map(str::to_owned).collect(),
        }
    }

    fn is(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        match self.pieces.as_slice() {
            [only] => text == *only || is_class(only, &text),
            [first, middle @ .., last] => {
                let Some(mut rest) = text.strip_prefix(first.as_str()) else {
                    return false;
                };
                for piece in middle {
                    let Some(at) = rest.find(piece.as_str()) else {
                        return false;
                    };
                    rest = &rest[at + piece.len()..];
                }
                rest.ends_with(last.as_str())
            }
            [] => text.is_empty(),
        }
    }

    fn within(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut rest = text.as_str();
        self.pieces
            .iter()
            .all(|piece| match rest.find(piece.as_str()) {
                Some(at) => {
                    rest = &rest[at + piece.len()..];
                    true
                }
                None => false,
            })
    }
}

/// `5xx` is every status code from 500 to 599.
fn is_class(pattern: &str, text: &str) -> bool {
    pattern.len() == 3
        && text.len() == 3
        && pattern.ends_with("xx")
        && text.as_bytes()[0] == pattern.as_bytes()[0]
}

#[cfg(test)]
mod tests;
