//! The memory that a job needs, estimated from the header alone.

use crate::codec::model::LosslessModel;
use crate::codec::{Format, Limits, Probe};
use crate::picture::Orientation;

use super::scoring::SAMPLE_PIXELS;
use super::{Effort, Formats, Job, JobError, Mode, SizeParameter, checks, lossless};

/// Bytes a pixel while a candidate is scored: fast-ssim2 holds 48 for the reference and 60 to compare.
const SCORE_BYTES_PER_PIXEL: u64 = 110;

/// Copies of an answer while it is padded.
const PADDED_COPIES: u64 = 3;

/// Bytes of memory that the job needs at its peak, estimated from the header.
///
/// # Errors
/// [`JobError::TooMuchMemory`] when the picture takes more than `available`, [`JobError::TooMuchPadding`] when padding
/// its answer does. [`JobError::KeepUnwritable`], [`JobError::Crop`] and [`JobError::Decode`] when the header shows
/// that the job cannot be done.
pub fn memory_needed(probe: &Probe, job: &Job, limits: &Limits, available: u64) -> Result<u64, JobError> {
    checks::check(job, probe, limits)?;
    let needed = bytes_at_peak(probe, job, checks::transformed_size(job, probe)?);
    let Some(left) = available.checked_sub(needed) else {
        let (width, height) = (probe.width, probe.height);
        return Err(JobError::TooMuchMemory { width, height, needed, available });
    };
    let Some((parameter, bytes)) = padded_size(job) else { return Ok(needed) };
    let limit = left / PADDED_COPIES;
    if bytes > limit {
        return Err(JobError::TooMuchPadding { parameter, bytes, limit });
    }
    Ok(needed + bytes * PADDED_COPIES)
}

/// The size that a smaller answer to `job` is padded to, and the parameter that asks for it.
pub fn padded_size(job: &Job) -> Option<(SizeParameter, u64)> {
    match job.mode {
        Mode::Exact => Some((SizeParameter::Target, job.target)),
        Mode::Fit { min_bytes } => min_bytes.map(|bytes| (SizeParameter::MinBytes, bytes)),
        Mode::Close { .. } => None,
    }
}

/// Memory for decoding, transforming to `size`, encoding and scoring, but not for padding: an estimate on the high
/// side.
fn bytes_at_peak(probe: &Probe, job: &Job, size: (u32, u32)) -> u64 {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let worked = u64::from(size.0) * u64::from(size.1);
    let formats: &[Format] = match &job.formats {
        Formats::Keep => &[probe.format],
        Formats::Among(list) => list,
    };
    let may_be_lossless = lossless::is_thinkable(job, probe.format, worked);
    let encoders = formats.iter().map(|format| encoder_bytes(*format, size, may_be_lossless));
    let is_scored = job.min_score.is_some() || job.effort == Effort::Best;
    let scored = if is_scored { worked } else { 0 };
    let scoring = scored.saturating_mul(SCORE_BYTES_PER_PIXEL);
    let at_work = match job.effort {
        // Everything that the formats prepared is kept, beside the reference that all are compared with.
        Effort::Best => encoders.fold(scoring, u64::saturating_add),
        // Encoding and scoring take turns; the pictures around them stay.
        Effort::Fast | Effort::Balanced => encoders.max().unwrap_or(0).max(scoring),
    };
    let tried = if job.effort == Effort::Fast { 0 } else { worked.min(SAMPLE_PIXELS) };
    let at_work = at_work.saturating_add(tried * SCORE_BYTES_PER_PIXEL);
    // The flattened picture, and the one without hidden colour.
    let views = if probe.alpha { worked.saturating_mul(7) } else { 0 };
    let transforms = job.transforms();
    let is_copied = probe.orientation != Orientation::Upright || transforms.crop.is_some() || transforms.turns();
    // Turning and cropping copy the picture. Scaling copies one with an alpha channel, to premultiply its colours.
    let transforming = match (probe.alpha, is_copied) {
        (true, _) => 8,
        (false, false) => 4,
        (false, true) => 6,
    };
    let filtering = transforms.scratch_bytes(size.0, size.1);
    let transforming = pixels.saturating_mul(transforming).saturating_add(filtering);
    let pictures = probe.decode_bytes.max(transforming).saturating_add(worked.saturating_mul(4));
    pictures.saturating_add(views).saturating_add(at_work)
}

