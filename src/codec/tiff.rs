//! Decodes the first page of a TIFF with the `tiff` crate: grey, palette, RGB and CMYK of up to 16 bits, with alpha;
//! uncompressed, PackBits, LZW, Deflate and fax. JPEG inside TIFF, floating point and Lab are refused. The EXIF of a
//! TIFF is spread over the file's own directories, and only author, rights and XMP are read from it.

mod directory;

use std::borrow::Cow;
use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingResult, Limits as TiffLimits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::colour::{Channels, Converter, Sample, Space};
use super::model::FormatModel;
use super::rights::{Rights, iptc};
use super::{DecodeError, Decoded, Format, Limits, Metadata, Probe, exif, keep_metadata, undecodable};
use crate::picture::{Orientation, Picture};
use directory::{Directory, Entry};

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

const PHOTOMETRIC: u16 = 262;
const PALETTE: u16 = 3;
const BLACK_IS_ZERO: u16 = 1;
const XMP: u16 = 700;
const ICC: u16 = 34_675;
/// IPTC's data sets, and Photoshop's image resources, which may also contain them (TIFF 6.0, private tags).
const IPTC: u16 = 33_723;
const RESOURCES: u16 = 34_377;
/// Maximum number of values that an entry outside the metadata may declare. The decoder allocates 32 bytes for each,
/// whether it exists or not. A picture of 100 megapixels in tiles of 32x32 pixels has 97,000.
const MAX_VALUES: u64 = 1 << 18;
/// An entry with more values than this must have them in the file.
const MANY_VALUES: u64 = 1 << 10;

/// The first page of a TIFF with its header read.
struct Page<'a> {
    decoder: Decoder<Cursor<Cow<'a, [u8]>>>,
    width: u32,
    height: u32,
    kind: Kind,
    bits: u8,
    /// Samples of a pixel in the decoder's output.
    samples: usize,
    planar: bool,
    orientation: Orientation,
}

/// How samples become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Palette,
    /// The channels stay as they are. Colours are divided by alpha when they were multiplied by it.
    Direct {
        channels: Channels,
        premultiplied: bool,
    },
}

/// Reads the first directory of a TIFF.
///
/// # Errors
/// [`DecodeError::Undecodable`] for a damaged header or an unsupported kind, [`DecodeError::TooManyPixels`] when a
/// limit is exceeded.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    Ok(probe_page(&open(bytes, limits)?))
}

