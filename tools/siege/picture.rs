//! The pictures that the siege sends. They are never freed.

use testkit::drawing;

/// RGB pixels; each seed gives another picture.
pub(crate) fn pixels(side: u16, seed: u64) -> Vec<u8> {
    drawing::noisy_gradient(side.into(), side.into(), seed)
}

pub(crate) fn jpeg(side: u16, seed: u64) -> &'static [u8] {
    drawing::noisy_jpeg(side, side, seed).leak()
}

pub(crate) fn png(side: u16, seed: u64) -> &'static [u8] {
    drawing::noisy_png(side.into(), side.into(), seed).leak()
}

/// The same JPEG or PNG with a numbered comment: other bytes, so that it is not in the cache.
pub(crate) fn marked(file: &[u8], number: usize) -> Vec<u8> {
    let text = [b"tEXt", &number.to_be_bytes()[..]].concat();
    let (at, comment) = if file.starts_with(b"\xff\xd8") {
        (2, [&[0xff, 0xfe, 0, 14], &text[..]].concat())
    } else {
        (33, [&[0, 0, 0, 8], &text[..], &crc32fast::hash(&text).to_be_bytes()].concat())
    };
    [&file[..at], &comment, &file[at..]].concat()
}
