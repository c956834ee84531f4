//! Resource and scopes around items that are already written.

use bytes::Bytes;
use opentelemetry_proto::tonic::resource::v1::Resource as WireResource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use prost::Message;

use super::lane::Finished;
use super::weight;
use super::written::{Scope, Written};
use crate::lean::proto::{self, tag};

/// The resource, as bytes.
#[derive(Debug)]
pub(super) struct Frame(Vec<u8>);

/// Items of one scope in a request.
#[derive(Debug)]
pub(super) struct Part<'a> {
    scope: &'a Scope,
    /// From one buffer or several.
    items: Vec<&'a [u8]>,
    count: u64,
}

impl Part<'_> {
    fn len(&self) -> usize {
        let items = self.items.iter().map(|items| items.len());
        self.scope.head().len() + items.sum::<usize>()
    }
}

impl Frame {
    pub(super) fn new(resource: &Resource) -> Self {
        let resource = ResourceAttributesWithSchema::from(resource);
        // `ResourceLogs` has the same fields
        let message = ResourceSpans {
            resource: Some(WireResource {
                attributes: resource.attributes.0,
                ..WireResource::default()
            }),
            schema_url: resource.schema_url.unwrap_or_default(),
            ..ResourceSpans::default()
        };
        Self(message.encode_to_vec())
    }

    /// What every request weighs besides its scopes and items.
    pub(super) fn weight(&self) -> usize {
        weight::request(&self.0) + 11
    }

    /// The request with these items.
    pub(super) fn around(&self, parts: &[Part<'_>]) -> Finished {
        let inner = parts.iter().map(|part| proto::field_len(part.len()));
        let length = self.0.len() + inner.sum::<usize>();
        let mut out = Vec::with_capacity(proto::field_len(length));
        out.push(tag::RESOURCE);
        proto::varint(&mut out, length as u64);
        out.extend_from_slice(&self.0);
        for part in parts {
            out.push(tag::INNER);
            proto::varint(&mut out, part.len() as u64);
            out.extend_from_slice(part.scope.head());
            for items in &part.items {
                out.extend_from_slice(items);
            }
        }
        Finished {
            request: Bytes::from(out),
            items: parts.iter().map(|part| part.count).sum(),
        }
    }
}

/// Divides buffers into requests of at most so many items.
#[derive(Debug)]
pub(super) struct Requests<'a> {
    written: &'a [Written],
    batch: u64,
    /// How far the first buffer is used up: bytes and items.
    used: (usize, u64),
}

impl<'a> Requests<'a> {
    pub(super) fn new(written: &'a [Written], batch: u64) -> Self {
        Self {
            written,
            batch: batch.max(1),
            used: (0, 0),
        }
    }

    /// The next items of one scope, at most `room` of them.
    fn next_items(&mut self, room: u64) -> Option<(&'a Scope, &'a [u8], u64)> {
        let (first, rest) = self.written.split_first()?;
        let (start, done) = self.used;
        let left = first.items - done;
        if left <= room {
            self.written = rest;
            self.used = (0, 0);
            return Some((&first.scope, &first.bytes[start..], left));
        }
        let end = first.end_of(start, room);
        self.used = (end, done + room);
        Some((&first.scope, &first.bytes[start..end], room))
    }
}

impl<'a> Iterator for Requests<'a> {
    type Item = Vec<Part<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut parts: Vec<Part<'a>> = Vec::new();
        let mut room = self.batch;
        while room > 0
            && let Some((scope, items, count)) = self.next_items(room)
        {
            room -= count;
            match parts.iter_mut().find(|part| part.scope == scope) {
                Some(part) => {
                    part.items.push(items);
                    part.count += count;
                }
                None => parts.push(Part {
                    scope,
                    items: vec![items],
                    count,
                }),
            }
        }
        (!parts.is_empty()).then_some(parts)
    }
}