/// Decodes the first page of a TIFF.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let mut page = open(bytes, limits)?;
    let directory = read_directory(bytes)?;
    let icc = keep_metadata(directory.bytes_of(ICC), limits);
    let xmp = keep_metadata(directory.bytes_of(XMP), limits);
    let mut result = DecodingResult::U8(Vec::new());
    let layout = page.decoder.read_image_to_buffer(&mut result).map_err(failed)?;
    let plane = layout.plane_stride.map_or(layout.len, std::num::NonZeroUsize::get);
    let space = icc.as_deref().map_or(Space::Srgb, Space::Icc);
    let channels = page.channels();
    let converter = Converter::new(&space, channels);
    let pixels = match result {
        DecodingResult::U8(samples) => page.rows(&samples, plane, &converter, page.unpack_8()?),
        DecodingResult::U16(samples) => page.rows(&samples, plane / 2, &converter, copy_row),
        _ => return Err(refused(format!("its samples of {} bits are not supported", page.bits))),
    }?;
    Ok(Decoded {
        picture: Picture::new(page.width, page.height, channels.layout(), pixels),
        orientation: page.orientation,
        metadata: Metadata { exif: exif::copyright(bytes), xmp },
        rights: rights(&directory, limits),
        as_stored: converter.keeps_colours(),
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

fn refused(reason: impl Into<String>) -> DecodeError {
    undecodable(Format::Tiff, reason)
}

fn failed(error: TiffError) -> DecodeError {
    refused(error.to_string())
}

/// Opens the first page and checks it against the limits, without decoding.
fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Page<'a>, DecodeError> {
    let (bytes, is_palette) = as_indices(bytes, &read_directory(bytes)?);
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    let (width, height) = decoder.dimensions().map_err(failed)?;
    limits.check_size(Format::Tiff, width, height)?;
    if matches!(unsigned(&mut decoder, Tag::Compression), Some(6 | 7)) {
        return Err(refused("JPEG inside TIFF is not supported"));
    }
    let colour_type = decoder.colortype().map_err(failed)?;
    let bits = colour_type.bit_depth();
    let premultiplied = unsigned(&mut decoder, Tag::ExtraSamples) == Some(1);
    let kind = kind(colour_type, is_palette, premultiplied)?;
    let page = Page {
        width,
        height,
        kind,
        bits,
        samples: usize::from(colour_type.num_samples()),
        planar: unsigned(&mut decoder, Tag::PlanarConfiguration) == Some(2),
        orientation: Orientation::from_exif(unsigned(&mut decoder, Tag::Orientation).unwrap_or(1)),
        decoder,
    };
    let buffer = usize::try_from(decode_bytes(&page)).unwrap_or(usize::MAX);
    let mut tiff_limits = TiffLimits::default();
    tiff_limits.decoding_buffer_size = buffer;
    tiff_limits.intermediate_buffer_size = buffer;
    Ok(Page { decoder: page.decoder.with_limits(tiff_limits), ..page })
}

/// Reads the first directory and checks that no entry declares too many values.
fn read_directory(bytes: &[u8]) -> Result<Directory<'_>, DecodeError> {
    let directory = Directory::read(bytes).ok_or_else(|| refused("its directory is cut short"))?;
    let is_excessive = |entry: &&Entry| {
        let is_bare = entry.count > MANY_VALUES && directory.values_of(entry).is_none();
        (is_bare || entry.count > MAX_VALUES) && !matches!(entry.tag, XMP | ICC | IPTC | RESOURCES)
    };
    match directory.entries().iter().find(is_excessive) {
        Some(entry) => Err(refused(format!("its tag {} claims {} values", entry.tag, entry.count))),
        None => Ok(directory),
    }
}

fn kind(colour_type: ColorType, is_palette: bool, premultiplied: bool) -> Result<Kind, DecodeError> {
    let bits = colour_type.bit_depth();
    let channels = match colour_type {
        ColorType::Gray(1 | 2 | 4 | 8) if is_palette => return Ok(Kind::Palette),
        ColorType::Gray(1 | 2 | 4 | 8 | 16) => Channels::Grey,
        ColorType::Multiband { num_samples: 2, .. } => Channels::GreyAlpha,
        ColorType::RGB(_) => Channels::Rgb,
        ColorType::RGBA(_) => Channels::Rgba,
        ColorType::CMYK(_) | ColorType::CMYKA(_) => Channels::Cmyk,
        other => return Err(refused(format!("its colours are {other:?}, which is not supported"))),
    };
    if bits != 8 && bits != 16 && channels != Channels::Grey {
        return Err(refused(format!("its samples of {bits} bits are not supported")));
    }
    Ok(Kind::Direct { channels, premultiplied: premultiplied && channels.has_alpha() })
}

fn probe_page(page: &Page<'_>) -> Probe {
    Probe {
        format: Format::Tiff,
        width: page.width,
        height: page.height,
        animated: false,
        alpha: page.channels().has_alpha(),
        orientation: page.orientation,
        decode_bytes: decode_bytes(page),
    }
}

/// Returns the bytes that a decode needs: the decoded samples, the picture, and a tile or strip, which is at most as
/// large as the samples.
fn decode_bytes(page: &Page<'_>) -> u64 {
    let pixels = u64::from(page.width) * u64::from(page.height);
    let sample_bytes = if page.bits > 8 { 2 } else { 1 };
    pixels * (page.samples as u64 * sample_bytes * 2 + 4) + (4 << 20)
}

/// Returns the value of a tag that holds one number.
fn unsigned(decoder: &mut Decoder<Cursor<Cow<'_, [u8]>>>, tag: Tag) -> Option<u32> {
    decoder.find_tag_unsigned_vec::<u32>(tag).ok()??.first().copied()
}

