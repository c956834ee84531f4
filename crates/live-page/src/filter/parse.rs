//! From text to terms.

use super::{KEYS, Op, Pattern, Problem, Term, Test};

/// Cuts a filter at spaces outside quotes.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let (mut tokens, mut from, mut quoted, mut escaped) = (Vec::new(), None, false, false);
    for (at, letter) in text.char_indices() {
        if letter.is_whitespace() && !quoted {
            tokens.extend(from.take().map(|from| &text[from..at]));
            continue;
        }
        from.get_or_insert(at);
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
    }
    tokens.extend(from.map(|from| &text[from..]));
    tokens
}

/// Reads one token.
pub(super) fn term(token: &str) -> Result<Term, Problem> {
    let (negated, body) = match token.strip_prefix('-') {
        Some(body) if !body.is_empty() => (true, body),
        _ => (false, token),
    };
    let test = test(token, body)?;
    Ok(Term {
        token: token.to_owned(),
        negated,
        test,
    })
}

fn test(token: &str, body: &str) -> Result<Test, Problem> {
    let is_key = |letter: char| letter.is_alphanumeric() || "._-/@".contains(letter);
    let at = body.find(|letter| !is_key(letter)).unwrap_or(body.len());
    let (key, rest) = body.split_at(at);
    if key.is_empty() {
        return Ok(Test::Bare(Pattern::new(&unquote(body))));
    }
    let signs = [
        (">=", Op::Least),
        ("<=", Op::Most),
        (">", Op::More),
        ("<", Op::Less),
    ];
    if let Some((sign, op)) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
        return compare(token, key, op, &rest[sign.len()..]);
    }
    let Some(value) = rest.strip_prefix(':') else {
        return Ok(Test::Bare(Pattern::new(&unquote(body))));
    };
    if value.is_empty() {
        return Err(problem(
            token,
            format!("is left out: write what {key} should be, or has:{key}."),
            Some(format!("has:{key}")),
        ));
    }
    match key {
        "has" => Ok(Test::Has(unquote(value))),
        "at" => at_times(value).ok_or_else(|| {
            problem(
                token,
                "is left out: write times of day in UTC, as at:10:36..10:40.",
                None,
            )
        }),
        "dur" => Err(problem(
            token,
            "is left out: a duration is compared.",
            Some(format!("dur>{value}")),
        )),
        _ => Ok(Test::Is(
            key.to_owned(),
            values(value)
                .iter()
                .map(|value| Pattern::new(value))
                .collect(),
        )),
    }
}

fn compare(token: &str, key: &str, op: Op, value: &str) -> Result<Test, Problem> {
    let value = unquote(value);
    let (number, example) = match key {
        "dur" => (milliseconds(&value), "dur>10ms"),
        "level" => (level_rank(&value), "level>=warn"),
        _ => (
            value.parse().ok().or_else(|| milliseconds(&value)),
            "status>=500",
        ),
    };
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(Test::Compare(key.to_owned(), op, number)),
        None => Err(problem(
            token,
            format!("is left out: compare with a number, as {example}."),
            None,
        )),
    }
}

fn problem(token: &str, message: impl Into<String>, fix: Option<String>) -> Problem {
    Problem {
        token: token.to_owned(),
        message: message.into(),
        fix,
    }
}

/// Cuts at commas outside quotes.
fn values(text: &str) -> Vec<String> {
    let (mut found, mut from, mut quoted) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        quoted ^= letter == '"';
        if letter == ',' && !quoted {
            found.push(unquote(&text[from..at]));
            from = at + 1;
        }
    }
    found.push(unquote(&text[from..]));
    found
}

fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else {
        return text.to_owned();
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let (mut plain, mut letters) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' {
            letters.next()
        } else {
            Some(letter)
        });
    }
    plain
}

/// Reads `500ms`, `1.5s`, `2min`; a bare number is milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<f64> {
    let at = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "ns" => 1e-6,
        "us" | "µs" | "μs" => 1e-3,
        "" | "ms" => 1.0,
        "s" => 1e3,
        "m" | "min" => 6e4,
        "h" => 3.6e6,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// Orders levels: `trace` 1 to `fatal` 6.
pub(super) fn level_rank(level: &str) -> Option<f64> {
    let levels = ["trace", "debug", "info", "warn", "error", "fatal"];
    let place = levels.iter().position(|known| {
        level.eq_ignore_ascii_case(known)
            || (level.eq_ignore_ascii_case("warning") && *known == "warn")
    });
    place.map(|place| place as f64 + 1.0)
}

fn at_times(text: &str) -> Option<Test> {
    let minutes = |text: &str| {
        let mut parts = text.split(':').map(|part| part.parse::<u32>().ok());
        let (hours, minutes) = (parts.next()??, parts.next()??);
        let seconds = parts.next().map_or(Some(0), |seconds| seconds)?;
        (hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none())
            .then(|| f64::from(hours * 60 + minutes) + f64::from(seconds) / 60.0)
    };
    match text.split_once("..") {
        Some((from, to)) => Some(Test::At(minutes(from)?, minutes(to)?)),
        None => minutes(text).map(|from| Test::At(from, from + 1.0)),
    }
}

/// The known key or held attribute that is at most two slips away.
pub(super) fn nearest(key: &str, held: &[String]) -> Option<String> {
    let known = KEYS
        .iter()
        .map(|(known, _)| *known)
        .chain(held.iter().map(String::as_str));
    let near = known
        .map(|known| (slips(key, known), known))
        .min_by_key(|(slips, _)| *slips)?;
    (near.0 <= 2 && near.0 < key.chars().count()).then(|| near.1.to_owned())
}

/// Counts insertions, deletions and replacements between two words.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
