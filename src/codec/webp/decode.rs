//! Decodes WebP with image-webp: lossy, lossless and the first frame of an animation.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::header::Header;
use crate::codec::colour::{Channels, Converter, Space};
use crate::codec::rights::Rights;
use crate::codec::{
    DecodeError, Decoded, Format, Limits, Metadata, Probe, exif_block, exif_orientation, keep_metadata, undecodable,
};
use crate::picture::Picture;

/// Reads the chunks of a WebP.
///
/// # Errors
/// [`DecodeError::Undecodable`] when there is no picture or its sizes contradict each other,
/// [`DecodeError::TooManyPixels`] when a limit is exceeded. Frames count towards it.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    Ok(probe_header(&read_header(bytes, limits)?, limits))
}

/// Decodes a WebP. The first frame of an animation is composed on its canvas.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let header = read_header(bytes, limits)?;
    let probe = probe_header(&header, limits);
    let (mut pixels, channels) = read_pixels(&header.with_right_flags(bytes), &header, &probe)?;
    let icc = header.icc.filter(|icc| icc.len() <= limits.max_metadata_bytes);
    let converter = Converter::new(&icc.map_or(Space::Srgb, Space::Icc), channels);
    converter.convert_in_place(&mut pixels);
    Ok(Decoded {
        picture: Picture::new(header.width, header.height, channels.layout(), pixels),
        orientation: probe.orientation,
        metadata: Metadata {
            exif: keep_metadata(header.exif.map(exif_block), limits),
            xmp: keep_metadata(header.xmp, limits),
            density: None,
        },
        rights: Rights::default(),
        as_stored: converter.keeps_colours(),
        damaged: false,
    })
}

fn read_header<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Header<'a>, DecodeError> {
    let header = Header::read(bytes).map_err(|reason| undecodable(Format::Webp, reason))?;
    limits.check_size(Format::Webp, header.width, header.height)?;
    limits.check_frames(header.frames, header.width, header.height)?;
    Ok(header)
}

fn probe_header(header: &Header<'_>, limits: &Limits) -> Probe {
    Probe {
        format: Format::Webp,
        width: header.width,
        height: header.height,
        animated: header.frames > 1,
        alpha: header.alpha,
        orientation: exif_orientation(header.exif.map(exif_block), limits),
        decode_bytes: decode_bytes(header),
    }
}

/// Returns the bytes that a decode needs: the picture and more by kind. Lossless: a copy in RGBA, and transforms and
/// prefix codes, which at worst take as much as a pixel each. Lossy: planes of 1.5 bytes a pixel, and the alpha plane,
/// once as decoded in RGBA and once as kept. Animated: also the canvas in RGBA.
fn decode_bytes(header: &Header<'_>) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let picture = if header.alpha { 4 } else { 3 };
    let working = match (header.lossless, header.alpha) {
        (true, _) => 12,
        (false, true) => 7,
        (false, false) => 2,
    };
    let canvas = if header.animated { 8 } else { 0 };
    pixels * (picture + working + canvas) + (4 << 20)
}

fn read_pixels(bytes: &[u8], header: &Header<'_>, probe: &Probe) -> Result<(Vec<u8>, Channels), DecodeError> {
    let failed = |error: DecodingError| undecodable(Format::Webp, reason(&error));
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(failed)?;
    decoder.set_memory_limit(usize::try_from(probe.decode_bytes).unwrap_or(usize::MAX));
    if decoder.dimensions() != (header.width, header.height) {
        return Err(undecodable(Format::Webp, "its headers contradict each other"));
    }
    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    let mut pixels = vec![0; header.width as usize * header.height as usize * channels.count()];
    decoder.read_image(&mut pixels).map_err(failed)?;
    Ok((pixels, channels))
}

