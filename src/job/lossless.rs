//! Lossless answers: used when they fit. Must not know lossy encoders.

use std::time::Duration;

use crate::codec::{Effort, Format, png, webp};
use crate::picture::Picture;

use super::candidate::{Candidate, Kind};
use super::context::SearchContext;
use super::spec::DEFAULT_QUALITY;
use super::{Job, JobError};

/// Pixels up to which lossless is tried whatever the input.
const SMALL: u64 = 2_000_000;

/// Whether lossless encodes are worth trying, and their memory reserving, before a pixel was seen: of a larger picture
/// that lossy coding has been through they take more than half a bit a pixel.
pub fn is_thinkable(job: &Job, input: Format, pixels: u64) -> bool {
    // A lower ceiling says that the last percents of the look are not worth their bytes.
    job.quality >= DEFAULT_QUALITY
        && (pixels <= SMALL || !matches!(input, Format::Jpeg | Format::Avif) || job.target >= pixels / 16)
}

/// Time of a lossless encode, about, of a picture with so many pixels that their neighbours don't foretell: a photograph
/// of 12 megapixels took so much for each, flat art of 24 an eighth.
fn expected_time(format: Format, effort: Effort, pixels: u64, novel: u64) -> Duration {
    let nanoseconds = match (format, effort) {
        (Format::Webp, _) => 600,
        (_, Effort::Fast) => 40,
        (_, Effort::Balanced) => 270,
        (_, Effort::Best) => 860,
    };
    Duration::from_nanos(nanoseconds).mul_f64(novel as f64 + (pixels - novel) as f64 / 8.0)
}

/// A lossless candidate of at most `cap` bytes, where one of the allowed formats has such a mode and it fits.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`].
pub fn candidate(context: &mut SearchContext, allowed: &[Format], cap: u64) -> Result<Option<Candidate>, JobError> {
    // WebP's lossless mode is smaller than PNG in nearly every picture.
    let formats: Vec<Format> =
        [Format::Webp, Format::Png].into_iter().filter(|format| allowed.contains(format)).collect();
    if formats.is_empty() || !context.may_be_lossless {
        return Ok(None);
    }
    let Some(novel) = novel_pixels(context.picture, cap) else { return Ok(None) };
    for format in formats {
        let expected = expected_time(format, context.job.effort, context.picture.pixel_count(), novel);
        if !context.has_time(expected) {
            context.note_cut();
            continue;
        }
        let Some(file) = encode(context, format)? else { continue };
        let candidate = Candidate {
            bytes: context.with_metadata(file, format),
            format,
            width: context.picture.width(),
            height: context.picture.height(),
            kind: Kind::Lossless,
            // The same pixels: the score of SSIMULACRA2 for identity.
            score: Some(100.0),
        };
        context.note(&candidate);
        if candidate.len() <= cap && context.job.mode.can_be_met(context.job.target, candidate.len()) {
            return Ok(Some(candidate));
        }
        if context.stop_reason().is_some() {
            break;
        }
    }
    Ok(None)
}

fn encode(context: &SearchContext, format: Format) -> Result<Option<Vec<u8>>, JobError> {
    let side = context.picture.width().max(context.picture.height());
    match format {
        Format::Webp if side <= webp::encode::MAX_SIDE => {
            Ok(Some(webp::encode::encode_lossless(context.picture, context.job.effort)?))
        }
        Format::Png if side <= png::encode::MAX_SIDE => {
            Ok(Some(png::encode::encode_lossless(context.picture, context.job.effort)?))
        }
        _ => Ok(None),
    }
}

