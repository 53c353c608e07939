//! Connections to a Redis or Valkey.

mod connect;
mod url;

pub(crate) use connect::{Connection, Connector};
pub use url::RedisUrl;
