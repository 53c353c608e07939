//! Smooth pictures, such as gradients: made smaller they lose nothing that can be seen, so that a lossless file of a
//! smaller picture looks better than a lossy one of the whole: docs/model.md, Smooth pictures.

use crate::codec::Format;
use crate::picture::content::Content;
use crate::picture::{Picture, transform};

use super::JobError;
use super::candidate::{Candidate, Kind};
use super::context::SearchContext;
use super::few_colours::{self, Lossless};
use super::lossless::expected_time;
use super::views::size_at;

/// Scales that are tried: a half and less, since pixels that fall together make smaller files than those between.
const SCALES: [f64; 5] = [1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0, 1.0 / 5.0, 1.0 / 6.0];

/// The one that is tried first where nothing is known of the sizes of files.
const FIRST: f64 = 1.0 / 3.0;

/// The power of the scale that the bytes of lossless files grow with: of four gradients they grew with .9 to 1.9.
const BYTES_BY_SCALE: f64 = 1.2;

/// Levels by which no pixel may change by going smaller.
const MOST_CHANGED: u8 = 4;

/// The most files that are made.
const MAX_ENCODES: usize = 2;

/// A lossless file of a smaller picture, of at most `cap` bytes. Returns `None` for a picture that is not smooth, where
/// none is found, where no allowed format is lossless, and where the job asks for another kind of answer.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn candidate(
    context: &mut SearchContext,
    allowed: &[Format],
    cap: u64,
) -> Result<Option<Candidate>, JobError> {
    if !context.may_shrink {
        return Ok(None);
    }
    let Some((format, model)) = few_colours::format(context, allowed, cap, Content::Smooth) else { return Ok(None) };
    let mut scales = SCALES.to_vec();
    scales.retain(|scale| few_colours::is_possible(context, format, model, *scale));
    // A scale, and the bytes of the file at that.
    let mut known = context.log.lossless_bytes(format).map(|bytes| (1.0, bytes));
    let mut best: Option<Candidate> = None;
    for _ in 0..MAX_ENCODES {
        let may_fit = |scale: &&f64| match known {
            Some((of_known, bytes)) => bytes as f64 * (*scale / of_known).powf(BYTES_BY_SCALE) <= cap as f64,
            None => **scale <= FIRST,
        };
        let Some(scale) = scales.iter().find(may_fit).copied() else { break };
        let Some(candidate) = at_scale(context, (format, model), scale)? else { break };
        known = Some((scale, candidate.len()));
        let is_within = candidate.len() <= cap && context.job.mode.can_be_met(context.job.target, candidate.len());
        // Of the others only those may be better that are larger than a file that fits, and fit only those that are
        // smaller.
        scales.retain(|other| if is_within { *other > scale } else { *other < scale });
        best = Some(candidate).filter(|_| is_within).or(best);
    }
    Ok(best)
}

/// The lossless file at `scale`. Returns `None` when there is no time, and when that would lose something.
fn at_scale(context: &mut SearchContext, (format, model): Lossless, scale: f64) -> Result<Option<Candidate>, JobError> {
    let whole = context.views.prepared(format);
    let (width, height) = size_at(whole.picture, scale);
    let pixels = u64::from(width) * u64::from(height);
    if !context.clock.has_time(expected_time(model, context.job.effort, pixels, pixels)) {
        context.log.cut_short = true;
        return Ok(None);
    }
    let smaller = context.views.scaled(whole.picture, (width, height));
    if !is_all_in(&smaller, whole.picture) {
        return Ok(None);
    }
    let file = (model.encode)(&smaller, context.job.effort)?;
    let bytes = context.with_metadata(file, format);
    let candidate = Candidate { bytes, format, width, height, kind: Kind::Downscaled(100.0), score: None };
    context.log.note(&candidate);
    Ok(Some(candidate))
}

/// Whether `smaller`, made as large as `whole` again, is the same to the eye: on black and on white, where it has an
/// alpha channel.
fn is_all_in(smaller: &Picture, whole: &Picture) -> bool {
    let restored = transform::scale(smaller, whole.width(), whole.height());
    if !whole.has_alpha() {
        return is_near(&restored, whole);
    }
    [[0; 3], [u8::MAX; 3]]
        .iter()
        .all(|background| is_near(&transform::flatten(&restored, *background), &transform::flatten(whole, *background)))
}

fn is_near(one: &Picture, other: &Picture) -> bool {
    one.pixels().iter().zip(other.pixels()).all(|(one, other)| one.abs_diff(*other) <= MOST_CHANGED)
}
