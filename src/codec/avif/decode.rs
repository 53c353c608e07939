//! Decodes AVIF with re_rav1d, without assembly: still pictures, grids and the primary picture of a sequence.
//!
//! The sequence header is read and compared with the container before the decoder gets any bytes. The decoder gets the
//! frame size as its limit.

use re_rav1d::{Decoder, PixelLayout, PlanarImageComponent, Settings};

use super::sequence::Sequence;
use crate::codec::heif::assemble::{self, DecodedTile};
use crate::codec::heif::yuv::{Plane, Planes, Signal};
use crate::codec::heif::{self, Coding, Nclx, Still, Tile};
use crate::codec::{DecodeError, Decoded, Format, Limits, Probe, undecodable, unsupported};

/// Maximum number of frames in a still picture's stream: layers and one hidden frame. Every frame costs a decode.
const MAX_FRAMES: u32 = 8;

/// Reads the container and the sequence header of an AVIF.
///
/// # Errors
/// [`DecodeError::Undecodable`] for a damaged container or an unsupported kind, [`DecodeError::TooManyPixels`] when a
/// limit is exceeded. Frames of a sequence count towards it.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    probe_still(&read(bytes, limits)?)
}

/// Decodes an AVIF's primary picture.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let still = read(bytes, limits)?;
    probe_still(&still)?;
    assemble::assembled(&still, limits, decode_tile)
}

fn refused(reason: impl Into<String>) -> DecodeError {
    undecodable(Format::Avif, reason)
}

/// Parses the container and checks every picture in it against the limits.
fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Still<'a>, DecodeError> {
    let still = heif::parse(bytes, Coding::Av1).map_err(refused)?;
    assemble::check(&still, Format::Avif, limits)?;
    Ok(still)
}

fn probe_still(still: &Still<'_>) -> Result<Probe, DecodeError> {
    let tile = &still.colour.tiles[0];
    let sequence = read_sequence(tile)?;
    signal(still.nclx.unwrap_or_else(|| points(&sequence)), &sequence)?;
    Ok(Probe {
        format: Format::Avif,
        width: still.colour.width,
        height: still.colour.height,
        animated: still.frames > 1,
        alpha: still.alpha.is_some(),
        orientation: still.orientation,
        decode_bytes: decode_bytes(still, tile, &sequence),
    })
}

/// Returns the bytes that a decode needs: the picture, one byte a pixel for alpha, and the largest tile. A tile needs
/// its planes in blocks of 128 pixels (two bytes a sample above 8 bits), the decoder's working memory, measured at up
/// to 3 bytes a pixel, and twice its compressed bytes.
fn decode_bytes(still: &Still<'_>, tile: &Tile<'_>, sequence: &Sequence) -> u64 {
    let pixels = u64::from(still.colour.width) * u64::from(still.colour.height);
    let picture = pixels * if still.alpha.is_some() { 5 } else { 3 };
    let padded = u64::from(tile.width.next_multiple_of(128)) * u64::from(tile.height.next_multiple_of(128));
    let halves = match (sequence.monochrome, sequence.subsampling) {
        (true, _) => 2,
        (false, (true, true)) => 3,
        (false, (true, false)) => 4,
        (false, _) => 6,
    };
    let sample_bytes = if sequence.bit_depth > 8 { 2 } else { 1 };
    picture + padded * (halves * sample_bytes / 2 + 3) + 2 * still.longest_tile() + (8 << 20)
}

fn read_sequence(tile: &Tile<'_>) -> Result<Sequence, DecodeError> {
    let sequence = Sequence::read(&tile.bytes).ok_or_else(|| refused("its AV1 data has no valid header"))?;
    if sequence.max_width < tile.width || sequence.max_height < tile.height {
        return Err(refused(format!(
            "its container says {}x{}, its AV1 data at most {}x{}",
            tile.width, tile.height, sequence.max_width, sequence.max_height
        )));
    }
    if sequence.frames == 0 || sequence.frames > MAX_FRAMES {
        return Err(refused(format!("its picture is made of {} frames", sequence.frames)));
    }
    Ok(sequence)
}

