//! Limits on untrusted files, checked from the header before anything is allocated.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DecodeError, Format, undecodable};
use crate::config_value::{InvalidConfig, at_least_one, at_most, size};
use crate::picture::score::Reference;

/// Limits on untrusted input: keys of the section `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Pixels a picture may have (width times height).
    pub max_pixels: u64,
    /// Pixels a side may have.
    pub max_side: u32,
    /// Frames an animation may declare; only the first is decoded, but counting costs too.
    pub max_frames: u32,
    /// Bytes of EXIF, XMP or ICC profile, after decompression. Larger blocks are dropped unread.
    #[serde(rename = "max_metadata", with = "size")]
    pub max_metadata_bytes: usize,
    /// Whether HEIC is read. Its coding, HEVC, is patented.
    pub heic: bool,
}

impl Default for Limits {
    /// 100 megapixels, 65,535 pixels a side, 10,000 frames, 4 MiB of metadata: more than any camera writes.
    fn default() -> Limits {
        Limits {
            max_pixels: 100_000_000,
            max_side: 65_535,
            max_frames: 10_000,
            max_metadata_bytes: 4 << 20,
            heic: true,
        }
    }
}

impl Limits {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] when a limit would refuse every picture, or allow one that cannot be scored.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        at_least_one("max_pixels", self.max_pixels)?;
        at_most("max_pixels", self.max_pixels, Reference::MAX_PIXELS)?;
        at_least_one("max_side", self.max_side.into())?;
        at_least_one("max_frames", self.max_frames.into())
    }

    /// Checks a picture's size.
    ///
    /// # Errors
    /// [`DecodeError::Undecodable`] for a side of zero, [`DecodeError::TooManyPixels`] over a limit.
    pub fn check_size(&self, format: Format, width: u32, height: u32) -> Result<(), DecodeError> {
        let too_many = |limit| Err(DecodeError::TooManyPixels { width, height, limit });
        if width == 0 || height == 0 {
            return Err(undecodable(format, format!("its header says {width}x{height}")));
        }
        if width.max(height) > self.max_side {
            return too_many(SizeLimit::Side(self.max_side));
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return too_many(SizeLimit::Pixels(self.max_pixels));
        }
        Ok(())
    }

    /// Checks the number of frames of a `width` x `height` animation.
    ///
    /// # Errors
    /// [`DecodeError::TooManyPixels`] over the limit.
    pub fn check_frames(&self, frames: u32, width: u32, height: u32) -> Result<(), DecodeError> {
        if frames > self.max_frames {
            return Err(DecodeError::TooManyPixels { width, height, limit: SizeLimit::Frames(self.max_frames) });
        }
        Ok(())
    }
}

/// The size limit that a picture went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SizeLimit {
    /// Width times height.
    Pixels(u64),
    /// Width or height.
    Side(u32),
    /// Frames of an animation.
    Frames(u32),
}

impl SizeLimit {
    /// The bare number.
    pub fn value(self) -> u64 {
        match self {
            SizeLimit::Pixels(pixels) => pixels,
            SizeLimit::Side(side) => u64::from(side),
            SizeLimit::Frames(frames) => u64::from(frames),
        }
    }
}

impl fmt::Display for SizeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SizeLimit::Pixels(pixels) => write!(f, "{pixels} pixels"),
            SizeLimit::Side(side) => write!(f, "{side} pixels a side"),
            SizeLimit::Frames(frames) => write!(f, "{frames} frames"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_pixels: 100, max_side: 20, max_frames: 3, max_metadata_bytes: 0, heic: true };

    #[test]
    fn a_picture_at_the_limit_passes() {
        assert_eq!(LIMITS.check_size(Format::Png, 10, 10), Ok(()));
        assert_eq!(LIMITS.check_size(Format::Png, 20, 5), Ok(()));
        assert_eq!(LIMITS.check_frames(3, 10, 10), Ok(()));
    }

    #[test]
    fn a_picture_over_a_limit_names_the_limit() {
        let refused = |width, height, limit| Err(DecodeError::TooManyPixels { width, height, limit });
        assert_eq!(LIMITS.check_size(Format::Png, 11, 10), refused(11, 10, SizeLimit::Pixels(100)));
        assert_eq!(LIMITS.check_size(Format::Png, 21, 1), refused(21, 1, SizeLimit::Side(20)));
        assert_eq!(LIMITS.check_frames(4, 10, 10), refused(10, 10, SizeLimit::Frames(3)));
        let detail = |result: Result<(), DecodeError>| result.unwrap_err().to_string();
        assert_eq!(detail(LIMITS.check_size(Format::Png, 11, 10)), "image is 11x10, limit is 100 pixels");
        assert_eq!(detail(LIMITS.check_frames(4, 10, 10)), "image has too many frames, limit is 3 frames");
    }

    #[test]
    fn the_largest_sides_do_not_overflow() {
        let limits = Limits { max_side: u32::MAX, max_pixels: u64::MAX, ..LIMITS };
        assert_eq!(limits.check_size(Format::Png, u32::MAX, u32::MAX), Ok(()));
    }

    #[test]
    fn a_side_of_zero_is_undecodable() {
        assert!(matches!(LIMITS.check_size(Format::Png, 0, 5), Err(DecodeError::Undecodable { .. })));
        assert!(matches!(LIMITS.check_size(Format::Png, 5, 0), Err(DecodeError::Undecodable { .. })));
    }
}
