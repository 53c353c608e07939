//! Accepts connections, bounds their number and time, and closes them without losing an answer.

mod answer_body;
mod connection;
mod connection_phase;
mod request_body;
mod server;
mod watched_stream;

pub(super) use server::serve;