/// The code points of the AV1 data.
fn points(sequence: &Sequence) -> Nclx {
    Nclx {
        primaries: sequence.primaries,
        transfer: sequence.transfer,
        matrix: sequence.matrix,
        full_range: sequence.full_range,
    }
}

fn signal(points: Nclx, sequence: &Sequence) -> Result<Signal, DecodeError> {
    Signal::new(points, sequence.bit_depth)
        .ok_or_else(|| unsupported(format!("AVIF with matrix coefficients {}", points.matrix)))
}

/// A decoded tile.
struct Frame {
    picture: re_rav1d::Picture,
    sequence: Sequence,
}

fn decode_tile(tile: &Tile<'_>) -> Result<Frame, DecodeError> {
    let sequence = read_sequence(tile)?;
    let failed = |_: re_rav1d::Error| refused("its AV1 data is damaged");
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_operating_point(tile.operating_point.into());
    settings.set_frame_size_limit(tile.width.saturating_mul(tile.height));
    let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
    let mut sent = decoder.send_data(tile.bytes.to_vec(), None, None, None);
    for _ in 0..=MAX_FRAMES {
        match sent {
            Ok(()) => {}
            Err(error) if error.is_again() => {}
            Err(error) => return Err(failed(error)),
        }
        match decoder.get_picture() {
            Ok(picture) => return check_frame(Frame { picture, sequence }, tile),
            Err(error) if error.is_again() => sent = decoder.send_pending_data(),
            Err(error) => return Err(failed(error)),
        }
    }
    Err(refused("its AV1 data holds no picture"))
}

/// Checks the decoded frame against the headers.
fn check_frame(frame: Frame, tile: &Tile<'_>) -> Result<Frame, DecodeError> {
    let (picture, sequence) = (&frame.picture, &frame.sequence);
    let layout = match (sequence.monochrome, sequence.subsampling) {
        (true, _) => PixelLayout::I400,
        (false, (true, true)) => PixelLayout::I420,
        (false, (true, false)) => PixelLayout::I422,
        (false, _) => PixelLayout::I444,
    };
    if (picture.width(), picture.height()) != (tile.width, tile.height)
        || picture.pixel_layout() != layout
        || picture.bit_depth() != usize::from(sequence.bit_depth)
    {
        return Err(refused("its headers contradict each other"));
    }
    Ok(frame)
}

impl DecodedTile for Frame {
    fn points(&self) -> Nclx {
        points(&self.sequence)
    }

    fn with_planes<T>(&self, points: Nclx, read: impl FnOnce(&Planes<'_>) -> T) -> Result<T, DecodeError> {
        let signal = signal(points, &self.sequence)?;
        let buffers: Vec<_> = self.components().iter().map(|&component| self.picture.plane(component)).collect();
        let (width, height) = (self.picture.width() as usize, self.picture.height() as usize);
        let (half_width, half_height) = self.sequence.subsampling;
        let plane = |index: usize| {
            let is_chroma = index > 0;
            Plane {
                bytes: &buffers[index],
                stride: self.picture.stride(self.components()[index]) as usize,
                width: if is_chroma && half_width { width.div_ceil(2) } else { width },
                height: if is_chroma && half_height { height.div_ceil(2) } else { height },
                wide: self.sequence.bit_depth > 8,
            }
        };
        let chroma = (buffers.len() == 3).then(|| [plane(1), plane(2)]);
        let planes = Planes { luma: plane(0), chroma, signal };
        if !planes.are_whole() {
            return Err(refused("its planes are cut short"));
        }
        Ok(read(&planes))
    }
}

impl Frame {
    fn components(&self) -> &'static [PlanarImageComponent] {
        const ALL: &[PlanarImageComponent] =
            &[PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V];
        if self.sequence.monochrome { &ALL[..1] } else { ALL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::heif::assemble::add_alpha;
    use ravif::{BitDepth, Encoder, Img};
    use rgb::{RGB8, RGBA8};

    const WIDTH: usize = 70;
    const HEIGHT: usize = 50;

    fn colour(i: usize) -> RGB8 {
        let (x, y) = (i % WIDTH, i / WIDTH);
        RGB8::new((x * 3) as u8, (y * 5) as u8, (200 - x - y) as u8)
    }

    fn encoder() -> Encoder<'static> {
        Encoder::new().with_quality(95.0).with_alpha_quality(100.0).with_speed(10).with_num_threads(Some(1))
    }

