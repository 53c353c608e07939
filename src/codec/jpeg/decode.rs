//! Decodes JPEG with zune-jpeg: baseline and progressive, Huffman-coded and arithmetic, grey, YCbCr, RGB, CMYK and
//! YCCK.
//!
//! Truncated files are common, and browsers show the part that exists. The rule here: a file without its end marker is
//! accepted when at least half of its rows are there (baseline), or its first scan, which covers the whole picture
//! coarsely (progressive). The rest is grey. A file with less is refused.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::header::Header;
use super::meaning::{Lead, Meaning};
use super::other_decoder;
use super::segments::{EOI, JPEG_LS, SOF0, SOF1, SOF2};
use crate::codec::colour::{Channels, Converter, Space};
use crate::codec::{
    DecodeError, Decoded, Format, Limits, Metadata, Probe, exif_orientation, keep_metadata, undecodable, unsupported,
};
use crate::picture::Picture;

/// Maximum number of scans in a file. Encoders write up to 15; crafted files repeat cheap ones.
const MAX_SCANS: usize = 100;
/// How often the scans may code all blocks. Progressive scripts in use stay below 15 times.
const MAX_VISITS_PER_BLOCK: u64 = 20;
/// Block visits that are always allowed. Small pictures with many scans cost almost nothing.
const FREE_VISITS: u64 = 1_000_000;
/// A picture with at most this many blocks is always shown, because the decoder's read-ahead hides how many rows exist.
const SMALL_BLOCKS: u64 = 64;
/// Rows of the largest unit (4 blocks, T.81 s A.1.1). The decoder's read-ahead can hide this many.
const LAST_ROWS: usize = 32;
const END_MARKER: &[u8] = &[0xFF, EOI];
/// The sample value for the missing part of a truncated file.
const MISSING: u8 = 128;

/// Reads the markers of a JPEG.
///
/// # Errors
/// [`DecodeError::Undecodable`] when there is no frame or scan, or more scans than a real file has;
/// [`DecodeError::TooManyPixels`].
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    Ok(probe_header(&read_header(bytes, limits)?, limits))
}

/// Decodes a JPEG.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for what the decoder does not support.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let header = read_header(bytes, limits)?;
    let probe = probe_header(&header, limits);
    let icc = header.icc(limits.max_metadata_bytes);
    let space = icc.as_deref().map_or(Space::Srgb, Space::Icc);
    let lead = Lead::read(bytes);
    let components = header.component_ids();
    let meaning = lead.meaning(&components).ok_or_else(|| unknown_components(&components))?;
    let (samples, channels) = decode_samples(&bytes[..header.end], &header, meaning, &lead)?;
    let converter = Converter::new(&space, channels);
    let pixels = to_srgb(samples, channels, &converter);
    Ok(Decoded {
        picture: Picture::new(probe.width, probe.height, channels.layout(), pixels),
        orientation: probe.orientation,
        metadata: Metadata {
            exif: keep_metadata(header.exif, limits),
            xmp: keep_metadata(header.xmp, limits),
            density: header.density,
        },
        rights: header.rights(limits.max_metadata_bytes),
        as_stored: header.complete
            && !header.has_broken_icc()
            && lead.is_regular(&components)
            && converter.keeps_colours(),
        damaged: !header.complete,
    })
}

fn refused(reason: impl Into<String>) -> DecodeError {
    undecodable(Format::Jpeg, reason)
}

fn read_header<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Header<'a>, DecodeError> {
    let header = Header::read(bytes).ok_or_else(|| refused("it ends before the picture begins"))?;
    check_kind(&header)?;
    if header.components.is_empty() || header.scans == 0 {
        return Err(refused("it holds no picture"));
    }
    limits.check_size(Format::Jpeg, header.width, header.height)?;
    check_scans(&header)?;
    Ok(header)
}

/// Refuses scans that decoders read in different ways, and those that cost more than a real file's.
pub(super) fn check_scans(header: &Header<'_>) -> Result<(), DecodeError> {
    let max_visits = FREE_VISITS + MAX_VISITS_PER_BLOCK * header.blocks();
    if header.scans > MAX_SCANS || header.block_visits > max_visits {
        return Err(refused(format!("its {} scans cost more than a picture is worth", header.scans)));
    }
    header.fault().map_or(Ok(()), |fault| Err(refused(fault)))
}

