//! Lossless answers, used when they fit.

use std::time::Duration;

use crate::codec::model::LosslessModel;
use crate::codec::rate::{self, lossless};
use crate::codec::{Effort, EncodeError, Format};
use crate::picture::content::Content;
use crate::picture::{Chroma, Picture};
use crate::stop::Stop;

use super::candidate::{Candidate, Kind};
use super::context::SearchContext;
use super::spec::DEFAULT_QUALITY;
use super::{Facts, Job, JobError};

/// Pixels up to which lossless is tried whatever the input.
const SMALL: u64 = 2_000_000;

/// Whether lossless encodes are worth trying and their memory worth reserving, as far as the header tells. A lossless
/// file of a larger picture that was lossy before takes more than half a bit a pixel.
pub(super) fn is_thinkable(job: &Job, input: Format, pixels: u64) -> bool {
    (comes_first(job) || may_save(job))
        && (pixels <= SMALL || !input.model().is_usually_lossy || job.target >= pixels / 16)
}

/// Whether `file`, which is of `format`, is lossless. Of formats that are not written so it is not asked.
pub(super) fn is_lossless(file: &[u8], format: Format) -> bool {
    modes().any(|(known, model)| known == format && (model.is_used_in)(file))
}

/// Whether a lossless file is better than any lossy one. A job with a lower quality ceiling prefers fewer bytes.
pub(super) fn comes_first(job: &Job) -> bool {
    job.quality >= DEFAULT_QUALITY
}

/// Whether a lossless file may be the answer when the best lossy file is refused.
fn may_save(job: &Job) -> bool {
    !job.downscale || job.min_score.is_some()
}

/// About the time of a lossless encode. `literal` is the number of pixels that are no copies of others; a copy takes an
/// eighth of their time, as in flat art of 24 megapixels.
pub(super) fn expected_time(model: &LosslessModel, effort: Effort, pixels: u64, literal: u64) -> Duration {
    let nanoseconds = effort.pick(model.nanoseconds_per_pixel);
    Duration::from_nanos(nanoseconds).mul_f64(literal as f64 + (pixels - literal) as f64 / 8.0)
}

/// How many times as large as the file of the next format one may be. No WebP file of 62 pictures was larger than PNG.
const LARGEST_RATIO: f64 = 1.3;

/// A lossless candidate of at most `cap` bytes. Returns `None` when no allowed format has a lossless mode whose file
/// fits.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`].
pub(super) fn candidate(
    context: &mut SearchContext,
    allowed: &[Format],
    cap: u64,
) -> Result<Option<Candidate>, JobError> {
    let formats: Vec<(Format, &LosslessModel)> = modes().filter(|(format, _)| allowed.contains(format)).collect();
    if formats.is_empty() || !is_thinkable(context.job, context.input, context.views.requested.pixel_count()) {
        return Ok(None);
    }
    let is_photograph = context.views.content() == Content::Photograph;
    let expectation = lossless::expect(context.views.requested, is_photograph, cap);
    if expectation.least_bytes > cap {
        return Ok(None);
    }
    // Nothing is known of the size where the picture repeats itself.
    let is_bounded = expectation.least_bytes > 0;
    let (mode, target) = (context.job.mode, context.job.target);
    let is_answer = |bytes: u64| bytes <= cap && mode.can_be_met(target, bytes);
    for (format, model) in formats {
        let is_held = format.check_size(context.views.requested).is_ok();
        if !is_held || context.log.lossless_bytes(format).is_some_and(|bytes| !is_answer(bytes)) {
            continue;
        }
        let pixels = context.views.requested.pixel_count();
        let expected = expected_time(model, context.job.effort, pixels, expectation.literal_pixels.min(pixels));
        if !context.clock.has_time(expected) {
            context.log.cut_short = true;
            continue;
        }
        if is_photograph && is_bounded && !may_fit_by_part(context.views.requested, model, context.job.effort, cap)? {
            break;
        }
        let file = (model.encode)(context.views.requested, context.job.effort)?;
        let candidate = Candidate {
            bytes: context.with_metadata(file, format),
            format,
            width: context.views.requested.width(),
            height: context.views.requested.height(),
            kind: Kind::Lossless,
            // The same pixels: the score of SSIMULACRA2 for identity.
            score: Some(100.0),
        };
        context.log.note(&candidate);
        if is_answer(candidate.len()) {
            return Ok(Some(candidate));
        }
        let is_far_over = candidate.len() as f64 > cap as f64 * LARGEST_RATIO;
        if is_far_over || context.clock.stop_reason().is_some() {
            break;
        }
    }
    Ok(None)
}

/// Whether the lossless file of a photograph may have `cap` bytes, by that of a part of it. A small photograph is no
/// cheaper to code in part.
///
/// # Errors
/// [`EncodeError::Failed`].
fn may_fit_by_part(picture: &Picture, model: &LosslessModel, effort: Effort, cap: u64) -> Result<bool, EncodeError> {
    let every = rate::rows_for(picture, PART_PIXELS);
    if every < LEAST_REDUCTION {
        return Ok(true);
    }
    let Some(part) = rate::strips(picture, Chroma::Halved, every) else { return Ok(true) };
    let share = part.pixel_count() as f64 / picture.pixel_count() as f64;
    let bytes = (model.encode)(&part, effort)?.len() as f64 / share;
    Ok(bytes <= cap as f64 * MOST_OF_PART)
}

/// About so many pixels of a photograph are coded before the whole.
const PART_PIXELS: u64 = 500_000;

/// How many times as large as the part the whole is at least.
const LEAST_REDUCTION: u32 = 4;

/// How many times as many bytes for each pixel the part may have as the whole is to have. It had 1.00 to 1.08 times
/// those of the whole in 22 photographs of 2 to 16 megapixels: docs/model.md, Lossless files.
const MOST_OF_PART: f64 = 1.2;

/// The format and the bytes of the lossless file that a drawing or text is answered with when it may have so many
/// bytes. Returns `None` when that is no answer, when it has more than `most` bytes, and when there is no time to
/// encode it.
///
/// # Errors
/// [`EncodeError::Failed`].
pub(super) fn file_of_drawing(
    picture: &Picture,
    job: &Job,
    allowed: &[Format],
    input: &Facts,
    most: u64,
    stop: &Stop,
) -> Result<Option<(Format, u64)>, EncodeError> {
    let pixels = picture.pixel_count();
    let Some((format, model)) = modes().find(|(format, _)| allowed.contains(format)) else { return Ok(None) };
    let may_be_answer = comes_first(job) && is_thinkable(job, input.format, pixels);
    if !may_be_answer || !Content::of(picture).is_drawn() {
        return Ok(None);
    }
    let expectation = lossless::expect(picture, false, most);
    let expected = expected_time(model, job.effort, pixels, expectation.literal_pixels.min(pixels));
    if expectation.least_bytes > most || !stop.has_time_for(expected) {
        return Ok(None);
    }
    match (model.encode)(picture, job.effort) {
        Err(EncodeError::TooLarge { .. }) => Ok(None),
        file => Ok(Some((format, file?.len() as u64)).filter(|(_, bytes)| *bytes <= most)),
    }
}

/// The lossless modes, in the order of [`Format::OUTPUT`]: WebP's files are smaller than PNG's for nearly every
/// picture.
pub(super) fn modes() -> impl Iterator<Item = (Format, &'static LosslessModel)> {
    Format::OUTPUT.into_iter().filter_map(|format| Some((format, format.output()?.lossless.as_ref()?)))
}