/// Says in our words what the decoder found.
fn reason(error: &DecodingError) -> &'static str {
    match error {
        DecodingError::IoError(_) => "it is cut short",
        DecodingError::MemoryLimitExceeded => "it takes more memory than its header says",
        _ => "its data is damaged",
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::{ALPHA_FLAG, Chunks};
    use super::super::encode::WebpEncoder;
    use super::*;
    use crate::codec::{Effort, Encoder};
    use crate::picture::Layout;

    fn lossless(width: u32, height: u32, rgba: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        image_webp::WebPEncoder::new(&mut file).encode(rgba, width, height, image_webp::ColorType::Rgba8).unwrap();
        file
    }

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut chunk = kind.to_vec();
        chunk.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        chunk.extend(body);
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = [b"WEBP".to_vec(), chunks.concat()].concat();
        chunk(b"RIFF", &body)
    }

    /// A canvas of 4x4 with frames that are 2x2 pictures at 2,0.
    fn animation(frames: usize) -> Vec<u8> {
        let picture = lossless(2, 2, &[9; 16])[12..].to_vec();
        let frame = [vec![1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0], picture].concat();
        let mut chunks = vec![chunk(b"VP8X", &[2, 0, 0, 0, 3, 0, 0, 3, 0, 0]), chunk(b"ANIM", &[0; 6])];
        chunks.resize(2 + frames, chunk(b"ANMF", &frame));
        riff(&chunks)
    }

    #[test]
    fn decodes_with_alpha() {
        let rgba = [1, 2, 3, 4, 5, 6, 7, 8];
        let picture = decode(&lossless(2, 1, &rgba), &Limits::default()).unwrap().picture;
        assert_eq!((picture.layout(), picture.pixels()), (Layout::Rgba, &rgba[..]));
    }

    #[test]
    fn transparency_is_told_by_the_picture_and_not_by_a_flag() {
        let rgba: Vec<u8> = (0..16 * 16u32).flat_map(|at| [at as u8, 90, 30, (at % 16 * 17) as u8]).collect();
        let picture = Picture::new(16, 16, Layout::Rgba, rgba.clone());
        let lossy = WebpEncoder::new(&picture, Effort::Fast).unwrap().encode(0.0).unwrap();
        let parts = Chunks::of_riff(&lossy).unwrap();
        let [_, alpha, colour] = &parts[..] else { panic!("{} chunks", parts.len()) };
        let [alpha, colour] = [alpha, colour].map(|part| chunk(&part.name, part.payload));
        let head = |flags: u8| chunk(b"VP8X", &[flags, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
        let decoded = |chunks: &[Vec<u8>]| decode(&riff(chunks), &Limits::default()).map(|decoded| decoded.picture);
        let levels = |picture: &Picture| picture.pixels().iter().skip(3).step_by(4).copied().collect::<Vec<u8>>();

        let as_written = decode(&lossy, &Limits::default()).unwrap().picture;
        assert!(levels(&as_written).windows(2).any(|pair| pair[0] != pair[1]));
        assert_eq!(decoded(&[head(0), alpha.clone(), colour.clone()]).unwrap(), as_written);
        let opaque = decoded(&[head(ALPHA_FLAG), colour.clone()]).unwrap();
        assert_eq!(opaque, decoded(std::slice::from_ref(&colour)).unwrap());
        let lossless = lossless(16, 16, &rgba)[12..].to_vec();
        assert_eq!(decoded(&[head(0), lossless]).unwrap(), picture);
        let late = decoded(&[head(ALPHA_FLAG), colour, alpha]).unwrap_err();
        assert!(late.to_string().contains("its transparency follows its picture"), "{late}");
    }

    #[test]
    fn a_frame_with_transparency_needs_no_flag() {
        let picture = lossless(4, 4, &[9; 64])[12..].to_vec();
        let frame = [vec![0, 0, 0, 0, 0, 0, 3, 0, 0, 3, 0, 0, 1, 0, 0, 0], picture].concat();
        let chunks = [chunk(b"VP8X", &[2, 0, 0, 0, 3, 0, 0, 3, 0, 0]), chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &frame)];
        let picture = decode(&riff(&chunks), &Limits::default()).unwrap().picture;
        assert_eq!(picture.layout(), Layout::Rgba);
        assert!(picture.pixels().iter().skip(3).step_by(4).all(|alpha| *alpha == 9));
    }

    #[test]
    fn the_first_frame_lies_on_a_transparent_canvas() {
        let file = animation(2);
        assert!(probe(&file, &Limits::default()).unwrap().animated);
        let picture = decode(&file, &Limits::default()).unwrap().picture;
        assert_eq!((picture.width(), picture.height(), picture.layout()), (4, 4, Layout::Rgba));
        let row = &picture.pixels()[..16];
        assert_eq!((&row[..8], row[11], row[15]), (&[0; 8][..], 9, 9));
    }

    #[test]
    fn frames_over_the_limit_are_refused_by_counting() {
        let limits = Limits { max_frames: 3, ..Limits::default() };
        assert!(decode(&animation(3), &limits).is_ok());
        assert!(matches!(decode(&animation(4), &limits), Err(DecodeError::TooManyPixels { .. })));
    }

    #[test]
    fn metadata_is_found_and_promises_of_it_are_not_held_against_the_file() {
        let picture = lossless(1, 1, &[1, 2, 3, 255])[12..].to_vec();
        let head = chunk(b"VP8X", &[0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let exif = chunk(b"EXIF", b"Exif\0\0II*\0\x08\0\0\0\0\0");
        let decoded = decode(&riff(&[head, picture, exif]), &Limits::default()).unwrap();
        assert_eq!(decoded.metadata.exif.as_deref(), Some(&b"II*\0\x08\0\0\0\0\0"[..]));
        assert_eq!(decoded.metadata.xmp, None);
    }

    #[test]
    fn a_lossless_bomb_of_34_bytes_is_refused_by_its_header() {
        let bits = 0x3FFEu32 | 0x3FFE << 14;
        let mut body = vec![0x2F];
        body.extend(bits.to_le_bytes());
        body.resize(14, 0);
        let bomb = riff(&[chunk(b"VP8L", &body)]);
        assert_eq!(bomb.len(), 34);
        let refused = decode(&bomb, &Limits::default());
        assert!(
            matches!(refused, Err(DecodeError::TooManyPixels { width: 16_383, height: 16_383, .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_picture_larger_than_its_canvas_is_refused_before_it_is_decoded() {
        let vp8 = [&[0, 0, 0, 0x9D, 1, 0x2A][..], &16_383u16.to_le_bytes(), &16_383u16.to_le_bytes()].concat();
        let file = riff(&[chunk(b"VP8X", &[0, 0, 0, 0, 3, 0, 0, 3, 0, 0]), chunk(b"VP8 ", &vp8)]);
        assert!(matches!(probe(&file, &Limits::default()), Err(DecodeError::Undecodable { .. })));
    }

    #[test]
    fn truncation_and_damage_anywhere_never_panic() {
        let rgba: Vec<u8> = (0..16 * 16 * 4u32).map(|i| (i * 37 % 251) as u8).collect();
        for file in [lossless(16, 16, &rgba), animation(2)] {
            for at in 0..file.len() {
                let _ = decode(&file[..at], &Limits::default());
                let mut damaged = file.clone();
                damaged[at] ^= 0x55;
                let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
                let _ = decode(&damaged, &limits);
            }
        }
    }
}
