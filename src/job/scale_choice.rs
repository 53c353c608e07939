//! The choice of a scale by the model, before anything is encoded.

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::model::AlphaScales;
use crate::picture::Picture;
use crate::picture::content::Content;
use crate::search::aim::Aim;

use super::at_size::{ExpectedQuality, expected_quality};
use super::context::SearchContext;
use super::format_rank::Expectation;
use super::prepared::Prepared;
use super::scale_gain::LEAST_SIDE;
use super::views::size_at;
use super::{Job, JobError, scale_gain};

/// Points of SSIMULACRA2 below the best gain so far at which no smaller scale is considered. The first steps may lose a
/// few points that later ones more than give back.
const DIP: f64 = 8.0;

/// At equal quality bytes grow with the side to about this power: a smaller picture has fewer pixels, but busier ones.
/// A first guess, which the next scale corrects.
pub(super) const BYTES_BY_SIDE: f64 = 1.6;

/// Expected quality from which on text is not made smaller: it can be read in a poor picture, but not in a small one.
/// What is expected below quality 1 is too low: a page and a screenshot look 1 to 11 points better at -10 than at 1.
const LEGIBLE: f64 = -10.0;

/// What the gain of a scale decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GainUse {
    /// Only which scale it is.
    Scale,
    /// The rank of formats too, so it has to be what it was when that was fitted.
    Rank,
}

/// The scale that the model expects to look best: full size when no smaller one is worth its loss.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn expectation(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    gain_use: GainUse,
) -> Result<Expectation, JobError> {
    let expected = expected_quality(context, whole, aim)?;
    best_from_whole(context, whole, aim, &expected, gain_use)
}

/// The scale that the model expects to look best, given what is `expected` of the whole.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn best_from_whole(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    expected: &ExpectedQuality,
    gain_use: GainUse,
) -> Result<Expectation, JobError> {
    if stays_whole(context, whole, aim, expected) {
        return Ok(Expectation::of_whole(expected.quality));
    }
    let scales = scales(context.job, whole.picture);
    let ahead = match gain_use {
        GainUse::Scale => known_ahead(context, whole, aim, &scales, expected)?,
        GainUse::Rank => Vec::new(),
    };
    best_from(context, whole, aim, &scales, (0, expected.quality), &ahead)
}

/// The qualities that are known at the scales after the whole: those seen from the largest scale on that is poor for
/// certain, and before it what lies between that and what is `expected` of the whole. Empty where that is not poor, or
/// where smaller pictures follow another rule.
///
/// # Errors
/// [`JobError::Encode`].
fn known_ahead(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    expected: &ExpectedQuality,
) -> Result<Vec<f64>, JobError> {
    if decent_or_legible_quality(context, whole).is_some() || expected.quality >= POOR {
        return Ok(Vec::new());
    }
    let coding = LossyCoding::of(whole.format)[expected.coding_index];
    let bytes = aim.best as f64 * expected.ln_excess.exp();
    let wanted = growth(&coding, aim, (bytes, expected.quality), POOR);
    // The last scale is no simple ratio.
    let last = index_for(scales, wanted).min(scales.len().saturating_sub(2));
    let details = context.views.details(whole.picture);
    let mut known = Vec::new();
    for index in (2..=last).rev() {
        let seen = seen_at(context, whole, aim, scales[index], expected_quality)?;
        match seen.is_at_ceiling {
            true => known.clear(),
            false => known.insert(0, seen.quality),
        }
        let bits = bits_at(aim, whole, scales[index]);
        let gain = scale_gain::gain(whole.format, index, seen.quality, bits, &details);
        if gain > 0.0 && seen.quality < GAINS_BY_ALL_BEFORE && !seen.is_at_ceiling {
            let slope = (seen.quality - expected.quality) / scales[index].ln();
            known.splice(..0, scales[1..index].iter().map(|scale| expected.quality + slope * scale.ln()));
            return Ok(known);
        }
        if context.clock.stop_reason().is_some() {
            break;
        }
    }
    Ok(Vec::new())
}

/// Quality of a picture that is far from the best that its bytes allow: all formats gain by a smaller one.
const POOR: f64 = 30.0;

/// Quality below which a picture that gains by the next scale gains by all scales before it too.
const GAINS_BY_ALL_BEFORE: f64 = 45.0;

/// Whether no smaller picture is considered, given what is `expected` of the whole.
pub(super) fn stays_whole(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    expected: &ExpectedQuality,
) -> bool {
    let bits = bits_at(aim, whole, 1.0);
    let is_decent = match decent_quality_of_content(context, whole) {
        Some(decent) => expected.quality >= decent,
        None => scale_gain::is_decent(whole.format, expected.quality, bits),
    };
    // At the quality ceiling fewer pixels would only leave bytes unused.
    expected.is_at_ceiling || is_decent
}

