//! Quantises a spectrum and counts the bits of a baseline JPEG with these levels.

use multiversion::multiversion;

use super::Spectrum;
use super::dct::{PRECISION, ZIGZAG};

/// A quantiser, prepared for a spectrum.
pub struct Steps {
    /// 2^16 divided by each step, in zigzag order.
    reciprocals: [u16; 64],
    /// The rounding added before the division.
    roundings: [u16; 64],
    /// Smaller magnitudes become zero.
    thresholds: [u16; 64],
}

impl Steps {
    /// Creates the quantiser for `table`, which holds steps in natural order, each at least 0.5. Magnitudes below
    /// `dead_zone` steps become zero (0.5 is plain rounding).
    pub fn new(table: &[f64; 64], dead_zone: f64) -> Steps {
        let steps = ZIGZAG.map(|position| table[position] * PRECISION);
        let mut thresholds = steps.map(|step| (step * dead_zone).ceil() as u16);
        thresholds[0] = 0;
        Steps {
            reciprocals: steps.map(|step| (65_536.0 / step).ceil() as u16),
            roundings: steps.map(|step| (step * 0.5).round() as u16),
            thresholds,
        }
    }

    /// Returns the magnitudes of the quantised `block`.
    #[inline(always)]
    fn apply(&self, block: &[i16; 64]) -> [u16; 64] {
        let mut levels = [0; 64];
        for position in 0..64 {
            let magnitude = block[position].unsigned_abs();
            let sum = magnitude + self.roundings[position];
            let level = ((u32::from(sum) * u32::from(self.reciprocals[position])) >> 16) as u16;
            levels[position] = if magnitude < self.thresholds[position] { 0 } else { level };
        }
        levels
    }
}

/// The size of a quantised spectrum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Bits of all symbols, by their entropy, and of the magnitude bits that follow them.
    pub bits: f64,
    /// The part of `bits` that codes the lowest frequencies.
    pub dc_bits: f64,
    /// The part of `bits` that ends blocks.
    pub end_bits: f64,
    /// Number of nonzero coefficients above the lowest frequency.
    pub nonzero: f64,
}

impl Spectrum {
    /// Counts the spectrum at these steps for luma and chroma.
    pub fn count(&self, luma_steps: &Steps, chroma_steps: &Steps) -> Count {
        let mut luma = Symbols::default();
        count_plane(&mut luma, &self.luma, luma_steps);
        let mut chroma = Symbols::default();
        self.chroma.iter().for_each(|plane| count_plane(&mut chroma, plane, chroma_steps));
        let (luma, chroma) = (luma.count(), chroma.count());
        Count {
            bits: (luma.bits + chroma.bits) * self.weight,
            dc_bits: (luma.dc_bits + chroma.dc_bits) * self.weight,
            end_bits: (luma.end_bits + chroma.end_bits) * self.weight,
            nonzero: (luma.nonzero + chroma.nonzero) * self.weight,
        }
    }
}

/// How often each symbol of JPEG's entropy code occurs (T.81 F.1.2).
struct Symbols {
    /// By number of bits of the difference.
    dc: [u32; 16],
    /// By run of zeros, and number of bits of the level after it.
    ac: [u32; 256],
}

impl Default for Symbols {
    fn default() -> Symbols {
        Symbols { dc: [0; 16], ac: [0; 256] }
    }
}

const END_OF_BLOCK: usize = 0x00;
const SIXTEEN_ZEROS: usize = 0xF0;

/// Counts the symbols of a plane's blocks. Also compiled for newer processors, with the same result.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn count_plane(symbols: &mut Symbols, blocks: &[[i16; 64]], steps: &Steps) {
    let mut last_dc = 0;
    for block in blocks {
        let levels = steps.apply(block);
        let dc = i32::from(levels[0]) * i32::from(block[0].signum());
        symbols.dc[bits_of(dc.abs_diff(last_dc)) as usize] += 1;
        last_dc = dc;
        symbols.add_ac(&levels);
    }
}

impl Symbols {
    #[inline(always)]
    fn add_ac(&mut self, levels: &[u16; 64]) {
        let mut rest = nonzero_places(levels) & !1;
        let mut last = 0;
        while rest != 0 {
            let position = rest.trailing_zeros();
            let zeros = position - last - 1;
            self.ac[SIXTEEN_ZEROS] += zeros / 16;
            let symbol = (zeros % 16) << 4 | bits_of(u32::from(levels[position as usize]));
            self.ac[(symbol & 255) as usize] += 1;
            last = position;
            rest &= rest - 1;
        }
        self.ac[END_OF_BLOCK] += u32::from(last < 63);
    }

    fn count(&self) -> Count {
        let dc_bits = entropy(&self.dc) + magnitude_bits(&self.dc, 15);
        let ac_bits = entropy(&self.ac) + magnitude_bits(&self.ac, 15);
        let total: u32 = self.ac.iter().sum();
        Count {
            bits: dc_bits + ac_bits,
            dc_bits,
            end_bits: bits_for(self.ac[END_OF_BLOCK], f64::from(total)),
            nonzero: f64::from(total - self.ac[END_OF_BLOCK] - self.ac[SIXTEEN_ZEROS]),
        }
    }
}