/// Refuses the kinds of frames that are not decoded (T.81, table B.1).
pub(super) fn check_kind(header: &Header<'_>) -> Result<(), DecodeError> {
    match header.frame {
        JPEG_LS => Err(unsupported("JPEG-LS")),
        0xC3 | 0xCB => Err(unsupported("lossless JPEG")),
        0xC5..=0xC7 | 0xCD..=0xCF => Err(unsupported("hierarchical JPEG")),
        0xC0..=0xCF if header.precision == 12 => Err(unsupported("JPEG of 12 bits a sample")),
        _ => Ok(()),
    }
}

fn unknown_components(components: &[u8]) -> DecodeError {
    unsupported(format!("JPEG with {} components", components.len()))
}

fn probe_header(header: &Header<'_>, limits: &Limits) -> Probe {
    Probe {
        format: Format::Jpeg,
        width: header.width,
        height: header.height,
        animated: false,
        alpha: false,
        orientation: exif_orientation(header.exif, limits),
        decode_bytes: decode_bytes(header),
    }
}

/// Returns the bytes that a decode needs: the decoded samples; the RGB picture when the samples are not RGB already;
/// the 16-bit coefficients of the whole picture when it has more than one scan (twice when truncated, because a scan is
/// kept until the next is complete); two rows of units; the decoder's copy of the colour profile; and tables.
fn decode_bytes(header: &Header<'_>) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let per_pixel = match header.components.len() {
        1 => 1 + 3,
        4 => 4 + 3,
        _ => 3,
    };
    let buffered = header.progressive || header.scans > 1;
    let coefficients = if buffered { header.blocks() * 64 * 2 } else { 0 };
    let copies = if header.complete { 1 } else { 2 };
    let rows = u64::from(header.width) * 4 * 32 * 4;
    // The other decoder holds planes, and their coefficients.
    let planes = if header.needs_other_decoder() { header.blocks() * 64 * 3 } else { 0 };
    pixels * per_pixel + coefficients * copies + rows + planes + header.icc_bytes() as u64 + (4 << 20)
}

/// Returns the samples of the picture, whose file ends where `bytes` end, and their channels.
pub(super) fn decode_samples(
    bytes: &[u8],
    header: &Header<'_>,
    meaning: Meaning,
    lead: &Lead<'_>,
) -> Result<(Vec<u8>, Channels), DecodeError> {
    let needs_tables = matches!(header.frame, SOF0..=SOF2);
    let mut plain = lead.for_decoder(bytes, meaning, needs_tables);
    if header.needs_other_decoder() {
        return decode_otherwise(&plain, header, meaning);
    }
    if header.complete {
        return decode_whole(&plain, header, meaning);
    }
    if header.blocks() <= SMALL_BLOCKS {
        plain.extend(END_MARKER);
        return decode_whole(&plain, header, meaning);
    }
    decode_truncated(plain, header, meaning)
}

fn decode_otherwise(bytes: &[u8], header: &Header<'_>, meaning: Meaning) -> Result<(Vec<u8>, Channels), DecodeError> {
    let has_inks = matches!(meaning, Meaning::Cmyk | Meaning::Ycck);
    // The other decoder has no arithmetic coding, and of a progressive file it too applies the last tables.
    let is_read = matches!(header.frame, SOF0 | SOF1) || (header.frame == SOF2 && !header.changes_tables);
    if has_inks || !is_read || !header.complete {
        return Err(unsupported(
            "JPEG with three samples across to one, tables that change, or restart markers in several scans, in this kind of file",
        ));
    }
    let samples = other_decoder::decode(bytes, header, meaning).ok_or_else(|| refused("its coded data is damaged"))?;
    Ok((samples, if meaning == Meaning::Grey { Channels::Grey } else { Channels::Rgb }))
}

fn decode_whole(bytes: &[u8], header: &Header<'_>, meaning: Meaning) -> Result<(Vec<u8>, Channels), DecodeError> {
    let (mut decoder, channels) = open(bytes, header, meaning)?;
    let mut samples = buffer(header, channels);
    decoder.decode_into(&mut samples).map_err(failed)?;
    Ok((samples, channels))
}

