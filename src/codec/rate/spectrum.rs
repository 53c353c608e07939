//! The DCT coefficients of a picture.

use std::iter::StepBy;
use std::ops::Range;

use multiversion::multiversion;

use super::dct::{self, Block, PRECISION, ZIGZAG};
use crate::picture::{Chroma, Layout, Picture};

/// The coefficients of a picture in YCbCr (T.871), in the order in which JPEG codes them.
pub struct Spectrum {
    /// Blocks of luma.
    pub(super) luma: Vec<[i16; 64]>,
    /// Blocks of Cb and blocks of Cr.
    pub(super) chroma: [Vec<[i16; 64]>; 2],
    /// Number of blocks in the picture for each block held, at least 1.
    pub weight: f64,
}

impl Spectrum {
    /// Returns the spectrum of `picture`, with chroma at the resolution that `chroma` keeps. Colour under transparency
    /// counts. One row of blocks in `every` is used; the rows are as high as [`Chroma::block_pixels`].
    pub fn of(picture: &Picture, chroma: Chroma, every: u32) -> Spectrum {
        Spectrum::beginning_at(0, picture, chroma, every)
    }

    /// The same with blocks that begin half a block to the right and down. When a picture was a JPEG, its own blocks
    /// have few distinct levels left. Blocks at other positions have as many as those of any picture.
    pub fn offset_by_half_block(picture: &Picture, chroma: Chroma, every: u32) -> Spectrum {
        Spectrum::beginning_at(HALF_A_BLOCK, picture, chroma, every)
    }

    /// Returns the detail of luma that a picture loses at each of `scales`: the energy of the frequencies above the
    /// scale, per pixel, in squared levels.
    pub fn energy_beyond<const N: usize>(&self, scales: [f64; N]) -> [f64; N] {
        let mut by_frequency = [0.0; 8];
        for block in &self.luma {
            for (level, index) in block.iter().zip(ZIGZAG) {
                by_frequency[(index / 8).max(index % 8)] += f64::from(*level).powi(2);
            }
        }
        scales.map(|scale| {
            // A scale of 3/8 keeps three of eight frequencies.
            let share = |frequency: usize| (frequency as f64 + 1.0 - 8.0 * scale).clamp(0.0, 1.0);
            let beyond: f64 =
                by_frequency.iter().enumerate().map(|(frequency, energy)| energy * share(frequency)).sum();
            beyond / (PRECISION.powi(2) * 64.0 * self.luma.len() as f64)
        })
    }

    /// Returns the spectrum from `corner` on, to the right and down.
    fn beginning_at(corner: u32, picture: &Picture, chroma: Chroma, every: u32) -> Spectrum {
        let unit = chroma.block_pixels();
        let rows = sampled_rows(picture, chroma, every);
        let columns = picture.width().div_ceil(unit);
        let units = rows.len() * columns as usize;
        let luma_blocks = units * (unit as usize / 8).pow(2);
        let mut spectrum = Spectrum {
            luma: Vec::with_capacity(luma_blocks),
            chroma: [Vec::with_capacity(units), Vec::with_capacity(units)],
            weight: f64::from(picture.height().div_ceil(unit)) / rows.len() as f64,
        };
        let mut band = Band::new(columns as usize * unit as usize);
        for row in rows {
            add_row(picture, chroma, [corner, row * unit + corner], &mut band, &mut spectrum);
        }
        spectrum
    }
}

/// Pixels from the edge to the middle of a block of 8x8.
const HALF_A_BLOCK: u32 = 4;

/// Returns n such that every n-th row of blocks together holds about `pixels`.
pub fn rows_for(picture: &Picture, pixels: u64) -> u32 {
    picture.pixel_count().div_ceil(pixels) as u32
}

/// Returns the rows of blocks of `picture` that are used when one in `every` is taken. There is at least one.
fn sampled_rows(picture: &Picture, chroma: Chroma, every: u32) -> StepBy<Range<u32>> {
    let rows = picture.height().div_ceil(chroma.block_pixels());
    let every = every.clamp(1, rows);
    (every / 2..rows).step_by(every as usize)
}

/// Returns the same rows as a picture, one below the other. Returns `None` when every row is taken.
pub fn strips(picture: &Picture, chroma: Chroma, every: u32) -> Option<Picture> {
    if every == 1 {
        return None;
    }
    let pixel_row = picture.width() as usize * picture.layout().bytes_per_pixel();
    let rows: Vec<&[u8]> = picture.pixels().chunks(chroma.block_pixels() as usize * pixel_row).collect();
    let taken: Vec<&[u8]> = sampled_rows(picture, chroma, every).map(|row| rows[row as usize]).collect();
    let pixels = taken.concat();
    let height = pixels.len() / pixel_row;
    Some(Picture::new(picture.width(), height as u32, picture.layout(), pixels))
}

