//! Reads variables, and remembers what could not be obeyed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::Signal;
use crate::builder::Environment;

/// Longer times cannot be added to a clock everywhere, and mean the same.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The environment over the defaults that were given in code.
pub(crate) struct Variables<'a> {
    environment: &'a Environment,
    defaults: &'a BTreeMap<String, String>,
    /// What cannot be obeyed and would send telemetry to the wrong place, or nowhere.
    problems: RefCell<Vec<String>>,
    /// What cannot be obeyed and is left at its default, as the specification asks.
    notes: RefCell<Vec<String>>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(
        environment: &'a Environment,
        defaults: &'a BTreeMap<String, String>,
    ) -> Self {
        Self {
            environment,
            defaults,
            problems: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    /// A variable's value; an empty one counts as unset (specification, "Parsing empty value").
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let set = |value: String| {
            let value = value.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        (self.environment)(name)
            .and_then(set)
            .or_else(|| self.defaults.get(name).cloned().and_then(set))
    }

    /// The variable for one signal, else the one for all: its name and value.
    pub(crate) fn otlp(&self, signal: Signal, rest: &str) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{rest}", signal.variable());
        let all = format!("OTEL_EXPORTER_OTLP_{rest}");
        // A value in the environment wins over a default in code, however specific that is.
        let from =
            |name: &String| (self.environment)(name).filter(|value| !value.trim().is_empty());
        let names = [own, all];
        let set = names.iter().find(|name| from(name).is_some());
        let name = set.or_else(|| names.iter().find(|name| self.defaults.contains_key(*name)))?;
        Some((name.clone(), self.get(name)?))
    }

    pub(crate) fn problem(&self, text: impl Into<String>) {
        let text = text.into();
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&text) {
            problems.push(text);
        }
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        let text = text.into();
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    pub(crate) fn into_findings(self) -> (Vec<String>, Vec<String>) {
        (self.problems.into_inner(), self.notes.into_inner())
    }

    /// A number; what is none is noted and counts as unset.
    pub(crate) fn number<N: FromStr>(&self, name: &str) -> Option<N> {
        let value = self.get(name)?;
        let number = value.parse().ok();
        if number.is_none() {
            self.note(format!(
                "{name}=\"{value}\" is not a number in range: its default is used"
            ));
        }
        number
    }

    /// A time in milliseconds.
    pub(crate) fn millis(&self, name: &str) -> Option<Duration> {
        let time: Duration = self.number(name).map(Duration::from_millis)?;
        Some(time.min(FOR_EVER))
    }

    /// A boolean: only `true` is true (specification, "Boolean").
    pub(crate) fn is_true(&self, name: &str) -> bool {
        let Some(value) = self.get(name) else {
            return false;
        };
        let truth = value.eq_ignore_ascii_case("true");
        if !truth && !value.eq_ignore_ascii_case("false") {
            self.note(format!(
                "{name}=\"{value}\" is neither true nor false: taken as false"
            ));
        }
        truth
    }

    /// One of several words, in any case; anything else is noted and counts as unset.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.get(name)?;
        let found = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(&value));
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.note(format!(
                "{name}=\"{value}\" is not known: its default is used, write {}",
                known.join(" or ")
            ));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// Notes variables that are set and have no effect here.
    pub(crate) fn unsupported(&self, names: &[&str]) {
        for name in names {
            if self.get(name).is_some() {
                self.note(format!("{name} is not supported and has no effect"));
            }
        }
    }
}

/// A word as it is compared (specification, "Enum": in any case).
pub(crate) fn lower(mut word: String) -> String {
    word.make_ascii_lowercase();
    word
}

/// Splits `a=1,b=2`; values are percent-decoded (W3C Baggage's form, without properties).
///
/// # Errors
/// The first entry that is no pair, by its number: it may be a secret.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (index, entry) in text.split(',').enumerate() {
        if entry.trim().is_empty() {
            continue;
        }
        let pair = entry.split_once('=').and_then(|(key, value)| {
            let key = key.trim();
            let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8();
            (!key.is_empty()).then_some((key.to_owned(), value.ok()?.into_owned()))
        });
        match pair {
            Some(pair) => pairs.push(pair),
            None => return Err(format!("entry {} is not key=value", index + 1)),
        }
    }
    Ok(pairs)
}
