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
    let (width, height) = still.shown_size();
    Ok(Probe {
        format: Format::Avif,
        width,
        height,
        animated: still.frames > 1,
        alpha: still.alpha.is_some(),
        orientation: still.orientation,
        decode_bytes: decode_bytes(still, tile, &sequence),
    })
}

/// Returns the bytes that a decode needs: the picture, and the largest tile. A tile needs
/// its planes in blocks of 128 pixels (two bytes a sample above 8 bits), the decoder's working memory, measured at up
/// to 3 bytes a pixel, and twice its compressed bytes.
fn decode_bytes(still: &Still<'_>, tile: &Tile<'_>, sequence: &Sequence) -> u64 {
    let picture = still.picture_bytes();
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
    use crate::codec::Effort;
    use crate::codec::heif::assemble::add_alpha;
    use crate::codec::lossy_coding::LossyCoding;
    use crate::picture::{Layout, Picture};

    const WIDTH: u32 = 70;
    const HEIGHT: u32 = 50;

    fn colour(x: u32, y: u32) -> [u8; 3] {
        [(x * 3) as u8, (y * 5) as u8, (200 - x - y) as u8]
    }

    fn picture(layout: Layout, pixel: impl Fn(u32, u32) -> Vec<u8>) -> Picture {
        let pixels = (0..WIDTH * HEIGHT).flat_map(|at| pixel(at % WIDTH, at / WIDTH)).collect();
        Picture::new(WIDTH, HEIGHT, layout, pixels)
    }

    fn encoded(picture: &Picture) -> Vec<u8> {
        let coding = LossyCoding::AvifFull;
        coding.encoder(picture, Effort::Fast).unwrap().encode(coding.scale().ln_step(95.0)).unwrap()
    }

    fn opaque() -> Vec<u8> {
        encoded(&picture(Layout::Rgb, |x, y| colour(x, y).to_vec()))
    }

    /// 20x12 pixels of 10 bits, by avifenc without loss: red 50 x, green 90 y, blue 1000 - 20 x - 30 y.
    const TEN_BITS: &str = "\
        00000020667479706176696600000000617669666d6966316d6961664d413141000000f26d657461000000000000002868646c72000000\
        0000000000706963740000000000000000000000006c696261766966000000000e7069746d0000000000010000001e696c6f6300000000\
        440000010001000000010000011a000000e60000002869696e660000000000010000001a696e6665020000000001000061763031436f6c\
        6f72000000006a697072700000004b6970636f000000146973706500000000000000140000000c000000107069786900000000030a0a0a\
        0000000c617631438120400000000013636f6c726e636c780001000d0000800000001769706d6100000000000000010001040102830400\
        0000ee6d64617412000a083810e77ce021a00432d701100000fde3dffa137dd73f7300eb4d3d3928f774c0a617fffe50bcff101bac7542\
        a44a4d6122b1abb366bf5f75cb68f4e11dc6aa353022bbd2e8ddc55cd068b90c87c786a200abb551a85f54342cdda11720b1124b65bcf2\
        6709f8b7c67d089b31f8b29142f9867019dc7318fa20873d2be1f2bb71fb33757c25b3abec1349fb66de8e0c833d49577221f423c73dfd\
        1eb50293ca8778a6c269b7a12990e4e5ee75e14af5036f7380d667f603244346afda04a292d2f8d47f43d209379fc9bd539584b7c9ce2b\
        03337e072acd24dd9653f681c502d34590";

    fn bytes(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    fn declare_size(file: &mut [u8], width: u32, height: u32) {
        let size = file.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
        file[size..size + 8].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
    }

    #[test]
    fn pixels_come_out_as_they_went_in() {
        let original = picture(Layout::Rgb, |x, y| colour(x, y).to_vec());
        let decoded = decode(&encoded(&original), &Limits::default()).unwrap().picture;
        assert_eq!((decoded.width(), decoded.height()), (WIDTH, HEIGHT));
        let differences = decoded.pixels().iter().zip(original.pixels()).map(|(a, b)| u32::from(a.abs_diff(*b)));
        let sum: u32 = differences.sum();
        assert!(sum < 3 * original.pixels().len() as u32, "{sum}");
    }

    #[test]
    fn ten_bits_are_rounded_to_eight() {
        let decoded = decode(&bytes(TEN_BITS), &Limits::default()).unwrap().picture;
        assert_eq!((decoded.width(), decoded.height()), (20, 12));
        for (at, pixel) in decoded.pixels().chunks_exact(3).enumerate() {
            let (x, y) = (at as u32 % 20, at as u32 / 20);
            let expected =
                [50 * x, 90 * y, 1000 - 20 * x - 30 * y].map(|level| (f64::from(level) / 1023.0 * 255.0) as u8);
            assert!(pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{x} {y}: {pixel:?} {expected:?}");
        }
    }

    #[test]
    fn alpha_comes_from_the_auxiliary_picture() {
        let original = picture(Layout::Rgba, |x, y| [&colour(x, y)[..], &[(x * 3) as u8]].concat());
        let file = encoded(&original);
        assert!(probe(&file, &Limits::default()).unwrap().alpha);
        let decoded = decode(&file, &Limits::default()).unwrap().picture;
        let alphas = decoded.pixels().chunks_exact(4).zip(original.pixels().chunks_exact(4));
        assert!(alphas.map(|(a, b)| a[3].abs_diff(b[3])).all(|difference| difference <= 4));
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let mut file = opaque();
        declare_size(&mut file, 60_000, 60_000);
        assert!(matches!(decode(&file, &Limits::default()), Err(DecodeError::TooManyPixels { width: 60_000, .. })));
    }

    #[test]
    fn a_container_that_lies_about_the_size_is_refused() {
        for (width, height) in [(WIDTH + 1, HEIGHT), (WIDTH, HEIGHT - 1), (8, 8)] {
            let mut file = opaque();
            declare_size(&mut file, width, height);
            assert!(matches!(decode(&file, &Limits::default()), Err(DecodeError::Undecodable { .. })));
        }
    }

    #[test]
    fn truncation_at_every_point_never_panics() {
        let file = opaque();
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
