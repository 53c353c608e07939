//! A short piece of a row, and the predictions of its pixels from their neighbours.

use crate::picture::{Layout, Picture};

/// Red, green, blue, alpha.
pub(super) type Pixel = [u8; 4];

/// Number of ways to predict a pixel: those of PNG and WebP that help most.
const PREDICTIONS: usize = 6;

/// A piece of a row and of the row above it, with one more pixel at each end.
pub(super) struct Strip {
    row: Vec<Pixel>,
    above: Vec<Pixel>,
    /// The error of each prediction, for each pixel.
    errors: Vec<[Pixel; PREDICTIONS]>,
}

impl Strip {
    /// Reads `length` pixels of `picture` from (`x`, `y`) on. They must not include its first or last column or its
    /// first row.
    pub(super) fn of(picture: &Picture, (x, y): (usize, usize), length: usize) -> Strip {
        let (row, above) = (pixels(picture, (x - 1, y), length + 2), pixels(picture, (x - 1, y - 1), length + 2));
        let errors = (1..=length).map(|index| errors(&row, &above, index)).collect();
        Strip { row, above, errors }
    }

    pub(super) fn len(&self) -> usize {
        self.errors.len()
    }

    /// Returns the pixels as symbols.
    pub(super) fn symbols(&self) -> impl Iterator<Item = u32> {
        self.row[1..=self.len()].iter().copied().map(u32::from_le_bytes)
    }

    /// Returns the error of the slope between the neighbours of each pixel, as symbols.
    pub(super) fn slope_symbols(&self) -> impl Iterator<Item = u32> {
        self.errors.iter().map(|errors| u32::from_le_bytes(errors[SLOPE]))
    }

    /// Returns how many pixels from `index` on equal those above them, or repeat the pixel before.
    pub(super) fn copied_from_neighbours(&self, index: usize) -> usize {
        let run = |is_copy: &dyn Fn(usize) -> bool| (index + 1..=self.len()).take_while(|at| is_copy(*at)).count();
        run(&|at| self.row[at] == self.above[at]).max(run(&|at| self.row[at] == self.row[index]))
    }

    /// Returns how many pixels from `index` on lie on the slope between their neighbours.
    pub(super) fn on_slope(&self, index: usize) -> usize {
        self.errors[index..].iter().take_while(|errors| errors[SLOPE] == Pixel::default()).count()
    }

    /// Returns the prediction with the smallest error over the pixels at `indices`.
    pub(super) fn best_prediction(&self, indices: &[usize]) -> usize {
        let off_by = |prediction: &usize| -> u32 {
            let errors = indices.iter().flat_map(|index| self.errors[*index][*prediction]);
            errors.map(|error| u32::from(error.cast_signed().unsigned_abs())).sum()
        };
        (0..PREDICTIONS).min_by_key(off_by).unwrap_or(SLOPE)
    }

    /// Returns the error of `prediction` at `index`, with green subtracted from red and blue, as WebP codes it (RFC
    /// 9649, 4.2 and 4.3).
    pub(super) fn coded_error(&self, index: usize, prediction: usize) -> Pixel {
        let [red, green, blue, alpha] = self.errors[index][prediction];
        [red.wrapping_sub(green), green, blue.wrapping_sub(green), alpha]
    }

    /// Returns how much the neighbours of the pixel at `index` differ from each other, in the channel with the largest
    /// difference.
    pub(super) fn unrest(&self, index: usize) -> u8 {
        let (left, above) = (self.row[index], &self.above[index..index + 3]);
        let of_channel = |channel: usize| {
            let [first, second, third] = [0, 1, 2].map(|at| above[at][channel]);
            let along = first.abs_diff(second).saturating_add(second.abs_diff(third));
            along.saturating_add(left[channel].abs_diff(first))
        };
        (0..4).map(of_channel).max().unwrap_or(0)
    }
}

/// Reads `count` pixels of a row of `picture` from (`x`, `y`) on.
fn pixels(picture: &Picture, (x, y): (usize, usize), count: usize) -> Vec<Pixel> {
    let size = picture.layout().bytes_per_pixel();
    let start = (y * picture.width() as usize + x) * size;
    let bytes = &picture.pixels()[start..start + count * size];
    match picture.layout() {
        Layout::Rgb => {
            bytes.as_chunks::<3>().0.iter().map(|[red, green, blue]| [*red, *green, *blue, u8::MAX]).collect()
        }
        Layout::Rgba => bytes.as_chunks::<4>().0.to_vec(),
    }
}

fn errors(row: &[Pixel], above: &[Pixel], index: usize) -> [Pixel; PREDICTIONS] {
    let mut errors = [Pixel::default(); PREDICTIONS];
    for channel in 0..4 {
        let predicted = predictions(
            row[index - 1][channel],
            [above[index - 1][channel], above[index][channel], above[index + 1][channel]],
        );
        for (errors, predicted) in errors.iter_mut().zip(predicted) {
            errors[channel] = row[index][channel].wrapping_sub(predicted);
        }
    }
    errors
}

/// The index of the slope among the predictions.
const SLOPE: usize = 0;

/// Returns the predictions from the pixel to the left and the three above: the slope, the median of the slope and its
/// sides (T.87 A.4.2), either side, the pixel above to the right, and the mean.
fn predictions(left: u8, [above_left, above, above_right]: [u8; 3]) -> [u8; PREDICTIONS] {
    let slope = i16::from(left) + i16::from(above) - i16::from(above_left);
    let between = |low: u8, high: u8| slope.clamp(i16::from(low), i16::from(high)) as u8;
    let (low, high) = (left.min(above), left.max(above));
    [between(0, u8::MAX), between(low, high), left, above, above_right, left.midpoint(above)]
}
