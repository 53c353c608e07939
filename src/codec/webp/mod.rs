//! WebP: its container, decoder and encoder.

mod alpha;
pub mod container;
pub mod decode;
pub mod encode;
mod header;
pub mod quantiser;
pub mod size_model;
pub mod states;
