//! WebP: lossy, lossless, transparent, extended, animated.

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{Effort, Format, container, webp::encode};
use bytefit::picture::Picture;

use super::Seed;
use super::drawn::{self, HEIGHT, WIDTH};
use super::metadata;

pub fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for (name, picture) in drawn::pictures() {
        files.push((format!("{name}-lossy.webp"), lossy(&picture)));
        let lossless = encode::encode_lossless(&picture, Effort::Balanced).expect("encodes");
        files.push((format!("{name}-lossless.webp"), lossless.clone()));
        files.push((format!("{name}-animated.webp"), animated(&lossless)));
        files.push((format!("{name}-metadata.webp"), container::embed(lossless, Format::Webp, &metadata::full(8))));
    }
    let [_, (_, rgb), ..] = drawn::pictures();
    let plain = lossy(&rgb);
    let padded = container::pad(plain.clone(), Format::Webp, plain.len() as u64 + 33).expect("pads");
    files.push(("padded.webp".to_owned(), padded));
    let parts = [extended(0x20), chunk(b"ICCP", &metadata::display_p3()), plain[12..].to_vec()];
    files.push(("profile.webp".to_owned(), riff(&parts)));
    files
}

fn lossy(picture: &Picture) -> Vec<u8> {
    let encoder = LossyCoding::Webp.encoder(picture, Effort::Balanced).expect("fits");
    encoder.encode(3.0).expect("encodes")
}

/// Two frames at the corner of a canvas: the second is drawn over the first.
fn animated(still: &[u8]) -> Vec<u8> {
    let corner = [0, 0, 0, 0, 0, 0];
    let delay_and_blend = [100, 0, 0, 2];
    let frame = [&corner[..], &sides(), &delay_and_blend, &still[12..]].concat();
    let frames = [chunk(b"ANMF", &frame), chunk(b"ANMF", &frame)].concat();
    riff(&[extended(0x12), chunk(b"ANIM", &[255, 255, 255, 255, 0, 0]), frames])
}

/// The chunk that opens an extended file (RFC 9649 s2.7.1).
fn extended(flags: u8) -> Vec<u8> {
    chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &sides()].concat())
}

/// Width and height less one, in 24 bits each.
fn sides() -> [u8; 6] {
    [(WIDTH - 1) as u8, 0, 0, (HEIGHT - 1) as u8, 0, 0]
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[b"WEBP", &chunks.concat()[..]].concat())
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = [&name[..], &(body.len() as u32).to_le_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}
