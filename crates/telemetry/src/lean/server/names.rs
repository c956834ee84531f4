//! Server and user agent, written before.
//!
//! They are the same for all requests of a connection, and few for most services. Comparing them
//! with those that a thread has written before costs a tenth of parsing them, searching them for
//! secrets and writing them. What is kept is bounded by number and length, and by the thread's life.

use std::cell::RefCell;

use campanile_recorder::Head;
use campanile_redaction::Redactor;

use super::own::{self, Secret};
use crate::lean::values::Values;

/// How many pairs a thread keeps.
const PAIRS: usize = 32;

/// Longer headers are worked on each time.
const MAX_LENGTH: usize = 256;

/// What was sent, by whose rules it was judged, and what became of it. Only what is clean is kept,
/// as whatever is taken out is counted.
struct Written {
    redactor: Redactor,
    length: Option<usize>,
    authority: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
    bytes: Vec<u8>,
    attributes: usize,
}

thread_local! {
    static WRITTEN: RefCell<[Option<Written>; PAIRS]> =
        const { RefCell::new([const { None }; PAIRS]) };
}

/// Where a pair is kept, in place of whatever else belongs there.
#[inline]
fn place(authority: &[u8], agent: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mixed = word(authority.first_chunk())
        ^ word(agent.first_chunk()).rotate_left(11)
        ^ word(agent.last_chunk()).rotate_left(21);
    let length = (authority.len() << 16 | agent.len()) as u64;
    let mixed = (mixed ^ length).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 59) as usize % PAIRS
}

/// Writes both, and says how many attributes that is.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, head: &Head<'_>, values: &Values, secret: Secret) -> usize {
    let authority = head.authority.unwrap_or_default();
    let agent = head.user_agent.unwrap_or_default();
    let known = WRITTEN.try_with(|written| {
        let written = written.try_borrow().ok()?;
        let known = written[place(authority, agent)].as_ref()?;
        if known.authority.as_deref() != head.authority
            || known.agent.as_deref() != head.user_agent
            || known.length != values.length
            || !known.redactor.is_same(&values.redactor)
        {
            return None;
        }
        out.extend_from_slice(&known.bytes);
        Some(known.attributes)
    });
    match known {
        Ok(Some(attributes)) => attributes,
        _ => write_anew(out, head, values, secret),
    }
}

#[cold]
fn write_anew(out: &mut Vec<u8>, head: &Head<'_>, values: &Values, secret: Secret) -> usize {
    let start = out.len();
    let (attributes, is_clean) = own::write_names(out, head, values, secret);
    let authority = head.authority.unwrap_or_default();
    let agent = head.user_agent.unwrap_or_default();
    if is_clean && authority.len().max(agent.len()) <= MAX_LENGTH {
        let _ = WRITTEN.try_with(|written| {
            let mut written = written.try_borrow_mut().ok()?;
            let place = &mut written[place(authority, agent)];
            // what stood there gives its room
            let mut new = place.take().unwrap_or_else(|| Written {
                redactor: values.redactor.clone(),
                length: None,
                authority: None,
                agent: None,
                bytes: Vec::new(),
                attributes: 0,
            });
            if !new.redactor.is_same(&values.redactor) {
                new.redactor = values.redactor.clone();
            }
            new.length = values.length;
            copy(&mut new.authority, head.authority);
            copy(&mut new.agent, head.user_agent);
            new.bytes.clear();
            new.bytes.extend_from_slice(&out[start..]);
            new.attributes = attributes;
            *place = Some(new);
            Some(())
        });
    }
    attributes
}

fn copy(to: &mut Option<Vec<u8>>, from: Option<&[u8]>) {
    match from {
        Some(from) => {
            let to = to.get_or_insert_default();
            to.clear();
            to.extend_from_slice(from);
        }
        None => *to = None,
    }
}
