//! AVIF: its container, decoder and encoder.

pub(super) mod boxes;
pub mod container;
pub mod decode;
pub mod encode;
pub mod estimate;
mod parse;
pub mod quantiser;
mod sequence;
mod yuv;
