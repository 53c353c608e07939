//! Decodes a HEIC's primary picture: one HEVC picture, a grid of them, or an overlay of such, with its transparency,
//! crop and turns. Thumbnails, gain maps and depth are pictures of their own, and are not looked at.

use heifer_hevc_dec::recon::Frame;

use super::hevc::{self, Sequence};
use super::overlay;
use crate::codec::heif::assemble::{self, DecodedTile};
use crate::codec::heif::yuv::{Plane, Planes, Signal};
use crate::codec::heif::{self, Coding, Nclx, Overlay, Still, Tile};
use crate::codec::{DecodeError, Decoded, Format, Limits, Probe, undecodable, unsupported};
use crate::picture::Layout;

/// Reads the container of a HEIC, and the header of its first HEVC picture.
///
/// # Errors
/// [`DecodeError::Unsupported`] where HEIC is switched off and for kinds that are not read, [`DecodeError::Undecodable`] for a
/// damaged container, [`DecodeError::TooManyPixels`] when a limit is exceeded.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    match read(bytes, limits)? {
        Content::Still(still) => probe_still(&still),
        Content::Overlay(overlay) => probe_overlay(&overlay),
    }
}

/// Decodes a HEIC's primary picture.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let decode = |still: &Still<'_>| {
        probe_still(still)?;
        assemble::assembled(still, limits, decode_tile)
    };
    match read(bytes, limits)? {
        Content::Still(still) => decode(&still),
        Content::Overlay(overlay) => overlay::composed(&overlay, limits, decode),
    }
}

/// What a file shows.
enum Content<'a> {
    Still(Still<'a>),
    Overlay(Overlay<'a>),
}

pub(super) fn refused(reason: impl Into<String>) -> DecodeError {
    undecodable(Format::Heic, reason)
}

/// Parses the container and checks every picture in it against the limits.
fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Content<'a>, DecodeError> {
    if !limits.heic {
        return Err(unsupported("HEIC"));
    }
    match heif::primary_kind(bytes).as_ref() {
        None | Some(b"hvc1" | b"hev1" | b"grid") => {}
        Some(b"iovl") => {
            let overlay = heif::parse_overlay(bytes).map_err(refused)?;
            overlay::check(&overlay, limits)?;
            return Ok(Content::Overlay(overlay));
        }
        Some(kind) => return Err(unsupported(format!("HEIF with a picture of the kind {}", kind.escape_ascii()))),
    }
    let still = heif::parse(bytes, Coding::Hevc).map_err(refused)?;
    assemble::check(&still, Format::Heic, limits)?;
    Ok(Content::Still(still))
}

fn probe_still(still: &Still<'_>) -> Result<Probe, DecodeError> {
    let sequence = hevc::sequence(&still.colour.tiles[0])?;
    signal(still.nclx.unwrap_or(sequence.points), sequence.bit_depth)?;
    let (width, height) = still.shown_size();
    Ok(Probe {
        format: Format::Heic,
        width,
        height,
        animated: still.frames > 1,
        alpha: still.alpha.is_some(),
        orientation: still.orientation,
        decode_bytes: decode_bytes(still, &sequence),
    })
}

fn probe_overlay(overlay: &Overlay<'_>) -> Result<Probe, DecodeError> {
    let layers = overlay.layers.iter().map(|layer| probe_still(&layer.still)).collect::<Result<Vec<_>, _>>()?;
    let (width, height) = overlay.crop.map_or((overlay.width, overlay.height), |crop| (crop.width, crop.height));
    let layout = overlay::layout(overlay.fill);
    let canvas = u64::from(overlay.width) * u64::from(overlay.height) * layout.bytes_per_pixel() as u64;
    let copies = if overlay.crop.is_some() { 2 } else { 1 };
    // A picture that is turned is there twice, too.
    let largest = layers.iter().map(|layer| 2 * layer.decode_bytes).max().unwrap_or(0);
    Ok(Probe {
        format: Format::Heic,
        width,
        height,
        animated: overlay.frames > 1,
        alpha: layout == Layout::Rgba,
        orientation: overlay.orientation,
        decode_bytes: canvas * copies + largest,
    })
}

