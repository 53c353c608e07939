//! AVIF: one picture, transparency, a grid that is turned and mirrored, metadata, a sequence.

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{Effort, Format, container};
use bytefit::picture::Picture;

use super::Seed;
use super::drawn::{self, HEIGHT, WIDTH};
use super::metadata;

pub fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for (name, picture) in drawn::pictures() {
        for (coding, kind) in [(LossyCoding::AvifHalved, "halved"), (LossyCoding::AvifFull, "full")] {
            files.push((format!("{name}-{kind}.avif"), file(coding, &picture)));
        }
    }
    let [_, (_, rgb), ..] = drawn::pictures();
    let plain = file(LossyCoding::AvifHalved, &rgb);
    let mut add = |name: &str, file: Vec<u8>| files.push((format!("{name}.avif"), file));
    add("metadata", container::embed(plain.clone(), Format::Avif, &metadata::full(1)));
    add("padded", container::pad(plain.clone(), Format::Avif, plain.len() as u64 + 11).expect("pads"));
    add("sequence", [&plain[..], &track(3)].concat());
    let stream = plain.windows(4).position(|kind| kind == b"mdat").map(|at| &plain[at + 4..]).expect("has pixels");
    add("grid", grid(stream, b"nclx\0\x01\0\x0D\0\x06\x80"));
    add("grid-pq", grid(stream, b"nclx\0\x09\0\x10\0\x09\0"));
    add("grid-profile", grid(stream, &[b"prof", &metadata::display_p3()[..]].concat()));
    files
}

fn file(coding: LossyCoding, picture: &Picture) -> Vec<u8> {
    let encoder = coding.encoder(picture, Effort::Fast).expect("fits");
    let range = encoder.ln_step_range();
    encoder.encode((range.start() + range.end()) / 2.0).expect("encodes")
}

/// A grid (item 1) of the same tile twice (items 2 and 3), all in the meta box, a column short of their width.
fn grid(stream: &[u8], colours: &[u8]) -> Vec<u8> {
    let width = (WIDTH * 2 - 1) as u8;
    let idat = [&[0, 0, 0, 1, 0, width, 0, HEIGHT as u8], stream].concat();
    let location = |id: u8, offset: u32, length: u32| {
        [&[0, id, 0, 1, 0, 0, 0, 1][..], &offset.to_be_bytes(), &length.to_be_bytes()].concat()
    };
    let size = stream.len() as u32;
    let iloc = [vec![0x44, 0, 0, 3], location(1, 0, 8), location(2, 8, size), location(3, 8, size)].concat();
    let iinf = [&[0, 3][..], &item(1, b"grid"), &item(2, b"av01"), &item(3, b"av01")].concat();
    let ipco = [
        sides(width.into(), HEIGHT),
        sides(WIDTH, HEIGHT),
        a_box(b"colr", colours),
        a_box(b"irot", &[1]),
        a_box(b"imir", &[0]),
    ];
    let ipma = [0, 0, 0, 3, 0, 1, 4, 1, 3, 4, 5, 0, 2, 1, 2, 0, 3, 1, 2];
    let meta = [
        full_box(b"pitm", 0, &[0, 1]),
        full_box(b"iinf", 0, &iinf),
        full_box(b"iloc", 1, &iloc),
        full_box(b"iref", 0, &a_box(b"dimg", &[0, 1, 0, 2, 0, 2, 0, 3])),
        a_box(b"iprp", &[a_box(b"ipco", &ipco.concat()), full_box(b"ipma", 0, &ipma)].concat()),
        a_box(b"idat", &idat),
    ];
    [a_box(b"ftyp", b"avif\0\0\0\0mif1"), full_box(b"meta", 0, &meta.concat())].concat()
}

/// The boxes of a movie down to a table of sample sizes, with `frames` samples.
fn track(frames: u8) -> Vec<u8> {
    let table = full_box(b"stsz", 0, &[0, 0, 0, 9, 0, 0, 0, frames]);
    [b"stbl", b"minf", b"mdia", b"trak", b"moov"].into_iter().fold(table, |inner, kind| a_box(kind, &inner))
}

fn item(id: u8, kind: &[u8; 4]) -> Vec<u8> {
    full_box(b"infe", 2, &[&[0, id, 0, 0], &kind[..], &[0]].concat())
}

fn sides(width: u32, height: u32) -> Vec<u8> {
    full_box(b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat())
}

fn full_box(kind: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    a_box(kind, &[&[version, 0, 0, 0], body].concat())
}

fn a_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}
