//! Lossless answers: used when they fit. Must not know lossy encoders.

use crate::codec::{Format, png, webp};
use crate::picture::Picture;

use super::JobError;
use super::candidate::{Candidate, Kind};
use super::spec::DEFAULT_QUALITY;
use super::workbench::Workbench;

/// A lossless candidate of at most `cap` bytes, where one of the allowed formats has such a mode and it fits.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`].
pub fn candidate(bench: &mut Workbench, allowed: &[Format], cap: u64) -> Result<Option<Candidate>, JobError> {
    // A lower ceiling says that the last percents of the look are not worth their bytes.
    if bench.job.quality < DEFAULT_QUALITY || surely_over(bench.picture, cap) {
        return Ok(None);
    }
    // WebP's lossless mode is smaller than PNG in nearly every picture.
    for format in [Format::Webp, Format::Png].into_iter().filter(|format| allowed.contains(format)) {
        let Some(file) = encode(bench, format)? else { continue };
        let candidate = Candidate {
            bytes: bench.dress(file, format),
            format,
            width: bench.picture.width(),
            height: bench.picture.height(),
            kind: Kind::Lossless,
            score: None,
            cut_short: false,
        };
        bench.note(&candidate);
        if candidate.len() <= cap && bench.job.mode.is_near_enough(bench.job.target, candidate.len()) {
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

/// Whether no lossless encoder is expected to reach `cap`: it takes at least three quarters of a byte for each pixel
/// that differs from its left, its upper and its upper left neighbour. Photographs take one to two bytes for such a
/// pixel; text and flat art have few of them.
fn surely_over(picture: &Picture, cap: u64) -> bool {
    let pixel_bytes = picture.layout().bytes_per_pixel();
    let row_bytes = picture.width() as usize * pixel_bytes;
    let rows: Vec<&[u8]> = picture.pixels().chunks_exact(row_bytes).collect();
    let mut novel = 0;
    rows.windows(2).any(|pair| {
        novel += novel_pixels(pair[0], pair[1], pixel_bytes);
        novel * 3 / 4 > cap
    })
}

/// Pixels of `row` that differ from their neighbours to the left, above and above left.
fn novel_pixels(above: &[u8], row: &[u8], pixel_bytes: usize) -> u64 {
    let novel = |start: &usize| {
        let (here, left) = (*start..start + pixel_bytes, start - pixel_bytes..*start);
        let pixel = &row[here.clone()];
        pixel != &row[left.clone()] && pixel != &above[here] && pixel != &above[left]
    };
    (pixel_bytes..row.len()).step_by(pixel_bytes).filter(novel).count() as u64
}
