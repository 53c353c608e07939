//! One file an endpoint.

pub mod compress;
pub mod health;
pub mod metrics;
pub mod openapi;
pub mod result;
pub mod root;
pub mod status;
