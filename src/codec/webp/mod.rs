//! WebP: its container, decoder and encoder.

mod alpha;
mod chunks;
pub mod container;
pub mod decode;
pub mod encode;
mod header;
mod library;
pub(super) mod model;
mod quality_scale;
pub mod quantiser;
pub mod size_model;
pub mod states;

pub(super) use model::MODEL;
