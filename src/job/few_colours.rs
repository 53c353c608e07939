//! Text in few colours: its pixels with a palette, at a scale where a lossless file of them is within the cap. A lossy
//! file of the same bytes blurs letters that stay sharp here: docs/model.md, Few colours.

use std::rc::Rc;
use std::time::Duration;

use crate::codec::model::LosslessModel;
use crate::codec::png::encode::encode_lossless;
use crate::codec::{Effort, EncodeError, Format};
use crate::picture::content::Content;
use crate::picture::{Picture, palette, transform};

use super::at_size::aim;
use super::candidate::{Candidate, Kind};
use super::context::SearchContext;
use super::lossless::{self, expected_time, modes};
use super::prepared::Prepared;
use super::views::size_at;
use super::{JobError, memory, scale_choice, trial};

/// Numbers of colours that are looked at.
const COLOURS: [i32; 7] = [2, 3, 4, 8, 16, 64, 256];

/// As many of them are looked at for a picture that is made smaller where a lossy file is the alternative: with more,
/// screenshots look worse than a sample lets expect.
const FEWEST: usize = 3;

/// Scales that are looked at: each makes whole pixels of the sides of a sample, and letters that are smaller can't be
/// read.
const SCALES: [f64; 13] = [
    1.0,
    5.0 / 6.0,
    3.0 / 4.0,
    2.0 / 3.0,
    3.0 / 5.0,
    5.0 / 9.0,
    1.0 / 2.0,
    9.0 / 20.0,
    2.0 / 5.0,
    11.0 / 30.0,
    1.0 / 3.0,
    7.0 / 24.0,
    1.0 / 4.0,
];

/// Score of a sample from which on a lossy file is better than a smaller picture in few colours, and than PNG with a
/// palette.
pub(super) const GOOD_LOSSY: f64 = 60.0;

/// The same beside the whole picture in few colours: docs/model.md, Few colours.
const EXCELLENT_LOSSY: f64 = 96.0;

/// The most scales that are looked at from the largest at which a file may fit.
const MAX_SCALES: usize = 4;

/// The most encodes of a whole picture.
const MAX_ENCODES: usize = 3;

/// Expected bytes over the cap up to which a file may be within it after all: of pages they are 1 to 5 % too many, now
/// and then 20.
const UNCERTAINTY: f64 = 1.06;

/// The same of the whole picture in more than a few colours: of a screenshot in 64 colours they are 13 % too many. It
/// is worth a vain encode to keep all pixels.
const UNCERTAINTY_OF_WHOLE: f64 = 1.2;

/// Time that all predictions and scores usually take together: 60 to 200 ms on one core of 2026.
const USUAL_TIME: Duration = Duration::from_millis(300);

/// Files in few colours, in one format.
pub(super) struct FewColours {
    format: Format,
    model: &'static LosslessModel,
    attempts: Vec<Reduction>,
}

impl FewColours {
    /// What is expected to be as large as a file at `scale` whose sample has this `score`, or to look better. Returns
    /// `None` where nothing is.
    pub(super) fn worth_more_than(mut self, scale: f64, score: Option<f64>) -> Option<FewColours> {
        self.attempts.retain(|attempt| attempt.scale >= scale || Some(attempt.score) > score);
        (!self.attempts.is_empty()).then_some(self)
    }
}

/// A scale and a number of colours.
#[derive(Clone, Copy)]
struct Reduction {
    scale: f64,
    colours: i32,
    /// Bytes of the whole file, from those of a part.
    expected_bytes: f64,
    /// Whether the part keeps its colours.
    is_faithful: bool,
    /// SSIMULACRA2 of a sample of the picture.
    score: f64,
}

