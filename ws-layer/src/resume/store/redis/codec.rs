//! Records and messages as Redis has them. What cannot be read, because something else wrote it,
//! is an error of the store.

use std::collections::HashMap;

use axum::body::Bytes;
use redis::{Cmd, FromRedisValue, ScriptInvocation, Value};

use super::super::{
    Adopted, Before, Claimed, Detached, NodeId, Note, Record, Save, StoreError, Taken,
};
use crate::resume::replay::{Logged, Seq};
use crate::{Cause, ClassId, Kind};

pub(super) fn sid(sid: u128) -> String {
    format!("{sid:032x}")
}

pub(super) fn node(node: NodeId) -> String {
    format!("{:016x}", node.0)
}

/// When and why a session lost its connection; empty while it is attached.
fn detached(detached: Option<Detached>) -> (String, &'static str) {
    detached.map_or_else(Default::default, |detached| {
        (detached.at.to_string(), detached.cause.as_str())
    })
}

fn is_counted(detached: Option<Detached>) -> bool {
    detached.is_some_and(|detached| detached.counted)
}

pub(super) fn write_record(call: &mut ScriptInvocation<'_>, record: &Record) {
    let (at, cause) = detached(record.detached);
    call.arg(sid(record.sid))
        .arg("endpoint")
        .arg(&record.endpoint)
        .arg("principal")
        .arg(&record.principal[..])
        .arg("generation")
        .arg(record.generation)
        .arg("good")
        .arg(record.good)
        .arg("node")
        .arg(node(record.node))
        .arg("mark")
        .arg(&record.mark[..])
        .arg("heard")
        .arg(record.heard)
        .arg("sent")
        .arg(record.sent.0)
        .arg("acked")
        .arg(record.acked.0)
        .arg("window")
        .arg(record.window)
        .arg("kept")
        .arg(record.kept)
        .arg("complete")
        .arg(record.complete)
        .arg("detached")
        .arg(at)
        .arg("cause")
        .arg(cause)
        .arg("counted")
        .arg(is_counted(record.detached));
}

pub(super) fn write_save(call: &mut Cmd, save: &Save) {
    let (at, cause) = detached(save.detached);
    let mark = save.mark.as_ref().map_or(&[][..], |mark| &mark[..]);
    call.arg(sid(save.sid))
        .arg(node(save.node))
        .arg(save.generation)
        .arg(save.confirmed)
        .arg(save.heard)
        .arg(save.sent.0)
        .arg(save.acked.0)
        .arg(save.base.0)
        .arg(mark)
        .arg(save.complete)
        .arg(at)
        .arg(cause)
        .arg(is_counted(save.detached));
    for entry in &save.entries {
        call.arg(write_message(entry));
    }
}

/// Number (4 bytes), made (8), class (1), kind (1), payload; big-endian.
fn write_message(entry: &Logged) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(14 + entry.payload.len());
    bytes.extend(entry.seq.0.to_be_bytes());
    bytes.extend(entry.made.to_be_bytes());
    bytes.push(entry.class.0);
    bytes.push(u8::from(entry.kind == Kind::Binary));
    bytes.extend_from_slice(&entry.payload);
    bytes
}

fn read_message(bytes: Vec<u8>) -> Option<Logged> {
    let bytes = Bytes::from(bytes);
    let (seq, rest) = bytes.split_first_chunk()?;
    let (made, rest) = rest.split_first_chunk()?;
    let kind = match rest.get(1)? {
        0 => Kind::Text,
        1 => Kind::Binary,
        _ => return None,
    };
    let payload = bytes.slice(14..);
    if kind == Kind::Text && std::str::from_utf8(&payload).is_err() {
        return None;
    }
    Some(Logged {
        seq: Seq(u32::from_be_bytes(*seq)),
        made: u64::from_be_bytes(*made),
        class: ClassId(*rest.first()?),
        kind,
        payload,
    })
}

type Fields = HashMap<String, Vec<u8>>;

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    std::str::from_utf8(fields.get(name)?).ok()
}

fn number<T: std::str::FromStr>(fields: &Fields, name: &str) -> Option<T> {
    text(fields, name)?.parse().ok()
}

fn read_node(text: &str) -> Option<NodeId> {
    u64::from_str_radix(text, 16).ok().map(NodeId)
}

