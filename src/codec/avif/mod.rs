//! AVIF: its container, decoder and encoder.

pub(super) mod boxes;
pub mod container;
pub mod decode;
pub mod encode;
mod parse;
pub mod quantiser;
mod sequence;
mod yuv;