/// Decodes the part of a truncated file that exists, by the module's rule. Incremental mode stops where the decoder's
/// read-ahead reaches the end. When that is in the last rows, an end marker after the bytes makes the decoder return
/// these rows. Further up this does not work, because the decoder fills the missing part with noise.
fn decode_truncated(
    mut bytes: Vec<u8>,
    header: &Header<'_>,
    meaning: Meaning,
) -> Result<(Vec<u8>, Channels), DecodeError> {
    let (mut decoder, channels) = open(&bytes, header, meaning)?;
    decoder.set_incremental_mode(true);
    let mut samples = buffer(header, channels);
    let result = decoder.decode_into(&mut samples);
    let (height, rows) = (header.height as usize, decoder.decoded_scanlines().unwrap_or(0));
    match result {
        Ok(()) => return Ok((samples, channels)),
        // What follows a picture without its end marker need not be JPEG.
        Err(_) if rows == height && !header.progressive => return Ok((samples, channels)),
        Err(error) if !error.is_recoverable_eof() => return Err(failed(error)),
        Err(_) => {}
    }
    if header.progressive {
        return match decoder.decoded_scans() {
            Some(1..) => Ok((samples, channels)),
            _ => Err(mostly_missing()),
        };
    }
    if rows < height.div_ceil(2) {
        return Err(mostly_missing());
    }
    if rows + LAST_ROWS < height {
        return Ok((samples, channels));
    }
    drop((decoder, samples));
    bytes.extend(END_MARKER);
    decode_whole(&bytes, header, meaning)
}

fn mostly_missing() -> DecodeError {
    refused("it is truncated and most of the picture is missing")
}

fn buffer(header: &Header<'_>, channels: Channels) -> Vec<u8> {
    vec![MISSING; header.width as usize * header.height as usize * channels.count()]
}

type Opened<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// Opens a decoder and checks that its headers agree with ours.
fn open<'a>(bytes: &'a [u8], header: &Header<'_>, meaning: Meaning) -> Result<(Opened<'a>, Channels), DecodeError> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize)
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let (expected, channels, output) = match meaning {
        Meaning::Grey => (ColorSpace::Luma, Channels::Grey, ColorSpace::Luma),
        Meaning::YCbCr => (ColorSpace::YCbCr, Channels::Rgb, ColorSpace::RGB),
        Meaning::Rgb => (ColorSpace::RGB, Channels::Rgb, ColorSpace::RGB),
        Meaning::Cmyk => (ColorSpace::CMYK, Channels::Cmyk, ColorSpace::CMYK),
        Meaning::Ycck => (ColorSpace::YCCK, Channels::Cmyk, ColorSpace::CMYK),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let length = header.width as usize * header.height as usize * channels.count();
    if decoder.input_colorspace() != Some(expected)
        || decoder.dimensions() != Some((header.width as usize, header.height as usize))
        || decoder.output_buffer_size() != Some(length)
    {
        return Err(refused("its headers contradict each other"));
    }
    Ok((decoder, channels))
}

/// Says in our words what the decoder found.
fn failed(error: DecodeErrors) -> DecodeError {
    refused(match error {
        DecodeErrors::HuffmanDecode(_) => "its Huffman tables are missing or damaged",
        DecodeErrors::DqtError(_) => "its quantisation tables are missing or damaged",
        DecodeErrors::SofError(_) => "its frame header is damaged",
        DecodeErrors::SosError(_) => "a scan header is damaged",
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => "it is cut short",
        _ => "its coded data is damaged",
    })
}

/// Inks are stored inverted, as Adobe does. All readers take them so, with Adobe's marker and without.
fn to_srgb(mut samples: Vec<u8>, channels: Channels, converter: &Converter) -> Vec<u8> {
    if channels == Channels::Rgb {
        converter.convert_in_place(&mut samples);
        return samples;
    }
    if channels == Channels::Cmyk {
        samples.iter_mut().for_each(|ink| *ink = u8::MAX - *ink);
    }
    let mut pixels = vec![0; samples.len() / channels.count() * 3];
    converter.convert(&samples, &mut pixels);
    pixels
}

#[cfg(test)]
mod tests {
    use jpeg_encoder::{ColorType, Encoder};

    use super::super::segments::SOS;
    use super::*;

