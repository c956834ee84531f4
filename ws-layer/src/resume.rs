//! Sessions that outlive their connections: resume, replay, and what is shared between nodes.
//!
//! A *logical session* is what a client believes to have: an id, a principal, and a numbered stream
//! of messages. A connection is where it happens to be attached. When the connection ends without
//! an end of the session, the session is *detached*; within its window a client that proves to be
//! the same (a [`Token`](token::Token)) may come back, to this node or another, says the last number
//! it has ([`wire`]), and gets what came after from the [`Log`]. What became of each
//! attempt is one of a closed set ([`Rung`]); what another node needs to know is in a
//! [`SessionStore`].

pub(crate) mod admission;
pub(crate) mod attempt;
pub(crate) mod drain;
mod instruments;
pub(crate) mod keeper;
pub mod ladder;
pub(crate) mod logical;
pub mod replay;
pub mod settings;
pub mod store;
pub(crate) mod storm;
pub(crate) mod table;
pub mod token;
pub mod wire;

pub use ladder::{Resumption, Rung, SessionEnd};
pub use replay::{Log, Logged, Seq};
pub use settings::{Admission, Keep, Resume};
pub use store::{SessionStore, StoreError};
pub use token::{Key, Keys};
