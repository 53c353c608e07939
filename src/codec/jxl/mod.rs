//! JPEG XL (ISO/IEC 18181): its container, decoder and encoder.
//!
//! What is written is a JPEG whose coefficients are coded anew, without loss and in fewer bytes.

pub(super) mod container;
pub(super) mod decode;
pub(super) mod encode;
mod header;
pub(super) mod model;
mod quality_scale;
pub mod size_model;

pub(super) use model::MODEL;
