//! Decodes PNG with the `png` crate. For an APNG it decodes the default image, which in most files is the first frame.
//!
//! A truncated PNG is decoded as a truncated JPEG is: when at least half of its rows are there, they are shown, and the
//! rest is grey, or transparent. A file with less is refused. In an interlaced picture half of the rows are there when
//! all passes but the last are; the missing rows are then those above them.

use std::io::Cursor;

use png::{BitDepth, ColorType, DecodingError, InterlaceInfo, Reader, Transformations, expand_interlaced_row};

use super::header::Header;
use super::plain::Plain;
use crate::codec::colour::{Channels, Converter};
use crate::codec::{
    DecodeError, Decoded, Format, Limits, Metadata, Probe, exif_block, exif_orientation, keep_metadata, undecodable,
    unsupported,
};
use crate::picture::Picture;

/// The grey of what is missing in a truncated file, as in a JPEG.
const MISSING: u8 = 128;

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
    let plain = Plain::new(bytes, &header)?;
    if plain.rows_of_cut.is_some_and(|rows| !header.is_half(rows)) {
        return Err(refused("it is truncated and most of the picture is missing"));
    }
    let mut reader = open(&plain.file).map_err(|_| refused("its header chunks are damaged"))?;
    if (reader.info().width, reader.info().height) != (header.width, header.height) {
        return Err(refused("its headers contradict each other"));
    }
    let (colour_type, depth) = reader.output_color_type();
    let channels = channels(colour_type)?;
    let converter = Converter::new(&header.space(icc.as_deref()), channels);
    let is_final = depth == BitDepth::Eight && matches!(channels, Channels::Rgb | Channels::Rgba);
    if header.has_narrow_range {
        return Err(unsupported("PNG with the narrow range of video"));
    }
    if plain.is_apples && !is_final {
        return Err(unsupported("PNG of Apple's variant with other samples than RGB of 8 bits"));
    }
    let row_bytes = header.width as usize * channels.count() * bytes_per_sample(depth);
    let layout = SampleLayout { channels, depth, row_bytes, is_final };
    let read = if header.interlaced { read_passes } else { read_rows };
    let mut pixels = read(&mut reader, &header, &layout, &converter, plain.rows_of_cut)?;
    if plain.is_apples {
        pixels.chunks_exact_mut(channels.count()).for_each(from_apples);
    }
    if is_final {
        converter.convert_in_place(&mut pixels);
    }
    Ok(Decoded {
        picture: Picture::new(header.width, header.height, channels.layout(), pixels),
        orientation: probe.orientation,
        metadata: Metadata {
            exif: keep_metadata(header.exif.map(exif_block), limits),
            xmp: keep_metadata(header.xmp, limits),
            density: header.density,
        },
        rights: header.texts.rights,
        as_stored: converter.keeps_colours() && !plain.is_repaired,
        damaged: header.is_cut,
    })
}

