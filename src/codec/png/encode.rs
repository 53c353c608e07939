//! PNG: lossless, or with a palette of fewer colours when the target asks for it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use png::{BitDepth, ColorType, Compression, Filter, SrgbRenderingIntent};

use super::quality_scale;
use crate::codec::{Effort, EncodeError, Encoder, Format, rate};
use crate::picture::content::Content;
use crate::picture::{Chroma, Layout, Picture, palette};

/// Largest side that we write; the format itself allows 2^31 - 1.
pub const MAX_SIDE: u32 = 1 << 24;

/// Most colours in a palette (PNG third edition, 11.2.2).
const MAX_COLOURS: usize = 256;

/// `picture` as lossless PNG: with a palette where it has at most 256 colours, grey where it has no others, or both where
/// either may be smaller; else RGB or RGBA.
///
/// # Errors
/// [`EncodeError::TooLarge`] over [`MAX_SIDE`], [`EncodeError::Failed`].
pub fn encode_lossless(picture: &Picture, effort: Effort) -> Result<Vec<u8>, EncodeError> {
    Format::Png.check_size(picture)?;
    let filter = if effort == Effort::Fast { Filter::Paeth } else { Filter::Adaptive };
    let grey = match picture.is_grey() {
        true => Some(write_grey(picture, filter, effort)?),
        false => None,
    };
    let indexed = Indexed::exact(picture).map(|indexed| indexed.write(picture, effort)).transpose()?;
    if let Some(smaller) = grey.into_iter().chain(indexed).min_by_key(Vec::len) {
        return Ok(smaller);
    }
    let colour = if picture.has_alpha() { ColorType::Rgba } else { ColorType::Rgb };
    write(picture, colour, BitDepth::Eight, filter, effort, picture.pixels(), None)
}

/// `picture`, which is grey, with one sample for each pixel, and its alpha if it has that. Few levels that are evenly
/// spread take fewer bits.
fn write_grey(picture: &Picture, filter: Filter, effort: Effort) -> Result<Vec<u8>, EncodeError> {
    let grey =
        |depth, filter, samples: &[u8]| write(picture, ColorType::Grayscale, depth, filter, effort, samples, None);
    match picture.layout() {
        Layout::Rgba => {
            let samples: Vec<u8> = picture.pixels().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[3]]).collect();
            write(picture, ColorType::GrayscaleAlpha, BitDepth::Eight, filter, effort, &samples, None)
        }
        Layout::Rgb => {
            let levels: Vec<u8> = picture.pixels().iter().step_by(3).copied().collect();
            for (depth, bits) in [(BitDepth::One, 1), (BitDepth::Two, 2), (BitDepth::Four, 4)] {
                let step = u8::MAX / ((1 << bits) - 1);
                if levels.iter().all(|level| level % step == 0) {
                    let samples: Vec<u8> = levels.iter().map(|level| level / step).collect();
                    return grey(depth, Filter::NoFilter, &pack(&samples, picture.width() as usize, bits));
                }
            }
            grey(BitDepth::Eight, filter, &levels)
        }
    }
}

/// A picture ready to be written as PNG with any number of colours. Its "quantiser step" is the inverse of
/// the number of colours: ln(step) = -ln(colours).
pub struct PaletteEncoder<'a> {
    picture: &'a Picture,
    /// The pixels as red, green, blue, alpha: made when the first encode is asked for.
    rgba: OnceCell<Vec<u8>>,
    effort: Effort,
    is_drawn: bool,
}

