//! Tests of the HTTP API through a real port, as a client uses it.

mod client;
mod compress;
mod connections;
mod drain;
mod errors;
mod hostile;
mod load;
mod negotiation;
mod operations;
mod picture;
mod presets;
mod server;
mod unread;
mod upload;
mod variants;
