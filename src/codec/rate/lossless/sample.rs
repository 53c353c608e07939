//! A sample of a picture, coded without loss, and the size of the whole picture that follows from it.

use super::repeats::Repeats;
use super::strip::{Pixel, Strip};

/// The coded size of the strips so far.
pub(super) struct Sample {
    pub(super) pixels: u64,
    literals: u64,
    copies: u64,
    /// Literals and copies of each strip.
    tokens: Vec<f64>,
    symbols: Repeats,
    slopes: Repeats,
    errors: Vec<Errors>,
}

/// How often literals of one unrest class have each prediction error, for each channel.
type Errors = [[u32; 256]; 4];

impl Sample {
    pub(super) fn new() -> Sample {
        Sample {
            pixels: 0,
            literals: 0,
            copies: 0,
            tokens: Vec::new(),
            symbols: Repeats::of_at_least(LEAST_COPY),
            slopes: Repeats::of_at_least(LEAST_SLOPE_COPY),
            errors: vec![[[0; 256]; 4]; UNREST_ENDS.len() + 1],
        }
    }

    /// Codes `strip`. Returns the index of a literal in it when there are many.
    pub(super) fn add(&mut self, strip: &Strip) -> Option<usize> {
        let copies = self.copies;
        let literals = self.split(strip);
        // A tile of WebP has one prediction (RFC 9649, 4.1).
        for tile in literals.chunk_by(|one, other| one / TILE == other / TILE) {
            let prediction = strip.best_prediction(tile);
            tile.iter().for_each(|index| self.count(strip.unrest(*index), strip.coded_error(*index, prediction)));
        }
        self.pixels += strip.len() as u64;
        self.literals += literals.len() as u64;
        self.tokens.push((literals.len() as u64 + self.copies - copies) as f64);
        let are_many = literals.len() * 4 > strip.len();
        are_many.then(|| literals[literals.len() / 2])
    }

    /// Returns the indices of the literals of `strip`. The pixels between them are copied.
    fn split(&mut self, strip: &Strip) -> Vec<usize> {
        let (symbols, slopes) = (self.symbols.append(strip.symbols()), self.slopes.append(strip.slope_symbols()));
        let mut literals = Vec::new();
        let mut index = 0;
        while index < strip.len() {
            let copied = self.copied(strip, index, symbols, slopes);
            if copied == 0 {
                literals.push(index);
                index += 1;
                continue;
            }
            index += copied;
            // A copy that reaches the end of the strip may continue beyond it, so it is not counted as another copy.
            self.copies += u64::from(index < strip.len());
        }
        literals
    }

    /// Returns how many pixels of `strip` from `index` on are copied. The strip's symbols begin at `symbols` and
    /// `slopes`.
    fn copied(&mut self, strip: &Strip, index: usize, symbols: usize, slopes: usize) -> usize {
        let near = strip.copied_from_neighbours(index);
        if near >= LEAST_COPY {
            return near;
        }
        let far = self.symbols.length_at(symbols + index);
        if far > 0 {
            return far;
        }
        let on_slope = strip.on_slope(index);
        let like_slope = self.slopes.length_at(slopes + index);
        like_slope.max(if on_slope >= LEAST_COPY { on_slope } else { 0 })
    }

    fn count(&mut self, unrest: u8, error: Pixel) {
        let class = UNREST_ENDS.partition_point(|end| *end < unrest);
        for (counts, off_by) in self.errors[class].iter_mut().zip(error) {
            counts[usize::from(off_by)] += 1;
        }
    }

    /// Returns the share of pixels that are literals.
    pub(super) fn literal_share(&self) -> f64 {
        self.literals as f64 / self.pixels as f64
    }

    /// Returns a lower bound of the bytes per pixel of the whole picture, a photograph or not.
    pub(super) fn least_bytes_per_pixel(&self, is_photograph: bool) -> f64 {
        let literal_bits: f64 = self.errors.iter().flatten().map(entropy).sum();
        let copy_bits = self.copies as f64 * COPY_BITS;
        let (excess, copy_excess) = match is_photograph {
            true => (EXCESS_OF_PHOTOGRAPHS, COPY_EXCESS_OF_PHOTOGRAPHS),
            false => (literal_excess(self.literal_share()), COPY_EXCESS),
        };
        let least = literal_bits / excess + copy_bits / copy_excess;
        let sure = (1.0 - 2.0 * relative_error(&self.tokens)).max(0.0);
        sure * least / 8.0 / self.pixels as f64
    }
}

/// Minimum length of a copy in pixels. Fewer literals cost less than a copy.
const LEAST_COPY: usize = 3;

/// The same for errors of the slope, which take fewer bits than pixels.
const LEAST_SLOPE_COPY: usize = 4;

/// Pixels in a row that share a prediction.
const TILE: usize = 16;

/// The highest unrest of each class except the last.
const UNREST_ENDS: [u8; 9] = [0, 1, 2, 4, 7, 12, 21, 36, 70];

/// Bits of a copy: its length and its distance.
const COPY_BITS: f64 = 12.0;

/// Upper bound of how much copies cost here, relative to the file. In 62 pictures the most was 3.5 times, in text that
/// repeats far from the sample.
const COPY_EXCESS: f64 = 5.0;

/// The same in photographs: smooth parts of them are no copies of far ones.
const COPY_EXCESS_OF_PHOTOGRAPHS: f64 = 2.0;

/// The same for literals of photographs, where the most was 1.3 times.
const EXCESS_OF_PHOTOGRAPHS: f64 = 1.4;

/// The same for literals of other pictures, when they have this share of the sample: 3 times in a sample of text, which
/// shows each glyph for the first time.
fn literal_excess(share: f64) -> f64 {
    EXCESS_OF_PHOTOGRAPHS + 2.6 * (1.0 - share).powi(3)
}

/// Returns the bits of the counted symbols, by their entropy.
fn entropy(counts: &[u32; 256]) -> f64 {
    let all = f64::from(counts.iter().sum::<u32>());
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) * (all / f64::from(*count)).log2()).sum()
}

/// Returns the standard error of the mean of `values`, relative to that mean. It is 1 when there are too few values to
/// tell.
fn relative_error(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if mean == 0.0 || values.len() < 2 {
        return 1.0;
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (variance / count).sqrt() / mean
}
