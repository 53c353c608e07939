//! One total for many answers: how many bytes each gets, so that all look alike.

use serde::{Deserialize, Serialize};

use super::JobError;
use super::size_curve::{QUALITIES, SizeCurve};

/// Share of the total that is planned: predictions miss by a few percent, and what is left is given to the next answer.
const PLANNED: f64 = 0.985;

/// Halvings of the range of qualities: to less than [`PRECISION`].
const HALVINGS: u32 = 14;

/// Points to which the common quality is known.
const PRECISION: f64 = 0.01;

/// What an answer may have of a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The most bytes.
    pub bytes: u64,
    /// The quality that all answers are to have which are not made smaller; `None` for the best within the bytes.
    pub quality: Option<f64>,
    /// The most bytes of a picture that is made smaller: it takes all that it may have.
    pub smaller_bytes: u64,
    /// How many of the bytes are beyond those that are planned.
    room: u64,
}

/// The bytes of a total that are left, for answers that are made one after the other or at once.
#[derive(Clone, Debug)]
pub struct Shares {
    left: u64,
    /// Bytes that answers which have begun may have beyond those that are planned.
    lent: u64,
    /// What is planned for each answer that has not begun; `None` for the others.
    planned: Vec<Option<Plan>>,
    /// The quality of all answers that have not begun.
    quality: f64,
    /// The best that it may become.
    best_quality: f64,
    is_tight: bool,
}

/// What is planned for an answer.
#[derive(Clone, Copy, Debug)]
struct Plan {
    curve: SizeCurve,
    /// Bytes that no other answer may take from it.
    least: u64,
}

/// How far the plan may be off from the bytes that are left until there is another, as a share of them.
const MAX_DRIFT: f64 = 0.003;

/// Points of quality that answers may become better when those before them take less than planned.
const MAX_GAIN: f64 = 2.5;

/// Quality from which on pictures that are not made smaller are encoded at the common quality. Below it hardly any is
/// whole.
const LEAST_COMMON_QUALITY: f64 = 5.0;

/// Bytes that an answer of the common quality may have beyond those that are predicted, as a share of them:
/// docs/model.md, Totals.
const ROOM: f64 = 0.06;

/// Bytes below which a file is mostly its container and its palette, which are not counted: one pixel high, a PNG that
/// was planned 51 bytes has 104 at least.
const LEAST_CERTAIN: f64 = 512.0;

/// How many times as large as predicted an answer is taken to be at most, by its trial.
const MAX_RATIO: f64 = 2.0;

/// Bytes that it may take from the answers after it, as a share of theirs: at least and at most. A small answer misses
/// by more of its own, and a small one after a large one would be left without any.
const ROOM_OF_OTHERS: [f64; 2] = [0.02, 0.1];

impl Shares {
    /// Shares `total` among answers with these sizes: all get the same quality, the best at which they fit. One without
    /// a size gets nothing.
    pub fn new(total: u64, curves: impl IntoIterator<Item = impl Into<Option<SizeCurve>>>) -> Shares {
        let planned = curves.into_iter().map(|curve| curve.into().map(|curve| Plan { curve, least: 0 })).collect();
        let [worst, best] = [QUALITIES[0], QUALITIES[QUALITIES.len() - 1]];
        let mut shares = Shares { left: total, lent: 0, planned, quality: worst, best_quality: best, is_tight: false };
        shares.is_tight = shares.planned_bytes(worst) > PLANNED * total as f64;
        shares.plan();
        shares.best_quality = shares.quality + MAX_GAIN;
        shares
    }

    /// The indices of the answers that have not begun.
    pub fn waiting(&self) -> Vec<usize> {
        self.planned.iter().enumerate().filter_map(|(index, plan)| plan.as_ref().map(|_| index)).collect()
    }

