//! EXIF blocks, XMP packets and colour profiles, and the seeds of the target that takes them on their own.

use bytefit::codec::Metadata;
use moxcms::ColorProfile;

use super::Seed;

pub const XMP: &[u8] = b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF/></x:xmpmeta>";

/// How the target `metadata` tells EXIF, XMP and profiles apart: its first byte.
const EXIF_KINDS: [u8; 4] = [0, 1, 2, 3];
const XMP_KINDS: [u8; 4] = [4, 5, 6, 7];
const GREY_KINDS: [u8; 4] = [8, 9, 13, 14];
const RGB_KINDS: [u8; 5] = [10, 11, 15, 16, 18];
const INK_KINDS: [u8; 2] = [12, 17];

pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |name: &str, kinds: &[u8], block: &[u8]| {
        seeds.extend(kinds.iter().map(|kind| (format!("{name}-{kind}"), [&[*kind], block].concat())));
    };
    for orientation in [1, 6] {
        add(&format!("exif-little-{orientation}"), &EXIF_KINDS, &exif(true, orientation));
        add(&format!("exif-big-{orientation}"), &EXIF_KINDS, &exif(false, orientation));
    }
    add("xmp", &XMP_KINDS, XMP);
    add("grey", &GREY_KINDS, &grey_gamma());
    add("inks", &INK_KINDS, &inks());
    let profiles = [
        ("srgb", ColorProfile::new_srgb()),
        ("adobe", ColorProfile::new_adobe_rgb()),
        ("p3", ColorProfile::new_display_p3()),
        ("p3-pq", ColorProfile::new_display_p3_pq()),
        ("photo", ColorProfile::new_pro_photo_rgb()),
        ("2020-hlg", ColorProfile::new_bt2020_hlg()),
    ];
    for (name, profile) in profiles {
        add(name, &RGB_KINDS, &profile.encode().expect("encodes"));
    }
    add("rgb-table", &RGB_KINDS, &table(b"RGB ", 3));
    seeds
}

/// EXIF with this orientation, and XMP.
pub fn full(orientation: u16) -> Metadata {
    Metadata { exif: Some(exif(orientation % 2 == 0, orientation)), xmp: Some(XMP.to_vec()), ..Metadata::default() }
}

/// A block with orientation, author, rights, and a directory of positions (TIFF 6.0, EXIF 2.32).
fn exif(little: bool, orientation: u16) -> Vec<u8> {
    let two = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let four = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let entry = |tag, kind, count, value: [u8; 4]| [&two(tag)[..], &two(kind), &four(count), &value].concat();
    let rights = b"Ada, all rights reserved\0\0";
    let [high, low] = two(orientation);
    let (rights_at, positions_at) = (8 + 2 + 4 * 12 + 4, 8 + 2 + 4 * 12 + 4 + rights.len() as u32);
    let entries = [
        entry(0x0112, 3, 1, [high, low, 0, 0]),
        entry(0x013B, 2, 4, *b"Ada\0"),
        entry(0x8298, 2, 25, four(rights_at)),
        entry(0x8825, 4, 1, four(positions_at)),
    ];
    let positions = [&two(1)[..], &entry(1, 2, 2, *b"N\0\0\0"), &[0; 4]].concat();
    let head = if little { b"II*\0" } else { b"MM\0*" };
    [head, &four(8)[..], &two(4), &entries.concat(), &[0; 4], rights, &positions].concat()
}

pub fn display_p3() -> Vec<u8> {
    ColorProfile::new_display_p3().encode().expect("encodes")
}

pub fn grey_gamma() -> Vec<u8> {
    ColorProfile::new_gray_with_gamma(2.2).encode().expect("encodes")
}

/// A printer's profile: four inks to Lab.
pub fn inks() -> Vec<u8> {
    table(b"CMYK", 4)
}

/// A profile of `channels` channels with nothing but a table of 8 bits, two points a side (ICC.1 s10.10).
fn table(space: &[u8; 4], channels: u8) -> Vec<u8> {
    let curve: Vec<u8> = (0..=255).collect();
    let points = (0..1usize << channels).flat_map(|at| [200 - at as u8 * 11, 128, 120 + at as u8]).collect();
    let identity = [1u32 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 16].map(u32::to_be_bytes).concat();
    let parts: [Vec<u8>; 6] = [
        b"mft1\0\0\0\0".to_vec(),
        vec![channels, 3, 2, 0],
        identity,
        curve.repeat(channels.into()),
        points,
        curve.repeat(3),
    ];
    let table = parts.concat();
    let mut profile = vec![0; 128];
    profile[8] = 2;
    profile[12..24].copy_from_slice(&[b"prtr", &space[..], b"Lab "].concat());
    profile[36..40].copy_from_slice(b"acsp");
    profile[68..80].copy_from_slice(&[0xF6D6u32, 0x10000, 0xD32D].map(u32::to_be_bytes).concat());
    profile.extend(1u32.to_be_bytes());
    profile.extend([b"A2B0", &144u32.to_be_bytes()[..], &(table.len() as u32).to_be_bytes()].concat());
    profile.extend(table);
    let size = profile.len() as u32;
    profile[..4].copy_from_slice(&size.to_be_bytes());
    profile
}