/// A lossless format, and its encoder.
pub(super) type Lossless = (Format, &'static LosslessModel);

/// The format of a lossless file within `cap` bytes of a picture with fewer colours or pixels, for a picture that shows
/// `content`. Returns `None` for all others, where no allowed format is lossless, and where the job asks for another
/// kind of answer. Whether the picture may shrink is not asked.
pub(super) fn format(context: &mut SearchContext, allowed: &[Format], cap: u64, content: Content) -> Option<Lossless> {
    let is_allowed = lossless::comes_first(context.job) && trial::is_allowed(context, &aim(context.job, cap));
    let is_wanted = is_allowed && context.views.content() == content;
    modes().find(|(format, _)| allowed.contains(format)).filter(|_| is_wanted)
}

/// What may be within `cap` bytes in few colours and look better than a lossy file whose sample scores `lossy`. Returns
/// `None` where nothing is expected to be within the cap, or to look better.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn expectation(
    context: &mut SearchContext,
    (format, model): Lossless,
    lossy: Option<f64>,
    cap: u64,
) -> Result<Option<FewColours>, JobError> {
    if lossy >= Some(EXCELLENT_LOSSY) {
        return Ok(None);
    }
    if !context.clock.has_time(USUAL_TIME) {
        context.log.cut_short = true;
        return Ok(None);
    }
    let whole = context.views.prepared(format);
    let mut parts = Parts { whole, has_alternative: lossy.is_some(), cap, known: Vec::new() };
    let mut scales = SCALES.to_vec();
    scales.retain(|scale| is_possible(context, format, model, *scale));
    if !context.may_shrink || lossy >= Some(GOOD_LOSSY) || parts.are_smaller_ones_hopeless(context, &scales)? {
        scales.retain(|scale| *scale == 1.0);
    }
    // The first at which the fewest colours may fit.
    let start = first(&scales, |scale| Ok(parts.attempt(context, scale, COLOURS[0])?.is_some()))?;
    let mut attempts: Vec<Reduction> = Vec::new();
    for scale in scales.split_off(start).into_iter().take(MAX_SCALES) {
        let attempt = parts.most_colours(context, scale)?;
        let Some(attempt) = attempt.filter(|attempt| attempt.is_faithful) else { continue };
        let Some(attempt) = scored(context, attempt)? else { return Ok(None) };
        let is_best = attempts.iter().all(|other| attempt.score > other.score);
        attempts.push(attempt);
        if let Some(fewer) = parts.fewer_colours(context, &attempt)? {
            let Some(fewer) = scored(context, fewer)? else { return Ok(None) };
            attempts.push(fewer);
        }
        if !is_best {
            break;
        }
    }
    attempts.retain(|attempt| lossy.is_none_or(|lossy| attempt.score > lossy));
    attempts.sort_by(|one, other| other.score.total_cmp(&one.score));
    Ok((!attempts.is_empty()).then_some(FewColours { format, model, attempts }))
}

/// Whether the picture may be so small, the format holds it, and the encode is within the memory that the job was given
/// for encoders of the whole picture.
pub(super) fn is_possible(context: &SearchContext, format: Format, model: &LosslessModel, scale: f64) -> bool {
    let requested = context.views.requested;
    let (width, height) = size_at(requested, scale);
    let is_large_enough = scale >= scale_choice::least_scale(context.job, requested);
    let is_held = format.output().is_some_and(|output| width.max(height) <= output.max_side);
    let may_be_lossless = lossless::is_thinkable(context.job, context.input, requested.pixel_count());
    let given = memory::encoder_bytes(format, (requested.width(), requested.height()), may_be_lossless);
    let scaled = if scale == 1.0 { 0 } else { 3 };
    let needed = u64::from(width) * u64::from(height) * (memory::of_few_colours(model) + scaled);
    is_large_enough && is_held && needed <= given
}

/// Predicts files of the whole picture from those of a part.
struct Parts<'a> {
    whole: Rc<Prepared<'a>>,
    has_alternative: bool,
    cap: u64,
    /// The attempts so far, by scale and colours.
    known: Vec<(f64, i32, Option<Reduction>)>,
}