/// Pixels that their neighbours don't foretell; none when there are so many that no lossless encoder is expected to reach
/// `cap`. Photographs take one to two bytes for such a pixel; text, flat art and gradients have few of them.
fn novel_pixels(picture: &Picture, cap: u64) -> Option<u64> {
    let pixel_bytes = picture.layout().bytes_per_pixel();
    let row_bytes = picture.width() as usize * pixel_bytes;
    let rows: Vec<&[u8]> = picture.pixels().chunks_exact(row_bytes).collect();
    let mut all = Novelty::default();
    // The first of these passes often says enough.
    for first in 0..PASSES {
        for pair in rows.windows(2).skip(first).step_by(PASSES) {
            all.add_row(pair[0], pair[1], pixel_bytes);
        }
        if all.novel_bytes() * PASSES as u64 > cap.saturating_mul(2 * (first as u64 + 1)) || all.novel_bytes() > cap {
            return None;
        }
    }
    (all.least_bytes(picture.pixel_count()) <= cap).then_some(all.novel)
}

/// Passes over the picture, each of every so many rows: when those seen have twice too many novel pixels, the others are
/// not looked at.
const PASSES: usize = 8;

/// How much there is to code in a picture.
#[derive(Debug, Default, PartialEq)]
struct Novelty {
    /// Pixels that are neither one of their neighbours to the left, above and above left, nor, within a unit, what the slope
    /// between those leads to.
    novel: u64,
    /// Of the others those that are near that slope but not on it: noise, or a gradient's rounding.
    uneven: u64,
}

impl Novelty {
    fn add_row(&mut self, above: &[u8], row: &[u8], pixel_bytes: usize) {
        for start in (pixel_bytes..row.len()).step_by(pixel_bytes) {
            let (here, left) = (start..start + pixel_bytes, start - pixel_bytes..start);
            let pixel = &row[here.clone()];
            if pixel == &row[left.clone()] || pixel == &above[here.clone()] || pixel == &above[left] {
                continue;
            }
            let off_slope = |at: usize| {
                let level = |row: &[u8], at: usize| i32::from(row[at]);
                let slope = level(row, at - pixel_bytes) + level(above, at) - level(above, at - pixel_bytes);
                (level(row, at) - slope).abs()
            };
            match here.map(off_slope).max() {
                Some(0) => {}
                Some(1) => self.uneven += 1,
                _ => self.novel += 1,
            }
        }
    }

    /// Bytes that novel pixels take at the least: three quarters of one for each.
    fn novel_bytes(&self) -> u64 {
        self.novel * 3 / 4
    }

    /// Bytes that a lossless file of `pixels` takes at the least. Where more than a fiftieth of them are novel unevenness is
    /// noise, and takes a byte and a half for each uneven one and those that are even by chance: of 19 photographs this is
    /// 0.5 to 0.9 of the file.
    fn least_bytes(&self, pixels: u64) -> u64 {
        let is_textured = self.novel * 50 > pixels;
        self.novel_bytes() + if is_textured { self.uneven * 3 / 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    const SIDE: u32 = 200;

    fn drawn(level: impl Fn(u32, u32) -> u8) -> Picture {
        let places = (0..SIDE * SIDE).map(|place| level(place % SIDE, place / SIDE));
        Picture::new(SIDE, SIDE, Layout::Rgb, places.flat_map(|level| [level; 3]).collect())
    }

    fn grain(x: u32, y: u32) -> u32 {
        (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 29
    }

    #[test]
    fn a_gradient_has_little_to_code_and_grain_much() {
        let gradient = drawn(|x, y| ((x + y) / 3) as u8);
        assert!(novel_pixels(&gradient, 1_000).is_some_and(|novel| novel < 100));
        // Three bits of grain, and a fifth of a byte for each pixel.
        let cap = u64::from(SIDE * SIDE / 5);
        assert_eq!(novel_pixels(&drawn(|x, y| 80 + grain(x, y) as u8), cap), None);
    }

    #[test]
    fn unevenness_counts_where_there_is_texture() {
        // Grain in a quarter of it, and rounding everywhere.
        let uneven = |x: u32, y: u32| ((x + y) * 2 / 3) as u8;
        let textured = drawn(|x, y| if x < SIDE / 4 { 80 + 8 * grain(x, y) as u8 } else { uneven(x, y) });
        let cap = u64::from(SIDE * SIDE) * 3 / 10;
        assert!(novel_pixels(&drawn(uneven), cap).is_some());
        assert_eq!(novel_pixels(&textured, cap), None);
    }
}