/// Quality from which on `whole` stays as large as it can, where it is text or there is a
/// [`decent_quality_of_content`].
fn decent_or_legible_quality(context: &mut SearchContext, whole: &Prepared) -> Option<f64> {
    match context.views.content() {
        Content::Text => Some(LEGIBLE),
        _ => decent_quality_of_content(context, whole),
    }
}

/// Quality from which on `whole` stays as large as it can, where it is smooth or a photograph with alpha. Of answers
/// with a total the quality is given.
fn decent_quality_of_content(context: &mut SearchContext, whole: &Prepared) -> Option<f64> {
    let is_smooth = context.common.is_none() && context.views.content() == Content::Smooth;
    match is_smooth {
        true => Some(scale_gain::decent_quality_of_smooth(whole.format)),
        false => alpha_scales(context, whole).map(|scales| scales.decent_quality),
    }
}

/// How `whole` is made smaller, where it is a photograph with alpha and that is known. Of answers with a total the
/// quality is given.
fn alpha_scales(context: &mut SearchContext, whole: &Prepared) -> Option<AlphaScales> {
    if context.common.is_some() {
        return None;
    }
    let is_cut_out = whole.picture.has_alpha() && context.views.content() == Content::Photograph;
    scale_gain::with_alpha(whole.format).filter(|_| is_cut_out)
}

/// What `look` finds of the picture at `scale`: it sees the whole or, where that is smaller, a part, and an aim for
/// that.
///
/// # Errors
/// Those of `look`.
pub(super) fn seen_at<T>(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scale: f64,
    look: impl FnOnce(&mut SearchContext, &Prepared, &Aim) -> Result<T, JobError>,
) -> Result<T, JobError> {
    if scale == 1.0 {
        return look(context, whole, aim);
    }
    let size = size_at(whole.picture, scale);
    let part = context.views.part(whole.picture, size);
    let share = part.pixel_count() as f64 / pixels(size) as f64;
    look(context, &Prepared::new(whole.format, &part), &aim.for_share(share))
}

/// The scale that the model expects to look best among those from index `first` on, where `quality` is reached. The
/// qualities at some scales `ahead` of it may be known.
pub(super) fn best_from(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    (first, mut quality): (usize, f64),
    ahead: &[f64],
) -> Result<Expectation, JobError> {
    let format = whole.format;
    let mut expectation = Expectation { scale_index: first, ..Expectation::of_whole(quality) };
    let decent = decent_or_legible_quality(context, whole);
    let first_smaller = alpha_scales(context, whole).map_or(1, |scales| scales.first);
    if decent.is_some_and(|decent| quality >= decent) {
        return Ok(expectation);
    }
    let details = context.views.details(whole.picture);
    let mut bits = bits_at(aim, whole, scales[first]);
    let mut gain = 0.0;
    let mut best_gain = scale_gain::least_gain(format, 0);
    // The last scale is no simple ratio.
    for (index, scale) in scales[..scales.len() - 1].iter().enumerate().skip(first + 1) {
        let larger = expectation;
        gain += scale_gain::gain(format, index - 1, quality, bits, &details);
        if index < first_smaller {
            continue;
        }
        let is_first = expectation.scale_index == first;
        if gain > if is_first { scale_gain::least_gain(format, index - first) } else { best_gain } {
            best_gain = gain;
            expectation = Expectation { scale_index: index, gain, ..expectation };
        }
        let dip = if expectation.scale_index == first { DIP } else { 0.0 };
        if decent.is_none() && gain < best_gain - dip || context.clock.stop_reason().is_some() {
            break;
        }
        quality = match ahead.get(index - first - 1) {
            Some(quality) => *quality,
            None => {
                let expected = seen_at(context, whole, aim, *scale, expected_quality)?;
                if expected.is_at_ceiling {
                    return Ok(larger);
                }
                expected.quality
            }
        };
        bits = bits_at(aim, whole, *scale);
        match decent {
            Some(decent) if quality >= decent => {
                return Ok(Expectation { scale_index: index, gain, ..expectation });
            }
            None if scale_gain::ends_choice(format, quality) => return Ok(expectation),
            _ => {}
        }
    }
    Ok(expectation)
}

/// The index in `scales` of the largest that is at most `wanted`, or of the last when all are larger.
pub(super) fn index_for(scales: &[f64], wanted: f64) -> usize {
    scales.iter().position(|scale| *scale <= wanted).unwrap_or(scales.len() - 1)
}

/// The scales that `original` may have, the largest first: full size, those below, and the smallest.
pub(super) fn scales(job: &Job, original: &Picture) -> Vec<f64> {
    let least = least_scale(job, original);
    scale_gain::SCALES.into_iter().filter(|scale| *scale > least).chain([least]).collect()
}

/// The smallest scale that `original` may have.
pub(super) fn least_scale(job: &Job, original: &Picture) -> f64 {
    let long_side = original.width().max(original.height());
    let share = |least: u32, side: u32| (f64::from(least) / f64::from(side)).min(1.0);
    share(LEAST_SIDE, long_side)
        .max(share(job.min_width.unwrap_or(0), original.width()))
        .max(share(job.min_height.unwrap_or(0), original.height()))
}

