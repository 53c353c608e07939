//! Lossless answers: used when they fit. Must not know lossy encoders.

use std::time::Duration;

use crate::codec::{Effort, Format, png, webp};
use crate::picture::Picture;

use super::candidate::{Candidate, Kind};
use super::spec::DEFAULT_QUALITY;
use super::workbench::Workbench;
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
pub fn candidate(bench: &mut Workbench, allowed: &[Format], cap: u64) -> Result<Option<Candidate>, JobError> {
    if !bench.may_be_lossless {
        return Ok(None);
    }
    let Some(novel) = novel_pixels(bench.picture, cap) else { return Ok(None) };
    // WebP's lossless mode is smaller than PNG in nearly every picture.
    for format in [Format::Webp, Format::Png].into_iter().filter(|format| allowed.contains(format)) {
        let expected = expected_time(format, bench.job.effort, bench.picture.pixel_count(), novel);
        if !bench.has_time(expected) {
            bench.note_cut();
            continue;
        }
        let Some(file) = encode(bench, format)? else { continue };
        let candidate = Candidate {
            bytes: bench.dress(file, format),
            format,
            width: bench.picture.width(),
            height: bench.picture.height(),
            kind: Kind::Lossless,
            // The same pixels: the score of SSIMULACRA2 for identity.
            score: Some(100.0),
        };
        bench.note(&candidate);
        if candidate.len() <= cap && bench.job.mode.can_be_met(bench.job.target, candidate.len()) {
            return Ok(Some(candidate));
        }
        if bench.stop_reason().is_some() {
            break;
        }
    }
    Ok(None)
}

fn encode(bench: &Workbench, format: Format) -> Result<Option<Vec<u8>>, JobError> {
    let side = bench.picture.width().max(bench.picture.height());
    match format {
        Format::Webp if side <= webp::encode::MAX_SIDE => {
            Ok(Some(webp::encode::encode_lossless(bench.picture, bench.job.effort)?))
        }
        Format::Png if side <= png::encode::MAX_SIDE => {
            Ok(Some(png::encode::encode_lossless(bench.picture, bench.job.effort)?))
        }
        _ => Ok(None),
    }
}

/// Pixels that their neighbours don't foretell; none when there are so many that no lossless encoder is expected to reach
/// `cap`: it takes at least three quarters of a byte for each. Photographs take one to two bytes for such a pixel; text,
/// flat art and gradients have few of them.
fn novel_pixels(picture: &Picture, cap: u64) -> Option<u64> {
    let pixel_bytes = picture.layout().bytes_per_pixel();
    let row_bytes = picture.width() as usize * pixel_bytes;
    let rows: Vec<&[u8]> = picture.pixels().chunks_exact(row_bytes).collect();
    rows.windows(2).try_fold(0, |novel, pair| {
        let novel = novel + novel_in_row(pair[0], pair[1], pixel_bytes);
        (novel * 3 / 4 <= cap).then_some(novel)
    })
}

/// Pixels of `row` that are neither one of their neighbours to the left, above and above left, nor, within a unit, what
/// the slope between those leads to.
fn novel_in_row(above: &[u8], row: &[u8], pixel_bytes: usize) -> u64 {
    let novel = |start: &usize| {
        let (here, left) = (*start..start + pixel_bytes, start - pixel_bytes..*start);
        let is_on_slope = |at: usize| {
            let level = |row: &[u8], at: usize| i32::from(row[at]);
            let slope = level(row, at - pixel_bytes) + level(above, at) - level(above, at - pixel_bytes);
            (level(row, at) - slope).abs() <= 1
        };
        let pixel = &row[here.clone()];
        pixel != &row[left.clone()]
            && pixel != &above[here.clone()]
            && pixel != &above[left]
            && !here.into_iter().all(is_on_slope)
    };
    (pixel_bytes..row.len()).step_by(pixel_bytes).filter(novel).count() as u64
}