    fn opaque(depth: BitDepth) -> Vec<u8> {
        let pixels: Vec<RGB8> = (0..WIDTH * HEIGHT).map(colour).collect();
        encoder().with_bit_depth(depth).encode_rgb(Img::new(&pixels, WIDTH, HEIGHT)).unwrap().avif_file
    }

    fn declare_size(file: &mut [u8], width: u32, height: u32) {
        let size = file.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
        file[size..size + 8].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
    }

    #[test]
    fn both_depths_come_out_as_they_went_in() {
        for depth in [BitDepth::Eight, BitDepth::Ten] {
            let picture = decode(&opaque(depth), &Limits::default()).unwrap().picture;
            assert_eq!((picture.width() as usize, picture.height() as usize), (WIDTH, HEIGHT));
            let expected: Vec<u8> = (0..WIDTH * HEIGHT).flat_map(|i| <[u8; 3]>::from(colour(i))).collect();
            let error: u32 = picture.pixels().iter().zip(&expected).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            assert!(error < 3 * expected.len() as u32, "{depth:?}: mean {}", f64::from(error) / expected.len() as f64);
        }
    }

    #[test]
    fn alpha_comes_from_the_auxiliary_picture() {
        let pixels: Vec<RGBA8> = (0..WIDTH * HEIGHT).map(|i| colour(i).with_alpha((i % WIDTH * 3) as u8)).collect();
        let file = encoder().encode_rgba(Img::new(&pixels, WIDTH, HEIGHT)).unwrap().avif_file;
        assert!(probe(&file, &Limits::default()).unwrap().alpha);
        let picture = decode(&file, &Limits::default()).unwrap().picture;
        let alphas = picture.pixels().chunks_exact(4).zip(&pixels);
        assert!(alphas.map(|(pixel, expected)| pixel[3].abs_diff(expected.a)).all(|difference| difference <= 4));
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let mut file = opaque(BitDepth::Eight);
        declare_size(&mut file, 60_000, 60_000);
        assert!(matches!(decode(&file, &Limits::default()), Err(DecodeError::TooManyPixels { width: 60_000, .. })));
    }

    #[test]
    fn a_container_that_lies_about_the_size_is_refused() {
        for (width, height) in [(WIDTH as u32 + 1, HEIGHT as u32), (WIDTH as u32, HEIGHT as u32 - 1), (8, 8)] {
            let mut file = opaque(BitDepth::Eight);
            declare_size(&mut file, width, height);
            assert!(matches!(decode(&file, &Limits::default()), Err(DecodeError::Undecodable { .. })));
        }
    }

    #[test]
    fn truncation_at_every_point_never_panics() {
        let file = opaque(BitDepth::Eight);
        for end in 0..file.len() {
            assert!(decode(&file[..end], &Limits::default()).is_err(), "{end}");
        }
    }

    #[test]
    fn colours_multiplied_by_alpha_are_divided_by_it() {
        let mut rgba = Vec::new();
        add_alpha(&[1000, 2000, 60_000], &[51], true, &mut rgba);
        assert_eq!(rgba, [5000, 10_000, 65_535, 51 * 257]);
        add_alpha(&[1000, 2000, 60_000], &[51], false, &mut rgba);
        assert_eq!(rgba, [1000, 2000, 60_000, 51 * 257]);
    }
}
