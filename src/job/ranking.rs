//! Which formats are expected to look best: by the model, and by trials where that does not tell.

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::{EncodeError, Format};
use crate::picture::content::Content;

use super::at_size::aim;
use super::context::SearchContext;
use super::format_rank::{self, Expectation};
use super::scale_choice::GainUse;
use super::{Effort, JobError, lossy, scale_trials, trial};

/// A format, and what is expected of it if that is known already.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RankedFormat {
    pub format: Format,
    pub expectation: Option<Expectation>,
}

impl RankedFormat {
    /// Whether the model compares it with others.
    pub(super) fn is_compared(&self) -> bool {
        format_rank::basis(self.format).is_some()
    }

    /// Whether there was a trial of it, or nothing is expected of it.
    fn has_trial(&self) -> bool {
        match self.expectation {
            Some(expectation) => expectation.trial_score.is_some(),
            // JPEG XL is expected to be better than JPEG, and not tried.
            None => format_rank::COMPARED.contains(&self.format),
        }
    }
}

/// The allowed formats, the best-looking first. Formats that keep the picture's alpha channel come before those that do
/// not; then the model's expectations within `cap` decide, then [`format_rank::by_rank`].
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn ranked(context: &mut SearchContext, allowed: &[Format], cap: u64) -> Result<Vec<RankedFormat>, JobError> {
    let by_rank = format_rank::by_rank().filter(|format| allowed.contains(format));
    let mut ranked: Vec<RankedFormat> = by_rank.map(|format| RankedFormat { format, expectation: None }).collect();
    if ranked.iter().filter(|ranked| ranked.is_compared()).count() > 1 {
        by_expectation(context, &mut ranked, cap)?;
    }
    // The sort is stable, so the rank stays.
    ranked.sort_by_key(|ranked| context.views.requested.has_alpha() && !ranked.format.keeps_alpha());
    Ok(ranked)
}

/// Sorts `ranked` by what the model expects within `cap`, and adds the expectations.
///
/// # Errors
/// [`JobError::Encode`].
fn by_expectation(context: &mut SearchContext, ranked: &mut [RankedFormat], cap: u64) -> Result<(), JobError> {
    let gain_use = gain_use(context, cap)?;
    // Where formats are tried, those that lose its alpha come last, whatever they look like.
    let is_alpha_kept = context.views.requested.has_alpha() && trial::is_wanted(context, &aim(context.job, cap));
    for RankedFormat { format, expectation } in &mut *ranked {
        if format_rank::COMPARED.contains(format) && (format.keeps_alpha() || !is_alpha_kept) {
            *expectation = expected(context, *format, cap, gain_use)?;
        }
    }
    try_each(context, ranked, cap)?;
    let are_tried = ranked.iter().filter(|ranked| ranked.is_compared()).all(RankedFormat::has_trial);
    if are_tried && ranked.iter().any(|ranked| ranked.expectation.is_some()) {
        sort_by_lead(ranked, comparable_score(context.views.content()));
        return Ok(());
    }
    by_model(context, ranked, cap, gain_use)
}

/// What the gains of smaller pictures decide: where formats are tried, or the whole picture is far below what was
/// fitted, no rank.
///
/// # Errors
/// [`JobError::Encode`].
fn gain_use(context: &mut SearchContext, cap: u64) -> Result<GainUse, JobError> {
    if trial::is_wanted(context, &aim(context.job, cap)) {
        return Ok(GainUse::Scale);
    }
    let quality_of_avif = match lossy::quality_of_whole(context, Format::Avif, cap) {
        Err(JobError::Encode(EncodeError::TooLarge { .. })) => return Ok(GainUse::Scale),
        quality => quality?,
    };
    let decides_rank = format_rank::depends_on_gains(quality_of_avif, context.views.requested.is_grey());
    Ok(if decides_rank { GainUse::Rank } else { GainUse::Scale })
}

/// Sorts `ranked`, whose expectations are known, by what the model says of formats beside each other.
///
/// # Errors
/// [`JobError::Encode`].
fn by_model(
    context: &mut SearchContext,
    ranked: &mut [RankedFormat],
    cap: u64,
    gain_use: GainUse,
) -> Result<(), JobError> {
    let mut known = [None; format_rank::COMPARED.len()];
    for (expectation, compared) in known.iter_mut().zip(format_rank::COMPARED) {
        *expectation = match ranked.iter().find(|ranked| ranked.format == compared) {
            Some(ranked) => ranked.expectation,
            None => expected(context, compared, cap, gain_use)?,
        };
    }
    // A picture that is too large for AVIF is too large for the others.
    let Some(avif) = known[0] else { return Ok(()) };
    let expectations = known.map(|expectation| expectation.unwrap_or(avif));
    let is_grey = context.views.requested.is_grey();
    let lead = |ranked: &RankedFormat| match format_rank::basis(ranked.format).and_then(|index| known[index]) {
        Some(_) => format_rank::lead(ranked.format, &expectations, is_grey),
        None => f64::NEG_INFINITY,
    };
    sort_by_lead(ranked, lead);
    let first = ranked.first().map_or(f64::NEG_INFINITY, lead);
    let close = ranked.iter().take_while(|expected| first - lead(expected) < CLOSE).count();
    by_trial(context, &mut ranked[..close], cap)
}

/// Points of lead within which the model does not tell which format looks better: docs/model.md, Format rank.
const CLOSE: f64 = 2.5;

/// Expected quality of the whole picture from which on formats with close leads look much the same.
const ALIKE: f64 = 80.0;