/// Returns the bytes that a decode needs: the picture, and the largest tile.
fn decode_bytes(still: &Still<'_>, sequence: &Sequence) -> u64 {
    let coded = u64::from(sequence.coded.0) * u64::from(sequence.coded.1);
    still.picture_bytes() + coded * TILE_BYTES_PER_PIXEL + 4 * still.longest_tile() + (8 << 20)
}

/// Bytes that a tile takes for each of its pixels: samples of two bytes, a copy of them for the filters and one for the
/// conversion, at 4:4:4. A picture of 8 megapixels in one tile at 4:2:0 took 62 MB, the picture included.
const TILE_BYTES_PER_PIXEL: u64 = 20;

fn signal(points: Nclx, bit_depth: u8) -> Result<Signal, DecodeError> {
    let signal = if (8..=12).contains(&bit_depth) { Signal::new(points, bit_depth) } else { None };
    signal.ok_or_else(|| unsupported(format!("HEIC with matrix coefficients {}", points.matrix)))
}

/// A decoded tile: its samples, two bytes each, and how they become colours.
struct DecodedPicture {
    planes: Vec<Vec<u8>>,
    widths: [u32; 3],
    heights: [u32; 3],
    sequence: Sequence,
}

fn decode_tile(tile: &Tile<'_>) -> Result<DecodedPicture, DecodeError> {
    let sequence = hevc::sequence(tile)?;
    let Frame { planes, widths, heights, bit_depth, .. } = hevc::decode(tile)?;
    let is_grey = planes[1].is_empty();
    if bit_depth.iter().any(|depth| *depth != sequence.bit_depth) && !is_grey {
        return Err(unsupported("HEIC whose luma and chroma differ in depth"));
    }
    let bytes = |plane: &Vec<u16>| plane.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    let planes = planes[..if is_grey { 1 } else { 3 }].iter().map(bytes).collect();
    Ok(DecodedPicture { planes, widths, heights, sequence })
}

impl DecodedTile for DecodedPicture {
    fn points(&self) -> Nclx {
        self.sequence.points
    }