impl<'a> PaletteEncoder<'a> {
    /// Prepares `picture`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] over [`MAX_SIDE`].
    pub fn new(picture: &'a Picture, effort: Effort) -> Result<PaletteEncoder<'a>, EncodeError> {
        Format::Png.check_size(picture)?;
        Ok(PaletteEncoder { picture, rgba: OnceCell::new(), effort, is_drawn: Content::of(picture).is_drawn() })
    }

    fn rgba(&self) -> &[u8] {
        let pixels = self.picture.pixels();
        match self.picture.layout() {
            Layout::Rgba => pixels,
            Layout::Rgb => self.rgba.get_or_init(|| palette::rgba(self.picture)),
        }
    }
}

impl Encoder for PaletteEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        -(MAX_COLOURS as f64).ln()..=-(2f64.ln())
    }

    fn snap(&self, ln_step: f64) -> f64 {
        -f64::from(colours(ln_step)).ln()
    }

    fn predict(&self, ln_step: f64) -> f64 {
        quality_scale::SCALE.ln_bytes(self.picture.pixel_count(), ln_step)
    }

    fn begins_at_finest(&self) -> bool {
        !self.is_drawn
    }

    fn probe(&self, ln_step: f64) -> Result<Option<f64>, EncodeError> {
        if !self.is_drawn {
            return Ok(None);
        }
        let strips = rate::strips(self.picture, Chroma::Halved, rate::rows_for(self.picture, PROBED_PIXELS));
        let probed = strips.as_ref().unwrap_or(self.picture);
        let encoder = PaletteEncoder { picture: probed, rgba: OnceCell::new(), ..*self };
        let share = probed.pixel_count() as f64 / self.picture.pixel_count() as f64;
        let besides = CHUNK_BYTES + 3.0 * f64::from(colours(ln_step));
        let samples = (encoder.encode(ln_step)?.len() as f64 - besides).max(1.0);
        Ok(Some((samples / share + besides).ln()))
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        // The cheapest compression leaves dithered indexes as they are, so that 17 colours take as much as 256.
        Indexed::reduced(self, colours(ln_step))?.write(self.picture, self.effort.max(Effort::Balanced))
    }
}

/// About so many pixels of a drawing are coded to predict the size of the whole.
const PROBED_PIXELS: u64 = 130_000;

/// Bytes of a file besides its colours and samples: signature, IHDR, sRGB, and what PLTE, IDAT and IEND begin and end
/// with (PNG third edition, 5.3).
const CHUNK_BYTES: f64 = 8.0 + 25.0 + 13.0 + 3.0 * 12.0;

/// Colours, 2 to 256, at this step.
fn colours(ln_step: f64) -> i32 {
    ((-ln_step).exp().round() as i32).clamp(2, MAX_COLOURS as i32)
}

/// A picture as indexes into a palette.
struct Indexed {
    /// Red, green, blue, alpha of each colour; those with transparency first, as tRNS wants them.
    palette: Vec<[u8; 4]>,
    indexes: Vec<u8>,
}

impl Indexed {
    /// The picture itself, when it has at most 256 colours.
    fn exact(picture: &Picture) -> Option<Indexed> {
        let mut palette: Vec<[u8; 4]> = Vec::new();
        let mut index_of: HashMap<[u8; 4], u8> = HashMap::new();
        let mut indexes = Vec::with_capacity(picture.pixel_count() as usize);
        let mut last = ([0; 4], None);
        for pixel in picture.pixels().chunks_exact(picture.layout().bytes_per_pixel()) {
            let colour = [pixel[0], pixel[1], pixel[2], pixel.get(3).copied().unwrap_or(u8::MAX)];
            let index = match last {
                (same, Some(index)) if same == colour => index,
                _ => match index_of.get(&colour) {
                    Some(index) => *index,
                    None if palette.len() == MAX_COLOURS => return None,
                    None => {
                        let index = palette.len() as u8;
                        palette.push(colour);
                        index_of.insert(colour, index);
                        index
                    }
                },
            };
            last = (colour, Some(index));
            indexes.push(index);
        }
        Some(Indexed { palette, indexes }.transparent_first())
    }

    /// The picture in at most `colours` colours.
    fn reduced(encoder: &PaletteEncoder, colours: i32) -> Result<Indexed, EncodeError> {
        // Drawings have more bytes with dithering, and noise where they had flat areas.
        let dithering = if encoder.is_drawn { 0.0 } else { 1.0 };
        let reduced = palette::reduce(encoder.rgba(), encoder.picture.width() as usize, colours, dithering);
        let palette::Indexed { palette, indexes } = reduced.map_err(|reason| failed(&reason))?;
        Ok(Indexed { palette, indexes }.transparent_first())
    }