/// Adds the row of blocks from `corner` (left, top) on to `spectrum`. Also compiled for newer processors, with the same
/// result.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn add_row(picture: &Picture, chroma: Chroma, corner: [u32; 2], band: &mut Band, spectrum: &mut Spectrum) {
    let unit = chroma.block_pixels() as usize;
    band.read(picture, corner.map(|side| side as usize), unit);
    for left in (0..band.width).step_by(unit) {
        for down in (0..unit).step_by(8) {
            for right in (0..unit).step_by(8) {
                spectrum.luma.push(dct::forward(band.cut(&band.y, down, left + right)));
            }
        }
        for (blocks, plane) in spectrum.chroma.iter_mut().zip([&band.cb, &band.cr]) {
            let block = if chroma == Chroma::Halved { band.halved(plane, left) } else { band.cut(plane, 0, left) };
            blocks.push(dct::forward(block));
        }
    }
}

/// Rows of a band: the rows that JPEG codes together at 4:2:0.
const BAND_ROWS: usize = 16;

/// The YCbCr samples of a row of blocks, centred on zero.
struct Band {
    /// Width in pixels, a whole number of blocks.
    width: usize,
    y: Vec<f32>,
    cb: Vec<f32>,
    cr: Vec<f32>,
}

impl Band {
    fn new(width: usize) -> Band {
        let plane = || vec![0.0; width * BAND_ROWS];
        Band { width, y: plane(), cb: plane(), cr: plane() }
    }

    /// Reads `rows` rows from `left` and `top` on. Beyond the edges of the picture the last pixels repeat.
    #[inline(always)]
    fn read(&mut self, picture: &Picture, [left, top]: [usize; 2], rows: usize) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixel_bytes = picture.layout().bytes_per_pixel();
        for row in 0..rows {
            let start = (top + row).min(height - 1) * width;
            let pixels = &picture.pixels()[(start + left.min(width - 1)) * pixel_bytes..(start + width) * pixel_bytes];
            let range = row * self.width..(row + 1) * self.width;
            let into = [&mut self.y[range.clone()], &mut self.cb[range.clone()], &mut self.cr[range]];
            match picture.layout() {
                Layout::Rgb => read_row::<3>(pixels, into),
                Layout::Rgba => read_row::<4>(pixels, into),
            }
        }
    }

    /// Returns the block of `plane` at `top` and `left`.
    #[inline(always)]
    fn cut(&self, plane: &[f32], top: usize, left: usize) -> Block {
        let mut block = [[0.0; 8]; 8];
        for (row, samples) in block.iter_mut().enumerate() {
            samples.copy_from_slice(&plane[(top + row) * self.width + left..][..8]);
        }
        block
    }

    /// Returns the 16x16 samples of `plane` from `left` on, halved in both directions.
    #[inline(always)]
    fn halved(&self, plane: &[f32], left: usize) -> Block {
        let mut block = [[0.0; 8]; 8];
        for (row, samples) in block.iter_mut().enumerate() {
            let upper = &plane[row * 2 * self.width + left..][..16];
            let lower = &plane[(row * 2 + 1) * self.width + left..][..16];
            for (x, sample) in samples.iter_mut().enumerate() {
                *sample = (upper[x * 2] + upper[x * 2 + 1] + lower[x * 2] + lower[x * 2 + 1]) * 0.25;
            }
        }
        block
    }
}

/// Returns Y, Cb and Cr (T.871) of a row of pixels of `N` bytes. The last pixel repeats.
#[inline(always)]
fn read_row<const N: usize>(pixels: &[u8], [y, cb, cr]: [&mut [f32]; 3]) {
    let (pixels, _) = pixels.as_chunks::<N>();
    for (((pixel, y), cb), cr) in pixels.iter().zip(y.iter_mut()).zip(cb.iter_mut()).zip(cr.iter_mut()) {
        let (red, green, blue) = (f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2]));
        *y = 0.299 * red + 0.587 * green + 0.114 * blue - 128.0;
        *cb = -0.168_735_9 * red - 0.331_264_1 * green + 0.5 * blue;
        *cr = 0.5 * red - 0.418_687_6 * green - 0.081_312_4 * blue;
    }
    for plane in [y, cb, cr] {
        let last = plane[pixels.len() - 1];
        plane[pixels.len()..].fill(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey columns, each `pixels` wide, alternating between 100 and 120 levels.
    fn columns(pixels: u32) -> Spectrum {
        let level = |index: u32| if (index % 64 / pixels).is_multiple_of(2) { 100 } else { 120 };
        let picture = Picture::new(64, 64, Layout::Rgb, (0..64 * 64).flat_map(|index| [level(index); 3]).collect());
        Spectrum::of(&picture, Chroma::Halved, 1)
    }

    #[test]
    fn what_is_finer_than_a_scale_is_the_energy_beyond_it() {
        // Columns differ from their mean by 10 levels, and 10 squared is 100. Alternating pixels have the highest
        // frequency, and a little of the lower ones.
        let [three_quarters, an_eighth, whole] = columns(1).energy_beyond([0.75, 0.125, 1.0]);
        assert!((80.0..=100.0).contains(&three_quarters), "{three_quarters}");
        assert!((99.0..=101.0).contains(&an_eighth), "{an_eighth}");
        assert_eq!(whole, 0.0);
        let [of_coarse] = columns(8).energy_beyond([0.125]);
        assert!(of_coarse < 0.1, "{of_coarse}");
    }
}