/// Expands a row of samples to whole pixels, by table or as a copy.
type Unpack<S> = fn(&[S], usize, u8) -> Vec<S>;

impl Page<'_> {
    fn channels(&self) -> Channels {
        match self.kind {
            Kind::Palette => Channels::Rgb,
            Kind::Direct { channels, .. } => channels,
        }
    }

    fn unpack_8(&self) -> Result<Unpack<u8>, DecodeError> {
        match (self.kind, self.bits) {
            (_, 8) => Ok(copy_row),
            (Kind::Palette, 1 | 2 | 4) => Ok(|row, count, bits| unpack_bits(row, count, bits, 1)),
            (_, 1) => Ok(|row, count, bits| unpack_bits(row, count, bits, 255)),
            (_, 2) => Ok(|row, count, bits| unpack_bits(row, count, bits, 85)),
            (_, 4) => Ok(|row, count, bits| unpack_bits(row, count, bits, 17)),
            (_, bits) => Err(refused(format!("its samples of {bits} bits are not supported"))),
        }
    }

    /// Converts the decoded samples row by row; `plane` is the number of values in a plane.
    fn rows<S: Sample + Into<u32> + TryFrom<u32>>(
        &mut self,
        data: &[S],
        plane: usize,
        converter: &Converter,
        unpack: Unpack<S>,
    ) -> Result<Vec<u8>, DecodeError> {
        let palette = match self.kind {
            Kind::Palette => Some(self.palette()?),
            Kind::Direct { .. } => None,
        };
        let (width, height) = (self.width as usize, self.height as usize);
        let channels = self.channels();
        let planes = if self.planar { self.samples } else { 1 };
        let per_row = if self.planar { width } else { width * self.samples };
        let stride = plane / height;
        let mut pixels = vec![0; width * height * channels.layout().bytes_per_pixel()];
        for (y, target) in pixels.chunks_exact_mut(width * channels.layout().bytes_per_pixel()).enumerate() {
            let row = |index: usize| {
                let row = slice_of(data, index * plane + y * stride, stride)?;
                let samples = unpack(row, per_row, self.bits);
                (samples.len() == per_row).then_some(samples)
            };
            let planes: Option<Vec<Vec<S>>> = (0..planes).map(row).collect();
            let planes = planes.ok_or_else(|| refused("rows are missing"))?;
            match &palette {
                Some(palette) => look_up(&planes[0], palette, converter, target),
                None => self.direct_row(planes, converter, target),
            }
        }
        Ok(pixels)
    }

    fn direct_row<S: Sample + Into<u32> + TryFrom<u32>>(
        &self,
        mut planes: Vec<Vec<S>>,
        converter: &Converter,
        target: &mut [u8],
    ) {
        let channels = self.channels();
        let count = channels.count();
        let mut samples = if self.planar {
            (0..self.width as usize).flat_map(|x| planes.iter().take(count).map(move |plane| plane[x])).collect()
        } else if self.samples == count {
            planes.swap_remove(0)
        } else {
            planes[0].chunks_exact(self.samples).flat_map(|pixel| &pixel[..count]).copied().collect()
        };
        if matches!(self.kind, Kind::Direct { premultiplied: true, .. }) {
            samples.chunks_exact_mut(count).for_each(divide_alpha_out);
        }
        converter.convert(&samples, target);
    }

    /// Returns the palette as 16-bit RGB. TIFF stores all reds, then all greens, then all blues.
    fn palette(&mut self) -> Result<Vec<[u16; 3]>, DecodeError> {
        let entries = 1usize << self.bits;
        let map = self.decoder.get_tag_u16_vec(Tag::ColorMap).map_err(failed)?;
        if map.len() < entries * 3 {
            return Err(refused("its palette is cut short"));
        }
        // Some writers put 8-bit values into the 16-bit fields. libtiff's readers detect it the same way.
        let scale = if map.iter().all(|&value| value < 256) { 257 } else { 1 };
        Ok((0..entries).map(|i| [map[i], map[entries + i], map[2 * entries + i]].map(|value| value * scale)).collect())
    }
}

