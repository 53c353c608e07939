//! WebP: sizes in each of its three kinds, frames.

use crate::bytes::{riff_chunk, webp};
use crate::{Bomb, End};

pub(crate) fn bombs() -> Vec<Bomb> {
    vec![
        Bomb { name: "webp of 34 bytes, 16384x16384 lossless", file: lossless(16_384, 16_384), end: End::Refused },
        Bomb { name: "webp of 16383x16383, lossy", file: webp(&[lossy(16_383, 16_383)]), end: End::Refused },
        Bomb { name: "webp on a canvas of 2^24 a side", file: webp(&[canvas(0, 1 << 24, 1 << 24)]), end: End::Refused },
        Bomb {
            name: "webp of 20,000 frames",
            file: webp(&[vec![canvas(2, 16, 16), animation()], vec![frame(16, 16); 20_000]].concat()),
            end: End::Refused,
        },
        Bomb { name: "webp of 9000x9000 lossless, no data", file: lossless(9000, 9000), end: End::Bounded },
        Bomb { name: "webp of 9000x9000 lossy, no data", file: webp(&[lossy(9000, 9000)]), end: End::Bounded },
        Bomb { name: "webp of 20x20 with 12 MB of data", file: long(), end: End::Bounded },
        Bomb {
            name: "webp whose frame is larger than its canvas",
            file: webp(&[canvas(2, 16, 16), animation(), frame(9000, 9000)]),
            end: End::Bounded,
        },
        Bomb {
            name: "webp whose alpha is all there is of 9000x9000",
            file: webp(&[canvas(16, 9000, 9000), riff_chunk(b"ALPH", &[0; 9]), lossy(9000, 9000)]),
            end: End::Bounded,
        },
    ]
}

/// Both sides less one in 14 bits each behind the signature; then zeros.
fn lossless(width: u32, height: u32) -> Vec<u8> {
    let sides = (width - 1) | (height - 1) << 14;
    webp(&[riff_chunk(b"VP8L", &[&[0x2F][..], &sides.to_le_bytes(), &[0; 9]].concat())])
}

/// A key frame's header without what it announces.
fn lossy(width: u16, height: u16) -> Vec<u8> {
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    riff_chunk(b"VP8 ", &[&[0x10, 2, 0, 0x9D, 0x01, 0x2A][..], &sides, &[0; 20]].concat())
}

/// A small picture whose chunk goes on and on.
fn long() -> Vec<u8> {
    let mut chunk = lossy(20, 20);
    chunk.resize(chunk.len() + (12 << 20), 0);
    let length = chunk.len() as u32 - 8;
    chunk[4..8].copy_from_slice(&length.to_le_bytes());
    webp(&[chunk])
}

fn canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    riff_chunk(b"VP8X", &[vec![flags, 0, 0, 0], less_one(width), less_one(height)].concat())
}

fn animation() -> Vec<u8> {
    riff_chunk(b"ANIM", &[0; 6])
}

fn frame(width: u16, height: u16) -> Vec<u8> {
    let head = [vec![0; 6], less_one(width.into()), less_one(height.into()), vec![0; 4]].concat();
    riff_chunk(b"ANMF", &[head, lossy(width, height)].concat())
}

/// 24 bits of one less.
fn less_one(side: u32) -> Vec<u8> {
    (side - 1).to_le_bytes()[..3].to_vec()
}