/// Sorts formats of a photograph with `close` leads by trials, where probes tell those the sizes of files. What is no
/// photograph was tried before, and best effort compares whole files later.
///
/// # Errors
/// [`JobError::Encode`].
fn by_trial(context: &mut SearchContext, close: &mut [RankedFormat], cap: u64) -> Result<(), JobError> {
    let may_decide = |ranked: &RankedFormat| {
        ranked.expectation.is_some_and(|known| known.quality < ALIKE) && LossyCoding::of(ranked.format)[0].has_probe()
    };
    let can_decide = close.len() > 1 && close.iter().all(may_decide) && context.job.effort != Effort::Best;
    let aim = aim(context.job, cap);
    if !can_decide || !trial::is_allowed(context, &aim) {
        return Ok(());
    }
    if context.views.requested.has_alpha() || context.views.content() != Content::Photograph {
        return Ok(());
    }
    for RankedFormat { format, expectation } in &mut *close {
        if let Some(known) = *expectation {
            let whole = context.views.prepared(*format);
            *expectation = Some(scale_trials::run(context, &whole, &aim, known)?);
        }
    }
    if close.iter().all(RankedFormat::has_trial) {
        sort_by_lead(close, comparable_score(context.views.content()));
    }
    Ok(())
}

/// Sorts `ranked` by `lead`, the highest first. The sort is stable: equal leads keep the rank.
fn sort_by_lead(ranked: &mut [RankedFormat], lead: impl Fn(&RankedFormat) -> f64) {
    ranked.sort_by(|one, other| lead(other).total_cmp(&lead(one)));
}

/// The score of a trial of a format, as far as it can be compared, and below all others where there was none.
fn comparable_score(content: Content) -> impl Fn(&RankedFormat) -> f64 {
    let over_others = match content {
        Content::Photograph | Content::Drawing => OVER_OTHERS,
        Content::Text | Content::Smooth => 0.0,
    };
    move |ranked| {
        let score = ranked.expectation.and_then(|known| known.trial_score).unwrap_or(f64::NEG_INFINITY);
        if ranked.format == Format::Jpeg && score < GOOD { score - over_others } else { score }
    }
}

/// Points that poor trials of JPEG have too many beside those of other formats: docs/model.md, Trials.
const OVER_OTHERS: f64 = 1.5;

/// Score from which on a trial of JPEG tells as much as those of other formats.
const GOOD: f64 = 60.0;

/// Adds a trial to each expectation, where trials are wanted.
///
/// # Errors
/// [`JobError::Encode`].
fn try_each(context: &mut SearchContext, ranked: &mut [RankedFormat], cap: u64) -> Result<(), JobError> {
    let mut best = None;
    for RankedFormat { format, expectation } in ranked {
        if let Some(known) = *expectation {
            let tried = lossy::with_trial(context, *format, cap, known, best)?;
            best = tried.trial_score.into_iter().chain(best).max_by(f64::total_cmp);
            *expectation = Some(tried);
        }
    }
    Ok(())
}

/// What the model expects of `format` within `cap`. Returns `None` when the format cannot hold the picture.
///
/// # Errors
/// [`JobError::Encode`].
fn expected(
    context: &mut SearchContext,
    format: Format,
    cap: u64,
    gain_use: GainUse,
) -> Result<Option<Expectation>, JobError> {
    // The picture is only flattened when a format without alpha is allowed.
    if context.views.prepared(format).picture.has_alpha() && !format.keeps_alpha() {
        return Ok(None);
    }
    match lossy::expectation(context, format, cap, gain_use) {
        Err(JobError::Encode(EncodeError::TooLarge { .. })) => Ok(None),
        expected => expected.map(Some),
    }
}

/// The score of a trial of one format, which becomes part of what is expected of it. Another format may have the score
/// `to_beat`.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn trial_score(
    context: &mut SearchContext,
    RankedFormat { format, expectation }: &mut RankedFormat,
    cap: u64,
    to_beat: Option<f64>,
) -> Result<Option<f64>, JobError> {
    let known = match *expectation {
        Some(known) => Some(known),
        None => expected(context, *format, cap, GainUse::Scale)?,
    };
    let Some(known) = known else { return Ok(None) };
    let known = lossy::with_trial(context, *format, cap, known, to_beat)?;
    *expectation = Some(known);
    Ok(known.trial_score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_leads_where_its_trial_is_better_by_more_than_it_has_too_many_points() {
        let with_score = |format, score| {
            let expectation = Expectation { trial_score: Some(score), ..Expectation::of_whole(50.0) };
            RankedFormat { format, expectation: Some(expectation) }
        };
        let first_beside = |webp, jpeg, content| {
            let mut ranked = [
                with_score(Format::Jpeg, jpeg),
                with_score(Format::Webp, webp),
                RankedFormat { format: Format::Png, expectation: None },
            ];
            sort_by_lead(&mut ranked, comparable_score(content));
            assert_eq!(ranked[2].format, Format::Png);
            ranked[0].format
        };
        assert_eq!(first_beside(40.0, 40.0 + OVER_OTHERS - 0.1, Content::Photograph), Format::Webp);
        assert_eq!(first_beside(40.0, 40.0 + OVER_OTHERS + 0.1, Content::Photograph), Format::Jpeg);
        assert_eq!(first_beside(40.0, 40.1, Content::Smooth), Format::Jpeg);
        assert_eq!(first_beside(GOOD, GOOD + 0.1, Content::Photograph), Format::Jpeg);
    }
}
