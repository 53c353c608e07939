//! Gaussian blur, and the sharpening that takes it away.

use std::collections::VecDeque;

use multiversion::multiversion;

use crate::picture::{Layout, Picture};

/// Least sigma on a grid of larger cells, in cells. With 4 and a reach of 4.5 the difference from a blur of every pixel
/// is 0.0006 levels at most (root of the mean square, two Kodak pictures, sigma 3 to 100), with 3 it is 0.002.
const LEAST_CELL_SIGMA: f64 = 4.0;

/// Standard deviations that a kernel reaches to either side: 99.9993 % of the weight. With 3.5 the difference is 0.02
/// levels.
const REACH: f64 = 4.5;

/// Blurs `picture` by `sigma` pixels. Edges are continued by their last pixels, colours weighted by alpha.
///
/// A large blur works on the means around square cells, and interpolates between them.
pub(super) fn blurred(picture: &Picture, sigma: f64) -> Picture {
    match picture.layout {
        Layout::Rgb => blurred_channels::<3>(picture, sigma),
        Layout::Rgba => blurred_channels::<4>(picture, sigma),
    }
}

/// [`blurred`] for a picture of `N` channels.
fn blurred_channels<const N: usize>(picture: &Picture, sigma: f64) -> Picture {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut rows = BlurredRows::<N>::new(picture, sigma);
    let mut pixels = Vec::with_capacity(picture.pixels.len());
    if rows.cell == 1 {
        (0..height).for_each(|_| store(&rows.next(), picture.layout, &mut pixels));
        return Picture::new(picture.width, picture.height, picture.layout, pixels);
    }
    let columns: Vec<Place> = (0..width).map(|x| Place::of(x, rows.cell)).collect();
    let mut cells = vec![0.0; rows.cells_across * N];
    let mut row = vec![[0.0; N]; width];
    for y in 0..height {
        let place = Place::of(y, rows.cell);
        let parts = rows.around(place.first);
        weighted_sum(&mut cells, parts.zip(place.weights));
        let (cells, _) = cells.as_chunks::<N>();
        row.iter_mut().zip(&columns).for_each(|(pixel, place)| *pixel = place.interpolate(cells));
        store(row.as_flattened(), picture.layout, &mut pixels);
    }
    Picture::new(picture.width, picture.height, picture.layout, pixels)
}

/// Adds to each pixel its difference from the blur of `sigma` pixels (an unsharp mask of amount 1). Alpha stays.
pub(super) fn sharpened(picture: Picture, sigma: f64) -> Picture {
    let blurred = blurred(&picture, sigma);
    let mut sharp = picture;
    let pixel = sharp.layout.bytes_per_pixel();
    for (own, around) in sharp.pixels.chunks_exact_mut(pixel).zip(blurred.pixels.chunks_exact(pixel)) {
        for (value, mean) in own[..3].iter_mut().zip(around) {
            *value = (2 * i32::from(*value) - i32::from(*mean)).clamp(0, 255) as u8;
        }
    }
    sharp
}

/// Bytes that [`blurred`] holds beside the picture and the result, at most: the rows of a kernel, four more, and two of
/// the picture, of four channels as f32.
pub(super) fn scratch_bytes(width: u32) -> u64 {
    let radius = (2.0 * LEAST_CELL_SIGMA * REACH).ceil() as u64;
    let rows = 2 * radius + 1 + TAPS as u64 + 2;
    rows * (u64::from(width) + 2 * radius + TAPS as u64 + 2) * 16
}

/// Variance that a mean of three places in a pixel adds to a kernel: that of -1/3, 0 and 1/3.
const KERNEL_VARIANCE: f64 = 2.0 / 27.0;

