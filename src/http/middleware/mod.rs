//! What is done for every request, whatever its route.

mod access_log;
mod host;

pub(super) use access_log::{observe, panicked};
