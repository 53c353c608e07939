//! WebP: its container, decoder and encoder.

mod alpha;
pub mod container;
pub mod decode;
pub mod encode;
pub mod estimate;
mod header;
pub mod quantiser;
pub mod states;
