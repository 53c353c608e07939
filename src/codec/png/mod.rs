//! PNG: its container, decoder and encoder.

pub mod container;
pub mod decode;
pub mod encode;
mod header;
mod text;