    /// A grey JPEG in which every block is `difference` brighter than the one before. Each table has one Huffman code,
    /// so the bytes can be written by hand.
    fn grey(width: u16, height: u16, blocks: usize) -> Vec<u8> {
        let mut file = b"\xFF\xD8\xFF\xDB\0\x43\0".to_vec();
        file.extend([8; 64]);
        file.extend(b"\xFF\xC0\0\x0B\x08");
        file.extend(height.to_be_bytes());
        file.extend(width.to_be_bytes());
        file.extend(b"\x01\x01\x11\0");
        // DC: the code 0 announces 4 bits. AC: the code 0 ends the block.
        file.extend(b"\xFF\xC4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04");
        file.extend(b"\xFF\xC4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        file.extend(b"\xFF\xDA\0\x08\x01\x01\0\0\x3F\0");
        // A block is 0 1000 0: six bits. Four blocks are three bytes.
        for _ in 0..blocks / 4 {
            file.extend([0b0100_0001, 0b0000_0100, 0b0001_0000]);
        }
        file
    }

    fn whole(width: u16, height: u16) -> Vec<u8> {
        let mut file = grey(width, height, usize::from(width) * usize::from(height) / 64);
        file.extend(b"\xFF\xD9");
        file
    }

    fn with_exif_orientation(value: u8) -> Vec<u8> {
        let exif = [b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec(), vec![value, 0, 0, 0, 0, 0, 0]]
            .concat();
        let mut file = b"\xFF\xD8\xFF\xE1".to_vec();
        file.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        file.extend(exif);
        file.extend(&whole(8, 64)[2..]);
        file
    }

    #[test]
    fn decodes_grey_as_rgb() {
        let decoded = decode(&whole(8, 64), &Limits::default()).unwrap();
        assert_eq!((decoded.picture.width(), decoded.picture.height()), (8, 64));
        assert!(decoded.picture.is_grey());
        // 8 levels times the quantiser's 8, divided by 8: each block is 8 brighter.
        let levels: Vec<u8> = (0..8).map(|block| decoded.picture.pixels()[block * 8 * 24]).collect();
        assert_eq!(levels, [136, 144, 152, 160, 168, 176, 184, 192]);
    }

    #[test]
    fn a_missing_end_marker_is_forgiven() {
        for width in [8, 160] {
            let file = whole(width, 64);
            let cut = decode(&file[..file.len() - 2], &Limits::default()).unwrap();
            assert!(cut.picture == decode(&file, &Limits::default()).unwrap().picture, "{width}");
        }
    }

    #[test]
    fn half_a_picture_is_shown_and_less_is_refused() {
        let half = decode(&grey(8, 1280, 96), &Limits::default()).unwrap();
        assert_eq!(half.picture.height(), 1280);
        assert_eq!(half.picture.pixels().last(), Some(&MISSING));
        let error = decode(&grey(8, 1280, 32), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{error}");
    }

    #[test]
    fn truncation_at_every_point_never_panics() {
        let file = with_exif_orientation(6);
        for end in 0..file.len() {
            let _ = decode(&file[..end], &Limits::default());
        }
    }

    #[test]
    fn damage_at_every_point_never_panics() {
        let file = whole(8, 64);
        for at in 2..file.len() {
            for value in [0, 0xFF, file[at] ^ 0x10] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &Limits::default());
            }
        }
    }

    #[test]
    fn what_follows_a_picture_without_an_end_marker_is_left_alone() {
        let picture = whole(160, 64);
        let right = decode(&picture, &Limits::default()).unwrap().picture;
        let cut = &picture[..picture.len() - 2];
        for trailer in [&b"SEFH\x6B\0\0\0SEFT"[..], b"\xFF\xD8\xFF\xE0\0\x02\xFF\xD9", b"\xFF\xE5\0\x03a\xFF\xD9"] {
            let decoded = decode(&[cut, trailer].concat(), &Limits::default()).unwrap();
            assert!(decoded.picture == right, "{trailer:?}");
        }
    }

