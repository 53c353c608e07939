//! Decodes the first page of a TIFF: grey, palette, RGB, CMYK and YCbCr, with alpha, of up to 16 bits a sample or
//! floating point; in strips or tiles, with the samples together or in planes; uncompressed, PackBits, LZW, Deflate,
//! fax and JPEG. The EXIF of a TIFF is spread over the file's own directories, and only author, rights, density and XMP
//! are read from it.

mod chunk;
mod directory;
mod fax;
mod page;
mod samples;
#[cfg(test)]
mod tests_of_layouts;

use super::colour::{Converter, Space};
use super::density::Density;
use super::model::FormatModel;
use super::rights::{Rights, iptc};
use super::{DecodeError, Decoded, Format, Limits, Metadata, Probe, exif, keep_metadata, undecodable, unsupported};
use crate::picture::Picture;
use directory::Directory;
use page::{Compression, Page, read_directory};

pub(super) static MODEL: FormatModel = FormatModel {
    media_type: "image/tiff",
    extension: "tif",
    keeps_alpha: true,
    is_usually_lossy: false,
    recognises: |bytes| [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(*magic)),
    probe,
    decode,
    decoder_copies: 1,
    output: None,
};

const XMP: u16 = 700;
const ICC: u16 = 34_675;
/// IPTC's data sets, and Photoshop's image resources, which may also contain them (TIFF 6.0, private tags).
const IPTC: u16 = 33_723;
const RESOURCES: u16 = 34_377;
const X_RESOLUTION: u16 = 282;
const Y_RESOLUTION: u16 = 283;
/// Inches (2) where it is missing, or centimetres (3).
const RESOLUTION_UNIT: u16 = 296;
const METADATA: [u16; 4] = [XMP, ICC, IPTC, RESOURCES];
/// Maximum number of values that an entry outside the metadata may declare. A picture of 100 megapixels in tiles of
/// 32x32 pixels has 97,000.
const MAX_VALUES: u64 = 1 << 18;
/// An entry with more values than this must have them in the file.
const MANY_VALUES: u64 = 1 << 10;

/// Reads the first directory of a TIFF.
///
/// # Errors
/// [`DecodeError::Undecodable`] for a damaged header, [`DecodeError::Unsupported`] for a kind that is not read,
/// [`DecodeError::TooManyPixels`] when a limit is exceeded.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    let page = Page::read(&read_directory(bytes)?, limits)?;
    Ok(Probe {
        format: Format::Tiff,
        width: page.width,
        height: page.height,
        animated: false,
        alpha: page.channels().has_alpha(),
        orientation: page.orientation,
        decode_bytes: decode_bytes(&page),
    })
}

/// Decodes the first page of a TIFF.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let directory = read_directory(bytes)?;
    let page = Page::read(&directory, limits)?;
    let icc = keep_metadata(directory.bytes_of(ICC), limits);
    let xmp = keep_metadata(directory.bytes_of(XMP), limits);
    let channels = page.channels();
    let converter = Converter::new(&icc.as_deref().map_or(Space::Srgb, Space::Icc), channels);
    let pixels = match page.bits {
        ..=8 => samples::pixels::<u8>(&page, bytes, &converter),
        _ => samples::pixels::<u16>(&page, bytes, &converter),
    }?;
    Ok(Decoded {
        picture: Picture::new(page.width, page.height, channels.layout(), pixels),
        orientation: page.orientation,
        metadata: Metadata { exif: exif::copyright(bytes), xmp, density: density(&directory) },
        rights: rights(&directory, limits),
        as_stored: converter.keeps_colours(),
        damaged: false,
    })
}

/// Returns the rights in IPTC. Some writers declare its bytes as numbers of four bytes.
fn rights(directory: &Directory<'_>, limits: &Limits) -> Rights {
    let value = |tag| {
        let entry = directory.entries().iter().find(|entry| entry.tag == tag)?;
        directory.values_of(entry).filter(|value| value.len() <= limits.max_metadata_bytes)
    };
    let mut rights = value(IPTC).map(iptc::rights).unwrap_or_default();
    rights.add_missing(&value(RESOURCES).map(iptc::of_resources).unwrap_or_default());
    rights
}

