//! HEVC pictures by heifer: their headers, and their samples.

use heifer_hevc_dec::Error;
use heifer_hevc_dec::decoder::{DecodeOptions, decode_picture};
use heifer_hevc_dec::nal::{NalUnit, NalUnitType};
use heifer_hevc_dec::params::Sps;
use heifer_hevc_dec::recon::Frame;

use crate::codec::bytes::{slice, u16_be};
use crate::codec::heif::{Nclx, Tile};
use crate::codec::{DecodeError, Format, undecodable, unsupported};

/// Samples that a coded picture may have beyond those that are shown, across and down: part of a block.
const MAX_BORDER: u32 = 64;
/// What comes before each unit of a stream (H.265, annex B).
const START_CODE: &[u8] = &[0, 0, 0, 1];

/// The decoder's configuration (ISO/IEC 14496-15, s8.3.3: hvcC).
struct Configuration<'a> {
    /// Bytes of the number before each unit of a picture.
    length_bytes: usize,
    /// Parameter sets.
    units: Vec<&'a [u8]>,
}

impl<'a> Configuration<'a> {
    fn read(hvcc: &'a [u8]) -> Option<Configuration<'a>> {
        let length_bytes = usize::from(hvcc.get(21)? & 3) + 1;
        let (mut units, mut at) = (Vec::new(), 23);
        for _ in 0..*hvcc.get(22)? {
            let count = u16_be(hvcc, at + 1)?;
            at += 3;
            for _ in 0..count {
                let size = usize::from(u16_be(hvcc, at)?);
                units.push(slice(hvcc, at + 2, size)?);
                at += 2 + size;
            }
        }
        Some(Configuration { length_bytes, units })
    }
}

/// What the header of a picture says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    /// Samples of luma that are coded.
    pub coded: (u32, u32),
    pub bit_depth: u8,
    /// The code points of the stream.
    pub points: Nclx,
}

/// Reads the header of `tile`.
///
/// # Errors
/// [`DecodeError::Undecodable`] and [`DecodeError::Unsupported`].
pub(super) fn sequence(tile: &Tile<'_>) -> Result<Sequence, DecodeError> {
    let configuration =
        Configuration::read(tile.configuration).ok_or_else(|| refused("its HEVC data has no configuration"))?;
    let sps = configuration
        .units
        .iter()
        .copied()
        .find_map(|unit| NalUnit::parse(unit).ok().filter(|unit| unit.header.unit_type == NalUnitType::Sps))
        .ok_or_else(|| refused("its HEVC data has no header"))?;
    let sps = Sps::parse(&sps.rbsp).map_err(failed)?;
    let (width, height) = (sps.pic_width_in_luma_samples, sps.pic_height_in_luma_samples);
    let is_near = |coded: u32, shown: u32| (shown..=shown.saturating_add(MAX_BORDER)).contains(&coded);
    if !is_near(width, tile.width) || !is_near(height, tile.height) {
        let (shown_width, shown_height) = (tile.width, tile.height);
        return Err(refused(format!(
            "its container says {shown_width}x{shown_height}, its HEVC data {width}x{height}"
        )));
    }
    let vui = sps.vui.unwrap_or_default();
    let known = |point: u8| if point == 0 { 2 } else { point };
    let points = Nclx {
        primaries: known(vui.colour_primaries),
        transfer: known(vui.transfer_characteristics),
        // 0 is a matrix: green, blue, red. A header without code points has 0 everywhere.
        matrix: if vui.colour_primaries == 0 { 2 } else { vui.matrix_coeffs },
        full_range: vui.video_full_range_flag,
    };
    Ok(Sequence { coded: (width, height), bit_depth: sps.bit_depth_luma.max(sps.bit_depth_chroma), points })
}

/// Decodes `tile`, which is at least as large as its container says.
///
/// # Errors
/// [`DecodeError::Undecodable`] and [`DecodeError::Unsupported`].
pub(super) fn decode(tile: &Tile<'_>) -> Result<Frame, DecodeError> {
    let Sequence { coded: (width, height), .. } = sequence(tile)?;
    let stream = stream(tile).ok_or_else(|| refused("its HEVC data is cut short"))?;
    let options = DecodeOptions { max_pixels: u64::from(width) * u64::from(height), ..DecodeOptions::default() };
    let frame = decode_picture(&stream, options).map_err(failed)?;
    if frame.widths[0] < tile.width || frame.heights[0] < tile.height {
        return Err(refused("its headers contradict each other"));
    }
    Ok(frame)
}

fn refused(reason: impl Into<String>) -> DecodeError {
    undecodable(Format::Heic, reason)
}

fn failed(error: Error) -> DecodeError {
    match error {
        Error::Unimplemented(_) => unsupported("HEIC with this kind of HEVC"),
        Error::UnexpectedEof | Error::Invalid(_) | Error::HashMismatch(_) => refused("its HEVC data is damaged"),
    }
}

/// The parameter sets and the units of a picture, each after a start code.
fn stream(tile: &Tile<'_>) -> Option<Vec<u8>> {
    let configuration = Configuration::read(tile.configuration)?;
    let mut stream = Vec::with_capacity(tile.bytes.len() + 256);
    for unit in &configuration.units {
        push_unit(&mut stream, unit);
    }
    let mut at = 0;
    while at < tile.bytes.len() {
        let size = slice(&tile.bytes, at, configuration.length_bytes)?;
        let size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        at += configuration.length_bytes;
        push_unit(&mut stream, slice(&tile.bytes, at, size)?);
        at += size;
    }
    Some(stream)
}

fn push_unit(stream: &mut Vec<u8>, unit: &[u8]) {
    stream.extend(START_CODE);
    stream.extend(unit);
}