    /// Moves colours with transparency to the front, so that tRNS can stop after them.
    fn transparent_first(self) -> Indexed {
        let mut order: Vec<usize> = (0..self.palette.len()).collect();
        order.sort_by_key(|index| self.palette[*index][3] == u8::MAX);
        let mut moved_to = vec![0u8; self.palette.len()];
        for (new, old) in order.iter().enumerate() {
            moved_to[*old] = new as u8;
        }
        let palette = order.iter().map(|old| self.palette[*old]).collect();
        let indexes = self.indexes.iter().map(|index| moved_to[usize::from(*index)]).collect();
        Indexed { palette, indexes }
    }

    fn write(&self, picture: &Picture, effort: Effort) -> Result<Vec<u8>, EncodeError> {
        let (depth, bits) = match self.palette.len() {
            0..=2 => (BitDepth::One, 1),
            3..=4 => (BitDepth::Two, 2),
            5..=16 => (BitDepth::Four, 4),
            _ => (BitDepth::Eight, 8),
        };
        let packed = pack(&self.indexes, picture.width() as usize, bits);
        // Neighbouring indexes mean nothing to each other: filters only hurt (PNG third edition, 12.7).
        write(picture, ColorType::Indexed, depth, Filter::NoFilter, effort, &packed, Some(&self.palette))
    }
}

/// Packs one index a byte into `bits` bits each, rows padded to whole bytes.
fn pack(indexes: &[u8], width: usize, bits: usize) -> Vec<u8> {
    if bits == 8 {
        return indexes.to_vec();
    }
    let per_byte = 8 / bits;
    let pack_byte = |group: &[u8]| {
        let fold = group.iter().fold(0u8, |byte, index| byte << bits | index);
        // A last group that is short stands at the high end.
        fold << (bits * (per_byte - group.len()))
    };
    indexes.chunks_exact(width).flat_map(|row| row.chunks(per_byte).map(pack_byte)).collect()
}

fn write(
    picture: &Picture,
    colour: ColorType,
    depth: BitDepth,
    filter: Filter,
    effort: Effort,
    samples: &[u8],
    palette: Option<&[[u8; 4]]>,
) -> Result<Vec<u8>, EncodeError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.width(), picture.height());
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(compression(effort));
    encoder.set_filter(filter);
    // Also the chunk that padding by less than a chunk of its own gives up (container.rs).
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    if let Some(palette) = palette {
        encoder.set_palette(palette.iter().flat_map(|colour| [colour[0], colour[1], colour[2]]).collect::<Vec<u8>>());
        let transparency: Vec<u8> =
            palette.iter().map(|colour| colour[3]).take_while(|alpha| *alpha != u8::MAX).collect();
        if !transparency.is_empty() {
            encoder.set_trns(transparency);
        }
    }
    let mut writer = encoder.write_header().map_err(|error| failed(&error.to_string()))?;
    writer.write_image_data(samples).map_err(|error| failed(&error.to_string()))?;
    writer.finish().map_err(|error| failed(&error.to_string()))?;
    Ok(file)
}

fn compression(effort: Effort) -> Compression {
    match effort {
        Effort::Fast => Compression::Fast,
        Effort::Balanced => Compression::Balanced,
        Effort::Best => Compression::High,
    }
}