    fn with_planes<T>(&self, points: Nclx, read: impl FnOnce(&Planes<'_>) -> T) -> Result<T, DecodeError> {
        let plane = |index: usize| Plane {
            bytes: &self.planes[index],
            stride: self.widths[index] as usize * 2,
            width: self.widths[index] as usize,
            height: self.heights[index] as usize,
            wide: true,
        };
        let signal = signal(points, self.sequence.bit_depth)?;
        let planes = Planes { luma: plane(0), chroma: (self.planes.len() == 3).then(|| [plane(1), plane(2)]), signal };
        if !planes.are_whole() {
            return Err(refused("its planes are cut short"));
        }
        Ok(read(&planes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::transform::{Area, cut};
    use crate::picture::{Orientation, Picture};
    use heifer::{EncodeOptions, Image};

    const WIDTH: u32 = 70;
    const HEIGHT: u32 = 50;

    fn colour(x: u32, y: u32) -> [u8; 4] {
        [(x * 3) as u8, (y * 5) as u8, (200 - x - y) as u8, (x * 3 + 40) as u8]
    }

    fn drawn() -> Vec<[u8; 4]> {
        (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| colour(x, y))).collect()
    }

    fn options() -> EncodeOptions {
        EncodeOptions { quality: 100, max_threads: 1 }
    }

    fn opaque() -> Vec<u8> {
        let rgb: Vec<u8> = drawn().into_iter().flat_map(|[red, green, blue, _]| [red, green, blue]).collect();
        heifer::encode_rgb8(WIDTH, HEIGHT, &rgb, &options()).unwrap()
    }

    fn ten_bits() -> Vec<u8> {
        let sample = |(channel, level): (usize, u8)| if channel == 3 { 1023 } else { u16::from(level) * 4 };
        let data = drawn().into_iter().flat_map(|pixel| pixel.into_iter().enumerate().map(sample)).collect();
        let image = Image { width: WIDTH, height: HEIGHT, bit_depth: 10, has_alpha: false, data };
        heifer::encode(&image, &options()).unwrap()
    }

    fn read_file(file: &[u8]) -> Decoded {
        decode(file, &Limits::default()).unwrap()
    }

    /// The mean difference of each channel.
    fn difference(picture: &Picture) -> f64 {
        let channels = picture.layout().bytes_per_pixel();
        let expected = drawn().into_iter().flat_map(|pixel| pixel.into_iter().take(channels));
        let sum: u32 =
            picture.pixels().iter().zip(expected).map(|(&level, expected)| u32::from(level.abs_diff(expected))).sum();
        f64::from(sum) / picture.pixels().len() as f64
    }

    fn declare_size(file: &mut [u8], width: u32, height: u32) {
        let size = file.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
        file[size..size + 8].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
    }

    #[test]
    fn both_depths_come_out_as_they_went_in() {
        for file in [opaque(), ten_bits()] {
            let decoded = read_file(&file);
            assert_eq!((decoded.picture.width(), decoded.picture.height()), (WIDTH, HEIGHT));
            assert_eq!(decoded.orientation, Orientation::Upright);
            assert!(difference(&decoded.picture) < 3.0, "{}", difference(&decoded.picture));
        }
    }

    #[test]
    fn alpha_comes_from_the_auxiliary_picture() {
        let file = heifer::encode_rgba8(WIDTH, HEIGHT, drawn().as_flattened(), &options()).unwrap();
        assert!(probe(&file, &Limits::default()).unwrap().alpha);
        let picture = read_file(&file).picture;
        assert!(picture.has_alpha() && difference(&picture) < 3.0, "{}", difference(&picture));
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let mut file = opaque();
        declare_size(&mut file, 60_000, 60_000);
        assert!(matches!(decode(&file, &Limits::default()), Err(DecodeError::TooManyPixels { width: 60_000, .. })));
    }

    #[test]
    fn a_container_that_lies_about_the_size_is_refused() {
        for (width, height) in [(WIDTH + 30, HEIGHT), (WIDTH, HEIGHT + 30), (3, 3)] {
            let mut file = opaque();
            declare_size(&mut file, width, height);
            assert!(
                matches!(decode(&file, &Limits::default()), Err(DecodeError::Undecodable { .. })),
                "{width}x{height}"
            );
        }
    }

    #[test]
    fn what_is_switched_off_or_of_another_kind_is_named() {
        let off = Limits { heic: false, ..Limits::default() };
        assert_eq!(probe(&opaque(), &off), Err(unsupported("HEIC")));
        let mut other = opaque();
        let at = other.windows(4).position(|kind| kind == b"hvc1").unwrap();
        other[at..at + 4].copy_from_slice(b"iden");
        assert_eq!(probe(&other, &Limits::default()), Err(unsupported("HEIF with a picture of the kind iden")));
    }

    #[test]
    fn truncation_at_every_point_never_panics() {
        let file = opaque();
        for end in 0..file.len() {
            assert!(decode(&file[..end], &Limits::default()).is_err(), "{end}");
        }
    }

    #[test]
    fn damage_at_every_point_never_panics() {
        let file = opaque();
        for at in (0..file.len()).step_by(3) {
            for value in [0, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &Limits { max_pixels: 1 << 20, ..Limits::default() });
            }
        }
    }

    #[test]
    fn what_is_cut_away_is_not_shown() {
        let picture = Picture::new(3, 2, Layout::Rgb, (0..18).collect());
        let crop = Area { left: 1, top: 1, width: 2, height: 1 };
        assert_eq!(cut(&picture, crop).pixels(), [12, 13, 14, 15, 16, 17]);
    }
}
