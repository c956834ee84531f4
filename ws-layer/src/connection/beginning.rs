//! How a connection begins: its span, its place in the registry, and what it remembers of both.

use std::sync::Arc;
use std::time::SystemTime;

use campanile_propagation::Carried;
use campanile_recorder::{Handle, Moment};
use campanile_semconv::{attribute as key, span};
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, KeyValue};

use super::{Connection, Rare, tenths};
use crate::ending::Ending;
use crate::endpoint::Series;
use crate::line::Birth;
use crate::mark::Mark;
use crate::pings::Pings;
use crate::resume::attempt::Arrival;
use crate::sessions::Sessions;
use crate::tally::Tally;

/// What is known when a connection begins.
pub(crate) struct Beginning<'a> {
    /// When the upgrade was first seen.
    pub(crate) seen: SystemTime,
    /// The context of the upgrade request, its span being a mere reference by now.
    pub(crate) context: Context,
    /// The client's span, where it is to be the parent of the session's spans.
    pub(crate) parent: Option<SpanContext>,
    /// Other spans that led here, as the client said.
    pub(crate) also: Vec<SpanContext>,
    /// The pipeline to report spans to.
    pub(crate) recorder: Handle,
    pub(crate) series: Arc<Series>,
    /// More about the connection, for the connect span.
    pub(crate) attributes: Vec<KeyValue>,
    /// The session's id.
    pub(crate) id: u128,
    /// Whether the peer is pinged.
    pub(crate) pings: bool,
    /// What the session is, where it may be resumed.
    pub(crate) arrival: Option<&'a Arrival>,
}

impl Connection {
    pub(crate) fn begin(sessions: &Sessions, beginning: Beginning<'_>) -> Self {
        let Beginning {
            seen,
            context,
            parent,
            also,
            recorder,
            series,
            attributes,
            id,
            pings,
            arrival,
        } = beginning;
        series.active.add(1);
        let mut all = series.common();
        all.push(KeyValue::new(key::SESSION_ID, format!("{id:032x}")));
        all.extend(attributes);
        let mut links = vec![context.span().span_context().clone()];
        links.extend(also);
        let mut name = span::WEBSOCKET_CONNECT;
        if let Some(arrival) = arrival {
            name = arrival.span();
            all.extend(arrival.attributes());
            links.splice(0..0, arrival.links.iter().cloned());
        }
        let moment = Moment {
            name,
            start: seen,
            end: SystemTime::now(),
            parent: parent.as_ref(),
            sampled_as: Some(id.into()),
            links: &links,
            attributes: all,
            error: None,
        };
        let connect = sessions.moment(&recorder, id, moment);
        let connect = Mark::of(&connect);
        let birth = Birth {
            id,
            connect,
            parent: parent.as_ref().map(Mark::of),
        };
        let upgrade = Mark::of(context.span().span_context());
        let rare = Rare {
            context: is_more_than_a_mark(&context).then_some(context),
            recorder: (!recorder.is_same(sessions.recorder())).then_some(recorder),
            closing: None,
            resumption: arrival.map(Arrival::resumption),
        };
        let is_needed = rare.context.is_some() || rare.recorder.is_some() || arrival.is_some();
        Self {
            line: sessions.register(series, pings, birth),
            began: sessions.clock().long(),
            told: tenths(sessions.clock().now()),
            upgrade,
            rare: is_needed.then(|| Box::new(rare)),
            ending: Ending::default(),
            round_trip: None,
            tally: Tally::default(),
            pings: pings.then(Pings::default),
            batch: None,
            unflushed: false,
            finished: false,
        }
    }
}

/// The context of a handshake, for the life of its socket: the span itself ends before, and must not
/// be kept alive, but what it carried goes on.
pub(crate) fn outliving(context: &Context) -> Context {
    let carried = Carried::of(context);
    let span = context.span().span_context().clone();
    let context = context.with_remote_span_context(span);
    match carried {
        Some(carried) => context.with_value(carried),
        None => context,
    }
}

/// Whether a context has a trace state or baggage, which a mark does not hold.
fn is_more_than_a_mark(context: &Context) -> bool {
    let span = context.span();
    let state = span.span_context().trace_state();
    let has_state = *state != TraceState::NONE;
    has_state || !context.baggage().is_empty() || Carried::of(context).is_some()
}