/// Returns the density that the first page states (TIFF 6.0 s8).
fn density(directory: &Directory<'_>) -> Option<Density> {
    let side = |tag| directory.fractions(tag)?.first().copied();
    let (across, down) = (side(X_RESOLUTION)?, side(Y_RESOLUTION)?);
    match directory.number(RESOLUTION_UNIT).unwrap_or(2) {
        2 => Density::per_inch(across, down),
        3 => Density::per_centimetre(across, down),
        _ => None,
    }
}

fn refused(reason: impl Into<String>) -> DecodeError {
    undecodable(Format::Tiff, reason)
}

/// Returns the bytes that a decode needs: the picture; the strips or tiles that are decoded at a time, twice when they
/// are rearranged; what the JPEG decoder keeps for each of their samples; and a few rows.
fn decode_bytes(page: &Page<'_>) -> u64 {
    let picture = u64::from(page.width) * u64::from(page.height) * page.channels().layout().bytes_per_pixel() as u64;
    let chunk = (page.row_bytes() as u64) * page.chunks.height as u64 * page.planes() as u64;
    let copies = match page.compression {
        Compression::Jpeg { .. } => 6,
        _ => 2,
    };
    let rows = u64::from(page.width.max(page.chunks.width as u32)) * page.samples as u64 * 16;
    picture + chunk * copies + rows + (4 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rights::Right;
    use crate::picture::{Layout, Orientation};

    const COPYRIGHT: u16 = 33_432;

    /// A little-endian TIFF of one strip, with these tags in addition to those that every file has: tag, type, values.
    fn file(
        width: u32,
        height: u32,
        photometric: u16,
        bits: &[u16],
        data: &[u8],
        more: &[(u16, u16, &[u32])],
    ) -> Vec<u8> {
        let bits: Vec<u32> = bits.iter().copied().map(u32::from).collect();
        let (samples, length) = ([bits.len() as u32], [data.len() as u32]);
        let mut tags: Vec<(u16, u16, Vec<u32>)> = vec![
            (256, 4, vec![width]),
            (257, 4, vec![height]),
            (258, 3, bits),
            (259, 3, vec![1]),
            (262, 3, vec![photometric.into()]),
            (273, 4, vec![8]),
            (277, 3, samples.to_vec()),
            (279, 4, length.to_vec()),
        ];
        tags.retain(|(tag, ..)| more.iter().all(|(other, ..)| other != tag));
        tags.extend(more.iter().map(|&(tag, kind, values)| (tag, kind, values.to_vec())));
        tags.sort();
        let mut file = b"II*\0\0\0\0\0".to_vec();
        file.extend(data);
        let mut entries = (tags.len() as u16).to_le_bytes().to_vec();
        for (tag, kind, values) in tags {
            let value: Vec<u8> = match kind {
                2 | 7 => values.iter().map(|&value| value as u8).collect(),
                3 => values.iter().flat_map(|&value| (value as u16).to_le_bytes()).collect(),
                _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            };
            entries.extend(tag.to_le_bytes());
            entries.extend(kind.to_le_bytes());
            entries.extend((values.len() as u32).to_le_bytes());
            let mut field = if value.len() <= 4 {
                value
            } else {
                let at = file.len() as u32;
                file.extend(value);
                at.to_le_bytes().to_vec()
            };
            field.resize(4, 0);
            entries.extend(field);
        }
        let directory = file.len() as u32;
        file[4..8].copy_from_slice(&directory.to_le_bytes());
        file.extend(entries);
        file.extend([0; 4]);
        file
    }

    fn pixels(file: &[u8]) -> (Layout, Vec<u8>) {
        let picture = decode(file, &Limits::default()).unwrap().picture;
        (picture.layout(), picture.into_pixels())
    }

    #[test]
    fn every_kind_of_sample_becomes_rgb() {
        assert_eq!(pixels(&file(3, 1, 1, &[1], &[0b1010_0000], &[])).1, [255, 255, 255, 0, 0, 0, 255, 255, 255]);
        assert_eq!(pixels(&file(3, 1, 0, &[1], &[0b1010_0000], &[])).1, [0, 0, 0, 255, 255, 255, 0, 0, 0]);
        assert_eq!(pixels(&file(1, 1, 1, &[4], &[0x30], &[])).1, [51; 3]);
        assert_eq!(pixels(&file(1, 1, 1, &[16], &[0xFF, 0xFE], &[])).1, [254; 3]);
        assert_eq!(pixels(&file(1, 1, 2, &[8; 3], &[1, 2, 3], &[])), (Layout::Rgb, vec![1, 2, 3]));
        assert_eq!(pixels(&file(1, 1, 5, &[8; 4], &[255, 0, 0, 0], &[])).1, [0, 255, 255]);
    }

    #[test]
    fn the_thumbnail_of_a_camera_raw_is_not_the_picture() {
        let reduced: (u16, u16, &[u32]) = (254, 4, &[1]);
        for tag in [330, 50_706] {
            let raw = file(1, 1, 2, &[8; 3], &[1, 2, 3], &[reduced, (tag, 4, &[8])]);
            assert_eq!(decode(&raw, &Limits::default()).unwrap_err(), unsupported("camera raw"));
        }
        assert_eq!(pixels(&file(1, 1, 2, &[8; 3], &[1, 2, 3], &[reduced])).1, [1, 2, 3], "nothing else is there");
    }

    #[test]
    fn strips_that_are_the_whole_file_again_and_again_are_refused() {
        let strips = 20_000;
        let data = vec![7; strips as usize];
        let of_rows = |offsets: &[u32], lengths: &[u32]| {
            file(1, strips, 1, &[8], &data, &[(273, 4, offsets), (278, 4, &[1]), (279, 4, lengths)])
        };
        let (same, one_each) = (vec![8; strips as usize], vec![1; strips as usize]);
        let in_turn: Vec<u32> = (8..8 + strips).collect();
        for lengths in [&[][..], &one_each] {
            assert!(decode(&of_rows(&in_turn, lengths), &Limits::default()).is_ok(), "{} lengths", lengths.len());
        }
        assert!(decode(&of_rows(&same, &one_each), &Limits::default()).is_ok(), "strips may share their bytes");
        for lengths in [vec![], vec![0; strips as usize], vec![u32::MAX; strips as usize]] {
            assert!(decode(&of_rows(&same, &lengths), &Limits::default()).is_err(), "{} lengths", lengths.len());
        }
    }

    #[test]
    fn palettes_of_every_depth_are_looked_up() {
        let mut map = vec![0; 3 * 16];
        (map[5], map[16 + 5], map[32 + 5]) = (65_535, 257, 0);
        assert_eq!(pixels(&file(2, 1, 3, &[4], &[0x50], &[(320, 3, &map)])).1, [255, 1, 0, 0, 0, 0]);
        let mut map = vec![0; 3 * 256];
        map[512 + 7] = 200;
        assert_eq!(pixels(&file(1, 1, 3, &[8], &[7], &[(320, 3, &map)])).1, [0, 0, 200], "8-bit entries");
        map[512 + 7] = 255 << 8;
        assert_eq!(pixels(&file(1, 1, 3, &[8], &[7], &[(320, 3, &map)])).1, [0, 0, 255], "the upper half alone");
    }

    #[test]
    fn planes_are_joined() {
        assert_eq!(pixels(&file(1, 1, 2, &[8; 3], &[1, 2, 3], &[(284, 3, &[1])])).1, [1, 2, 3]);
        let mut planar = file(2, 1, 2, &[8; 3], &[1, 2, 3, 4, 5, 6], &[(284, 3, &[2]), (278, 4, &[1])]);
        // Three strips of two bytes: the one-strip tags point at lists after the file.
        let lists = planar.len() as u32;
        for value in [8u32, 10, 12, 2, 2, 2] {
            planar.extend(value.to_le_bytes());
        }
        for (tag, at) in [(273u16, lists), (279, lists + 12)] {
            let entry = planar.windows(4).rposition(|field| field == [tag.to_le_bytes(), [4, 0]].concat()).unwrap();
            planar[entry + 4..entry + 8].copy_from_slice(&3u32.to_le_bytes());
            planar[entry + 8..entry + 12].copy_from_slice(&at.to_le_bytes());
        }
        assert_eq!(pixels(&planar).1, [1, 3, 5, 2, 4, 6]);
    }

    #[test]
    fn alpha_that_was_multiplied_in_is_divided_out() {
        let direct = file(1, 1, 2, &[8; 4], &[50, 25, 100, 100], &[(338, 3, &[2])]);
        assert_eq!(pixels(&direct), (Layout::Rgba, vec![50, 25, 100, 100]));
        let associated = file(1, 1, 2, &[8; 4], &[50, 25, 100, 100], &[(338, 3, &[1])]);
        assert_eq!(pixels(&associated).1, [128, 64, 255, 100]);
    }

    #[test]
    fn floating_point_is_read_from_0_to_1() {
        let float = |values: [f32; 2]| {
            let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            file(2, 1, 1, &[32], &data, &[(339, 3, &[3])])
        };
        assert_eq!(pixels(&float([0.5, 1.0])).1, [128, 128, 128, 255, 255, 255]);
        assert_eq!(pixels(&float([-0.05, 1.05])).1, [0, 0, 0, 255, 255, 255], "overshoot");
        for value in [2.0, -1.0, f32::NAN, f32::INFINITY] {
            let refused = decode(&float([0.0, value]), &Limits::default());
            assert!(matches!(refused, Err(DecodeError::Unsupported { .. })), "{value}: {refused:?}");
        }
        // 1.0 and 0.5 in 16 bits.
        let half = file(2, 1, 1, &[16], &[0, 0x3C, 0, 0x38], &[(339, 3, &[3])]);
        assert_eq!(pixels(&half).1, [255, 255, 255, 128, 128, 128]);
    }

    #[test]
    fn luma_and_colour_differences_become_rgb() {
        let plain = file(1, 1, 6, &[8; 3], &[76, 85, 255], &[(530, 3, &[1, 1])]);
        assert_eq!(pixels(&plain).1, [254, 0, 0]);
        // Two by two pixels share their differences; the last column and row of units are cut off.
        let data = [10, 20, 30, 40, 128, 128, 50, 0, 70, 0, 128, 128, 90, 100, 0, 0, 128, 128, 110, 0, 0, 0, 128, 128];
        let shared = file(3, 3, 6, &[8; 3], &data, &[(530, 3, &[2, 2])]);
        let greys: Vec<u8> = pixels(&shared).1.chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(greys, [10, 20, 50, 30, 40, 70, 90, 100, 110]);
    }

    #[test]
    fn a_second_sample_of_a_palette_is_opacity_or_nothing() {
        let mut map = vec![0; 3 * 256];
        (map[7], map[256 + 7], map[512 + 7]) = (65_535, 257, 0);
        let colours: (u16, u16, &[u32]) = (320, 3, &map);
        let extra = |kind| file(1, 1, 3, &[8; 2], &[7, 51], &[colours, (338, 3, kind)]);
        assert_eq!(pixels(&extra(&[2])), (Layout::Rgba, vec![255, 1, 0, 51]));
        assert_eq!(pixels(&extra(&[0])), (Layout::Rgb, vec![255, 1, 0]));
    }

    #[test]
    fn the_first_pixel_of_a_byte_may_be_in_its_lowest_bits() {
        let bits = file(8, 1, 1, &[1], &[0b0000_0011], &[(266, 3, &[2])]);
        assert_eq!(pixels(&bits).1[..9], [255, 255, 255, 255, 255, 255, 0, 0, 0]);
        let rgb = file(1, 1, 2, &[8; 3], &[0x80, 0x40, 0x20], &[(266, 3, &[2])]);
        assert_eq!(pixels(&rgb).1, [1, 2, 4]);
    }

    #[test]
    fn samples_of_odd_depths_are_scaled() {
        let twelve = file(2, 1, 1, &[12], &[0xFF, 0xF8, 0x00], &[]);
        assert_eq!(pixels(&twelve).1, [255, 255, 255, 128, 128, 128]);
        let thirty_two = file(1, 1, 1, &[32], &[0, 0, 0, 0x80], &[]);
        assert_eq!(pixels(&thirty_two).1, [128; 3]);
    }

    #[test]
    fn a_strip_that_is_cut_short_is_refused() {
        for tags in [&[][..], &[(259, 3, &[5][..])], &[(259, 3, &[8])], &[(259, 3, &[32_773])]] {
            let refused = decode(&file(4, 4, 1, &[8], &[1, 2, 3], tags), &Limits::default());
            assert!(matches!(refused, Err(DecodeError::Undecodable { .. })), "{tags:?}: {refused:?}");
        }
    }

    #[test]
    fn the_orientation_is_found() {
        let file = file(1, 1, 1, &[8], &[9], &[(274, 3, &[6])]);
        assert_eq!(probe(&file, &Limits::default()).unwrap().orientation, Orientation::Rotate90);
    }

    #[test]
    fn author_and_rights_are_found_in_tags_and_iptc() {
        let iptc: Vec<u32> = super::super::rights::iptc::tests::data_sets().iter().map(|byte| (*byte).into()).collect();
        let notice: Vec<u32> = b"all rights reserved\0".iter().map(|byte| (*byte).into()).collect();
        let tags: [(u16, u16, &[u32]); 2] = [(COPYRIGHT, 2, &notice), (IPTC, 7, &iptc)];
        let decoded = decode(&file(1, 1, 1, &[8], &[9], &tags), &Limits::default()).unwrap();
        let exif = exif::rights(&decoded.metadata.exif.unwrap());
        assert_eq!(exif.values(Right::Notice), ["all rights reserved"]);
        assert_eq!(decoded.rights.values(Right::Creator), ["Ada", "Grace"]);
    }

    #[test]
    fn kinds_that_are_not_read_are_named() {
        let grey = |tags| file(1, 1, 1, &[8], &[9], tags);
        for (file, name) in [
            (grey(&[(259, 3, &[6])]), "old-style JPEG compression"),
            (grey(&[(259, 3, &[50_000])]), "Zstandard compression"),
            (grey(&[(259, 3, &[12_345])]), "compression 12345"),
            (grey(&[(339, 3, &[2])]), "signed samples"),
            (file(1, 1, 8, &[8; 3], &[1, 2, 3], &[]), "Lab colours"),
            (file(1, 1, 1, &[64], &[0; 8], &[(339, 3, &[3])]), "64 bits a sample"),
            (file(1, 1, 2, &[8, 8, 16], &[0; 8], &[]), "samples of different depths"),
        ] {
            for refused in [decode(&file, &Limits::default()).map(|_| ()), probe(&file, &Limits::default()).map(|_| ())]
            {
                assert!(
                    matches!(&refused, Err(DecodeError::Unsupported { found: Some(found) }) if found.contains(name)),
                    "{name}: {refused:?}"
                );
            }
        }
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let refused = decode(&file(65_000, 65_000, 1, &[8], &[9], &[]), &Limits::default());
        assert!(matches!(refused, Err(DecodeError::TooManyPixels { width: 65_000, .. })), "{refused:?}");
    }

    #[test]
    fn truncation_and_damage_anywhere_never_panic() {
        let map = vec![9; 3 * 16];
        let shared = file(3, 3, 6, &[8; 3], &[9; 24], &[(530, 3, &[2, 2])]);
        let fax = file(8, 2, 0, &[1], &[0x78, 0x1E, 0], &[(259, 3, &[3])]);
        let palette = file(2, 2, 3, &[4], &[1, 2], &[(320, 3, &map)]);
        for file in [palette, file(2, 1, 2, &[8; 3], &[1; 6], &[]), shared, fax] {
            for at in 0..file.len() {
                let _ = decode(&file[..at], &Limits::default());
                for value in [0, 1, 0x7F, 0xFF] {
                    let mut damaged = file.clone();
                    damaged[at] = value;
                    let _ = decode(&damaged, &Limits { max_pixels: 1_000_000, ..Limits::default() });
                }
            }
        }
    }
}
