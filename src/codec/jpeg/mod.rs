//! JPEG: its container, decoder and encoder.

pub mod container;
pub mod decode;
pub mod encode;
pub mod estimate;
mod header;
pub mod quantiser;
mod scans;
