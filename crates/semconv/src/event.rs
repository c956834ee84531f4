//! Names of log events (the `EventName` field of a log record; `event` in our JSON lines).

use crate::Origin;

/// One log event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The name on the wire.
    pub name: &'static str,
    /// What happened, in one sentence.
    pub brief: &'static str,
    /// Who defined it.
    pub origin: Origin,
}

macro_rules! events {
    ($($origin:ident { $($(#[doc = $doc:literal])+ $name:ident = $wire:literal;)+ })+) => {
        $($($(#[doc = $doc])+ pub const $name: &str = $wire;)+)+

        /// Every event this project may emit.
        pub static ALL: &[Event] = &[$($(Event {
            name: $wire,
            brief: concat!($($doc),+).trim_ascii_start(),
            origin: Origin::$origin,
        },)+)+];
    };
}

events! {
Own {
    /// What the telemetry understood of its configuration, or why it is off.
    CAMPANILE_TELEMETRY_CONFIG = "campanile.telemetry.config";
}
}