    /// The indices of the answers whose share is so small that its prediction says little: their smallest file may have
    /// more.
    pub fn uncertain(&self) -> Vec<usize> {
        let is_uncertain = |plan: &Plan| plan.curve.bytes(self.quality) < LEAST_CERTAIN;
        let plans = self.planned.iter().enumerate();
        plans.filter(|(_, plan)| plan.as_ref().is_some_and(is_uncertain)).map(|(index, _)| index).collect()
    }

    /// Whether the total is less than the answers are predicted to take at the lowest quality.
    pub fn is_tight(&self) -> bool {
        self.is_tight
    }

    /// The share of each answer, where none is to depend on what the others take: each may have all of its own, and is
    /// the best within that.
    pub fn fixed(mut self) -> Vec<Share> {
        let answers = self.planned.len();
        let take = |index| {
            let share = self.take(index);
            let bytes = share.smaller_bytes;
            self.give_back(share, bytes);
            Share { bytes, smaller_bytes: bytes, ..Share::default() }
        };
        (0..answers).map(take).collect()
    }

    /// Keeps `bytes` for the answer at `index`, whatever the others take.
    pub fn reserve(&mut self, index: usize, bytes: u64) {
        if let Some(plan) = self.planned.get_mut(index).and_then(Option::as_mut) {
            plan.least = bytes;
        }
    }

    /// Takes the share of the answer at `index`: what is planned for it, and its part of what is left over.
    pub fn take(&mut self, index: usize) -> Share {
        self.plan();
        let Some(plan) = self.planned.get_mut(index).and_then(Option::take) else {
            return Share::default();
        };
        let (planned, others) = (plan.curve.bytes(self.quality), self.planned_bytes(self.quality));
        let part = if others > 0.0 { planned / (planned + others) } else { 1.0 };
        let even = (self.left as f64 * part).floor();
        let is_at_quality = self.is_at_quality();
        let [least_room, most_room] = ROOM_OF_OTHERS.map(|share| share * others);
        let with_room = planned + (ROOM * planned).clamp(least_room, most_room);
        let wanted = if is_at_quality { even.max(with_room) } else { even };
        let least = |bytes: f64| (bytes as u64).max(plan.least).min(self.unreserved());
        let (bytes, smaller_bytes) = (least(wanted), least(even));
        let room = bytes.saturating_sub(planned as u64);
        self.left -= bytes;
        self.lent += room;
        // The last that can become better may use up what the others left.
        let can_others_gain = self.planned_bytes(self.best_quality) > others;
        let quality = if can_others_gain { self.quality } else { self.best_quality };
        Share { bytes, quality: is_at_quality.then_some(quality), smaller_bytes, room }
    }

    /// Whether all answers that are not made smaller get one quality.
    fn is_at_quality(&self) -> bool {
        (LEAST_COMMON_QUALITY..QUALITIES[QUALITIES.len() - 1] - PRECISION).contains(&self.quality)
    }

