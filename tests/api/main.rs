//! The API through a real port: what docs and contract promise, asked for as a client would.

mod client;
mod compress;
mod connections;
mod drain;
mod errors;
#[path = "../fixtures/mod.rs"]
mod fixtures;
mod hostile;
mod house;
mod load;
mod negotiation;
mod operations;
mod picture;
mod unread;
mod upload;
