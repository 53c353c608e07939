//! Turns rows of stored samples into pixels.

use super::page::{Colours, Luma, Page, SampleKind};
use super::{chunk, unsupported};
use crate::codec::DecodeError;
use crate::codec::colour::{Converter, Sample};

/// How far floating-point values may lie outside of 0 to 1 and are still taken as black and white. Resizing overshoots
/// by this much; values beyond are measurements, and where their black and white lie is unknown.
const OVERSHOOT: f32 = 0.1;

/// A sample as the rest of the decoder takes it: 8 bits when the file has at most as many, else 16.
pub(super) trait Unpacked: Sample + Into<u32> + TryFrom<u32> {
    /// Reads `count` samples from a row. Indices into a palette stay as they are; all else is scaled to full range.
    fn unpack(page: &Page<'_>, row: &[u8], count: usize) -> Result<Vec<Self>, DecodeError>;
}

impl Unpacked for u8 {
    fn unpack(page: &Page<'_>, row: &[u8], count: usize) -> Result<Vec<u8>, DecodeError> {
        Ok(match page.bits {
            8 => row[..count].to_vec(),
            bits => {
                let largest = (1u32 << bits) - 1;
                let scale = if matches!(page.colours, Colours::Palette(_)) { largest } else { u8::MAX.into() };
                (0..count).map(|index| ((bits_at(row, index, bits) * scale + largest / 2) / largest) as u8).collect()
            }
        })
    }
}

impl Unpacked for u16 {
    fn unpack(page: &Page<'_>, row: &[u8], count: usize) -> Result<Vec<u16>, DecodeError> {
        let is_little_endian = page.is_little_endian && page.predictor != super::page::Predictor::Float;
        let words = row.chunks_exact(2).take(count).map(|pair| match is_little_endian {
            true => u16::from_le_bytes([pair[0], pair[1]]),
            false => u16::from_be_bytes([pair[0], pair[1]]),
        });
        let long_words = row.chunks_exact(4).take(count).map(|bytes| match is_little_endian {
            true => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            false => u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        });
        match (page.kind, page.bits) {
            (SampleKind::Float, 16) => words.map(half).map(from_float).collect(),
            (SampleKind::Float, _) => long_words.map(f32::from_bits).map(from_float).collect(),
            (SampleKind::Unsigned, 16) => Ok(words.collect()),
            (SampleKind::Unsigned, 32) => Ok(long_words.map(|value| (value >> 16) as u16).collect()),
            (SampleKind::Unsigned, bits) => {
                let largest = (1u32 << bits) - 1;
                let scaled = |index| (bits_at(row, index, bits) * u32::from(u16::MAX) + largest / 2) / largest;
                Ok((0..count).map(|index| scaled(index) as u16).collect())
            }
        }
    }
}

/// Returns the sample of `bits` bits, at most 16, with this index. The first is in the highest bits.
fn bits_at(row: &[u8], index: usize, bits: usize) -> u32 {
    let at = index * bits;
    let byte = |offset: usize| u32::from(row.get(at / 8 + offset).copied().unwrap_or(0));
    let window = byte(0) << 16 | byte(1) << 8 | byte(2);
    (window >> (24 - at % 8 - bits)) & ((1 << bits) - 1)
}

fn from_float(value: f32) -> Result<u16, DecodeError> {
    if !(-OVERSHOOT..=1.0 + OVERSHOOT).contains(&value) {
        return Err(unsupported("TIFF with floating-point values beyond 0 to 1"));
    }
    Ok((value.clamp(0.0, 1.0) * f32::from(u16::MAX)).round() as u16)
}

/// Returns the value of a floating-point number of 16 bits (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let magnitude = match (bits >> 10 & 31, bits & 1023) {
        (0, fraction) => f32::from(fraction) / 16_777_216.0,
        (31, _) => f32::NAN,
        (exponent, fraction) => (1.0 + f32::from(fraction) / 1024.0) * 2f32.powi(i32::from(exponent) - 15),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Decodes the picture, chunk by chunk.
pub(super) fn pixels<S: Unpacked>(page: &Page<'_>, file: &[u8], converter: &Converter) -> Result<Vec<u8>, DecodeError> {
    let size = page.channels().layout().bytes_per_pixel();
    let (width, height) = (page.width as usize, page.height as usize);
    let mut pixels = vec![0; width * height * size];
    let chunks = &page.chunks;
    for position in 0..chunks.across * chunks.down {
        let (left, top) = (position % chunks.across * chunks.width, position / chunks.across * chunks.height);
        let (columns, rows) = (chunks.width.min(width - left), chunks.height.min(height - top));
        let stored_rows = if chunks.is_padded { chunks.height } else { rows };
        let planes = (0..page.planes())
            .map(|plane| whole_chunk(page, file, plane * chunks.across * chunks.down + position, stored_rows))
            .collect::<Result<Vec<_>, _>>()?;
        for y in 0..rows {
            let row = y * page.row_bytes()..(y + 1) * page.row_bytes();
            let planes: Vec<&[u8]> = planes.iter().map(|plane| &plane[row.clone()]).collect();
            let samples = shown::<S>(page, used::<S>(page, &planes, columns)?);
            let target = ((top + y) * width + left) * size;
            convert(page, samples, converter, &mut pixels[target..target + columns * size]);
        }
    }
    Ok(pixels)
}

/// Returns the rows of a chunk, with colour differences for each pixel.
fn whole_chunk(page: &Page<'_>, file: &[u8], index: usize, rows: usize) -> Result<Vec<u8>, DecodeError> {
    let bytes = chunk::decompress(page, file, index, rows)?;
    Ok(match &page.colours {
        Colours::YCbCr(luma) if luma.shared != (1, 1) => spread(luma, &bytes, page.chunks.width, rows),
        _ => bytes,
    })
}

/// Gives each pixel the colour differences of its unit.
fn spread(luma: &Luma, bytes: &[u8], width: usize, rows: usize) -> Vec<u8> {
    let (across, down) = luma.shared;
    let unit_bytes = across * down + 2;
    let row_of_units_bytes = luma.row_of_units_bytes(width);
    let mut samples = Vec::with_capacity(width * rows * 3);
    for (y, x) in (0..rows).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let unit = &bytes[y / down * row_of_units_bytes + x / across * unit_bytes..][..unit_bytes];
        samples.extend([unit[y % down * across + x % across], unit[unit_bytes - 2], unit[unit_bytes - 1]]);
    }
    samples
}