/// Returns the number of bits of `magnitude`: the size category of T.81 table F.1.
fn bits_of(magnitude: u32) -> u32 {
    32 - magnitude.leading_zeros()
}

/// Returns one bit for each level, which is set when the level is not zero. The first level is the lowest bit.
#[inline(always)]
fn nonzero_places(levels: &[u16; 64]) -> u64 {
    let mut flags = [0u8; 64];
    for (flag, level) in flags.iter_mut().zip(levels) {
        *flag = u8::from(*level != 0);
    }
    let (groups, _) = flags.as_chunks::<8>();
    let mut positions = 0;
    for (index, group) in groups.iter().enumerate() {
        // Gathers the lowest bits of eight bytes in the highest byte.
        let gathered = u64::from_le_bytes(*group).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        positions |= gathered << (8 * index);
    }
    positions
}

/// Returns the bits of all symbols in an ideal code.
fn entropy(symbols: &[u32]) -> f64 {
    let total = f64::from(symbols.iter().sum::<u32>());
    symbols.iter().map(|count| bits_for(*count, total)).sum()
}

/// Returns the bits of `count` symbols out of `total` in an ideal code.
fn bits_for(count: u32, total: f64) -> f64 {
    if count == 0 { 0.0 } else { f64::from(count) * (total / f64::from(count)).log2() }
}

/// Returns the bits that follow the symbols. The low bits of a symbol (by `mask`) say how many follow it.
fn magnitude_bits(symbols: &[u32], mask: usize) -> f64 {
    symbols.iter().enumerate().map(|(symbol, count)| f64::from(*count) * (symbol & mask) as f64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Chroma, Layout, Picture};

    fn noise(width: u32, height: u32) -> Picture {
        let mut seed = 3u32;
        let pixels = (0..width * height * 3)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        Picture::new(width, height, Layout::Rgb, pixels)
    }

    fn flat(step: f64) -> Steps {
        Steps::new(&[step; 64], 0.5)
    }

    fn count(spectrum: &Spectrum, step: f64) -> Count {
        spectrum.count(&flat(step), &flat(step))
    }

    #[test]
    fn coarser_steps_take_fewer_bits() {
        let spectrum = Spectrum::of(&noise(67, 45), Chroma::Halved, 1);
        let mut last = f64::INFINITY;
        for step in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 255.0] {
            let bits = count(&spectrum, step).bits;
            assert!(bits < last, "{bits} at step {step}, {last} before");
            last = bits;
        }
    }

    #[test]
    fn levels_are_rounded_to_the_nearest() {
        let steps = flat(5.0);
        let block: [i16; 64] = std::array::from_fn(|position| position as i16 * 13 - 400);
        for (position, level) in steps.apply(&block).into_iter().enumerate() {
            let exact = f64::from(block[position].unsigned_abs()) / 40.0;
            assert!((f64::from(level) - exact).abs() <= 0.51, "{} gives {level}", block[position]);
        }
    }

    #[test]
    fn a_flat_picture_ends_every_block_at_once() {
        let picture = Picture::new(64, 64, Layout::Rgb, vec![77; 64 * 64 * 3]);
        let count = count(&Spectrum::of(&picture, Chroma::Full, 1), 4.0);
        assert_eq!((count.nonzero, count.end_bits), (0.0, 0.0));
    }

    #[test]
    fn places_are_where_levels_are_not_zero() {
        let mut levels = [0; 64];
        for position in [0, 1, 7, 8, 31, 32, 63] {
            levels[position] = 900;
        }
        assert_eq!(nonzero_places(&levels), 1 | 1 << 1 | 1 << 7 | 1 << 8 | 1 << 31 | 1 << 32 | 1 << 63);
    }

    #[test]
    fn a_sample_of_rows_stands_for_all() {
        let picture = noise(2048, 1600);
        let bits = count(&Spectrum::of(&picture, Chroma::Halved, 11), 8.0).bits;
        let small = count(&Spectrum::of(&noise(2048, 160), Chroma::Halved, 1), 8.0).bits;
        assert!((bits / small / 10.0 - 1.0).abs() < 0.01, "{bits} for ten times {small}");
    }

    #[test]
    fn blocks_offset_by_half_see_what_those_of_a_jpeg_hide() {
        // The coarsest JPEG of noise has only flat blocks.
        let (coarse, side) = (noise(8, 8), 64);
        let at = |position: u32| coarse.pixels()[position as usize * 3];
        let pixels: Vec<u8> =
            (0..side * side).flat_map(|position| [at(position / side / 8 * 8 + position % side / 8); 3]).collect();
        let picture = Picture::new(side, side, Layout::Rgb, pixels);
        let nonzero = |spectrum: Spectrum| count(&spectrum, 4.0).nonzero;
        assert_eq!(nonzero(Spectrum::of(&picture, Chroma::Full, 1)), 0.0);
        assert!(nonzero(Spectrum::offset_by_half_block(&picture, Chroma::Full, 1)) > 500.0);
    }

    #[test]
    fn a_picture_smaller_than_half_a_block_has_a_block_at_the_offset() {
        let picture = noise(3, 1);
        assert!(count(&Spectrum::offset_by_half_block(&picture, Chroma::Halved, 1), 4.0).bits > 0.0);
    }
}
