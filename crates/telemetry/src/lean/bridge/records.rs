//! Events as OTLP log records: written where they happen, into the buffer of their thread.
//!
//! The record says what the line says: the ids of the span the event belongs to, its domain, the
//! request's id, allowed baggage. See `docs/guide/logs.md` for its fields.

mod scene;
mod site;
mod writer;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use campanile_logs::SpanContexts;
use campanile_semconv::attribute;
use opentelemetry::time;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::ScopeLogs;
use prost::Message;
use tracing::dispatcher::WeakDispatch;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::{Layer, layer};

use self::scene::Scene;
use self::site::Site;
use self::writer::{Buffers, Writer, domain_of};
use super::sites::Sites;
use super::{IsWanted, next_number};
use crate::lean::proto::{self, tag};
use crate::lean::span::nanos;
use crate::lean::values::Values;
use crate::pipeline::{Lane, Scope};

/// Targets that are named at run time, as those of the `log` crate, stand for themselves up to this
/// many.
const MAX_SCOPES: usize = 1000;

/// Makes a log record of each event, or nothing without a lane: a layer in an `Option` is not told
/// whose it is.
pub(crate) struct Records {
    number: u64,
    lane: Option<Arc<Lane>>,
    values: Values,
    /// Attributes of a record.
    most: usize,
    is_wanted: IsWanted,
    span_contexts: SpanContexts,
    subscriber: OnceLock<WeakDispatch>,
    scopes: Mutex<HashMap<String, Scope>>,
}

impl Records {
    /// `span_contexts` finds the context of an event that names its span.
    pub(crate) fn new(
        lane: Option<Arc<Lane>>,
        values: Values,
        most: Option<usize>,
        is_wanted: IsWanted,
        span_contexts: SpanContexts,
    ) -> Self {
        Self {
            number: next_number(),
            lane,
            values,
            most: most.unwrap_or(usize::MAX),
            is_wanted,
            span_contexts,
            subscriber: OnceLock::new(),
            scopes: Mutex::default(),
        }
    }

    /// The scope of a target: its name.
    fn scope(&self, target: &str) -> Scope {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = scopes.get(target) {
            return known.clone();
        }
        if scopes.len() >= MAX_SCOPES {
            // those that no place in the source and no thread's buffer needs
            scopes.retain(|_, scope| scope.is_in_use());
        }
        let message = ScopeLogs {
            scope: Some(InstrumentationScope {
                name: self.values.text(target).into_owned(),
                ..InstrumentationScope::default()
            }),
            ..ScopeLogs::default()
        };
        let scope = Scope::new(message.encode_to_vec());
        scopes.insert(target.to_owned(), scope.clone());
        scope
    }

    fn write(&self, event: &Event<'_>, site: &Site, scene: &Scene, buffers: &mut Buffers) {
        let now = time::now();
        let own_domain = site.has_domain.then(|| domain_of(event)).flatten();
        let names_it = own_domain.is_some() && site.names.contains(&attribute::CAMPANILE_DOMAIN);
        let added = scene.domain.filter(|_| !names_it);
        let limits = |domain: &&str| self.values.redactor.limits(domain);
        let limited = own_domain
            .as_deref()
            .filter(limits)
            .or(added.filter(limits));
        let mut writer = Writer::new(buffers, site, &self.values, self.most, limited);
        event.record(&mut writer);
        if let Some(domain) = added {
            writer.add(attribute::CAMPANILE_DOMAIN, domain);
        }
        if let Some(id) = &scene.request_id {
            writer.add(attribute::CAMPANILE_REQUEST_ID, id.as_str());
        }
        for (key, value) in scene.carried.iter().flat_map(|carried| carried.iter()) {
            writer.add(key, value);
        }
        let target = writer.finish();
        match (target, &site.scope) {
            (Some(target), _) => {
                if (self.is_wanted)(&target) {
                    self.push(&self.scope(&target), site, scene, now, buffers);
                }
            }
            (None, Some(scope)) => self.push(scope, site, scene, now, buffers),
            (None, None) => self.push(&self.scope(site.target), site, scene, now, buffers),
        }
    }

    /// Puts the parts together, in the buffer of this thread.
    fn push(&self, scope: &Scope, site: &Site, scene: &Scene, now: SystemTime, buffers: &Buffers) {
        const TIMES: usize = 18;
        const IDS: usize = 18 + 10 + 5;

        let ids = if scene.span.is_some() { IDS } else { 0 };
        let parts = [&*site.head, &buffers.body, &buffers.attributes];
        let length = TIMES + parts.iter().map(|part| part.len()).sum::<usize>() + ids;
        let now = nanos(now).to_le_bytes();
        let Some(lane) = &self.lane else {
            return;
        };
        lane.push_written(scope, |out| {
            out.reserve(proto::field_len(length));
            out.push(tag::INNER);
            proto::varint(out, length as u64);
            out.push(tag::LOG_TIME);
            out.extend_from_slice(&now);
            for part in parts {
                out.extend_from_slice(part);
            }
            if let Some(span) = &scene.span {
                out.push(tag::LOG_FLAGS);
                out.extend_from_slice(&span.flags.to_le_bytes());
                proto::bytes(out, tag::LOG_TRACE_ID, &span.trace);
                proto::bytes(out, tag::LOG_SPAN_ID, &span.span);
            }
            out.push(tag::LOG_OBSERVED_TIME);
            out.extend_from_slice(&now);
        });
    }
}

impl<S: Subscriber> Layer<S> for Records {
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.subscriber.set(subscriber.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        thread_local! {
            static SITES: RefCell<Sites<Site>> = const { RefCell::new(Sites::new()) };
            static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new()) };
        }
        if self.lane.is_none() {
            return;
        }
        let metadata = event.metadata();
        let site = SITES
            .try_with(|sites| {
                let mut sites = sites.try_borrow_mut().ok()?;
                Some(sites.find(self.number, metadata, || Site::new(self, metadata)))
            })
            .ok()
            .flatten()
            .unwrap_or_else(|| Site::new(self, metadata).into());
        if !site.is_wanted {
            return;
        }
        let Some(scene) = Scene::of(event, || {
            let subscriber = self.subscriber.get()?.upgrade()?;
            (self.span_contexts)(event.parent()?, &subscriber)
        }) else {
            return;
        };
        // A `Debug` or `Display` that logs finds other buffers.
        let taken =
            BUFFERS.try_with(|kept| std::mem::replace(&mut *kept.borrow_mut(), Buffers::new()));
        let mut buffers = taken.unwrap_or(Buffers::new());
        self.write(event, &site, &scene, &mut buffers);
        if buffers.recycle() {
            let _ = BUFFERS.try_with(|kept| kept.replace(buffers));
        }
    }
}
