//! What is done for every request, whatever its route.

mod access_log;
pub(super) mod cors;
mod host;
mod keys;
mod spans;

pub(super) use access_log::{observe, panicked};
pub(super) use keys::identify;