    #[test]
    fn a_grey_file_may_have_adobes_marker() {
        let right = decode(&whole(8, 64), &Limits::default()).unwrap().picture;
        for transform in 0..=3 {
            let marker = [&b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0"[..], &[transform]].concat();
            let file = [&whole(8, 64)[..2], &marker, &whole(8, 64)[2..]].concat();
            assert!(decode(&file, &Limits::default()).unwrap().picture == right, "{transform}");
        }
    }

    /// A file in colour, of four units in a row.
    fn coloured(restart_interval: u16) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 90);
        encoder.set_restart_interval(restart_interval);
        let pixels: Vec<u8> = (0..32 * 8 * 3u32).map(|at| (at * 7 % 251) as u8).collect();
        encoder.encode(&pixels, 32, 8, ColorType::Rgb).unwrap();
        file
    }

    fn position(file: &[u8], marker: &[u8]) -> usize {
        file.windows(marker.len()).position(|found| found == marker).unwrap()
    }

    fn is_refused_for(file: &[u8], reason: &str) -> bool {
        decode(file, &Limits::default()).is_err_and(|error| error.to_string().contains(reason))
    }

    #[test]
    fn restart_markers_are_counted() {
        let file = coloured(2);
        let marker = position(&file, b"\xFF\xD0");
        let right = decode(&file, &Limits::default()).unwrap().picture;
        let without = [&file[..marker], &file[marker + 2..]].concat();
        assert!(is_refused_for(&without, "restart markers"));
        let twice = [&file[..marker], b"\xFF\xD0", &file[marker..]].concat();
        assert!(is_refused_for(&twice, "restart markers"));
        let interval = position(&file, &[0xFF, 0xDD]);
        let unannounced = [&file[..interval], &file[interval + 6..]].concat();
        assert!(is_refused_for(&unannounced, "restart markers"));
        let mut beyond_the_picture = coloured(0);
        beyond_the_picture.splice(2..2, *b"\xFF\xDD\0\x04\0\x09");
        assert!(decode(&beyond_the_picture, &Limits::default()).is_ok());
        // Nothing is coded after it.
        let one_more = [&file[..file.len() - 2], b"\xFF\xD1\xFF\xD9"].concat();
        assert!(decode(&one_more, &Limits::default()).unwrap().picture == right);
    }

    #[test]
    fn scans_that_contradict_the_frame_are_refused() {
        let file = coloured(0);
        let scan = position(&file, &[0xFF, SOS]);
        let mut in_another_order = file.clone();
        in_another_order.swap(scan + 5, scan + 7);
        assert!(is_refused_for(&in_another_order, "another order"));
        let mut progressive = file.clone();
        progressive[position(&file, &[0xFF, SOF0]) + 1] = SOF2;
        assert!(is_refused_for(&progressive, "DC and AC"));
        let mut of_one_component = whole(8, 64);
        let frame = position(&of_one_component, &[0xFF, SOF0]);
        of_one_component.splice(frame + 2..frame + 13, *b"\0\x11\x08\0\x40\0\x08\x03\x01\x11\0\x02\x11\0\x03\x11\0");
        assert!(is_refused_for(&of_one_component, "a scan of it is missing"));
    }

    #[test]
    fn inks_are_inverted_with_adobes_marker_and_without() {
        let mut file = Vec::new();
        // No ink, which the encoder stores as 255.
        Encoder::new(&mut file, 100).encode(&[0; 8 * 8 * 4], 8, 8, ColorType::Cmyk).unwrap();
        let marker = position(&file, b"\xFF\xEE\0\x0EAdobe");
        let without = [&file[..marker], &file[marker + 16..]].concat();
        for file in [file, without] {
            let picture = decode(&file, &Limits::default()).unwrap().picture;
            assert!(picture.pixels().iter().all(|level| *level == 255));
        }
    }

    #[test]
    fn exif_after_the_first_scan_is_ignored() {
        let file = with_exif_orientation(6);
        let exif_end = 4 + usize::from(u16::from_be_bytes([file[4], file[5]]));
        let moved = [&file[..2], &file[exif_end..file.len() - 2], &file[2..exif_end], END_MARKER].concat();
        let decoded = decode(&moved, &Limits::default()).unwrap();
        assert_eq!((decoded.orientation, decoded.metadata.exif), (crate::picture::Orientation::Upright, None));
    }

    #[test]
    fn kinds_that_are_not_read_are_named() {
        let file = whole(8, 64);
        let frame = file.windows(2).position(|marker| marker == b"\xFF\xC0").unwrap();
        for (marker, precision, name) in
            [(0xC3, 8, "lossless JPEG"), (0xC5, 8, "hierarchical JPEG"), (0xC1, 12, "12 bits"), (0xF7, 8, "JPEG-LS")]
        {
            let mut other = file.clone();
            (other[frame + 1], other[frame + 4]) = (marker, precision);
            let refused = probe(&other, &Limits::default());
            let is_named =
                matches!(&refused, Err(DecodeError::Unsupported { found: Some(found) }) if found.contains(name));
            assert!(is_named, "{marker:x}: {refused:?}");
        }
    }

    #[test]
    fn the_exif_orientation_is_found() {
        let file = with_exif_orientation(6);
        assert_eq!(probe(&file, &Limits::default()).unwrap().orientation, crate::picture::Orientation::Rotate90);
        assert!(decode(&file, &Limits::default()).unwrap().metadata.exif.unwrap().starts_with(b"MM\0*"));
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let mut file = whole(8, 64);
        let frame = file.windows(2).position(|marker| marker == b"\xFF\xC0").unwrap();
        file[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
        assert!(matches!(decode(&file, &Limits::default()), Err(DecodeError::TooManyPixels { width: 65_535, .. })));
    }

    #[test]
    fn a_bomb_of_scans_is_refused_by_its_header() {
        let file = whole(8, 64);
        let scan = file.windows(2).position(|marker| marker == b"\xFF\xDA").unwrap();
        let mut bomb = file[..scan].to_vec();
        for _ in 0..=MAX_SCANS {
            bomb.extend(&file[scan..file.len() - 2]);
        }
        let error = probe(&bomb, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("101 scans"), "{error}");
    }
}