/// The weights of a Gaussian, an odd number that adds up to 1. Each is the mean of three places in its pixel, as in
/// ImageMagick: with a small sigma the value in the middle is too far from the pixel's share.
fn kernel(sigma: f64) -> Vec<f32> {
    // The square of a much smaller one is 0. All weight is in the middle long before.
    let sigma = sigma.max(LEAST_SIGMA);
    let radius = (sigma * REACH).ceil() as i32;
    let density = |at: f64| (-at * at / (2.0 * sigma * sigma)).exp();
    let mean = |at: f64| density(at - 1.0 / 3.0) + density(at) + density(at + 1.0 / 3.0);
    let weights: Vec<f64> = (-radius..=radius).map(|at| mean(f64::from(at))).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

/// Pixels of sigma below which a Gaussian is the same.
const LEAST_SIGMA: f64 = 1e-3;

/// The sigma in cells that makes a blur of `sigma` pixels: the means and the interpolation are blurs already.
fn sigma_of_cells(sigma: f64, cell: usize, mean: &CellMean) -> f64 {
    let variance = (sigma * sigma + KERNEL_VARIANCE - mean.variance) / (cell * cell) as f64;
    (variance - SPLINE_VARIANCE - KERNEL_VARIANCE).sqrt()
}

/// Cells that a value is interpolated from, across and down.
const TAPS: usize = 4;

/// Variance that the interpolation adds, in cells: that of a cubic B-spline.
const SPLINE_VARIANCE: f64 = 1.0 / 3.0;

/// Where a pixel lies between the centres of cells.
struct Place {
    /// The first of the cells that it is interpolated from, counted from [`BEFORE`] cells before the edge.
    first: usize,
    /// Their weights: a cubic B-spline.
    weights: [f32; TAPS],
}

impl Place {
    fn of(pixel: usize, cell: usize) -> Place {
        let at = (pixel as f64 + 0.5) / cell as f64 - 0.5;
        let t = at - at.floor();
        let weights = [
            (1.0 - t).powi(3) / 6.0,
            ((3.0 * t - 6.0) * t * t + 4.0) / 6.0,
            (((3.0 - 3.0 * t) * t + 3.0) * t + 1.0) / 6.0,
            t.powi(3) / 6.0,
        ];
        Place { first: (at.floor() as i64 - 1 + BEFORE) as usize, weights: weights.map(|weight| weight as f32) }
    }

    /// The pixel between `cells`.
    fn interpolate<const N: usize>(&self, cells: &[[f32; N]]) -> [f32; N] {
        let mut pixel = [0.0; N];
        for (cell, weight) in cells[self.first..][..TAPS].iter().zip(self.weights) {
            pixel.iter_mut().zip(cell).for_each(|(sum, value)| *sum += value * weight);
        }
        pixel
    }
}

/// Cells before the first of a picture, and behind its last, that may be interpolated from.
const BEFORE: i64 = 2;

/// The weights of the pixels whose mean stands for a cell: a quadratic B-spline over it and its neighbours. With the
/// cell's own pixels alone fine stripes would show as broad ones.
struct CellMean {
    /// The first pixel, counted from the first of the cell.
    first: i64,
    weights: Vec<f32>,
    /// In pixels.
    variance: f64,
}

impl CellMean {
    fn over(cell: usize) -> CellMean {
        if cell == 1 {
            return CellMean { first: 0, weights: vec![1.0], variance: 0.0 };
        }
        let side = cell as f64;
        let distance = |at: usize| (at as f64 + 0.5 - 1.5 * side).abs() / side;
        let weight = |distance: f64| {
            let in_cell = 0.75 - distance * distance;
            let beside = (1.5 - distance) * (1.5 - distance) / 2.0;
            (if distance < 0.5 { in_cell } else { beside }) / side
        };
        let distances: Vec<f64> = (0..3 * cell).map(distance).collect();
        let weights: Vec<f64> = distances.iter().map(|distance| weight(*distance)).collect();
        let variance = weights.iter().zip(distances).map(|(weight, distance)| weight * (distance * side).powi(2)).sum();
        CellMean { first: -(cell as i64), weights: weights.iter().map(|weight| *weight as f32).collect(), variance }
    }

    /// The pixels around the cell at `index`, from 0 to `last`, and their weights.
    fn pixels(&self, index: i64, cell: usize, last: i64) -> impl Iterator<Item = (usize, f32)> {
        let first = index * cell as i64 + self.first;
        (first..).zip(&self.weights).map(move |(at, weight)| (at.clamp(0, last) as usize, *weight))
    }
}

/// The rows of blurred cells of a picture of `N` channels, from the top.
struct BlurredRows<'a, const N: usize> {
    picture: &'a Picture,
    /// Pixels on a side of a cell.
    cell: usize,
    mean: CellMean,
    kernel: Vec<f32>,
    /// Cells before the first of the picture, and behind its last.
    before: i64,
    /// Cells in a row, with these.
    cells_across: usize,
    /// Rows blurred across, those that the kernel reaches from the next row.
    across: VecDeque<Vec<f32>>,
    /// The last rows blurred across and down, at most [`TAPS`].
    done: VecDeque<Vec<f32>>,
    /// Number of rows in `done` so far, also those that are gone.
    count: usize,
}