impl Parts<'_> {
    /// The numbers of colours that are looked at.
    fn colours(&self, scale: f64) -> &'static [i32] {
        if self.has_alternative && scale < 1.0 { &COLOURS[..FEWEST] } else { &COLOURS }
    }

    /// Whether the smallest of `scales` does not keep its colours, or does not fit.
    fn are_smaller_ones_hopeless(&mut self, context: &mut SearchContext, scales: &[f64]) -> Result<bool, JobError> {
        let Some((smallest, most)) = scales.last().and_then(|scale| Some((*scale, *self.colours(*scale).last()?)))
        else {
            return Ok(true);
        };
        Ok(!self.reduced(context, smallest, most)?.is_faithful()
            || self.attempt(context, smallest, COLOURS[0])?.is_none())
    }

    /// The most colours that may fit at `scale`.
    fn most_colours(&mut self, context: &mut SearchContext, scale: f64) -> Result<Option<Reduction>, JobError> {
        let mut most = None;
        first(self.colours(scale), |colours| {
            let attempt = self.attempt(context, scale, colours)?;
            let is_too_large = attempt.is_none();
            most = attempt.or(most);
            Ok(is_too_large)
        })?;
        Ok(most)
    }

    /// The next fewer colours than those of `most`, where that is the whole picture and not certain to fit, and they
    /// are faithful.
    fn fewer_colours(&mut self, context: &mut SearchContext, most: &Reduction) -> Result<Option<Reduction>, JobError> {
        if most.scale < 1.0 || most.expected_bytes * UNCERTAINTY <= self.cap as f64 {
            return Ok(None);
        }
        let Some(fewer) = COLOURS.iter().rev().find(|colours| **colours < most.colours) else { return Ok(None) };
        Ok(self.attempt(context, most.scale, *fewer)?.filter(|attempt| attempt.is_faithful))
    }

    /// A scale and a number of colours, where they may fit.
    fn attempt(
        &mut self,
        context: &mut SearchContext,
        scale: f64,
        colours: i32,
    ) -> Result<Option<Reduction>, JobError> {
        if let Some((.., known)) = self.known.iter().find(|(at, of, _)| (*at, *of) == (scale, colours)) {
            return Ok(*known);
        }
        let part = self.reduced(context, scale, colours)?;
        let as_png = encode_lossless(&part.reduced, Effort::Balanced)?.len() as f64 / part.share;
        let expected_bytes = if self.whole.format == Format::Png { as_png } else { as_png * over_png(colours) };
        let may_fit = expected_bytes <= self.cap as f64 * uncertainty(scale);
        let attempt = may_fit.then(|| {
            let is_faithful = part.is_faithful();
            Reduction { scale, colours, expected_bytes, is_faithful, score: f64::NEG_INFINITY }
        });
        self.known.push((scale, colours, attempt));
        Ok(attempt)
    }

    fn reduced(&self, context: &mut SearchContext, scale: f64, colours: i32) -> Result<Part, JobError> {
        let size = size_at(self.whole.picture, scale);
        let original = context.views.part(self.whole.picture, size);
        let share = original.pixel_count() as f64 / (f64::from(size.0) * f64::from(size.1));
        let reduced = in_colours(&original, colours, self.whole.format)?;
        Ok(Part { original, reduced, share })
    }
}

/// A part of the picture at a scale, as it is and in few colours.
struct Part {
    original: Rc<Picture>,
    reduced: Picture,
    /// Its pixels over those of the whole.
    share: f64,
}

impl Part {
    fn is_faithful(&self) -> bool {
        palette::is_faithful(&self.original, &self.reduced)
    }
}

/// The index of the first of `items` that is `wanted`, as all after it are.
fn first<T: Copy>(items: &[T], mut wanted: impl FnMut(T) -> Result<bool, JobError>) -> Result<usize, JobError> {
    let (mut start, mut end) = (0, items.len());
    while start < end {
        let middle = start.midpoint(end);
        if wanted(items[middle])? {
            end = middle;
        } else {
            start = middle + 1;
        }
    }
    Ok(start)
}

/// Bytes of a WebP of so many colours over those of a PNG, which takes a tenth of the time: docs/model.md, Few colours.
fn over_png(colours: i32) -> f64 {
    match colours {
        ..=3 => 0.97,
        4 => 0.95,
        _ => 0.85,
    }
}

