//! Tests of the HTTP API through a real port, as a client uses it.

mod access;
mod batch_totals;
mod batches;
mod client;
mod compress;
mod connections;
mod deploy;
mod drain;
mod errors;
mod hostile;
mod instances;
mod links;
mod load;
mod negotiation;
mod operations;
mod origin;
mod pages;
mod picture;
mod presets;
mod server;
mod tiers;
mod traces;
mod unread;
mod upload;
mod urls;
mod variants;