fn slice_of<S>(data: &[S], at: usize, length: usize) -> Option<&[S]> {
    data.get(at..at.checked_add(length)?)
}

fn copy_row<S: Copy>(row: &[S], count: usize, _bits: u8) -> Vec<S> {
    row.iter().take(count).copied().collect()
}

/// Unpacks `count` samples of 1, 2 or 4 bits, the first in the highest bits, and multiplies each by `scale`.
fn unpack_bits(row: &[u8], count: usize, bits: u8, scale: u8) -> Vec<u8> {
    let mask = (1 << bits) - 1;
    let shifts = (0..8 / bits).rev().map(|step| step * bits);
    row.iter().flat_map(|&byte| shifts.clone().map(move |shift| (byte >> shift & mask) * scale)).take(count).collect()
}

fn look_up<S: Sample + Into<u32>>(indices: &[S], palette: &[[u16; 3]], converter: &Converter, target: &mut [u8]) {
    let colour = |&index: &S| palette.get(index.into() as usize).copied().unwrap_or_default();
    let colours: Vec<u16> = indices.iter().flat_map(colour).collect();
    converter.convert(&colours, target);
}

fn divide_alpha_out<S: Sample + Into<u32> + TryFrom<u32>>(pixel: &mut [S]) {
    if let Some((&mut alpha, colours)) = pixel.split_last_mut() {
        let (alpha, largest): (u64, u64) = (u64::from(alpha.into()), u64::from(S::MAX.into()));
        for colour in colours.iter_mut().filter(|_| alpha > 0 && alpha < largest) {
            let value = (u64::from((*colour).into()) * largest + alpha / 2) / alpha;
            *colour = S::try_from(value.min(largest) as u32).unwrap_or(S::MAX);
        }
    }
}

/// Returns the file, and whether it is a palette picture. The decoder does not support palettes, so a palette picture
/// is relabelled as grey and the decoder returns the indices. BigTIFF palettes are not relabelled, and the decoder
/// refuses them.
fn as_indices<'a>(bytes: &'a [u8], directory: &Directory<'_>) -> (Cow<'a, [u8]>, bool) {
    match directory.short(PHOTOMETRIC) {
        Some((at, PALETTE)) => {
            let mut copy = bytes.to_vec();
            copy[at..at + 2].copy_from_slice(&directory.written(BLACK_IS_ZERO));
            (Cow::Owned(copy), true)
        }
        _ => (Cow::Borrowed(bytes), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rights::Right;
    use crate::picture::Layout;

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
    fn palettes_of_every_depth_are_looked_up() {
        let mut map = vec![0; 3 * 16];
        (map[5], map[16 + 5], map[32 + 5]) = (65_535, 257, 0);
        assert_eq!(pixels(&file(2, 1, 3, &[4], &[0x50], &[(320, 3, &map)])).1, [255, 1, 0, 0, 0, 0]);
        let mut map = vec![0; 3 * 256];
        map[512 + 7] = 200;
        assert_eq!(pixels(&file(1, 1, 3, &[8], &[7], &[(320, 3, &map)])).1, [0, 0, 200], "8-bit entries");
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
    fn jpeg_inside_is_refused_by_name() {
        let mut file = file(1, 1, 2, &[8; 3], &[1, 2, 3], &[]);
        let entry = file.windows(4).position(|field| field == [3, 1, 3, 0]).unwrap();
        file[entry + 8] = 7;
        assert!(decode(&file, &Limits::default()).unwrap_err().to_string().contains("JPEG inside TIFF"));
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let refused = decode(&file(65_000, 65_000, 1, &[8], &[9], &[]), &Limits::default());
        assert!(matches!(refused, Err(DecodeError::TooManyPixels { width: 65_000, .. })), "{refused:?}");
    }

    #[test]
    fn truncation_and_damage_anywhere_never_panic() {
        let map = vec![9; 3 * 16];
        for file in [file(2, 2, 3, &[4], &[1, 2], &[(320, 3, &map)]), file(2, 1, 2, &[8; 3], &[1; 6], &[])] {
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