/// Bytes that the encoders of `format` hold at their peak, beside the picture.
pub(super) fn encoder_bytes(format: Format, (width, height): (u32, u32), may_be_lossless: bool) -> u64 {
    let Some(output) = format.output() else { return 0 };
    let pixels = u64::from(width) * u64::from(height);
    let lossless = output.lossless.as_ref().filter(|_| may_be_lossless).map_or(0, of_few_colours);
    (output.encoder_bytes)(width, height).max(pixels.saturating_mul(lossless))
}

/// Bytes a pixel of a lossless encode, beside the picture, and of what is encoded where that has few colours.
pub(super) fn of_few_colours(model: &LosslessModel) -> u64 {
    model.bytes_per_pixel + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a trial takes, on a sample of the largest size.
    const TRIAL: u64 = SAMPLE_PIXELS * SCORE_BYTES_PER_PIXEL;

    fn needed(width: u32, height: u32, format: Format) -> u64 {
        let orientation = Orientation::Upright;
        let (animated, alpha, decode_bytes) = (false, false, 0);
        let probe = Probe { format: Format::Png, width, height, animated, alpha, orientation, decode_bytes };
        let job = Job { quality: 90.0, ..Job::new(1000, Formats::Among(vec![format])) };
        memory_needed(&probe, &job, &Limits::default(), u64::MAX).unwrap()
    }

    #[test]
    fn what_takes_more_than_there_is_is_refused() {
        let (animated, alpha, decode_bytes, orientation) = (false, false, 0, Orientation::Upright);
        let (width, height) = (1000, 1000);
        let probe = Probe { format: Format::Jpeg, width, height, animated, alpha, orientation, decode_bytes };
        let needed = |job: &Job, available| memory_needed(&probe, job, &Limits::default(), available);
        let job = Job { quality: 90.0, ..Job::new(1_000_000, Formats::Keep) };
        assert_eq!(needed(&job, 20_000_000 + TRIAL), Ok(20_000_000 + TRIAL));
        let refused = needed(&job, 19_999_999 + TRIAL);
        assert!(matches!(refused, Err(JobError::TooMuchMemory { needed, .. }) if needed == 20_000_000 + TRIAL));
        let exact = Job { mode: Mode::Exact, ..job.clone() };
        assert_eq!(needed(&exact, u64::MAX), Ok(23_000_000 + TRIAL), "padding takes memory too");
        let lossless = Job { quality: 95.0, formats: Formats::Among(vec![Format::Webp]), ..job };
        assert_eq!(needed(&lossless, u64::MAX), Ok(47_000_000 + TRIAL));
    }

    #[test]
    fn a_size_to_pad_to_that_takes_too_much_is_named_with_the_largest_that_does_not() {
        let (animated, alpha, decode_bytes, orientation) = (false, false, 0, Orientation::Upright);
        let probe =
            Probe { format: Format::Jpeg, width: 1000, height: 1000, animated, alpha, orientation, decode_bytes };
        let needed = |job: &Job| memory_needed(&probe, job, &Limits::default(), 50_000_000 + TRIAL);
        let job = |target| Job { quality: 90.0, mode: Mode::Exact, ..Job::new(target, Formats::Keep) };
        let refusal = |parameter| Err(JobError::TooMuchPadding { parameter, bytes: 10_000_001, limit: 10_000_000 });
        assert_eq!(needed(&job(10_000_000)), Ok(50_000_000 + TRIAL));
        assert_eq!(needed(&job(10_000_001)), refusal(SizeParameter::Target));
        let min_bytes = |bytes| Job { mode: Mode::Fit { min_bytes: Some(bytes) }, ..job(20_000_000) };
        assert_eq!(needed(&min_bytes(10_000_001)), refusal(SizeParameter::MinBytes));
        assert_eq!(needed(&min_bytes(0)), Ok(20_000_000 + TRIAL), "a target alone takes nothing");
        let huge = memory_needed(&probe, &job(u64::MAX), &Limits::default(), u64::MAX);
        assert!(matches!(huge, Err(JobError::TooMuchPadding { .. })));
    }

    #[test]
    fn a_thin_avif_costs_whole_blocks() {
        let trial = 65_535 * SCORE_BYTES_PER_PIXEL;
        assert_eq!(needed(65_535, 1, Format::Webp), 65_535 * (4 + 4 + 12) + trial);
        assert_eq!(needed(65_535, 1, Format::Avif), 65_535 * (4 + 4) + 65_536 * 64 * 40 + trial);
    }
}
