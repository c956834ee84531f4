//! Typed events: what an event is called, and which fields it has, said once.
//!
//! [`events!`](crate::events!) makes a struct of each event. Who tells it fills the struct in, so a
//! field that does not exist, or a word that is no outcome, does not compile; and what may be told
//! can be listed: each struct has a [`Declaration`].

/// What the macros write into other crates.
#[doc(hidden)]
pub mod private {
    pub use campanile_semconv::attribute::{CAMPANILE_DOMAIN, CAMPANILE_EVENT_OUTCOME};
    pub use tracing;
}

/// One typed event, as it was declared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Declaration {
    /// The name on the wire: EventName, `event` in JSON.
    pub name: &'static str,
    /// The part of the application it belongs to.
    pub domain: &'static str,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: &'static str,
    /// What happened, in one sentence.
    pub brief: &'static str,
    /// How it may have ended; empty when it has no outcome.
    pub outcomes: &'static [&'static str],
    /// Its fields, in the order of declaration.
    pub fields: &'static [DeclaredField],
}

/// A field of a typed event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeclaredField {
    /// The name on the wire.
    pub key: &'static str,
    /// Its type in Rust.
    pub ty: &'static str,
}

/// Declares events: name, domain, level, outcomes and fields, once, where they belong.
///
/// Each `event` becomes a struct with one public field for each of its fields, and `outcome` after
/// `->`; `emit` tells it with a text for people. Each `outcome` becomes an enum; several events may
/// share one. The constant named first lists the [`Declaration`]s.
///
/// A field's type is whatever `tracing` takes: numbers, `bool`, `&str`, `String`, and `Option` of
/// them, which leaves the field out when it is `None`. Its key follows `=`.
///
/// ```
/// campanile_logs::events! {
///     /// Everything that is told about signing in.
///     pub const AUTH_EVENTS;
///
///     /// How a sign-in ended.
///     pub outcome SignIn { Done = "done", Denied = "denied" }
///
///     /// A person signed in, or was turned away.
///     pub event SignedIn<'a>: "auth.signed_in" in "auth" at INFO -> SignIn {
///         method: &'a str = "auth.method",
///         attempt: u64 = "auth.attempt",
///     }
///
///     /// All sessions of a person were ended.
///     pub event SignedOut: "auth.signed_out" in "auth" at INFO {}
/// }
///
/// SignedIn { method: "password", attempt: 2, outcome: SignIn::Denied }.emit("turned away");
/// SignedOut {}.emit("signed out");
///
/// assert_eq!(AUTH_EVENTS[0].name, "auth.signed_in");
/// assert_eq!(AUTH_EVENTS[0].outcomes, ["done", "denied"]);
/// assert_eq!(AUTH_EVENTS[0].fields[1].key, "auth.attempt");
/// ```
///
/// A typo in a field, and an outcome that was not declared, do not compile:
///
/// ```compile_fail,E0560
/// campanile_logs::events! {
///     const EVENTS;
///     /// Something was sold.
///     pub event Sold: "shop.sold" in "shop" at INFO { items: u64 = "shop.items" }
/// }
/// Sold { itmes: 3 }.emit("sold");
/// ```
///
/// ```compile_fail,E0599
/// campanile_logs::events! {
///     const EVENTS;
///     /// How a sale ended.
///     pub outcome Sale { Paid = "paid", Cancelled = "cancelled" }
///     /// Something was sold.
///     pub event Sold: "shop.sold" in "shop" at INFO -> Sale {}
/// }
/// Sold { outcome: Sale::Payed }.emit("sold");
/// ```
///
/// Neither does an event whose outcome, or a field, was forgotten:
///
/// ```compile_fail,E0063
/// campanile_logs::events! {
///     const EVENTS;
///     /// How a sale ended.
///     pub outcome Sale { Paid = "paid", Cancelled = "cancelled" }
///     /// Something was sold.
///     pub event Sold: "shop.sold" in "shop" at INFO -> Sale {}
/// }
/// Sold {}.emit("sold");
/// ```
#[macro_export]
macro_rules! events {
    ($(#[$meta:meta])* $vis:vis const $list:ident; $($items:tt)*) => {
        $crate::__events! { {$(#[$meta])* $vis $list} [] $($items)* }
    };
}

/// Takes one item after the other; remembers the events.
#[doc(hidden)]
#[macro_export]
macro_rules! __events {
    ({$(#[$meta:meta])* $vis:vis $list:ident} [$($event:ident)*]) => {
        $(#[$meta])*
        $vis const $list: &[$crate::Declaration] = &[$($event::DECLARATION),*];
    };

    (
        $list:tt $events:tt
        $(#[doc = $doc:literal])*
        $vis:vis outcome $name:ident { $($variant:ident = $word:literal),+ $(,)? }
        $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        $vis enum $name {
            $(#[doc = concat!("`", $word, "`")] $variant,)+
        }

        impl $name {
            /// All words on the wire.
            $vis const ALL: &'static [&'static str] = &[$($word),+];

            /// The word on the wire.
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        $crate::__events! { $list $events $($rest)* }
    };

    (
        $list:tt [$($event:ident)*]
        $(#[doc = $doc:literal])+
        $vis:vis event $name:ident $(<$life:lifetime>)? :
            $wire:literal in $domain:literal at $level:ident $(-> $outcome:ident)?
            { $($field:ident : $ty:ty = $key:expr),* $(,)? }
        $($rest:tt)*
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        $vis struct $name $(<$life>)? {
            $(#[doc = concat!("`", stringify!($key), "`")] $vis $field: $ty,)*
            $(/// How it ended.
            $vis outcome: $outcome,)?
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// What this event is called, and what it carries.
            $vis const DECLARATION: $crate::Declaration = $crate::Declaration {
                name: $wire,
                domain: $domain,
                level: stringify!($level),
                brief: concat!($($doc),+).trim_ascii_start(),
                outcomes: $crate::__events!(@outcomes $($outcome)?),
                fields: &[$($crate::DeclaredField { key: $key, ty: stringify!($ty) }),*],
            };

            /// Tells it, with a text for people.
            $vis fn emit(&self, text: impl ::core::fmt::Display) {
                $crate::events_private::tracing::event!(
                    name: $wire,
                    $crate::events_private::tracing::Level::$level,
                    {
                        { $crate::events_private::CAMPANILE_DOMAIN } = $domain,
                        $({ $crate::events_private::CAMPANILE_EVENT_OUTCOME } = $outcome::as_str(self.outcome),)?
                        $({ $key } = self.$field,)*
                    },
                    "{}",
                    text
                );
            }
        }

        $crate::__events! { $list [$($event)* $name] $($rest)* }
    };

    (@outcomes) => { &[] };
    (@outcomes $outcome:ident) => { $outcome::ALL };
}