impl<'a, const N: usize> BlurredRows<'a, N> {
    fn new(picture: &'a Picture, sigma: f64) -> BlurredRows<'a, N> {
        let cell = ((sigma / LEAST_CELL_SIGMA) as usize).max(1);
        let mean = CellMean::over(cell);
        let kernel = kernel(if cell == 1 { sigma } else { sigma_of_cells(sigma, cell, &mean) });
        let before = if cell == 1 { 0 } else { BEFORE };
        let cells_across = (picture.width as usize).div_ceil(cell) + 2 * before as usize;
        let (across, done) = (VecDeque::new(), VecDeque::new());
        BlurredRows { picture, cell, mean, kernel, before, cells_across, across, done, count: 0 }
    }

    /// The [`TAPS`] rows from `first` on, which never is less than it was before.
    fn around(&mut self, first: usize) -> impl Iterator<Item = &[f32]> {
        while self.count < first + TAPS {
            let next = self.next();
            self.done.push_back(next);
            if self.done.len() > TAPS {
                self.done.pop_front();
            }
        }
        self.done.iter().map(Vec::as_slice)
    }

    /// The next row, blurred across and down.
    fn next(&mut self) -> Vec<f32> {
        let radius = (self.kernel.len() / 2) as i64;
        let row = self.count as i64 - self.before;
        self.count += 1;
        if self.across.len() == self.kernel.len() {
            self.across.pop_front();
        }
        while self.across.len() < self.kernel.len() {
            let index = row - radius + self.across.len() as i64;
            self.across.push_back(self.blurred_across(index));
        }
        let mut sum = vec![0.0; self.across[0].len()];
        weighted_sum(&mut sum, self.across.iter().map(Vec::as_slice).zip(self.kernel.iter().copied()));
        sum
    }

    /// The cells of row `index`, which may lie outside the picture, blurred across.
    fn blurred_across(&self, index: i64) -> Vec<f32> {
        let cells = self.cells(index);
        let mut sum = vec![0.0; self.cells_across * N];
        let parts = self.kernel.iter().enumerate().map(|(at, weight)| (cells[at..].as_flattened(), *weight));
        weighted_sum(&mut sum, parts);
        sum
    }

    /// The means around the cells of row `index`, from as far before the picture as a kernel reaches to as far behind
    /// it.
    fn cells(&self, index: i64) -> Vec<[f32; N]> {
        let row = self.mean_row(index);
        let (row, _) = row.as_chunks::<N>();
        let before = self.before + (self.kernel.len() / 2) as i64;
        let last = i64::from(self.picture.width) - 1;
        let mut cells = vec![[0.0; N]; self.cells_across + self.kernel.len() - 1];
        for (at, cell) in cells.iter_mut().enumerate() {
            for (column, weight) in self.mean.pixels(at as i64 - before, self.cell, last) {
                cell.iter_mut().zip(&row[column]).for_each(|(sum, value)| *sum += value * weight);
            }
        }
        cells
    }

    /// The mean of the rows of pixels around row `index` of cells, colours multiplied by alpha.
    fn mean_row(&self, index: i64) -> Vec<f32> {
        let row_bytes = self.picture.width as usize * N;
        let last = i64::from(self.picture.height) - 1;
        let mut sum = vec![0.0; row_bytes];
        for (row, weight) in self.mean.pixels(index, self.cell, last) {
            let pixels = &self.picture.pixels[row * row_bytes..][..row_bytes];
            add_row(&mut sum, pixels, self.picture.layout, weight);
        }
        sum
    }
}

/// Puts into `sum` the sum of `parts`, each times its weight.
fn weighted_sum<'a>(sum: &mut [f32], parts: impl Iterator<Item = (&'a [f32], f32)>) {
    sum.fill(0.0);
    parts.for_each(|(values, weight)| add_weighted(sum, values, weight));
}

