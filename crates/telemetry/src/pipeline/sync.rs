//! What the hand-over is made of; its model puts other locks in place of these.

pub(super) use std::sync::{Arc, Mutex, MutexGuard};
