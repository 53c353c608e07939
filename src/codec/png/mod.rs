//! PNG: its container, decoder and encoder.

mod chunks;
pub mod container;
pub mod decode;
pub mod encode;
mod header;
pub(super) mod model;
mod plain;
mod quality_scale;
mod text;

pub(super) use model::MODEL;