/// Also compiled for newer processors, with the same result.
#[multiversion(targets("x86_64+avx2"))]
fn add_weighted(sum: &mut [f32], values: &[f32], weight: f32) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value * weight;
    }
}

/// Adds `row` times `weight` to `sum`; colours are multiplied by alpha.
fn add_row(sum: &mut [f32], row: &[u8], layout: Layout, weight: f32) {
    match layout {
        Layout::Rgb => sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f32::from(*value) * weight),
        Layout::Rgba => {
            for (sums, pixel) in sum.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
                let alpha = f32::from(pixel[3]) * weight;
                sums[..3].iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f32::from(*value) * alpha / 255.0);
                sums[3] += alpha;
            }
        }
    }
}

/// Appends `row` to `pixels`, rounded to nearest and divided by alpha.
fn store(row: &[f32], layout: Layout, pixels: &mut Vec<u8>) {
    match layout {
        Layout::Rgb => pixels.extend(row.iter().map(|value| (value + 0.5) as u8)),
        Layout::Rgba => {
            for pixel in row.chunks_exact(4) {
                let alpha = (pixel[3] + 0.5) as u8;
                // What rounds to no alpha has no colour either.
                let factor = if alpha == 0 { 0.0 } else { 255.0 / pixel[3] };
                pixels.extend(pixel[..3].iter().map(|value| (value * factor + 0.5) as u8));
                pixels.push(alpha);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{flat, labelled};
    use super::*;

    /// Black with one white column.
    fn line(width: u32, height: u32, at: u32) -> Picture {
        let pixels = (0..width * height).flat_map(|index| [if index % width == at { 255 } else { 0 }; 3]).collect();
        Picture::new(width, height, Layout::Rgb, pixels)
    }

    /// The normal distribution up to `deviations`.
    fn normal(deviations: f64) -> f64 {
        let step = 0.001;
        let density = |at: f64| (-at * at / 2.0).exp() / std::f64::consts::TAU.sqrt();
        (0..)
            .map(|index| -6.0 + (f64::from(index) + 0.5) * step)
            .take_while(|at| *at < deviations)
            .map(density)
            .sum::<f64>()
            * step
    }

    #[test]
    fn an_edge_is_spread_as_the_normal_distribution() {
        let step: Vec<u8> = (0..400 * 9).flat_map(|index| [if index % 400 < 200 { 0 } else { 200 }; 3]).collect();
        let step = Picture::new(400, 9, Layout::Rgb, step);
        for sigma in [0.5, 1.0, 3.0, 5.0, 12.0, 30.0] {
            let result = blurred(&step, sigma);
            for x in (-60..60).map(|distance| 200 + distance) {
                let value = f64::from(result.pixels[(4 * 400 + x as usize) * 3]);
                // The edge lies between pixels 199 and 200.
                let expected = 200.0 * normal((f64::from(x) + 0.5 - 200.0) / sigma);
                assert!((value - expected).abs() < 3.0, "{sigma} at {x}: {value}, not {expected}");
            }
        }
    }

    /// The blur of every pixel, with a kernel that is never cut off.
    fn exactly_blurred(levels: &[f64], sigma: f64) -> Vec<f64> {
        let last = levels.len() as i64 - 1;
        let weight = |distance: i64| (-(distance as f64).powi(2) / (2.0 * sigma * sigma)).exp();
        let around = |at: i64| {
            let reach = (8.0 * sigma) as i64;
            let weights =
                (at - reach..=at + reach).map(|from| (weight(from - at), levels[from.clamp(0, last) as usize]));
            weights.fold((0.0, 0.0), |(sum, all), (weight, level)| (sum + weight * level, all + weight))
        };
        (0..=last).map(around).map(|(sum, all)| sum / all).collect()
    }

    #[test]
    fn a_large_blur_is_that_of_every_pixel_whatever_the_stripes() {
        // A little longer than a cell, where the means of cells alone are 1.5 to 3.2 levels off.
        for (sigma, period) in [(6.0, 3.2), (8.0, 2.15), (12.0, 3.25), (20.0, 5.4), (50.0, 13.0), (100.0, 27.0)] {
            let wave = |x: usize| 127.5 + 127.0 * (x as f64 * std::f64::consts::TAU / period).sin();
            let levels: Vec<f64> = (0..400).map(|x| if x < 150 { 30.0 } else { wave(x).round() }).collect();
            let pixels = (0..400 * 5).flat_map(|index| [levels[index % 400] as u8; 3]).collect();
            let result = blurred(&Picture::new(400, 5, Layout::Rgb, pixels), sigma);
            let row = result.pixels.chunks_exact(3).map(|pixel| f64::from(pixel[0]));
            for (x, (level, exact)) in row.zip(exactly_blurred(&levels, sigma)).enumerate() {
                assert!((level - exact).abs() < 0.65, "{sigma} {period} at {x}: {level}, not {exact}");
            }
        }
    }

    #[test]
    fn a_flat_picture_stays_whatever_its_size() {
        for (width, height) in [(1, 1), (1, 50), (50, 1), (3, 200), (64, 48)] {
            for sigma in [0.3, 2.0, 7.0, 100.0] {
                let picture = flat(width, height, [7, 99, 255, 200]);
                // Scaling rounds colours after it multiplies them by alpha.
                for result in [blurred(&picture, sigma), sharpened(picture.clone(), sigma.min(10.0))] {
                    let is_near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1;
                    assert!(result.pixels.iter().zip(&picture.pixels).all(is_near), "{width}x{height} {sigma}");
                }
            }
        }
    }

    #[test]
    fn transparent_colour_does_not_bleed_when_blurred() {
        let mut picture = flat(40, 40, [0, 255, 0, 0]);
        picture.pixels.chunks_exact_mut(4).step_by(2).for_each(|pixel| pixel.copy_from_slice(&[255, 0, 0, 255]));
        for sigma in [1.0, 8.0] {
            let result = blurred(&picture, sigma);
            assert!(result.pixels.chunks_exact(4).all(|pixel| pixel[3] > 0 && pixel[0] > 250 && pixel[1] < 5));
        }
    }

    #[test]
    fn sharpening_raises_contrast_at_edges_and_nowhere_else() {
        let grey: Vec<u8> = (0..40 * 5).flat_map(|index| [if index % 40 < 20 { 100 } else { 150 }; 3]).collect();
        let sharp = sharpened(Picture::new(40, 5, Layout::Rgb, grey), 1.0);
        let at = |x: usize| sharp.pixels[(2 * 40 + x) * 3];
        assert_eq!((at(5), at(35)), (100, 150));
        assert!(at(19) < 90 && at(20) > 160, "{} {}", at(19), at(20));
    }

    #[test]
    fn no_light_is_lost() {
        for sigma in [0.3, 1.5, 4.9, 9.0] {
            let result = blurred(&line(99, 20, 49), sigma);
            let sum: u32 =
                result.pixels[10 * 99 * 3..11 * 99 * 3].iter().step_by(3).map(|value| u32::from(*value)).sum();
            assert!(sum.abs_diff(255) <= 20, "{sigma}: {sum}");
        }
        for sigma in [0.01, 1e-200] {
            assert_eq!(blurred(&labelled(9, 7, Layout::Rgb), sigma), labelled(9, 7, Layout::Rgb), "{sigma}");
        }
    }
}