fn refused(reason: &str) -> DecodeError {
    undecodable(Format::Png, reason)
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
    // The pixels of a file that is cut are inflated and deflated first.
    let repaired = if header.is_cut { 2 * header.filtered_bytes() as u64 } else { 0 };
    picture + buffered + repaired + (4 << 20)
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

/// How the decoder returns the samples.
struct SampleLayout {
    channels: Channels,
    depth: BitDepth,
    /// Bytes of a row of samples.
    row_bytes: usize,
    /// Whether samples are laid out as in the picture.
    is_final: bool,
}

/// Reads the rows from the top. Those behind `there` are missing: grey or transparent.
fn read_rows(
    reader: &mut Reader<Cursor<&[u8]>>,
    header: &Header<'_>,
    layout: &SampleLayout,
    converter: &Converter,
    there: Option<usize>,
) -> Result<Vec<u8>, DecodeError> {
    let (pixel, height) = (layout.channels.layout().bytes_per_pixel(), header.height as usize);
    let there = there.unwrap_or(height);
    let row_bytes = header.width as usize * pixel;
    let missing = if layout.channels.has_alpha() { 0 } else { MISSING };
    let mut pixels = vec![missing; row_bytes * height];
    let mut samples = vec![0; if layout.is_final { 0 } else { layout.row_bytes }];
    for target in pixels.chunks_exact_mut(row_bytes).take(there) {
        let row = if layout.is_final { &mut *target } else { &mut samples[..] };
        reader.read_row(row).map_err(damaged)?;
        if !layout.is_final {
            convert(converter, layout.depth, &samples, target);
        }
    }
    Ok(pixels)
}

/// Reads the passes of an interlaced picture. Rows of the last pass that are missing are those above.
fn read_passes(
    reader: &mut Reader<Cursor<&[u8]>>,
    header: &Header<'_>,
    layout: &SampleLayout,
    converter: &Converter,
    there: Option<usize>,
) -> Result<Vec<u8>, DecodeError> {
    let (width, height) = (header.width as usize, header.height as usize);
    let bits = (layout.channels.count() * bytes_per_sample(layout.depth) * 8) as u8;
    let mut samples = vec![0; layout.row_bytes * height];
    while let Some(row) = reader.next_interlaced_row().map_err(damaged)? {
        if let InterlaceInfo::Adam7(position) = row.interlace() {
            expand_interlaced_row(&mut samples, layout.row_bytes, row.data(), position, bits);
        }
    }
    if let Some(there) = there {
        repeat_rows(&mut samples, layout.row_bytes, there - header.rows_before_last_pass());
    }
    if layout.is_final {
        return Ok(samples);
    }
    let row_bytes = width * layout.channels.layout().bytes_per_pixel();
    let mut pixels = vec![0; row_bytes * height];
    for (row, target) in samples.chunks_exact(layout.row_bytes).zip(pixels.chunks_exact_mut(row_bytes)) {
        convert(converter, layout.depth, row, target);
    }
    Ok(pixels)
}

fn damaged(_: DecodingError) -> DecodeError {
    refused("its pixels are damaged")
}

/// Fills the odd rows, which are those of the last pass, with the rows above, except for the first `there` of them.
fn repeat_rows(samples: &mut [u8], row_bytes: usize, there: usize) {
    for pair in samples.chunks_exact_mut(row_bytes * 2).skip(there) {
        let (above, row) = pair.split_at_mut(row_bytes);
        row.copy_from_slice(above);
    }
}

/// Brings blue, green and red that are multiplied by alpha to RGB.
fn from_apples(pixel: &mut [u8]) {
    pixel.swap(0, 2);
    if let [colours @ .., alpha @ 1..=254] = pixel
        && colours.len() == 3
    {
        let alpha = u32::from(*alpha);
        colours.iter_mut().for_each(|value| *value = ((u32::from(*value) * 255 + alpha / 2) / alpha).min(255) as u8);
    }
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
        let checksum = crc32fast::hash(&chunk[4..]);
        chunk.extend(checksum.to_be_bytes());
        [&file[..33], &chunk, &file[33..]].concat()
    }

    fn pixels(file: &[u8]) -> (Layout, Vec<u8>) {
        let picture = decode(file, &Limits::default()).unwrap().picture;
        (picture.layout(), picture.into_pixels())
    }

    #[test]
    fn a_palette_with_a_part_of_an_entry_is_refused() {
        let with_palette = |entries: &'static [u8], colour| {
            let file = encode_with(2, 1, colour, BitDepth::Eight, &[0; 6][..2 * colour.samples()], |encoder| {
                if colour == ColorType::Indexed {
                    encoder.set_palette(vec![1; 9]);
                }
            });
            let at = file.windows(4).position(|name| name == b"PLTE").map_or(33, |at| at - 4);
            let rest = if colour == ColorType::Indexed { at + 12 + 9 } else { at };
            [&with_chunk(&file[..at], b"PLTE", entries), &file[rest..]].concat()
        };
        assert!(decode(&with_palette(&[1; 9], ColorType::Indexed), &Limits::default()).is_ok());
        for entries in [&[1; 10][..], &[]] {
            let refused = decode(&with_palette(entries, ColorType::Indexed), &Limits::default()).unwrap_err();
            assert!(refused.to_string().contains("palette"), "{refused}");
            assert!(decode(&with_palette(entries, ColorType::Rgb), &Limits::default()).is_ok());
        }
    }

    #[test]
    fn a_frame_smaller_than_the_picture_is_not_passed_on() {
        let file = encode(2, 1, ColorType::Grayscale, BitDepth::Eight, &[5, 6]);
        let animation = with_chunk(&file, b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]);
        let frame = |width: u8, left: u8| {
            let mut control = [0; 26];
            (control[7], control[11], control[15]) = (width, 1, left);
            decode(&with_chunk(&animation, b"fcTL", &control), &Limits::default()).unwrap().as_stored
        };
        assert_eq!([frame(2, 0), frame(1, 0), frame(2, 1)], [true, false, false]);
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
    fn half_a_picture_is_shown_and_less_is_refused() {
        let data: Vec<u8> = (0..16 * 64 * 4u32).map(|i| (i * 31 % 251) as u8).collect();
        let file = encode_with(16, 64, ColorType::Rgba, BitDepth::Eight, &data, |encoder| {
            encoder.set_compression(png::Compression::NoCompression);
            encoder.set_filter(png::Filter::NoFilter);
        });
        let mut shown = 0;
        for end in 0..file.len() {
            let Ok(decoded) = decode(&file[..end], &Limits::default()) else {
                assert_eq!(shown, 0, "{end} is refused, and less was shown");
                continue;
            };
            shown += 1;
            assert!(!decoded.as_stored, "{end}");
            let pixels = decoded.picture.into_pixels();
            let there = pixels.iter().zip(&data).take_while(|(ours, theirs)| ours == theirs).count();
            assert!(there >= data.len() / 2, "{end}: {there} bytes are there");
            assert!(pixels[there.next_multiple_of(64)..].iter().all(|&value| value == 0), "{end}");
        }
        assert!((2000..2200).contains(&shown), "{shown} of {} bytes were enough", file.len());
    }

    #[test]
    fn damage_inside_is_refused() {
        let mut file = encode(16, 16, ColorType::Rgb, BitDepth::Eight, &[7; 16 * 16 * 3]);
        let pixels = file.windows(4).position(|name| name == b"IDAT").unwrap() + 4;
        file[pixels + 3..pixels + 6].fill(0xFF);
        let error = decode(&file, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("its pixels are damaged"), "{error}");
    }

    #[test]
    fn the_last_pass_of_an_interlaced_picture_may_be_missing() {
        // First column, first row, and steps of the passes (PNG s8.1).
        let passes: [(usize, usize, usize, usize); 7] =
            [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
        let level = |x: usize, y: usize| (x * 20 + y * 7) as u8;
        let data = |count: usize| {
            let mut data = Vec::new();
            for &(left, top, across, down) in &passes[..count] {
                for y in (top..4).step_by(down) {
                    data.push(0);
                    data.extend((left..8).step_by(across).map(|x| level(x, y)));
                }
            }
            data
        };
        let file = |pixels: &[u8]| {
            let mut file = encode(8, 4, ColorType::Grayscale, BitDepth::Eight, &[0; 32]);
            file.truncate(file.windows(4).position(|name| name == b"IDAT").unwrap() - 4);
            file[28] = 1;
            let checksum = crc32fast::hash(&file[12..29]).to_be_bytes();
            file[29..33].copy_from_slice(&checksum);
            let deflated = fdeflate::compress_to_vec(pixels);
            file.extend((deflated.len() as u32).to_be_bytes());
            file.extend(b"IDAT");
            // The end of the stream is missing, too.
            file.extend(&deflated[..deflated.len() - 5]);
            file
        };
        let decoded = decode(&file(&data(6)), &Limits::default()).unwrap().picture;
        let greys: Vec<u8> = decoded.pixels().iter().step_by(3).copied().collect();
        let expected: Vec<u8> = (0..32).map(|at| level(at % 8, (at / 8) & !1)).collect();
        assert_eq!(greys, expected);
        assert!(decode(&file(&data(5)), &Limits::default()).is_err());
    }

    #[test]
    fn only_the_bits_of_a_sample_count_in_the_transparent_colour() {
        for (colour, depth, row, transparent, high) in [
            (ColorType::Grayscale, BitDepth::One, vec![0b1000_0000], vec![0, 1], vec![0xFF, 0xFF]),
            (ColorType::Grayscale, BitDepth::Four, vec![0x50], vec![0, 5], vec![1, 0xF5]),
            (ColorType::Grayscale, BitDepth::Eight, vec![9, 0], vec![0, 9], vec![7, 9]),
            (ColorType::Rgb, BitDepth::Eight, vec![1, 2, 3, 0, 0, 0], vec![0, 1, 0, 2, 0, 3], vec![9, 1, 9, 2, 9, 3]),
        ] {
            let picture = |transparent: Vec<u8>| {
                pixels(&encode_with(2, 1, colour, depth, &row, |encoder| encoder.set_trns(transparent)))
            };
            let right = picture(transparent);
            assert_eq!((right.1[3], right.1[7]), (0, 255), "{colour:?} {depth:?}");
            assert_eq!(picture(high), right, "{colour:?} {depth:?}");
        }
    }

    #[test]
    fn ancillary_chunks_that_are_damaged_change_nothing() {
        let file = encode(1, 1, ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
        for (kind, body) in [
            (b"cICP", &b"\xFF"[..]),
            (b"gAMA", b""),
            (b"pHYs", b"1"),
            (b"tRNS", b"1"),
            (b"sRGB", b"\xFF"),
            (b"acTL", b""),
            (b"tIME", b"never"),
        ] {
            assert_eq!(pixels(&with_chunk(&file, kind, body)).1[..3], [1, 2, 3], "{kind:?}");
        }
        let unknown = decode(&with_chunk(&file, b"ABCD", b""), &Limits::default());
        assert!(matches!(unknown, Err(DecodeError::Unsupported { .. })), "{unknown:?}");
    }

    #[test]
    fn apples_variant_is_read() {
        let file = encode(2, 1, ColorType::Rgba, BitDepth::Eight, &[3, 2, 1, 255, 50, 25, 100, 100]);
        let at = file.windows(4).position(|name| name == b"IDAT").unwrap();
        let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
        // A raw deflate stream: without zlib's header and checksum.
        let raw = &file[at + 6..at + 4 + length - 4];
        let mut apples = file[..8].to_vec();
        apples.extend(b"\0\0\0\x04CgBI\x50\0\x20\x06\0\0\0\0");
        apples.extend(&file[8..at - 4]);
        apples.extend((raw.len() as u32).to_be_bytes());
        apples.extend(b"IDAT");
        apples.extend(raw);
        apples.extend([0; 4]);
        apples.extend(b"\0\0\0\0IEND\xAE\x42\x60\x82");
        assert_eq!(pixels(&apples).1, [1, 2, 3, 255, 255, 64, 128, 100]);
    }

    #[test]
    fn damage_anywhere_never_panics() {
        let file = encode(8, 8, ColorType::Grayscale, BitDepth::Four, &[0x5A; 32]);
        for at in 0..file.len() {
            for value in [0, 1, 0x7F, 0xFF, file[at] ^ 0x20] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &Limits { max_pixels: 1_000_000, ..Limits::default() });
            }
        }
    }
}
