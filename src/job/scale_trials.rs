//! The choice of a scale by trials: of drawings, text and screens, of which the model knows too little.

use crate::codec::lossy_coding::LossyCoding;
use crate::picture::content::Content;
use crate::search::aim::Aim;

use super::at_size::expected_quality;
use super::context::SearchContext;
use super::format_rank::Expectation;
use super::prepared::Prepared;
use super::scale_choice::{GainUse, best_from_whole, scales, seen_at, stays_whole};
use super::{JobError, trial};

/// The scale that is expected to look best, by trials where they are wanted.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn expectation(context: &mut SearchContext, whole: &Prepared, aim: &Aim) -> Result<Expectation, JobError> {
    let expected = expected_quality(context, whole, aim)?;
    let expectation = best_from_whole(context, whole, aim, &expected, GainUse::Scale)?;
    if stays_whole(context, whole, aim, &expected) || !trial::is_wanted_of(context, whole, aim) {
        return Ok(expectation);
    }
    best(context, whole, aim, expectation, None)
}

/// `expectation` with the score of a trial, at the scale that looks best in trials. The same where no trial is wanted.
/// Another format may have the score `to_beat`.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn with_trial(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    expectation: Expectation,
    to_beat: Option<f64>,
) -> Result<Expectation, JobError> {
    if expectation.trial_score.is_some() || !trial::is_wanted_of(context, whole, aim) {
        return Ok(expectation);
    }
    let expected = expected_quality(context, whole, aim)?;
    if !context.may_shrink || stays_whole(context, whole, aim, &expected) {
        return run(context, whole, aim, expectation);
    }
    best(context, whole, aim, expectation, to_beat)
}

/// `expectation` with the score of a trial at its scale.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn run(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    expectation: Expectation,
) -> Result<Expectation, JobError> {
    let scale = scales(context.job, whole.picture)[expectation.scale_index];
    let trial_score =
        seen_at(context, whole, aim, scale, |context, seen, aim| trial::score(context, seen, scale, aim))?;
    Ok(Expectation { trial_score, ..expectation })
}

/// Points below the score of another format from which on no smaller scale is tried: docs/model.md, Trials.
const FAR_BEHIND: f64 = 5.0;

/// `expectation` at the scale where a sample of the picture looks best: the next larger ones are tried as long as each
/// looks better, or else the next smaller ones. Of a drawing the whole is tried, too: its edges are sharp, which no
/// scaled ones are. Text only becomes larger: a score says little of whether it can be read. So does a picture with
/// alpha in a format without probes, of whose alpha the sample says too little.
///
/// # Errors
/// [`JobError::Encode`].
fn best(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    expectation: Expectation,
    to_beat: Option<f64>,
) -> Result<Expectation, JobError> {
    let first = run(context, whole, aim, expectation)?;
    let larger = best_on_the_way(context, whole, aim, first, -1)?;
    let larger = match context.views.content() {
        // From the first smaller scale the whole was tried on the way.
        Content::Drawing if larger.scale_index > 1 => {
            let sharp = run(context, whole, aim, Expectation { scale_index: 0, ..expectation })?;
            if sharp.trial_score > larger.trial_score { sharp } else { larger }
        }
        _ => larger,
    };
    let is_uncertain = whole.picture.has_alpha() && !LossyCoding::of(whole.format)[0].has_probe();
    let only_larger = is_uncertain || context.views.content() == Content::Text;
    let is_far_behind = first.trial_score.zip(to_beat).is_some_and(|(score, to_beat)| score < to_beat - FAR_BEHIND);
    if larger != first || only_larger || is_far_behind {
        return Ok(larger);
    }
    best_on_the_way(context, whole, aim, first, 1)
}

/// The last trial from `best` on in one direction that looks better than all before it.
///
/// # Errors
/// [`JobError::Encode`].
fn best_on_the_way(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    mut best: Expectation,
    direction: isize,
) -> Result<Expectation, JobError> {
    // The last scale is no simple ratio.
    let last = scales(context.job, whole.picture).len().saturating_sub(1);
    while let Some(scale_index) = best.scale_index.checked_add_signed(direction).filter(|index| *index < last) {
        let next = run(context, whole, aim, Expectation { scale_index, ..best })?;
        if next.trial_score <= best.trial_score {
            break;
        }
        best = next;
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::codec::{Format, Metadata};
    use crate::job::views::Views;
    use crate::job::{Formats, Job, at_size};
    use crate::picture::{Layout, Picture};
    use crate::stop::Stop;

    /// Steep slopes beside a flat half.
    fn slopes() -> Picture {
        let level = |x: u32, y: u32| if x < 300 { 128 } else { (x * 7 + y * 13) as u8 / 4 };
        let pixels = (0..400).flat_map(|y| (0..600).flat_map(move |x| [level(x, y); 3])).collect();
        Picture::new(600, 400, Layout::Rgb, pixels)
    }

    #[test]
    fn where_nothing_fits_a_smaller_scale_is_tried_whatever_is_to_beat() {
        let picture = slopes();
        let metadata = Metadata::default();
        let stop = Stop::at(Instant::now() + Duration::from_secs(60));
        let tried = |target: u64, look: &dyn Fn(&mut SearchContext, &Prepared, &Aim) -> Expectation| {
            let job = Job::new(target, Formats::Keep);
            let context = &mut SearchContext::new(&job, Views::of_opaque(&picture), Format::Bmp, &metadata, &stop);
            assert_eq!(context.views.content(), Content::Drawing);
            let whole = context.views.prepared(Format::Jpeg);
            look(context, &whole, &at_size::aim(&job, job.target))
        };
        let whole = Expectation::of_whole(1.0);
        let does_not_fit =
            |target: &u64| tried(*target, &|context, picture, aim| run(context, picture, aim, whole).unwrap()) == whole;
        let target = (5..100).rev().map(|hundreds| hundreds * 100).find(does_not_fit).unwrap();
        let smaller = tried(target, &|context, picture, aim| best(context, picture, aim, whole, Some(90.0)).unwrap());
        assert!(smaller.scale_index > 0 && smaller.trial_score.is_some(), "{target}: {smaller:?}");
    }
}