/// Returns the samples that are shown, pixel by pixel, of the first `columns` pixels of a row.
fn used<S: Unpacked>(page: &Page<'_>, planes: &[&[u8]], columns: usize) -> Result<Vec<S>, DecodeError> {
    let used = page.used_samples();
    if page.is_planar {
        let planes =
            planes.iter().map(|plane| S::unpack(page, plane, columns)).collect::<Result<Vec<Vec<S>>, DecodeError>>()?;
        return Ok((0..columns).flat_map(|x| planes.iter().map(move |plane| plane[x])).collect());
    }
    let samples = S::unpack(page, planes[0], columns * page.samples)?;
    if used == page.samples {
        return Ok(samples);
    }
    Ok(samples.chunks_exact(page.samples).flat_map(|pixel| &pixel[..used]).copied().collect())
}

/// Brings samples to the meaning of their channels: white is full intensity, and colours are not multiplied by alpha.
fn shown<S: Unpacked>(page: &Page<'_>, mut samples: Vec<S>) -> Vec<S> {
    let count = page.used_samples();
    if page.colours == (Colours::Grey { white_is_zero: true }) {
        samples.iter_mut().step_by(count).for_each(|grey| *grey = grey.inverted());
    }
    if let Colours::YCbCr(luma) = &page.colours {
        samples.chunks_exact_mut(count).for_each(|pixel| to_rgb(luma, pixel));
    }
    let is_palette = matches!(page.colours, Colours::Palette(_));
    if page.alpha.is_some_and(|alpha| alpha.is_premultiplied) && !is_palette {
        samples.chunks_exact_mut(count).for_each(divide_alpha_out);
    }
    samples
}

fn convert<S: Unpacked>(page: &Page<'_>, samples: Vec<S>, converter: &Converter, target: &mut [u8]) {
    let Colours::Palette(palette) = &page.colours else {
        return converter.convert(&samples, target);
    };
    let largest = (1u32 << page.bits) - 1;
    let mut colours = Vec::with_capacity(samples.len() * 4);
    for pixel in samples.chunks_exact(page.used_samples()) {
        colours.extend(palette.get(pixel[0].into() as usize).copied().unwrap_or_default());
        colours.extend(pixel.get(1).map(|&alpha| (alpha.into() * u32::from(u16::MAX) / largest) as u16));
    }
    converter.convert(&colours, target);
}

/// Replaces luma and colour differences by red, green and blue (TIFF 6.0 s21).
fn to_rgb<S: Unpacked>(luma: &Luma, pixel: &mut [S]) {
    let [red, green, blue] = luma.coefficients;
    let value = |index: usize, full: f64| {
        let [none, most] = luma.ranges[index];
        (f64::from(pixel[index].into()) - none) * full / (most - none)
    };
    let (y, cb, cr) = (value(0, 255.0), value(1, 127.0), value(2, 127.0));
    let r = y + cr * (2.0 - 2.0 * red);
    let b = y + cb * (2.0 - 2.0 * blue);
    let g = (y - blue * b - red * r) / green;
    for (sample, value) in pixel.iter_mut().zip([r, g, b]) {
        *sample = S::try_from(value.round().clamp(0.0, 255.0) as u32).unwrap_or(S::MAX);
    }
}

fn divide_alpha_out<S: Unpacked>(pixel: &mut [S]) {
    if let Some((&mut alpha, colours)) = pixel.split_last_mut() {
        let (alpha, largest): (u64, u64) = (u64::from(alpha.into()), u64::from(S::MAX.into()));
        for colour in colours.iter_mut().filter(|_| alpha > 0 && alpha < largest) {
            let value = (u64::from((*colour).into()) * largest + alpha / 2) / alpha;
            *colour = S::try_from(value.min(largest) as u32).unwrap_or(S::MAX);
        }
    }
}
