//! Decodes GIF with the `gif` crate: the first frame on its canvas.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, Frame, MemoryLimit};

use super::bytes::u16_le;
use super::model::FormatModel;
use super::rights::Rights;
use super::{DecodeError, Decoded, Format, Limits, Metadata, Probe, undecodable};
use crate::picture::{Layout, Orientation, Picture};

pub(super) static MODEL: FormatModel = FormatModel {
    media_type: "image/gif",
    extension: "gif",
    keeps_alpha: true,
    is_usually_lossy: false,
    recognises: |bytes| bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a"),
    probe,
    decode,
    decoder_copies: 1,
    output: None,
};

/// What the blocks of a GIF (GIF89a) say, read without decoding.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    /// Size of the canvas: the screen, and as much more as the first frame takes, as in browsers.
    width: u32,
    height: u32,
    frames: u32,
    /// Width and height of the first frame.
    first: (u32, u32),
}

/// Reads the blocks of a GIF. Pixels are skipped, so counting frames takes almost no time.
///
/// # Errors
/// [`DecodeError::Undecodable`] when there is no frame, [`DecodeError::TooManyPixels`] when a limit is exceeded. Frames
/// count towards it.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    Ok(probe_header(&read_header(bytes, limits)?))
}

/// Decodes the first frame of a GIF. The canvas around it is transparent, as in browsers.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let header = read_header(bytes, limits)?;
    let probe = probe_header(&header);
    let failed = |error: DecodingError| undecodable(Format::Gif, reason(&error));
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    options.set_memory_limit(MemoryLimit::Bytes(NonZeroU64::new(probe.decode_bytes).unwrap_or(NonZeroU64::MIN)));
    let mut decoder = options.read_info(bytes).map_err(failed)?;
    let frame = decoder.read_next_frame().map_err(failed)?.cloned();
    let frame = frame.ok_or_else(|| undecodable(Format::Gif, "it holds no frame"))?;
    if (u32::from(frame.width), u32::from(frame.height)) != header.first {
        return Err(undecodable(Format::Gif, "its headers contradict each other"));
    }
    Ok(Decoded {
        picture: Picture::new(
            header.width,
            header.height,
            Layout::Rgba,
            compose(&header, &frame, decoder.palette().map_err(failed)?),
        ),
        orientation: Orientation::Upright,
        metadata: Metadata::default(),
        rights: Rights::default(),
        as_stored: true,
        damaged: false,
    })
}

/// Says in our words what the decoder found.
fn reason(error: &DecodingError) -> &'static str {
    match error {
        DecodingError::Io(_) | DecodingError::UnexpectedEof => "it is cut short",
        _ => "its data is damaged",
    }
}

fn read_header(bytes: &[u8], limits: &Limits) -> Result<Header, DecodeError> {
    let header = Header::read(bytes, limits.max_frames).ok_or_else(|| undecodable(Format::Gif, "it is cut short"))?;
    if header.frames == 0 {
        return Err(undecodable(Format::Gif, "it holds no frame"));
    }
    limits.check_size(Format::Gif, header.width, header.height)?;
    limits.check_size(Format::Gif, header.first.0, header.first.1)?;
    limits.check_frames(header.frames, header.width, header.height)?;
    Ok(header)
}

fn probe_header(header: &Header) -> Probe {
    Probe {
        format: Format::Gif,
        width: header.width,
        height: header.height,
        animated: header.frames > 1,
        alpha: true,
        orientation: Orientation::Upright,
        decode_bytes: decode_bytes(header),
    }
}

/// Returns the bytes that a decode needs: the canvas in RGBA, and the indices of the first frame, twice.
fn decode_bytes(header: &Header) -> u64 {
    let canvas = u64::from(header.width) * u64::from(header.height);
    let frame = u64::from(header.first.0) * u64::from(header.first.1);
    canvas * 4 + frame * 2 + (1 << 20)
}

impl Header {
    /// Reads the blocks up to the trailer, the end of the bytes or one frame more than `max_frames`. Returns `None`
    /// when the file is shorter than its header.
    fn read(bytes: &[u8], max_frames: u32) -> Option<Header> {
        let (width, height) = (u16_le(bytes, 6)?, u16_le(bytes, 8)?);
        let mut header = Header { width: width.into(), height: height.into(), ..Header::default() };
        let mut at = 13 + colour_table(*bytes.get(10)?);
        while header.frames <= max_frames {
            let Some(next) = header.read_block(bytes, at) else { break };
            at = next;
        }
        Some(header)
    }

    /// Reads the block at `at` and returns the start of the next.
    fn read_block(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        match bytes.get(at)? {
            0x21 => sub_blocks_end(bytes, at + 2),
            0x2C => {
                let (width, height) = (u16_le(bytes, at + 5)?, u16_le(bytes, at + 7)?);
                if self.frames == 0 {
                    let (left, top) = (u16_le(bytes, at + 1)?, u16_le(bytes, at + 3)?);
                    self.first = (width.into(), height.into());
                    self.width = self.width.max(u32::from(left) + self.first.0);
                    self.height = self.height.max(u32::from(top) + self.first.1);
                }
                self.frames += 1;
                sub_blocks_end(bytes, at + 11 + colour_table(*bytes.get(at + 9)?))
            }
            0x3B => None,
            // Some writers leave zeros between blocks.
            0 => Some(at + 1),
            _ => None,
        }
    }
}

