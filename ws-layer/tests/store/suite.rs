//! What every store does.

mod adoption;
mod claims;
mod ends;
mod histories;
mod saves;

pub(crate) use adoption::*;
pub(crate) use claims::*;
pub(crate) use ends::*;
pub(crate) use histories::*;
pub(crate) use saves::*;
