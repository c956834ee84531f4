//! Takes attributes out that were written already.

use crate::pipeline::wire;

/// Keeps of the fields with this tag those whose key `is_allowed`; other fields stay.
pub(super) fn retain(message: &mut Vec<u8>, tag: u8, is_allowed: impl Fn(&str) -> bool) {
    let mut kept = Vec::with_capacity(message.len());
    let mut rest = message.as_slice();
    while let Some(length) = wire::first_field(rest) {
        let (field, after) = rest.split_at(length);
        if field[0] != tag || key(field).is_none_or(&is_allowed) {
            kept.extend_from_slice(field);
        }
        rest = after;
    }
    *message = kept;
}

/// The key of an attribute.
fn key(field: &[u8]) -> Option<&str> {
    let attribute = wire::fields(field)?.first()?.value.bytes()?;
    let key = wire::fields(attribute)?.first()?.value.bytes()?;
    std::str::from_utf8(key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lean::proto::{self, tag::SPAN_ATTRIBUTE};

    #[test]
    fn only_named_attributes_stay_and_everything_else_stays_as_it_was() {
        let write = |keys: &[&str]| {
            let mut out = Vec::new();
            for key in keys {
                proto::string_attribute(&mut out, SPAN_ATTRIBUTE, key.as_bytes(), b"value");
                proto::number(&mut out, proto::tag::SPAN_DROPPED_LINKS, 7);
            }
            out
        };
        let mut message = write(&["a", "b", "a"]);
        retain(&mut message, SPAN_ATTRIBUTE, |key| key == "b");
        let mut expected = Vec::new();
        proto::number(&mut expected, proto::tag::SPAN_DROPPED_LINKS, 7);
        expected.extend(write(&["b"]));
        proto::number(&mut expected, proto::tag::SPAN_DROPPED_LINKS, 7);
        assert_eq!(message, expected);
    }
}
