//! Reads a request: its head to parameters, its body to an upload.

pub(super) mod accept;
pub(super) mod admitted;
pub(super) mod batch;
pub(super) mod client;
mod form;
pub(super) mod json;
pub(super) mod link;
mod pieces;
pub(super) mod query;
pub(super) mod rate;
pub(super) mod set_spec;
pub(super) mod upload;
