//! JPEG: its container, decoder and encoder.

pub mod container;
pub mod decode;
pub mod encode;
pub mod entropy;
mod header;
mod library;
mod meaning;
pub(super) mod model;
mod other_decoder;
mod quality_scale;
pub mod quantiser;
mod scans;
mod segments;
pub mod size_model;
pub(in crate::codec) mod strip;
pub mod trellis;

pub(super) use model::MODEL;

/// Whether `file` is a progressive JPEG.
pub(crate) fn is_progressive(file: &[u8]) -> bool {
    header::Header::read(file).is_some_and(|header| header.progressive)
}