/// `attempt` with the score of a sample of the picture. Returns `None` when there is no sample or no time.
fn scored(context: &mut SearchContext, attempt: Reduction) -> Result<Option<Reduction>, JobError> {
    let content = context.views.content();
    let Some(sample) = context.scoring.sample(content) else { return Ok(None) };
    if !context.clock.has_time(trial::usual_time(Duration::ZERO, &sample)) {
        context.log.cut_short = true;
        return Ok(None);
    }
    let (width, height) = size_at(&sample, attempt.scale);
    let reduced = in_colours(&transform::scale(&sample, width, height), attempt.colours, Format::Png)?;
    Ok(Some(Reduction { score: context.scoring.score_of_smaller_sample(&reduced), ..attempt }))
}

/// The file of `few` that looks best within `cap` bytes. Returns `None` when there is none, and when there is no time.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn candidate(context: &mut SearchContext, few: FewColours, cap: u64) -> Result<Option<Candidate>, JobError> {
    let FewColours { format, model, mut attempts } = few;
    let mut best: Option<Candidate> = None;
    // Bytes of a whole file over those expected, at least, where that is known.
    let mut excess = None;
    for _ in 0..MAX_ENCODES {
        let may_fit = |attempt: &Reduction| {
            let excess = excess.unwrap_or_else(|| 1.0 / uncertainty(attempt.scale));
            attempt.expected_bytes * excess <= cap as f64
        };
        let Some(next) = attempts.iter().position(may_fit) else { break };
        let attempt = attempts[next];
        let candidate = match encoded(context, &attempt, format, model)? {
            Encoded::File(candidate) => candidate,
            Encoded::NotWorthwhile => {
                attempts.remove(next);
                continue;
            }
            Encoded::Late => break,
        };
        excess = Some(candidate.len() as f64 / attempt.expected_bytes);
        if candidate.len() <= cap && context.job.mode.can_be_met(context.job.target, candidate.len()) {
            best = Some(candidate);
            // Only what looks better is left to try.
            attempts.truncate(next);
        } else {
            attempts.remove(next);
        }
    }
    Ok(best)
}

/// Expected bytes over the cap up to which a file at `scale` may be within it after all.
fn uncertainty(scale: f64) -> f64 {
    if scale == 1.0 { UNCERTAINTY_OF_WHOLE } else { UNCERTAINTY }
}

/// What becomes of an attempt.
enum Encoded {
    File(Candidate),
    /// Unlike a part of it, the whole picture does not keep its colours; or it keeps all, which is the lossless file
    /// that does not fit.
    NotWorthwhile,
    /// There is no time.
    Late,
}

fn encoded(
    context: &mut SearchContext,
    attempt: &Reduction,
    format: Format,
    model: &LosslessModel,
) -> Result<Encoded, JobError> {
    let whole = context.views.prepared(format);
    let (width, height) = size_at(whole.picture, attempt.scale);
    let pixels = u64::from(width) * u64::from(height);
    if !context.clock.has_time(expected_time(model, context.job.effort, pixels, pixels / 2)) {
        context.log.cut_short = true;
        return Ok(Encoded::Late);
    }
    let is_whole = attempt.scale == 1.0;
    let scaled = (!is_whole).then(|| context.views.scaled(whole.picture, (width, height)));
    let picture = scaled.as_ref().unwrap_or(whole.picture);
    let reduced = in_colours(picture, attempt.colours, format)?;
    if !palette::is_faithful(picture, &reduced) || is_whole && reduced == *picture {
        return Ok(Encoded::NotWorthwhile);
    }
    drop(scaled);
    let file = (model.encode)(&reduced, context.job.effort)?;
    let kind = if is_whole { Kind::Quality(attempt.score) } else { Kind::Downscaled(attempt.score) };
    let candidate = Candidate { bytes: context.with_metadata(file, format), format, width, height, kind, score: None };
    context.log.note(&candidate);
    Ok(Encoded::File(candidate))
}

fn in_colours(picture: &Picture, colours: i32, format: Format) -> Result<Picture, EncodeError> {
    palette::in_colours(picture, colours).map_err(|reason| EncodeError::Failed { format, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_wanted_is_found_wherever_it_is() {
        for wanted in 0..=5 {
            assert_eq!(first(&[0, 1, 2, 3, 4], |item| Ok(item >= wanted)), Ok(wanted));
        }
    }
}
