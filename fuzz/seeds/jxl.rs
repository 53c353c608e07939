//! JPEG XL: both codings, metadata, padding, a bare codestream, and one in parts.

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{Effort, Format, container};
use bytefit::picture::Picture;

use super::Seed;
use super::drawn;
use super::metadata;

pub fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for (name, picture) in drawn::pictures().into_iter().filter(|(_, picture)| !picture.has_alpha()) {
        for (coding, kind) in [(LossyCoding::JxlHalved, "halved"), (LossyCoding::JxlFull, "full")] {
            files.push((format!("{name}-{kind}.jxl"), file(coding, &picture)));
        }
    }
    let plain = files[0].1.clone();
    let mut add = |name: &str, file: Vec<u8>| files.push((format!("{name}.jxl"), file));
    add("metadata", container::embed(plain.clone(), Format::Jxl, &metadata::full(1)));
    add("padded", container::pad(plain.clone(), Format::Jxl, plain.len() as u64 + 11).expect("pads"));
    let at = plain.windows(4).position(|kind| kind == b"jxlc").expect("has a codestream");
    let codestream = &plain[at + 4..];
    add("bare", codestream.to_vec());
    let (start, end) = codestream.split_at(codestream.len() / 2);
    add("parts", [&plain[..32], &part(0, start), &part(1 << 31 | 1, end)].concat());
    files
}

fn part(number: u32, bytes: &[u8]) -> Vec<u8> {
    let size = 12 + bytes.len() as u32;
    [&size.to_be_bytes()[..], b"jxlp", &number.to_be_bytes(), bytes].concat()
}

fn file(coding: LossyCoding, picture: &Picture) -> Vec<u8> {
    let encoder = coding.encoder(picture, Effort::Fast).expect("fits");
    let range = encoder.ln_step_range();
    encoder.encode((range.start() + range.end()) / 2.0).expect("encodes")
}