/// Returns the bytes of the colour table that a packed field announces.
fn colour_table(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

fn sub_blocks_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

/// Puts the frame on a transparent canvas. Indices beyond its colour table are black, as in browsers.
fn compose(header: &Header, frame: &Frame<'_>, colours: &[u8]) -> Vec<u8> {
    let colour = |index: usize| match colours.get(3 * index..3 * index + 3) {
        _ if frame.transparent.map(usize::from) == Some(index) => [0; 4],
        Some(&[red, green, blue]) => [red, green, blue, u8::MAX],
        _ => [0, 0, 0, u8::MAX],
    };
    let colours: Vec<[u8; 4]> = (0..256).map(colour).collect();
    let (width, height) = (header.width as usize, header.height as usize);
    let mut canvas = vec![[0; 4]; width * height];
    let start = usize::from(frame.top) * width + usize::from(frame.left);
    let rows = canvas.get_mut(start..).unwrap_or_default().chunks_mut(width);
    for (target, source) in rows.zip(frame.buffer.chunks_exact(usize::from(frame.width))) {
        for (pixel, index) in target.iter_mut().zip(source) {
            *pixel = colours[usize::from(*index)];
        }
    }
    canvas.into_flattened()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A canvas of 4x3 with frames of 2x2 at 1,1; index 1 is transparent.
    fn file(frames: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = gif::Encoder::new(&mut file, 4, 3, &[10, 20, 30, 40, 50, 60]).unwrap();
        for _ in 0..frames {
            let mut frame = Frame::from_indexed_pixels(2, 2, vec![0, 1, 0, 0], Some(1));
            (frame.left, frame.top) = (1, 1);
            encoder.write_frame(&frame).unwrap();
        }
        drop(encoder);
        file
    }

    #[test]
    fn the_first_frame_lies_on_a_transparent_canvas() {
        let picture = decode(&file(2), &Limits::default()).unwrap().picture;
        assert_eq!((picture.width(), picture.height()), (4, 3));
        let pixel = |x: usize, y: usize| &picture.pixels()[(y * 4 + x) * 4..][..4];
        assert_eq!((pixel(0, 0)[3], pixel(1, 1), pixel(2, 1)[3]), (0, &[10, 20, 30, 255][..], 0));
        assert_eq!((pixel(2, 2), pixel(3, 2)[3]), (&[10, 20, 30, 255][..], 0));
    }

    /// The decoded picture of `file` with other bytes in its first image descriptor, from its marker on.
    fn decoded_with(mut file: Vec<u8>, descriptor: &[(usize, u8)]) -> Picture {
        let frame = file.iter().position(|&byte| byte == 0x2C).unwrap();
        descriptor.iter().for_each(|(at, byte)| file[frame + at] = *byte);
        decode(&file, &Limits::default()).unwrap().picture
    }

    #[test]
    fn the_canvas_holds_all_of_the_first_frame() {
        let picture = decoded_with(file(1), &[(1, 3)]);
        assert_eq!((picture.width(), picture.height()), (5, 3));
        assert_eq!(picture.pixels()[(5 + 3) * 4..][..4], [10, 20, 30, 255]);
        let mut without_screen = file(1);
        without_screen[6..10].fill(0);
        let picture = decoded_with(without_screen, &[]);
        assert_eq!((picture.width(), picture.height()), (3, 3));
        assert_eq!(picture.pixels()[(3 + 1) * 4..][..4], [10, 20, 30, 255]);
    }

    #[test]
    fn an_index_beyond_the_colours_is_black() {
        let mut file = Vec::new();
        let mut encoder = gif::Encoder::new(&mut file, 2, 1, &[10, 20, 30, 40, 50, 60]).unwrap();
        encoder.write_frame(&Frame::from_indexed_pixels(2, 1, vec![3, 1], None)).unwrap();
        drop(encoder);
        let picture = decode(&file, &Limits::default()).unwrap().picture;
        assert_eq!(picture.pixels(), [0, 0, 0, 255, 40, 50, 60, 255]);
    }

    #[test]
    fn an_extension_of_an_unknown_kind_is_passed_over() {
        let mut file = file(1);
        let frame = file.iter().position(|&byte| byte == 0x21).unwrap();
        file.splice(frame..frame, *b"\x21\x77\x02ab\0");
        assert!(decode(&file, &Limits::default()).is_ok());
    }

    #[test]
    fn frames_are_counted_without_decoding() {
        assert!(!probe(&file(1), &Limits::default()).unwrap().animated);
        let limits = Limits { max_frames: 3, ..Limits::default() };
        assert!(probe(&file(3), &limits).unwrap().animated);
        assert!(matches!(decode(&file(4), &limits), Err(DecodeError::TooManyPixels { .. })));
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let mut canvas = file(1);
        canvas[6..10].fill(0xFF);
        assert!(matches!(decode(&canvas, &Limits::default()), Err(DecodeError::TooManyPixels { .. })));
        let mut bomb = file(1);
        let frame = bomb.iter().position(|&byte| byte == 0x2C).unwrap();
        bomb[frame + 5..frame + 9].fill(0xFF);
        assert!(matches!(decode(&bomb, &Limits::default()), Err(DecodeError::TooManyPixels { .. })));
    }

    #[test]
    fn truncation_and_damage_anywhere_never_panic() {
        let file = file(2);
        for at in 0..file.len() {
            let _ = decode(&file[..at], &Limits::default());
            let mut damaged = file.clone();
            damaged[at] ^= 0x55;
            let _ = decode(&damaged, &Limits { max_pixels: 1_000_000, ..Limits::default() });
        }
    }
}
