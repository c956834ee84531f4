//! Server, user agent and addresses, written before.
//!
//! They are the same for all requests of a connection, and the first two few for most services.
//! Comparing them with those that a thread has written before costs a tenth of parsing them,
//! searching them for secrets and writing them. What is kept is bounded by number and length, and by
//! the thread's life.

use std::cell::RefCell;
use std::net::IpAddr;

use campanile_recorder::Head;

use super::{Common, attributes};

/// How many pairs of server and user agent a thread keeps.
const PAIRS: usize = 32;

/// Longer headers are worked on each time.
const MAX_LENGTH: usize = 256;

/// What was sent, by whose rules it was judged, and what became of it. Only what is clean is kept,
/// as whatever is taken out is counted.
#[derive(Default)]
struct Known {
    rules: u64,
    authority: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
    /// Of the last request with this pair: behind a proxy, and on a connection that is kept alive,
    /// the next one mostly comes from the same.
    peer: Option<IpAddr>,
    client: Option<IpAddr>,
    /// Server and agent, then the addresses.
    bytes: Vec<u8>,
    names_end: usize,
    names: usize,
    addresses: usize,
}

/// What a thread knows.
struct Table {
    pairs: [Option<Known>; PAIRS],
    /// Where the last request's pair is: between services the next has the same.
    last: usize,
}

thread_local! {
    static KNOWN: RefCell<Table> = const {
        RefCell::new(Table {
            pairs: [const { None }; PAIRS],
            last: 0,
        })
    };
}

/// Writes all of them, and says how many attributes that is.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, head: &Head<'_>, common: &Common) -> usize {
    let (peer, client) = (head.peer.map(|peer| peer.ip()), head.client);
    let written = KNOWN.try_with(|known| {
        let mut known = known.try_borrow_mut().ok()?;
        let known = known.find(head, common)?;
        if known.peer != peer || known.client != client {
            known.move_to(peer, client);
        }
        out.extend_from_slice(&known.bytes);
        Some(known.names + known.addresses)
    });
    match written {
        Ok(Some(attributes)) => attributes,
        _ => write_anew(out, head, common),
    }
}

#[cold]
fn write_anew(out: &mut Vec<u8>, head: &Head<'_>, common: &Common) -> usize {
    let start = out.len();
    let (names, is_clean) = attributes::write_names(out, head, common);
    let names_end = out.len() - start;
    let (peer, client) = (head.peer.map(|peer| peer.ip()), head.client);
    let addresses = attributes::write_addresses(out, peer, client);
    let length = |text: Option<&[u8]>| text.map_or(0, <[u8]>::len);
    if is_clean && length(head.authority).max(length(head.user_agent)) <= MAX_LENGTH {
        let _ = KNOWN.try_with(|known| {
            let mut known = known.try_borrow_mut().ok()?;
            // what stood there gives its room
            let known = known.pairs[place(head)].get_or_insert_default();
            known.rules = common.rules;
            copy(&mut known.authority, head.authority);
            copy(&mut known.agent, head.user_agent);
            (known.peer, known.client) = (peer, client);
            known.bytes.clear();
            known.bytes.extend_from_slice(&out[start..]);
            (known.names_end, known.names, known.addresses) = (names_end, names, addresses);
            Some(())
        });
    }
    names + addresses
}

/// Where a pair is kept, in place of whatever else belongs there.
#[inline]
fn place(head: &Head<'_>) -> usize {
    let authority = head.authority.unwrap_or_default();
    let agent = head.user_agent.unwrap_or_default();
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mixed = word(authority.first_chunk())
        ^ word(agent.first_chunk()).rotate_left(11)
        ^ word(agent.last_chunk()).rotate_left(21);
    let length = (authority.len() << 16 | agent.len()) as u64;
    let mixed = (mixed ^ length).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 59) as usize % PAIRS
}

impl Table {
    #[inline]
    fn find(&mut self, head: &Head<'_>, common: &Common) -> Option<&mut Known> {
        let is_of = |known: &Option<Known>| {
            let known = known.as_ref();
            known.is_some_and(|known| known.is_of(head, common))
        };
        if !is_of(&self.pairs[self.last]) {
            self.last = place(head);
            if !is_of(&self.pairs[self.last]) {
                return None;
            }
        }
        self.pairs[self.last].as_mut()
    }
}

impl Known {
    #[inline]
    fn is_of(&self, head: &Head<'_>, common: &Common) -> bool {
        self.rules == common.rules
            && self.authority.as_deref() == head.authority
            && self.agent.as_deref() == head.user_agent
    }

    /// The same from elsewhere.
    #[inline(never)]
    fn move_to(&mut self, peer: Option<IpAddr>, client: Option<IpAddr>) {
        self.bytes.truncate(self.names_end);
        self.addresses = attributes::write_addresses(&mut self.bytes, peer, client);
        (self.peer, self.client) = (peer, client);
    }
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
