//! The DCT coefficients of a picture.

use std::iter::StepBy;
use std::ops::Range;

use multiversion::multiversion;

use super::dct::{self, Block, PRECISION, ZIGZAG};
use crate::picture::chroma::{ChromaHalver, HalvedPlanes};
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

    /// The same of planes in the full range, with their samples as an encoder takes them.
    pub fn of_planes(planes: &HalvedPlanes, every: u32) -> Spectrum {
        let read = |top: usize, band: &mut Band| band.read_planes(planes, top);
        Spectrum::of_rows([planes.width, planes.height], Chroma::Halved, every, read)
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
        let mut halver = ChromaHalver::new(picture);
        let read = |top: usize, band: &mut Band| {
            let [left, top] = [corner as usize, top + corner as usize];
            match chroma {
                Chroma::Halved => band.read_halved(&mut halver, left, top),
                Chroma::Full => read(picture, [left, top], band),
            }
        };
        Spectrum::of_rows([picture.width(), picture.height()], chroma, every, read)
    }

    /// Returns the spectrum of one row of blocks in `every`. `read` is told where a row begins.
    fn of_rows(
        [width, height]: [u32; 2],
        chroma: Chroma,
        every: u32,
        mut read: impl FnMut(usize, &mut Band),
    ) -> Spectrum {
        let unit = chroma.block_pixels();
        let rows = sampled_rows(height, chroma, every);
        let columns = width.div_ceil(unit);
        let units = rows.len() * columns as usize;
        let luma_blocks = units * (unit as usize / 8).pow(2);
        let mut spectrum = Spectrum {
            luma: Vec::with_capacity(luma_blocks),
            chroma: [Vec::with_capacity(units), Vec::with_capacity(units)],
            weight: f64::from(height.div_ceil(unit)) / rows.len() as f64,
        };
        let mut band = Band::new(columns as usize * unit as usize, chroma);
        for row in rows {
            read((row * unit) as usize, &mut band);
            add_row(&band, &mut spectrum);
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

/// Returns the rows of blocks that are used when one in `every` is taken. There is at least one.
fn sampled_rows(height: u32, chroma: Chroma, every: u32) -> StepBy<Range<u32>> {
    let rows = height.div_ceil(chroma.block_pixels());
    let every = every.clamp(1, rows);
    (every / 2..rows).step_by(every as usize)
}

/// Returns the same rows as a picture, one below the other. Returns `None` when every row is taken.
pub fn strips(picture: &Picture, chroma: Chroma, every: u32) -> Option<Picture> {
    if every == 1 {
        return None;
    }
    let pixel_row = picture.width() as usize * picture.layout().bytes_per_pixel();
    let rows = sampled_rows(picture.height(), chroma, every);
    let pixels = rows_of_blocks(picture.pixels(), chroma.block_pixels() as usize * pixel_row, rows);
    let height = pixels.len() / pixel_row;
    Some(Picture::new(picture.width(), height as u32, picture.layout(), pixels))
}

/// Returns the same rows of planes. Their chroma is that of the whole picture, also at the edges of the strips.
pub fn halved_strips(planes: &HalvedPlanes, every: u32) -> HalvedPlanes {
    let [width, half] = [planes.width, planes.width.div_ceil(2)].map(|samples| samples as usize);
    let rows = sampled_rows(planes.height, Chroma::Halved, every);
    let unit = Chroma::Halved.block_pixels() as usize;
    let luma = rows_of_blocks(&planes.luma, unit * width, rows.clone());
    let chroma = planes.chroma.each_ref().map(|plane| rows_of_blocks(plane, unit / 2 * half, rows.clone()));
    HalvedPlanes { width: planes.width, height: (luma.len() / width) as u32, luma, chroma }
}

/// Returns the rows of blocks that are named, one below the other. Each has `samples_each`, the last maybe fewer.
fn rows_of_blocks(samples: &[u8], samples_each: usize, named: impl Iterator<Item = u32>) -> Vec<u8> {
    let rows: Vec<&[u8]> = samples.chunks(samples_each).collect();
    named.map(|row| rows[row as usize]).collect::<Vec<_>>().concat()
}

/// Reads a row of blocks at 4:4:4 from `corner` (left, top) on. Also compiled for newer processors, with the same
/// result.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn read(picture: &Picture, corner: [usize; 2], band: &mut Band) {
    band.read(picture, corner);
}

/// Adds the blocks of a band to `spectrum`. Also compiled for newer processors, with the same result.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn add_row(band: &Band, spectrum: &mut Spectrum) {
    let unit = band.chroma.block_pixels() as usize;
    for left in (0..band.width).step_by(unit) {
        for down in (0..unit).step_by(8) {
            for right in (0..unit).step_by(8) {
                spectrum.luma.push(dct::forward(cut(&band.y[down * band.width + left + right..], band.width)));
            }
        }
        for (blocks, plane) in spectrum.chroma.iter_mut().zip([&band.cb, &band.cr]) {
            blocks.push(dct::forward(cut(&plane[left * 8 / unit..], band.width * 8 / unit)));
        }
    }
}

/// Returns the block at the beginning of `samples`.
#[inline(always)]
fn cut(samples: &[f32], stride: usize) -> Block {
    let mut block = [[0.0; 8]; 8];
    for (row, levels) in block.iter_mut().enumerate() {
        levels.copy_from_slice(&samples[row * stride..][..8]);
    }
    block
}

