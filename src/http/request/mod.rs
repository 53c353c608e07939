//! Reads a request: its head to parameters, its body to an upload.

pub mod accept;
pub mod admitted;
mod form;
mod pieces;
pub mod query;
pub mod upload;
