//! Connections: accepted, bounded in number and time, closed without losing an answer.

mod connection;
mod connection_phase;
mod server;
mod watched_stream;

pub use server::serve;
