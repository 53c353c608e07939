//! JPEG: sizes, scans, metadata.

use crate::bytes::jpeg_segment;
use crate::{Bomb, End, fixture};

pub(crate) fn bombs() -> Vec<Bomb> {
    let resized = |width: u16, height: u16| {
        let mut file = progressive();
        let frame = marker(&file, 0xC2);
        file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
        file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
        file
    };
    vec![
        Bomb { name: "jpeg of 65535x65535", file: resized(65_535, 65_535), end: End::Refused },
        Bomb { name: "jpeg without a height", file: resized(24, 0), end: End::Refused },
        Bomb { name: "jpeg of 81 megapixels, 10 scans, no data", file: resized(9000, 9000), end: End::Bounded },
        Bomb { name: "jpeg of 300 scans", file: scans(&resized(4000, 4000), 300), end: End::Refused },
        Bomb { name: "jpeg of 100 scans, 16 megapixels", file: scans(&resized(4000, 4000), 9), end: End::Refused },
        Bomb {
            name: "jpeg of 60,000 profile chunks",
            file: described(&jpeg_segment(0xE2, b"ICC_PROFILE\0\x01\xFF").repeat(60_000)),
            end: End::Bounded,
        },
        Bomb { name: "jpeg with a profile of 16 MB", file: described(&profile(255, 65_000)), end: End::Bounded },
        Bomb {
            name: "jpeg without an end, 12 MB",
            file: [&progressive()[..500], &[7; 12 << 20]].concat(),
            end: End::Bounded,
        },
        Bomb { name: "jpeg whose EXIF goes in circles", file: described(&exif(&circle())), end: End::Bounded },
        Bomb { name: "jpeg whose EXIF counts 2^32-1 values", file: described(&exif(&long_value())), end: End::Bounded },
    ]
}

fn progressive() -> Vec<u8> {
    let file = fixture("jpeg-progressive");
    assert!(file.windows(2).any(|pair| pair == [0xFF, 0xC2]), "it is progressive");
    file
}

/// Where a marker stands.
fn marker(file: &[u8], marker: u8) -> usize {
    file.windows(2).position(|pair| pair == [0xFF, marker]).expect("it is there")
}

/// `file` with its scans so many times over.
fn scans(file: &[u8], times: usize) -> Vec<u8> {
    let (first, end) = (marker(file, 0xDA), file.len() - 2);
    [&file[..first], &file[first..end].repeat(times), &file[end..]].concat()
}

/// A small picture with these segments in front.
fn described(segments: &[u8]) -> Vec<u8> {
    let file = progressive();
    [&file[..2], segments, &file[2..]].concat()
}

fn profile(chunks: u8, bytes: usize) -> Vec<u8> {
    let chunk = |number: u8| [b"ICC_PROFILE\0", &[number, chunks][..], &vec![0; bytes]].concat();
    (1..=chunks).flat_map(|number| jpeg_segment(0xE2, &chunk(number))).collect()
}

fn exif(block: &[u8]) -> Vec<u8> {
    jpeg_segment(0xE1, &[b"Exif\0\0", block].concat())
}

/// A directory whose next one is itself, and whose EXIF directory is itself as well.
pub(crate) fn circle() -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0".to_vec();
    block.extend([0x69, 0x87, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0]);
    block.extend([8, 0, 0, 0]);
    block
}

fn long_value() -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0".to_vec();
    block.extend([0x3B, 0x01, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF, 8, 0, 0, 0]);
    block.extend([0; 4]);
    block
}
