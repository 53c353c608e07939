//! From a request's head and body to parameters and an upload.

pub mod accept;
pub mod admitted;
mod form;
mod pieces;
pub mod query;
pub mod upload;