    /// Plans the common quality anew when the bytes that are left are not those of the plan.
    fn plan(&mut self) {
        let wanted = PLANNED * (self.left + self.lent) as f64;
        let planned = self.planned_bytes(self.quality);
        let is_at_best = self.quality >= self.best_quality - PRECISION && planned <= wanted;
        if is_at_best || (planned - wanted).abs() <= MAX_DRIFT * wanted {
            return;
        }
        let (mut low, mut high) = (QUALITIES[0], self.best_quality);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            if self.planned_bytes(middle) <= wanted { low = middle } else { high = middle }
        }
        self.quality = low;
    }

    /// The bytes that the answers which have not begun are predicted to take at `quality`.
    fn planned_bytes(&self, quality: f64) -> f64 {
        self.planned.iter().flatten().map(|plan| plan.curve.bytes(quality)).sum()
    }

    /// A share for a trial of the answer at `index`, which shows how far its prediction is off: the common quality, and
    /// all the bytes that this takes. `None` where answers have no common quality.
    pub fn trial(&self, index: usize) -> Option<Share> {
        let planned = self.planned.get(index)?.as_ref()?.curve.bytes(self.quality);
        let bytes = (MAX_RATIO * planned) as u64;
        self.is_at_quality().then_some(Share {
            bytes,
            quality: Some(self.quality),
            smaller_bytes: planned as u64,
            room: 0,
        })
    }

    /// The same total, planned anew before any answer is made: some answers have as many bytes at the common quality as
    /// `trials` say, and the others are as far from their predictions as these are on the whole.
    pub fn corrected(&self, trials: &[(usize, u64)]) -> Shares {
        let curve = |index: usize| self.planned.get(index).and_then(|plan| Some(plan.as_ref()?.curve));
        let (mut predicted, mut measured) = (0.0, 0.0);
        let mut ratios = vec![None; self.planned.len()];
        for (index, bytes) in trials {
            let Some(planned) = curve(*index).map(|curve| curve.bytes(self.quality)) else { continue };
            predicted += planned;
            measured += *bytes as f64;
            ratios[*index] = Some(*bytes as f64 / planned);
        }
        let mean = if predicted > 0.0 { measured / predicted } else { 1.0 };
        let curves = ratios.into_iter().enumerate().map(|(index, ratio)| {
            let ratio = ratio.unwrap_or(mean).clamp(1.0 / MAX_RATIO, MAX_RATIO);
            Some(curve(index)?.scaled(ratio))
        });
        Shares::new(self.left, curves)
    }

    /// Keeps this `part` of what is planned for each answer, whatever the others take: where all predictions are too
    /// low, the last answers would pay for the others.
    pub fn keep_for_each(&mut self, part: f64) {
        let quality = self.quality;
        for plan in self.planned.iter_mut().flatten() {
            plan.least = (part * plan.curve.bytes(quality)) as u64;
        }
    }

    /// Adds to `share` what is missing for the smallest answer that `failed` names, if there is so much that is not
    /// kept for others. The answer may have at most `target`.
    pub fn stretch(&mut self, share: &mut Share, failed: &JobError, target: u64) -> bool {
        let JobError::TargetUnreachable { smallest, .. } = failed else { return false };
        let missing = smallest.bytes.checked_sub(share.bytes).filter(|_| smallest.bytes <= target);
        let Some(missing) = missing.filter(|missing| *missing <= self.unreserved()) else { return false };
        self.left -= missing;
        share.bytes += missing;
        share.smaller_bytes = share.bytes;
        true
    }

    /// Plans nothing for the answer at `index`, which can't be made.
    pub fn drop_plan(&mut self, index: usize) {
        let share = self.take(index);
        self.give_back(share, 0);
    }

    /// What is left and not kept for answers that have not begun.
    fn unreserved(&self) -> u64 {
        let kept = self.planned.iter().flatten().map(|plan| plan.least).fold(0, u64::saturating_add);
        self.left.saturating_sub(kept)
    }

    /// Gives back what the answer with this `share` did not use.
    pub fn give_back(&mut self, share: Share, used: u64) {
        self.left += share.bytes.saturating_sub(used);
        self.lent -= share.room;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Smallest;
    use super::*;
    use crate::codec::Format;

    /// A curve that takes `bytes` at the best quality, and half as many for every 20 points less.
    fn curve(bytes: f64) -> SizeCurve {
        SizeCurve { ln_bytes: QUALITIES.map(|quality| (bytes * 0.5_f64.powf((95.0 - quality) / 20.0)).ln()) }
    }

    #[test]
    fn all_get_the_same_quality() {
        let curves = [curve(100_000.0), curve(300_000.0)];
        let mut shares = Shares::new(100_000, curves);
        let first = shares.take(0);
        let used = curves[0].bytes(first.quality.unwrap()) as u64;
        shares.give_back(first, used);
        let second = shares.take(1).bytes;
        assert!(second.abs_diff(3 * used) <= 2_000, "{used} {second}");
        assert_eq!(used + second, 100_000);
    }

    #[test]
    fn what_is_left_over_goes_to_those_that_have_not_begun() {
        let curves = [curve(1e6), curve(1e6), curve(1e6)];
        let mut shares = Shares::new(90_000, curves);
        let share = shares.take(0);
        let first = share.bytes;
        assert!(first.abs_diff(30_000) <= 1, "{first}");
        shares.give_back(share, first - 10_000);
        let second = shares.take(1).bytes;
        assert!(second.abs_diff(35_000) <= 1, "{second}");
        assert_eq!(shares.take(2).bytes, 90_000 - (first - 10_000) - second, "the last has all that is left");
        assert_eq!(shares.take(2).bytes, 0, "a share is taken once");
    }

    #[test]
    fn a_small_answer_after_a_large_one_keeps_most_of_its_bytes() {
        let curves = [curve(1e6), curve(20_000.0)];
        let mut shares = Shares::new(300_000, curves);
        let large = shares.take(0);
        let planned = curves[1].bytes(large.quality.unwrap());
        shares.give_back(large, large.bytes);
        let small = shares.take(1).bytes as f64;
        assert!(small > 0.85 * planned, "{small} of {planned}");
    }

    #[test]
    fn what_is_kept_for_an_answer_is_not_taken_by_others() {
        let mut shares = Shares::new(1_000, [curve(1e6), curve(1e6), curve(1e6)]);
        assert!(shares.is_tight());
        for (index, bytes) in [(0, 100), (1, 700), (2, 150)] {
            shares.reserve(index, bytes);
        }
        let first = shares.take(0);
        assert_eq!(first.bytes, 150, "a third would leave too little");
        shares.give_back(first, 100);
        let unreachable = |bytes| {
            let (format, quality) = (Format::Jpeg, None);
            let smallest = Smallest { bytes, format, width: 1, height: 1, quality, metadata_bytes: 0, held_by: None };
            JobError::TargetUnreachable { target: 1, smallest, nearest: None }
        };
        let mut share = Share { bytes: 100, ..Share::default() };
        assert!(!shares.stretch(&mut share, &unreachable(151), 1_000), "what is kept for others stays");
        assert!(!shares.stretch(&mut share, &unreachable(150), 149), "it is over its own target");
        assert!(shares.stretch(&mut share, &unreachable(150), 150) && share.bytes == 150);
        assert_eq!((shares.take(2).bytes, shares.take(1).bytes), (150, 700));
        assert!(!Shares::new(100_000_000, [curve(1e6)]).is_tight());
        assert_eq!(Shares::new(100_000_000, [curve(1e6), curve(1.0)]).uncertain(), [1]);
    }

    #[test]
    fn a_decent_quality_is_the_same_for_all_with_room_for_predictions_that_are_off() {
        let curves = [curve(100_000.0), curve(300_000.0), curve(200_000.0)];
        let mut shares = Shares::new(400_000, curves);
        let first = shares.take(0);
        let quality = first.quality.unwrap();
        assert!((80.0..90.0).contains(&quality), "{quality}");
        let planned = curves[0].bytes(quality);
        assert!(first.bytes as f64 > 1.05 * planned);
        shares.give_back(first, planned as u64);
        let next = shares.take(1).quality.unwrap();
        assert!((next - quality).abs() < 0.2, "what was taken is what was planned: {quality} {next}");
    }

    #[test]
    fn room_is_for_pictures_that_stay_whole_and_is_no_reason_to_plan_anew() {
        let curves = [curve(100_000.0), curve(300_000.0), curve(200_000.0)];
        let mut shares = Shares::new(400_000, curves);
        let [first, second] = [0, 1].map(|index| shares.take(index));
        let planned = curves[0].bytes(first.quality.unwrap());
        assert!(first.bytes as f64 > 1.08 * planned, "a fiftieth of the others' is more than its own: {first:?}");
        assert!((1.0..1.03).contains(&(first.smaller_bytes as f64 / planned)), "{first:?}");
        assert!((first.quality.unwrap() - second.quality.unwrap()).abs() < 0.2, "{first:?} {second:?}");
    }

    #[test]
    fn the_last_answer_does_not_pay_for_the_others() {
        let curves = [curve(300_000.0), curve(300_000.0), curve(300_000.0), curve(10_000.0)];
        for (kept, expected) in [(0.0, 0.0..0.5), (0.9, 0.89..1.01)] {
            let mut shares = Shares::new(200_000, curves);
            shares.keep_for_each(kept);
            // Each of the others takes all that it may.
            let taken: Vec<Share> = (0..3).map(|index| shares.take(index)).collect();
            let planned = curves[3].bytes(taken[0].quality.unwrap());
            taken.into_iter().for_each(|share| shares.give_back(share, share.bytes));
            let last = shares.take(3).bytes as f64 / planned;
            assert!(expected.contains(&last), "{last}");
        }
    }

    #[test]
    fn trials_correct_the_plan() {
        let curves = [curve(100_000.0), curve(300_000.0), curve(200_000.0)];
        let shares = Shares::new(120_000, curves);
        let trial = shares.trial(1).unwrap();
        // All answers have a fifth less than predicted, which one of them shows.
        let bytes = (0.8 * curves[1].bytes(trial.quality.unwrap())) as u64;
        let corrected = shares.corrected(&[(1, bytes)]);
        let planned = curves.iter().map(|curve| 0.8 * curve.bytes(corrected.quality)).sum::<f64>();
        assert!((planned / (PLANNED * 120_000.0) - 1.0).abs() < 0.01, "{planned}");
        assert!((shares.corrected(&[]).quality - shares.quality).abs() < 1e-9);
    }

    #[test]
    fn fixed_shares_are_the_total_together() {
        let curves = [curve(100_000.0), curve(300_000.0), curve(200_000.0)];
        let shares = Shares::new(120_000, curves).fixed();
        let bytes: Vec<u64> = shares.iter().map(|share| share.bytes).collect();
        assert!(bytes[0].abs_diff(20_000) < 100 && bytes[1].abs_diff(60_000) < 200, "{bytes:?}");
        assert_eq!(bytes.iter().sum::<u64>(), 120_000);
        let mut tight = Shares::new(1_000, [curve(1e6), curve(1e6)]);
        tight.reserve(1, 900);
        assert_eq!(tight.fixed().iter().map(|share| share.bytes).collect::<Vec<_>>(), [100, 900]);
    }

    #[test]
    fn answers_after_a_small_one_become_little_better() {
        let mut shares = Shares::new(400_000, [curve(300_000.0), curve(300_000.0), curve(3_000.0)]);
        let first = shares.take(0);
        shares.give_back(first, 0);
        let second = shares.take(1);
        shares.give_back(second, 150_000);
        let gained = |share: Share| share.quality.unwrap() - first.quality.unwrap();
        let last = shares.take(2);
        assert!(gained(second) <= MAX_GAIN && gained(last) <= MAX_GAIN, "{first:?} {second:?} {last:?}");
        assert_eq!(last.bytes, 250_000, "the quality is bounded, and not the bytes");
    }

    proptest! {
        #[test]
        fn the_shares_are_never_more_than_the_total(
            total in 1..10_000_000_u64,
            sizes in prop::collection::vec(1.0..1e7_f64, 1..20),
            used in prop::collection::vec(0.0..1.0_f64, 20),
        ) {
            let curves: Vec<SizeCurve> = sizes.iter().map(|bytes| curve(*bytes)).collect();
            let mut shares = Shares::new(total, curves.iter().copied());
            let mut sum = 0;
            for (index, used) in (0..curves.len()).zip(used) {
                let share = shares.take(index);
                let spent = (share.bytes as f64 * used) as u64;
                shares.give_back(share, spent);
                sum += spent;
            }
            prop_assert!(sum <= total);
        }
    }
}