fn read_record(sid: u128, flat: &Value) -> Option<Record> {
    let fields = Fields::from_redis_value_ref(flat).ok()?;
    let is = |name| Some(text(&fields, name)? == "1");
    let detached = match text(&fields, "detached")? {
        "" => None,
        at => Some(Detached {
            at: at.parse().ok()?,
            cause: {
                let name = text(&fields, "cause")?;
                Cause::ALL
                    .into_iter()
                    .find(|cause| cause.as_str() == name)?
            },
            counted: is("counted")?,
        }),
    };
    Some(Record {
        sid,
        endpoint: text(&fields, "endpoint")?.to_owned(),
        principal: fields.get("principal")?.as_slice().try_into().ok()?,
        generation: number(&fields, "generation")?,
        good: number(&fields, "good")?,
        node: read_node(text(&fields, "node")?)?,
        mark: fields.get("mark")?.as_slice().try_into().ok()?,
        heard: number(&fields, "heard")?,
        sent: Seq(number(&fields, "sent")?),
        acked: Seq(number(&fields, "acked")?),
        window: number(&fields, "window")?,
        kept: is("kept")?,
        complete: is("complete")?,
        detached,
    })
}

pub(super) fn read_claimed(sid: u128, answer: Value) -> Result<Claimed, StoreError> {
    let read = || {
        let parts = Vec::<Value>::from_redis_value(answer).ok()?;
        let mut parts = parts.into_iter();
        let kind = String::from_redis_value(parts.next()?).ok()?;
        Some(match kind.as_str() {
            "unknown" => Claimed::Unknown,
            "expired" => Claimed::Expired,
            "open" => Claimed::Open(read_node(&String::from_redis_value(parts.next()?).ok()?)?),
            "replayed" => Claimed::Replayed(Box::new(read_record(sid, &parts.next()?)?)),
            "taken" => {
                let generation = u32::from_redis_value(parts.next()?).ok()?;
                let before = read_record(sid, &parts.next()?)?;
                let kept = Vec::<Vec<u8>>::from_redis_value(parts.next()?).ok()?;
                let entries = kept.into_iter().map(read_message).collect::<Option<_>>()?;
                Claimed::Taken(Box::new(Taken {
                    before,
                    generation,
                    entries,
                }))
            }
            _ => return None,
        })
    };
    read().ok_or_else(|| {
        StoreError::new("a session in redis cannot be read: give each service its own prefix")
    })
}

/// An orphan that cannot be read is nobody's: its time to live ends it.
pub(super) fn read_adopted(orphan: Value) -> Option<Adopted> {
    let (sid, was_attached, flat) = <(String, bool, Value)>::from_redis_value(orphan).ok()?;
    let sid = u128::from_str_radix(&sid, 16).ok()?;
    Some(Adopted {
        record: read_record(sid, &flat)?,
        was_attached,
    })
}

pub(super) fn read_before(before: &str) -> Result<Before, StoreError> {
    Ok(match before {
        "nothing" => Before::Nothing,
        "own" => Before::Own,
        "others" => Before::Others { counted: false },
        "counted" => Before::Others { counted: true },
        "ended" => Before::Ended,
        other => return Err(StoreError::new(format!("redis answered {other:?}"))),
    })
}

pub(super) fn read_note(note: &str) -> Option<Note> {
    let (kind, rest) = note.split_at_checked(1)?;
    let (sid, generation) = rest.split_at_checked(32)?;
    let sid = u128::from_str_radix(sid, 16).ok()?;
    match kind {
        "r" => Some(Note::Release(sid)),
        "c" | "e" => {
            let (yours, generation) = generation.split_at_checked(1)?;
            let (yours, generation) = (yours == "1", generation.parse().ok()?);
            Some(match kind {
                "c" => Note::Claimed {
                    sid,
                    generation,
                    yours,
                },
                _ => Note::Ended {
                    sid,
                    generation,
                    yours,
                },
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_reads_as_it_was_written(
            seq: u32, made: u64, class: u8, text in ".*", bytes: Vec<u8>, is_text: bool,
        ) {
            let (kind, payload) = match is_text {
                true => (Kind::Text, Bytes::from(text)),
                false => (Kind::Binary, Bytes::from(bytes)),
            };
            let entry = Logged { seq: Seq(seq), made, class: ClassId(class), kind, payload };
            prop_assert_eq!(read_message(write_message(&entry)), Some(entry));
        }

        #[test]
        fn whatever_redis_has_does_not_panic(bytes: Vec<u8>, note in ".*") {
            let _ = (read_message(bytes), read_note(&note));
        }
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        for answer in [
            Value::Nil,
            Value::Int(1),
            Value::Array(vec![]),
            Value::Array(vec![Value::SimpleString("taken".into())]),
            Value::Array(vec![Value::SimpleString("dance".into())]),
        ] {
            assert!(read_claimed(1, answer).is_err());
        }
    }
}
