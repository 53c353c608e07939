//! What the targets share: limits that keep a run short, and what holds of every decoded file.

pub mod heap;

use bytefit::codec::{Decoded, Limits};

/// Small enough that a thousand files a second go through.
pub const LIMITS: Limits =
    Limits { max_pixels: 1 << 16, max_side: 1 << 15, max_frames: 64, max_metadata_bytes: 64 << 10, heic: true };

/// Bytes before the file in an input of the target `job`: what is asked.
pub const JOB_BYTES: usize = 10;

/// Panics unless `decoded` keeps `limits` and holds as many bytes as its sides promise.
pub fn check_decoded(decoded: &Decoded, limits: &Limits) {
    let picture = &decoded.picture;
    assert!(picture.width().max(picture.height()) <= limits.max_side);
    assert!((1..=limits.max_pixels).contains(&picture.pixel_count()));
    let bytes = picture.pixel_count() as usize * picture.layout().bytes_per_pixel();
    assert_eq!(picture.pixels().len(), bytes);
    for block in decoded.metadata.exif.iter().chain(&decoded.metadata.xmp) {
        assert!((1..=limits.max_metadata_bytes).contains(&block.len()));
    }
}