fn failed(reason: &str) -> EncodeError {
    EncodeError::Failed { format: Format::Png, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{self, Limits};

    /// Pixels that differ from their left neighbour in `picture` with eight colours.
    fn changes(picture: &Picture) -> usize {
        let encoder = PaletteEncoder::new(picture, Effort::Balanced).unwrap();
        let file = encoder.encode(-(8f64.ln())).unwrap();
        let decoded = codec::decode(&file, &Limits::default()).unwrap().picture;
        let pixels: Vec<&[u8]> = decoded.pixels().chunks_exact(decoded.layout().bytes_per_pixel()).collect();
        pixels.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// Colour type and bit depth of a lossless file of `picture`, which is what it decodes to.
    fn written(picture: &Picture) -> (u8, u8) {
        let file = encode_lossless(picture, Effort::Balanced).unwrap();
        assert_eq!(&codec::decode(&file, &Limits::default()).unwrap().picture, picture);
        (file[25], file[24])
    }

    fn grey(level: impl Fn(u32, u32) -> u8) -> Picture {
        let pixels = (0..160 * 120u32).flat_map(|index| [level(index % 160, index / 160); 3]).collect();
        Picture::new(160, 120, Layout::Rgb, pixels)
    }

    #[test]
    fn a_grey_picture_is_written_as_grey_where_that_is_smaller() {
        const GREY: u8 = 0;
        const PALETTE: u8 = 3;
        const GREY_ALPHA: u8 = 4;
        let shades = grey(|x, y| (x + y / 2) as u8 + (x.wrapping_mul(y + 7) % 5) as u8);
        assert_eq!(written(&shades), (GREY, 8));
        let with_palette = Indexed::exact(&shades).unwrap().write(&shades, Effort::Balanced).unwrap().len();
        let file = encode_lossless(&shades, Effort::Balanced).unwrap();
        assert!(file.len() * 5 < with_palette * 4, "{} {with_palette}", file.len());
        assert_eq!(written(&grey(|x, y| if (x ^ y) & 8 == 0 { 0 } else { 255 })), (GREY, 1));
        assert_eq!(written(&grey(|x, y| ((x ^ y) & 3) as u8 * 85)), (GREY, 2));
        assert_eq!(written(&grey(|x, y| ((x ^ y) & 1) as u8 * 100)), (PALETTE, 1));
        let veiled = (0..160 * 120u32).flat_map(|index| {
            let level = (index % 160 + index / 320) as u8;
            [level, level, level, (index / 160 * 2) as u8]
        });
        assert_eq!(written(&Picture::new(160, 120, Layout::Rgba, veiled.collect())), (GREY_ALPHA, 8));
    }

    #[test]
    fn a_photograph_is_dithered_and_a_drawing_is_not() {
        // Forty areas of one colour each, 16 pixels wide: eight colours can't hold them.
        let areas = (0..64 * 640u32).flat_map(|index| {
            let area = index % 640 / 16;
            [(area * 6) as u8, (255 - area * 5) as u8, (area * 37 % 256) as u8]
        });
        let drawing = Picture::new(640, 64, Layout::Rgb, areas.collect());
        let shaded = (0..64 * 640u32).flat_map(|index| {
            let noise = index.wrapping_mul(2_654_435_761) >> 29;
            let level = (index % 640 / 3 + index / 640 / 2 + noise) as u8;
            [level, level / 2 + 40, 255 - level]
        });
        let photograph = Picture::new(640, 64, Layout::Rgb, shaded.collect());
        assert!(changes(&drawing) <= 40 * 64, "{}", changes(&drawing));
        assert!(changes(&photograph) > 640 * 64 / 8, "{}", changes(&photograph));
    }

    #[test]
    fn a_probe_of_a_drawing_is_near_its_size_and_a_photograph_has_none() {
        // Marks on white, of colours that shade from the top down and from left to right.
        let pixel = |x: u32, y: u32| {
            let is_mark = (x / 3 + y / 3 * 4_001).wrapping_mul(2_654_435_761) >> 30 == 0;
            if is_mark { [(y / 4) as u8, (x / 5) as u8, 90] } else { [250; 3] }
        };
        let pixels = (0..640).flat_map(|y| (0..1_000).flat_map(move |x| pixel(x, y)));
        let marks = Picture::new(1_000, 640, Layout::Rgb, pixels.collect());
        let encoder = PaletteEncoder::new(&marks, Effort::Balanced).unwrap();
        for colours in [8f64, 24.0, 64.0] {
            let bytes = encoder.encode(-colours.ln()).unwrap().len() as f64;
            let error = encoder.probe(-colours.ln()).unwrap().unwrap() - bytes.ln();
            assert!(error.abs() < 0.25, "{error} of {bytes} bytes in {colours} colours");
            assert!((encoder.predict(-colours.ln()) - bytes.ln()).abs() > 2.0 * error.abs());
        }
        let noise = (0..1_000 * 640 * 3u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 26) as u8 + 90);
        let photograph = Picture::new(1_000, 640, Layout::Rgb, noise.collect());
        let encoder = PaletteEncoder::new(&photograph, Effort::Balanced).unwrap();
        assert_eq!(encoder.probe(-2.0), Ok(None));
    }
}