/// The factor by which a scale grows for the quality that is `wanted` to take what the cap allows, where files of this
/// quality have so many bytes.
pub(super) fn growth(coding: &LossyCoding, aim: &Aim, (bytes, quality): (f64, f64), wanted: f64) -> f64 {
    let scale = coding.scale();
    let ln_bits_at = |quality: f64| scale.ln_bits_per_pixel(scale.ln_step(quality));
    let ln_wanted = bytes.ln() + ln_bits_at(wanted) - ln_bits_at(quality);
    (((aim.cap as f64).ln() - ln_wanted) / BYTES_BY_SIDE).exp()
}

/// Bits per pixel of `whole` at `scale`, as the cap allows.
fn bits_at(aim: &Aim, whole: &Prepared, scale: f64) -> f64 {
    aim.cap as f64 * 8.0 / pixels(size_at(whole.picture, scale)) as f64
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::codec::{Format, Metadata};
    use crate::job::views::Views;
    use crate::job::{Formats, at_size};
    use crate::picture::Layout;
    use crate::stop::Stop;

    fn scales_for(job: &Job, width: u32, height: u32) -> Vec<f64> {
        let bytes = width as usize * height as usize * 3;
        scales(job, &Picture::new(width, height, Layout::Rgb, vec![0; bytes]))
    }

    fn scales_of(width: u32, height: u32) -> Vec<f64> {
        scales_for(&Job::new(1, Formats::Keep), width, height)
    }

    #[test]
    fn scales_end_where_the_job_says() {
        let job = |min_width, min_height| Job { min_width, min_height, ..Job::new(1, Formats::Keep) };
        assert_eq!(scales_for(&job(Some(60), None), 100, 200), [1.0, 0.75, 2.0 / 3.0, 0.6]);
        assert_eq!(scales_for(&job(Some(10), Some(150)), 100, 200), [1.0, 0.75]);
        assert_eq!(scales_for(&job(Some(100), None), 100, 200), [1.0]);
        assert_eq!(scales_for(&job(Some(900), None), 100, 200), [1.0], "nothing is enlarged");
    }

    #[test]
    fn scales_end_at_the_least_side() {
        assert_eq!(scales_of(64, 3), [1.0]);
        assert_eq!(scales_of(10, 128), [1.0, 0.75, 2.0 / 3.0, 0.5]);
        assert_eq!(scales_of(100, 80), [1.0, 0.75, 2.0 / 3.0, 0.64]);
        assert_eq!(scales_of(8192, 1).len(), scale_gain::SCALES.len() + 1);
    }

    /// Waves under grain: a photograph to the model.
    fn photograph(width: u32, height: u32) -> Picture {
        let wave = |at: u32, period: f64| (f64::from(at) * std::f64::consts::TAU / period).sin() * 50.0;
        let grain = |index: u32| f64::from((index ^ (index >> 7)).wrapping_mul(0x9E37_79B9) >> 28);
        let level =
            |index: u32| (120.0 + wave(index % width, 61.0) + wave(index / width, 47.0) + 2.0 * grain(index)) as u8;
        let pixels = (0..width * height).flat_map(|index| [level(index); 3]).collect();
        Picture::new(width, height, Layout::Rgb, pixels)
    }

    #[test]
    fn scales_that_are_poor_for_certain_are_known_and_the_choice_is_the_same() {
        let picture = photograph(1600, 1200);
        let job = Job::new(6_000, Formats::Keep);
        let metadata = Metadata::default();
        let stop = Stop::at(Instant::now() + Duration::from_secs(60));
        for format in [Format::Jpeg, Format::Webp, Format::Avif] {
            let views = Views::of_opaque(&picture);
            let context = &mut SearchContext::new(&job, views, Format::Bmp, &metadata, &stop);
            let whole = context.views.prepared(format);
            let aim = at_size::aim(&job, job.target);
            let expected = expected_quality(context, &whole, &aim).unwrap();
            let scales = scales(&job, &picture);
            let ahead = known_ahead(context, &whole, &aim, &scales, &expected).unwrap();
            assert!(ahead.len() > 2, "{format:?} {ahead:?} {}", expected.quality);
            let mut chosen = |ahead: &[f64]| {
                best_from(context, &whole, &aim, &scales, (0, expected.quality), ahead).unwrap().scale_index
            };
            assert_eq!(chosen(&ahead), chosen(&[]), "{format:?}");
        }
    }

    #[test]
    fn the_scale_for_a_wanted_one_is_never_larger() {
        let scales = scales_of(640, 480);
        assert_eq!(scales[index_for(&scales, 0.6)], 0.5);
        assert_eq!(scales[index_for(&scales, 0.001)], 0.1);
    }
}
