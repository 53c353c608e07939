//! Decodes PNG with the `png` crate. For an APNG it decodes the default image, which in most files is the first frame.
//!
//! A truncated PNG is refused. Unlike in a JPEG, its missing part would be plain black or transparent.

use std::io::Cursor;

use png::{BitDepth, ColorType, DecodingError, Reader, Transformations};

use super::header::Header;
use crate::codec::colour::{Channels, Converter};
use crate::codec::{
    DecodeError, Decoded, Format, Limits, Metadata, Probe, exif_block, exif_orientation, keep_metadata, undecodable,
};
use crate::picture::Picture;

/// Reads the chunks of a PNG.
///
/// # Errors
/// [`DecodeError::Undecodable`] when there is no header, [`DecodeError::TooManyPixels`] when a limit is exceeded.
/// Frames count towards it.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    Ok(probe_header(&read_header(bytes, limits)?, limits))
}

/// Decodes a PNG. Samples of 16 bits are rounded to 8.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing pixels.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let header = read_header(bytes, limits)?;
    let probe = probe_header(&header, limits);
    let icc = header.icc(limits.max_metadata_bytes);
    let mut reader = open(bytes).map_err(failed)?;
    if (reader.info().width, reader.info().height) != (header.width, header.height) {
        return Err(undecodable(Format::Png, "its headers contradict each other"));
    }
    let (colour_type, depth) = reader.output_color_type();
    let channels = channels(colour_type)?;
    let converter = Converter::new(&header.space(icc.as_deref()), channels);
    let pixels = read_pixels(&mut reader, &header, &converter, channels, depth).map_err(failed)?;
    Ok(Decoded {
        picture: Picture::new(header.width, header.height, channels.layout(), pixels),
        orientation: probe.orientation,
        metadata: Metadata {
            exif: keep_metadata(header.exif.map(exif_block), limits),
            xmp: keep_metadata(header.xmp, limits),
        },
        rights: header.texts.rights,
        as_stored: converter.keeps_colours(),
    })
}

fn failed(error: DecodingError) -> DecodeError {
    undecodable(Format::Png, error.to_string())
}

fn read_header<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Header<'a>, DecodeError> {
    let header = Header::read(bytes).ok_or_else(|| undecodable(Format::Png, "it has no header chunk"))?;
    limits.check_size(Format::Png, header.width, header.height)?;
    limits.check_frames(header.frames, header.width, header.height)?;
    Ok(header)
}

fn probe_header(header: &Header<'_>, limits: &Limits) -> Probe {
    Probe {
        format: Format::Png,
        width: header.width,
        height: header.height,
        animated: header.frames > 1,
        alpha: header.alpha(),
        orientation: exif_orientation(header.exif.map(exif_block), limits),
        decode_bytes: decode_bytes(header),
    }
}

/// Returns the bytes that a decode needs: the picture; the decoded samples when the picture is interlaced and they need
/// a change of layout, depth or position, otherwise a few rows; the inflater's window; and a profile's tables.
fn decode_bytes(header: &Header<'_>) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let sample_bytes = if header.bit_depth == 16 { 2 } else { 1 };
    let picture = pixels * if header.alpha() { 4 } else { 3 };
    let decoded = header.channels() * sample_bytes;
    let buffered = if header.interlaced { pixels * decoded } else { 4 * u64::from(header.width) * decoded };
    picture + buffered + (4 << 20)
}

/// Opens the decoder. It skips texts, and we inflate the profile ourselves, because both can be decompression bombs.
/// Checksums of data that decodes are ignored.
fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, DecodingError> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: usize::MAX });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info()
}

fn channels(colour_type: ColorType) -> Result<Channels, DecodeError> {
    match colour_type {
        ColorType::Grayscale => Ok(Channels::Grey),
        ColorType::GrayscaleAlpha => Ok(Channels::GreyAlpha),
        ColorType::Rgb => Ok(Channels::Rgb),
        ColorType::Rgba => Ok(Channels::Rgba),
        ColorType::Indexed => Err(undecodable(Format::Png, "its palette is missing")),
    }
}

fn read_pixels(
    reader: &mut Reader<Cursor<&[u8]>>,
    header: &Header<'_>,
    converter: &Converter,
    channels: Channels,
    depth: BitDepth,
) -> Result<Vec<u8>, DecodingError> {
    let size = channels.layout().bytes_per_pixel();
    let mut pixels = vec![0; header.width as usize * header.height as usize * size];
    let is_final = depth == BitDepth::Eight && matches!(channels, Channels::Rgb | Channels::Rgba);
    if is_final {
        reader.next_frame(&mut pixels)?;
        converter.convert_in_place(&mut pixels);
    } else if header.interlaced {
        let row_bytes = header.width as usize * channels.count() * bytes_per_sample(depth);
        let mut samples = vec![0; row_bytes * header.height as usize];
        reader.next_frame(&mut samples)?;
        let targets = pixels.chunks_exact_mut(header.width as usize * size);
        for (row, target) in samples.chunks_exact(row_bytes).zip(targets) {
            convert(converter, depth, row, target);
        }
    } else {
        for target in pixels.chunks_exact_mut(header.width as usize * size) {
            let row = reader.next_row()?.ok_or_else(missing_rows)?;
            convert(converter, depth, row.data(), target);
        }
    }
    Ok(pixels)
}

fn missing_rows() -> DecodingError {
    DecodingError::IoError(std::io::ErrorKind::UnexpectedEof.into())
}

fn bytes_per_sample(depth: BitDepth) -> usize {
    if depth == BitDepth::Sixteen { 2 } else { 1 }
}

