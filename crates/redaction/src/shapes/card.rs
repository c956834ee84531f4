//! Numbers of payment cards: an issuer's first digits, a card's length and grouping, a check digit
//! that is right. Timestamps, ids and fractions of numbers have none of these together, but for
//! chance.

use super::Find;
use crate::kind::Kind;

pub(super) const FEWEST_DIGITS: usize = 13;
const MOST_DIGITS: usize = 19;

/// How cards are printed; the last group of the first may have any length up to four.
const GROUPS: [&[usize]; 3] = [&[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4]];

pub(super) fn find(text: &[u8], finds: &mut Vec<Find>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if byte.wrapping_sub(b'0') > 9 {
            at += 1;
            continue;
        }
        let group = digits(text, at);
        // Nearly every number ends here.
        if group != 4 && group < FEWEST_DIGITS {
            at += group;
            continue;
        }
        at = match candidate(text, at, group) {
            Some(stop) if stands_alone(text, at, stop) && is_card(&text[at..stop]) => {
                finds.push(Find {
                    range: at..stop,
                    kind: Kind::CardNumber,
                });
                stop
            }
            _ => at + group,
        };
    }
}

/// How many digits stand at `start`.
fn digits(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Where a number ends that is as long, or grouped, as a card's.
fn candidate(text: &[u8], start: usize, first: usize) -> Option<usize> {
    if (FEWEST_DIGITS..=MOST_DIGITS).contains(&first) {
        return Some(start + first);
    }
    if first != 4 {
        return None;
    }
    let separator = *text.get(start + first)?;
    if !matches!(separator, b' ' | b'-') {
        return None;
    }
    GROUPS
        .iter()
        .find_map(|groups| grouped(text, start, groups, separator))
}

fn grouped(text: &[u8], start: usize, groups: &[usize], separator: u8) -> Option<usize> {
    let mut at = start;
    let mut total = 0;
    for (index, expected) in groups.iter().enumerate() {
        let begin = match index {
            0 => at,
            _ if text.get(at) == Some(&separator) => at + 1,
            _ => break,
        };
        let found = digits(text, begin);
        let is_short_end =
            groups.len() == 5 && (index == 3 || index == 4) && (1..=4).contains(&found);
        if found != *expected && !is_short_end {
            break;
        }
        at = begin + found;
        total += found;
        if is_short_end && found < 4 {
            break;
        }
    }
    (FEWEST_DIGITS..=MOST_DIGITS).contains(&total).then_some(at)
}

/// Not a part of a word, an id, a fraction or a path of numbers.
fn stands_alone(text: &[u8], start: usize, stop: usize) -> bool {
    let is_part = |near: Option<u8>, far: Option<u8>| match near {
        Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => true,
        Some(b'-' | b'.' | b'+' | b'/') => far.is_some_and(|byte| byte.is_ascii_alphanumeric()),
        _ => false,
    };
    let before = |back: usize| start.checked_sub(back).map(|index| text[index]);
    let after = |forth: usize| text.get(stop + forth).copied();
    let in_path = before(1) == Some(b'/');
    let part_before = is_part(before(1), before(2)) && !in_path;
    let escaped = matches!(before(1), Some(b'n' | b't')) && before(2) == Some(b'\\');
    (!part_before || escaped) && !(is_part(after(0), after(1)) && after(0) != Some(b'/'))
}

fn is_card(text: &[u8]) -> bool {
    let mut number = [0; MOST_DIGITS];
    let mut length = 0;
    for digit in text.iter().filter(|byte| byte.is_ascii_digit()) {
        let Some(place) = number.get_mut(length) else {
            return false;
        };
        *place = digit - b'0';
        length += 1;
    }
    let number = &number[..length];
    is_issued(number) && has_check_digit(number)
}

/// Whether an issuer gives out numbers that begin and are as long as this one.
fn is_issued(number: &[u8]) -> bool {
    let first = |count: usize| {
        let digits = number.iter().take(count);
        digits.fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    match number.len() {
        15 if matches!(first(2), 34 | 37) => true,
        14 if matches!(first(2), 36 | 38 | 39) || matches!(first(3), 300..=305) => true,
        13 | 16 | 19 if first(1) == 4 => true,
        16 if matches!(first(2), 51..=55) || matches!(first(4), 2221..=2720) => true,
        16..=19 => {
            matches!(first(2), 62 | 65)
                || first(4) == 6011
                || matches!(first(3), 644..=649)
                || matches!(first(4), 3528..=3589)
        }
        _ => false,
    }
}

/// The sum that Luhn gave them (ISO/IEC 7812-1, annex B).
fn has_check_digit(number: &[u8]) -> bool {
    let digits = number.iter().rev().enumerate();
    let sum: u32 = digits
        .map(|(index, digit)| match (index % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}
