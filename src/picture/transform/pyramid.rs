//! A picture halved again and again, so that much smaller ones need not be made from all of its pixels.

use multiversion::multiversion;

use super::resample::{lanczos, resample, resample_in_part};
use crate::picture::{Layout, Picture};

/// The side of what is scaled is at least so many times that of the result. Lanczos3 removes what averaging leaves of
/// the frequencies that are too high: libvips has the same `gap` by default. docs/model.md, Scaling, has the
/// difference.
const LEAST_REDUCTION: f64 = 2.0;

/// A picture and its halves, each made when it is first needed.
pub struct Pyramid<'p> {
    whole: &'p Picture,
    /// A half of the whole, a quarter, and so on. Sides are rounded up.
    halves: Vec<Picture>,
}

impl<'p> Pyramid<'p> {
    /// The pyramid of `whole`.
    pub fn new(whole: &'p Picture) -> Pyramid<'p> {
        Pyramid { whole, halves: Vec::new() }
    }

    /// The picture scaled to exactly `width` x `height` (Lanczos3, alpha premultiplied around it).
    pub fn scale(&mut self, width: u32, height: u32) -> Picture {
        if (width, height) == (self.whole.width, self.whole.height) {
            return self.whole.clone();
        }
        let (source, [source_width, source_height]) = self.source_for(width, height);
        resample(source, width, height, &lanczos().crop(0.0, 0.0, source_width, source_height))
    }

    /// A sample of the picture at `width` x `height`: what [`Pyramid::scale`] gives, or every n-th band of 16 of its
    /// rows, one below the other, if it has many more than `pixels` pixels.
    pub fn scale_in_part(&mut self, width: u32, height: u32, pixels: u64) -> Picture {
        let (source, size) = self.source_for(width, height);
        match resample_in_part(source, size, (width, height), pixels) {
            Some(part) => part,
            None => self.scale(width, height),
        }
    }

    /// The smallest half that a picture of `width` x `height` can be made from, and the size of the whole in its
    /// pixels.
    fn source_for(&mut self, width: u32, height: u32) -> (&Picture, [f64; 2]) {
        let mut size = [self.whole.width, self.whole.height].map(f64::from);
        let mut level = 0;
        // Halving does not know of alpha.
        while !self.whole.has_alpha() && is_enough(size.map(|side| side / 2.0), [width, height]) {
            size = size.map(|side| side / 2.0);
            if level == self.halves.len() {
                let half = halved(self.halves.last().unwrap_or(self.whole));
                self.halves.push(half);
            }
            level += 1;
        }
        (if level == 0 { self.whole } else { &self.halves[level - 1] }, size)
    }
}

fn is_enough(size: [f64; 2], wanted: [u32; 2]) -> bool {
    size.iter().zip(wanted).all(|(side, wanted)| *side >= LEAST_REDUCTION * f64::from(wanted))
}

/// `picture` at half its size, without regard to alpha. The last row and column of an odd side stand for a pair.
fn halved(picture: &Picture) -> Picture {
    let (width, height) = (picture.width.div_ceil(2), picture.height.div_ceil(2));
    let size = picture.layout.bytes_per_pixel();
    let mut pixels = Vec::with_capacity(width as usize * height as usize * size);
    let mut means = Vec::new();
    for rows in picture.pixels.chunks(2 * picture.width as usize * size) {
        let (upper, lower) = rows.split_at(picture.width as usize * size);
        let lower = if lower.is_empty() { upper } else { lower };
        match picture.layout {
            Layout::Rgb => halve_rows::<3>(upper, lower, &mut means, &mut pixels),
            Layout::Rgba => halve_rows::<4>(upper, lower, &mut means, &mut pixels),
        }
    }
    Picture::new(width, height, picture.layout, pixels)
}

/// Appends the means of 2x2 pixels of `N` bytes to `into`.
fn halve_rows<const N: usize>(upper: &[u8], lower: &[u8], means: &mut Vec<u8>, into: &mut Vec<u8>) {
    means.resize(upper.len().saturating_sub(N), 0);
    mean_of_neighbours(means, [upper, lower, &upper[N..], &lower[N..]]);
    let (pairs, _) = means.as_chunks::<N>();
    let done = into.len();
    into.resize(done + pairs.len().div_ceil(2) * N, 0);
    let (targets, _) = into[done..].as_chunks_mut::<N>();
    targets.iter_mut().zip(pairs.iter().step_by(2)).for_each(|(target, mean)| *target = *mean);
    // The last pixel of an odd row stands for a pair.
    if (upper.len() / N) % 2 == 1 {
        let last = upper.len() - N;
        into.extend(upper[last..].iter().zip(&lower[last..]).map(|(upper, lower)| upper.midpoint(*lower)));
    }
}

/// The mean of each byte and those beside, below and beside that: also for pairs that are not taken, so that the loop
/// has no gaps. Compiled for newer processors too, with the same result.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn mean_of_neighbours(means: &mut [u8], rows: [&[u8]; 4]) {
    let [upper, lower, upper_next, lower_next] = rows;
    let (own, next) = (upper.iter().zip(lower), upper_next.iter().zip(lower_next));
    for (mean, ((upper, lower), (upper_next, lower_next))) in means.iter_mut().zip(own.zip(next)) {
        let sum = u16::from(*upper) + u16::from(*lower) + u16::from(*upper_next) + u16::from(*lower_next);
        *mean = ((sum + 2) / 4) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{flat, labelled};
    use super::super::resample::BAND;
    use super::*;

    #[test]
    fn a_half_has_the_means_of_four_pixels_and_ends_where_the_whole_does() {
        let picture = Picture::new(
            3,
            3,
            Layout::Rgb,
            [[0; 3], [10; 3], [100; 3], [20; 3], [30; 3], [200; 3], [7; 3], [9; 3], [255; 3]].concat(),
        );
        let half = halved(&picture);
        assert_eq!((half.width, half.height), (2, 2));
        assert_eq!(half.pixels, [[15; 3], [150; 3], [8; 3], [255; 3]].concat());
    }

    #[test]
    fn a_picture_made_from_a_half_is_that_of_the_whole() {
        let wave = |at: u32, period: f64| (f64::from(at) * std::f64::consts::TAU / period).sin() * 60.0;
        let (width, height) = (401, 303);
        let level = |index: u32| (128.0 + wave(index % width, 31.0) + wave(index / width, 47.0)) as u8;
        let pixels = (0..width * height).flat_map(|index| [level(index); 3]).collect();
        let picture = Picture::new(width, height, Layout::Rgb, pixels);
        let direct = resample(&picture, 80, 61, &lanczos());
        let by_half = Pyramid::new(&picture).scale(80, 61);
        let furthest = direct.pixels.iter().zip(&by_half.pixels).map(|(one, other)| one.abs_diff(*other)).max();
        assert!(furthest <= Some(2), "{furthest:?}");
    }

    #[test]
    fn the_last_band_of_a_part_ends_within_the_picture() {
        for height in 97..192 {
            let part = Pyramid::new(&labelled(9, height, Layout::Rgb)).scale_in_part(8, 96, 500);
            assert_eq!(part.height, 3 * BAND, "bands 1, 3 and 5 of {height} rows");
        }
    }

    #[test]
    fn a_part_holds_the_rows_of_the_whole() {
        let picture = labelled(600, 900, Layout::Rgb);
        let mut pyramid = Pyramid::new(&picture);
        for (width, height) in [(300, 450), (140, 210)] {
            let (whole, part) = (pyramid.scale(width, height), pyramid.scale_in_part(width, height, 20_000));
            let every = (u64::from(width * height)).div_ceil(20_000) as u32;
            let band_bytes = width as usize * 3 * BAND as usize;
            assert_eq!(part.height, (every / 2..height / BAND).step_by(every as usize).count() as u32 * BAND);
            for (index, band) in (every as usize / 2..).step_by(every as usize).zip(part.pixels.chunks(band_bytes)) {
                assert_eq!(band, &whole.pixels[band_bytes * index..][..band.len()], "{width} {index}");
            }
            assert_eq!(pyramid.scale_in_part(width, height, 200_000), whole);
        }
    }

    #[test]
    fn transparent_colour_does_not_bleed_when_scaled() {
        let mut picture = flat(64, 64, [0, 255, 0, 0]);
        for pixel in picture.pixels.chunks_exact_mut(4).step_by(2) {
            pixel.copy_from_slice(&[255, 0, 0, 255]);
        }
        for side in [20, 8] {
            let scaled = Pyramid::new(&picture).scale(side, side);
            assert!(scaled.pixels.chunks_exact(4).all(|pixel| pixel[3] > 0 && pixel[0] > 250 && pixel[1] < 5));
        }
    }
}
