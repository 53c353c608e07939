//! Any bytes as EXIF, XMP or colour profile: in a tiny file of each format, and on their own.
#![no_main]

use std::sync::LazyLock;

use bytefit::codec::colour::{Channels, Converter, Space};
use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::rights::{Rights, iptc};
use bytefit::codec::{Decoded, Effort, Format, Metadata, MetadataPolicy, container, decode, exif, xmp};
use bytefit::picture::{Layout, Orientation, Picture};
use bytefit_fuzz::{LIMITS, check_decoded};
use libfuzzer_sys::fuzz_target;

/// A file of each format that can be written, without metadata.
static PLAIN_FILES: LazyLock<Vec<(Format, Vec<u8>)>> =
    LazyLock::new(|| Format::OUTPUT.map(|f| (f, plain_file(f))).to_vec());

const CHANNELS: [Channels; 5] = [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba, Channels::Cmyk];
const POLICIES: [MetadataPolicy; 3] = [MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep];

fuzz_target!(|bytes: &[u8]| {
    // No file holds a block of nothing.
    let Some((&kind, block)) = bytes.split_first().filter(|(_, block)| !block.is_empty()) else { return };
    match kind {
        0..=3 => read_exif(block, &PLAIN_FILES[usize::from(kind)]),
        4..=7 => read_xmp(block, &PLAIN_FILES[usize::from(kind - 4)]),
        8..=17 => convert(block, CHANNELS[usize::from(kind - 8) % 5], kind >= 13),
        18 => read_exif(block, &PLAIN_FILES[4]),
        19 => read_xmp(block, &PLAIN_FILES[4]),
        _ => profile_of_jpeg(block),
    }
});

fn plain_file(format: Format) -> Vec<u8> {
    let pixels = (0..8 * 8 * 3).map(|at| (at * 37 % 251) as u8).collect();
    let picture = Picture::new(8, 8, Layout::Rgb, pixels);
    let encoder = LossyCoding::of(format)[0].encoder(&picture, Effort::Fast).expect("8x8 fits everywhere");
    encoder.encode(*encoder.ln_step_range().end()).expect("8x8 is encoded")
}

fn read_exif(block: &[u8], plain: &(Format, Vec<u8>)) {
    assert_eq!(exif::upright(block).len(), block.len());
    for rights_of in [None, Some(block)] {
        let owned = exif::owned(rights_of, &Rights::default(), exif::orientation(block));
        let orientation = owned.as_deref().map_or(Orientation::Upright, exif::orientation);
        assert_eq!(orientation, exif::orientation(block));
    }
    if let Some(owned) = exif::copyright(block) {
        assert_eq!(exif::copyright(&owned).as_ref(), Some(&owned));
        assert_eq!(exif::orientation(&owned), Orientation::Upright);
    }
    embed(Metadata { exif: Some(block.to_vec()), xmp: None, ..Metadata::default() }, plain);
}

fn read_xmp(packet: &[u8], plain: &(Format, Vec<u8>)) {
    let rights = xmp::rights(packet);
    assert!(rights.is_empty() || xmp::rights(&xmp::packet(&rights)) == rights);
    assert!(xmp::with_orientation(packet, Orientation::Upright).len() <= packet.len());
    iptc::of_resources(packet);
    iptc::rights(packet);
    embed(Metadata { exif: None, xmp: Some(packet.to_vec()), ..Metadata::default() }, plain);
}

/// Puts `metadata` into a file and takes it out again; the pixels stay what they were.
fn embed(metadata: Metadata, (format, plain): &(Format, Vec<u8>)) {
    let before = decoded(plain);
    let file = container::embed(plain.clone(), *format, &metadata);
    assert!(decoded(&file).picture == before.picture);
    for policy in POLICIES {
        let Some(stripped) = container::strip(&file, *format, policy) else {
            // An AVIF is edited in place, where rights may have no room.
            assert!(*format == Format::Avif && policy == MetadataPolicy::Copyright, "our own file is understood");
            continue;
        };
        let stripped = decoded(&stripped);
        assert!(stripped.picture == before.picture);
        let block = stripped.metadata.exif.unwrap_or_default();
        assert!(policy != MetadataPolicy::Strip || exif::copyright(&block).is_none());
    }
}

fn decoded(file: &[u8]) -> Decoded {
    let decoded = decode(file, &LIMITS).expect("our own file decodes");
    check_decoded(&decoded, &LIMITS);
    decoded
}

/// Takes a ramp of pixels through the profile `block`, in 16 bits when `is_wide`.
fn convert(block: &[u8], channels: Channels, is_wide: bool) {
    let converter = Converter::new(&Space::Icc(block), channels);
    let samples: Vec<u8> = (0..64 * channels.count()).map(|at| (at * 41 % 256) as u8).collect();
    let mut target = vec![0; 64 * channels.layout().bytes_per_pixel()];
    if is_wide {
        let samples: Vec<u16> = samples.iter().map(|sample| u16::from(*sample) * 257).collect();
        converter.convert(&samples, &mut target);
    } else {
        converter.convert(&samples, &mut target);
    }
}

/// Decodes a JPEG with the profile `block` in APP2 segments (ICC.1 annex B.4).
fn profile_of_jpeg(block: &[u8]) {
    let (_, plain) = &PLAIN_FILES[0];
    let mut file = plain[..2].to_vec();
    let chunks = block.chunks(40_000);
    let count = chunks.len() as u8;
    for (index, chunk) in chunks.enumerate() {
        file.extend([0xFF, 0xE2]);
        file.extend((chunk.len() as u16 + 16).to_be_bytes());
        file.extend(b"ICC_PROFILE\0");
        file.extend([index as u8 + 1, count]);
        file.extend(chunk);
    }
    file.extend(&plain[2..]);
    decoded(&file);
}