/// Converts whole pixels. 16-bit samples are big-endian, as in PNG.
fn convert(converter: &Converter, depth: BitDepth, samples: &[u8], target: &mut [u8]) {
    if depth == BitDepth::Sixteen {
        let words: Vec<u16> = samples.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        converter.convert(&words, target);
    } else {
        converter.convert(samples, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    fn encode(width: u32, height: u32, colour: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        encode_with(width, height, colour, depth, data, |_| ())
    }

    fn encode_with(
        width: u32,
        height: u32,
        colour: ColorType,
        depth: BitDepth,
        data: &[u8],
        change: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>),
    ) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        change(&mut encoder);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        file
    }

    /// Returns `file` with a chunk added after its header chunk.
    fn with_chunk(file: &[u8], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut chunk = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        chunk.extend(kind);
        chunk.extend(body);
        // The checksum is wrong. Checksums of ancillary chunks are ignored.
        chunk.extend([0; 4]);
        [&file[..33], &chunk, &file[33..]].concat()
    }

    fn pixels(file: &[u8]) -> (Layout, Vec<u8>) {
        let picture = decode(file, &Limits::default()).unwrap().picture;
        (picture.layout(), picture.into_pixels())
    }

    #[test]
    fn every_kind_of_sample_becomes_rgb() {
        let one_bit = encode(8, 1, ColorType::Grayscale, BitDepth::One, &[0b1010_0000]);
        assert_eq!(pixels(&one_bit).1[..6], [255, 255, 255, 0, 0, 0]);
        let four_bits = encode(2, 1, ColorType::Grayscale, BitDepth::Four, &[0x1F]);
        assert_eq!(pixels(&four_bits).1, [17, 17, 17, 255, 255, 255]);
        let grey_alpha = encode(1, 1, ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 9]);
        assert_eq!(pixels(&grey_alpha), (Layout::Rgba, vec![7, 7, 7, 9]));
        let sixteen = encode(1, 1, ColorType::Rgb, BitDepth::Sixteen, &[0, 129, 0xFE, 0xFF, 0xFF, 0xFF]);
        assert_eq!(pixels(&sixteen), (Layout::Rgb, vec![1, 254, 255]));
        let palette = encode_with(2, 1, ColorType::Indexed, BitDepth::Eight, &[1, 0], |encoder| {
            encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
            encoder.set_trns(vec![128]);
        });
        assert_eq!(pixels(&palette), (Layout::Rgba, vec![4, 5, 6, 255, 1, 2, 3, 128]));
    }

    #[test]
    fn linear_light_is_brought_to_srgb() {
        let file = encode_with(1, 1, ColorType::Grayscale, BitDepth::Sixteen, &[55, 55], |encoder| {
            encoder.set_source_gamma(png::ScaledFloat::new(1.0));
        });
        assert!(pixels(&file).1.iter().all(|&grey| grey.abs_diff(128) <= 1));
    }

    #[test]
    fn an_opaque_file_has_no_alpha_after_all() {
        let file = encode(1, 1, ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255]);
        assert!(probe(&file, &Limits::default()).unwrap().alpha);
        assert!(!crate::codec::decode(&file, &Limits::default()).unwrap().picture.has_alpha());
    }

    #[test]
    fn frames_are_counted_by_the_header_and_the_first_is_shown() {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 1, 1);
        encoder.set_color(ColorType::Rgb);
        encoder.set_animated(2, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[1, 2, 3]).unwrap();
        writer.write_image_data(&[4, 5, 6]).unwrap();
        writer.finish().unwrap();
        assert!(probe(&file, &Limits::default()).unwrap().animated);
        assert_eq!(pixels(&file).1, [1, 2, 3]);
        let limits = Limits { max_frames: 1, ..Limits::default() };
        assert!(matches!(decode(&file, &limits), Err(DecodeError::TooManyPixels { .. })));
    }

    #[test]
    fn a_profile_that_inflates_without_end_is_dropped() {
        let file = encode(1, 1, ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
        let profile = fdeflate::compress_to_vec(&vec![0; 1 << 20]);
        let bomb = with_chunk(&file, b"iCCP", &[b"bomb\0\0", &profile[..]].concat());
        let header = Header::read(&bomb).unwrap();
        assert_eq!(header.icc((1 << 20) - 1), None);
        assert_eq!(header.icc(1 << 20).map(|profile| profile.len()), Some(1 << 20));
        assert_eq!(pixels(&bomb).1, [1, 2, 3]);
    }

    #[test]
    fn exif_orients_and_is_kept() {
        let file = encode(1, 1, ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
        let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
        let decoded = decode(&with_chunk(&file, b"eXIf", exif), &Limits::default()).unwrap();
        assert_eq!(decoded.orientation, crate::picture::Orientation::Rotate270);
        assert_eq!(decoded.metadata.exif.as_deref(), Some(&exif[..]));
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let mut file = encode(1, 1, ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
        file[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
        assert!(matches!(decode(&file, &Limits::default()), Err(DecodeError::TooManyPixels { width: 65_535, .. })));
    }

    #[test]
    fn truncated_files_are_refused_at_every_point() {
        let data: Vec<u8> = (0..16 * 16 * 8u32).map(|i| (i * 31 % 251) as u8).collect();
        let file = encode(16, 16, ColorType::Rgba, BitDepth::Sixteen, &data);
        // The checksum of the last pixels and the end chunk may be missing.
        for end in 0..file.len() - 16 - 12 {
            assert!(decode(&file[..end], &Limits::default()).is_err(), "{end}");
        }
    }
}