/// The YCbCr samples of a row of blocks, centred on zero.
struct Band {
    chroma: Chroma,
    /// Width in pixels, a whole number of blocks.
    width: usize,
    y: Vec<f32>,
    cb: Vec<f32>,
    cr: Vec<f32>,
}

impl Band {
    fn new(width: usize, chroma: Chroma) -> Band {
        let luma = vec![0.0; width * chroma.block_pixels() as usize];
        // A row of blocks has one block of chroma in each of them.
        let plane = || vec![0.0; 64 * width / chroma.block_pixels() as usize];
        Band { chroma, width, y: luma, cb: plane(), cr: plane() }
    }

    /// Reads the rows from `left` and `top` on. Beyond the edges of the picture the last pixels repeat.
    #[inline(always)]
    fn read(&mut self, picture: &Picture, [left, top]: [usize; 2]) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixel_bytes = picture.layout().bytes_per_pixel();
        for row in 0..8 {
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

    /// The same at 4:2:0, with the planes that the encoders take.
    fn read_halved(&mut self, halver: &mut ChromaHalver<'_>, left: usize, top: usize) {
        let [luma_stride, chroma_stride] = [self.width, self.width / 2];
        for row in 0..8 {
            let index = top / 2 + row;
            let pair = halver.pair(index);
            // Below the picture, its last row repeats.
            let rows = if index <= pair.last { pair.luma } else { [pair.luma[1]; 2] };
            for (down, levels) in rows.into_iter().enumerate() {
                copy_from(levels, left, 128.0, &mut self.y[(2 * row + down) * luma_stride..][..luma_stride]);
            }
            for (plane, levels) in [&mut self.cb, &mut self.cr].into_iter().zip(pair.chroma) {
                copy_from(levels, left / 2, 0.0, &mut plane[row * chroma_stride..][..chroma_stride]);
            }
        }
    }

    /// Reads the rows of planes from `top` on. Beyond the edges the last samples repeat.
    fn read_planes(&mut self, planes: &HalvedPlanes, top: usize) {
        let [cb, cr] = &planes.chroma;
        let copied = [(&planes.luma, 1, &mut self.y), (cb, 2, &mut self.cb), (cr, 2, &mut self.cr)];
        for (plane, fewer, into) in copied {
            let (width, last) = ((planes.width as usize).div_ceil(fewer), (planes.height as usize).div_ceil(fewer) - 1);
            for (row, into) in into.chunks_exact_mut(self.width / fewer).enumerate() {
                let samples = &plane[(top / fewer + row).min(last) * width..][..width];
                copy_from(samples, 0, 128.0, into);
            }
        }
    }
}

/// Copies what begins at `left` less `zero`. The last level repeats.
#[inline(always)]
fn copy_from<T: Copy + Into<f32>>(levels: &[T], left: usize, zero: f32, into: &mut [f32]) {
    let levels = &levels[left.min(levels.len() - 1)..];
    let levels = &levels[..levels.len().min(into.len())];
    for (sample, level) in into.iter_mut().zip(levels) {
        *sample = (*level).into() - zero;
    }
    into[levels.len()..].fill(levels[levels.len() - 1].into() - zero);
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
    use crate::picture::chroma::SampleRange;

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

    /// Colours without order.
    fn colours(width: u32, height: u32) -> Picture {
        let byte = |at: u32| (at.wrapping_mul(0x9E37_79B1) >> 24) as u8;
        Picture::new(width, height, Layout::Rgb, (0..width * height * 3).map(byte).collect())
    }

    #[test]
    fn planes_have_the_spectrum_of_their_picture() {
        // No whole number of blocks, but of pairs: beyond an odd side the two repeat luma of the last pair differently.
        let picture = colours(66, 74);
        let planes = HalvedPlanes::of(&picture, SampleRange::Full);
        for every in [1, 2] {
            let [of_planes, expected] =
                [Spectrum::of_planes(&planes, every), Spectrum::of(&picture, Chroma::Halved, every)];
            assert_eq!(of_planes.weight, expected.weight);
            let [of_planes, expected] = [&of_planes, &expected]
                .map(|spectrum| [&spectrum.luma, &spectrum.chroma[0], &spectrum.chroma[1]].map(|b| b.as_flattened()));
            for (levels, expected) in of_planes.into_iter().zip(expected) {
                assert_eq!(levels.len(), expected.len());
                let most = levels.iter().zip(expected).map(|(level, expected)| level.abs_diff(*expected)).max();
                // Samples are off by half a level at most, the mean of a block by as much, which is 4 levels of its DC.
                assert!(most <= Some(4 * PRECISION as u16), "{most:?}");
            }
        }
    }

    #[test]
    fn strips_of_planes_are_rows_of_the_whole() {
        let planes = HalvedPlanes::of(&colours(67, 75), SampleRange::Full);
        // The second and fourth of five rows of blocks, of which the last has eleven rows of pixels.
        let strips = halved_strips(&planes, 2);
        assert_eq!((strips.width, strips.height), (67, 32));
        assert_eq!(strips.luma, [&planes.luma[16 * 67..32 * 67], &planes.luma[48 * 67..64 * 67]].concat());
        let chroma = &planes.chroma[1];
        assert_eq!(strips.chroma[1], [&chroma[8 * 34..16 * 34], &chroma[24 * 34..32 * 34]].concat());
        assert_eq!(halved_strips(&planes, 1), planes);
    }
}
