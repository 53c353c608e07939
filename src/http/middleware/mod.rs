//! What is done for every request, whatever its route.

mod access_log;
mod host;

pub use access_log::{observe, panicked};
