//! AVIF: its container, decoder and encoders.

#[cfg(feature = "libaom")]
mod aom;
pub mod container;
pub mod decode;
mod layout;
pub(super) mod model;
pub mod quantiser;
#[cfg(all(feature = "ravif", not(feature = "libaom")))]
mod rav1e;
mod sequence;

pub(super) use model::MODEL;

/// Largest side that is written. AV1 has 16 bits for it, but libavif reads no more unless told to (avif.h,
/// AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT).
pub const MAX_SIDE: u32 = 32_768;

/// The encoder that is built in: libaom, or rav1e for builds without cmake.
pub mod encode {
    #[cfg(feature = "libaom")]
    pub use super::aom::{AvifEncoder, BEGINNING, CODINGS, NANOSECONDS_PER_PIXEL, scale};
    #[cfg(all(feature = "ravif", not(feature = "libaom")))]
    pub use super::rav1e::{AvifEncoder, BEGINNING, CODINGS, NANOSECONDS_PER_PIXEL, scale};
}

#[cfg(not(any(feature = "libaom", feature = "ravif")))]
compile_error!("an AVIF encoder is needed: the feature libaom, or ravif");
