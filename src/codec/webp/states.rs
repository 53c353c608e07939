//! The encoder states that libwebp can really be in. A quality stands for four whole-number quantiser indices, one for
//! each segment of the picture, and two qualities with the same indices give the same file. The indices depend on how
//! busy each segment is (libwebp quant_enc.c, VP8SetSegmentParams). That is read from one encode and the beginning of
//! another.

use std::cell::{Cell, RefCell};

use super::quantiser;

/// Maximum number of segments in a picture (RFC 6386 s9.3).
pub const SEGMENTS: usize = 4;

/// The segments of an encode.
#[derive(Clone, Copy, Debug)]
pub struct Segments {
    /// Quantiser index of each segment.
    pub index: [i32; SEGMENTS],
    /// Bytes of the coefficients of each segment.
    pub bytes: [i32; SEGMENTS],
    /// Macroblocks of each segment.
    pub blocks: [i32; SEGMENTS],
}

impl Segments {
    /// Returns the share of each segment in the change of size when all steps change by the same factor. Returns `None`
    /// when nothing would change.
    pub fn shares(&self) -> Option<[f64; SEGMENTS]> {
        let movable = self.movable();
        let total: f64 = movable.iter().sum();
        (total > 0.0).then(|| movable.map(|bytes| bytes / total))
    }

    /// Returns the bytes of each segment, times how steeply they fall with its step: ln(bytes) over ln(step). A coarser
    /// step removes few bytes from busy blocks and most bytes from quiet ones: docs/model.md, WebP's states.
    fn movable(&self) -> [f64; SEGMENTS] {
        std::array::from_fn(|s| {
            let bytes = f64::from(self.bytes[s]);
            let steepest = (2.0 - 0.04 * f64::from(self.index[s])).max(1.05);
            let steepness = 7.0 / (bytes / f64::from(self.blocks[s].max(1))).max(1.0).sqrt();
            bytes * steepness.clamp(0.5, steepest)
        })
    }
}

/// A state: libwebp's quality and its strength of spatial noise shaping (sns_strength).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// 0 to 100, the finest last.
    pub quality: f64,
    /// 0 to 100: how much coarser busy blocks are quantised than quiet ones.
    pub shaping: i32,
}

/// The default strength of libwebp.
pub const SHAPING: i32 = 50;

/// Strengths that are tried. They have states between those of the default, which are up to 15 % of bytes apart.
/// Outside 50 to 57 the steps of chroma change too (dq_uv_dc and dq_uv_ac): docs/model.md, WebP's states.
const SHAPINGS: [i32; 8] = [SHAPING, 51, 52, 53, 54, 55, 56, 57];

/// The state whose indices show the segments' susceptibility best, to within 3 to 6 units.
pub const SUSCEPTIBILITY_STATE: State = State { quality: 25.0, shaping: 100 };

/// Exponent for each unit of a segment's susceptibility, at full strength (SNS_TO_DQ / 128).
const EXPONENT: f64 = 0.9 / 128.0;

/// Number of qualities tried in each unit. From quality 1 on indices change after a tenth of a unit or more.
const FINENESS: f64 = 20.0;

/// The quality at this index among those that are tried. Below 1 they are closer together: libwebp's index goes by
/// their cube root, and from 0 to 0.05 it falls by 9.
fn tried_quality(index: i32) -> f64 {
    let quality = f64::from(index) / FINENESS;
    if quality < 1.0 { quality.powi(3) } else { quality }
}

/// How many of these qualities are tried on each side of the quality of a step.
const REACH: i32 = 30;

/// Penalty, in ln(step), for each unit away from the default strength: docs/model.md, WebP's states.
const SHAPING_PENALTY: f64 = 0.001_6;

/// Weight of the uncertainty of a state's step. Half of it is the expected error.
const UNCERTAINTY_WEIGHT: f64 = 0.5;

/// The states of a picture, on the scale of ln(quantiser step).
pub struct States {
    segments: Cell<[Segment; SEGMENTS]>,
    /// The difference between the search's ln(step) and the mean ln(step) over the segments. An encode keeps the step
    /// that was asked for.
    offset: Cell<f64>,
    /// The answers so far.
    given: RefCell<Vec<(State, f64)>>,
}

/// A segment of a picture.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Bounds of libwebp's alpha. The lower alpha is, the coarser is the segment's step.
    susceptibility: [i32; 2],
    /// Share in the change of ln(bytes).
    share: f64,
}

/// The range to which libwebp clips its alpha.
const SUSCEPTIBILITIES: [i32; 2] = [-127, 127];

impl Segment {
    /// Returns the segment with narrower bounds when only one of the indices `seen` at `state` can belong to it.
    /// libwebp merges segments with the same index and numbers them again.
    fn narrowed(self, state: State, seen: &[i32]) -> Segment {
        let [low, high] = self.susceptibility;
        let indices = (low..=high).map(|susceptibility| (susceptibility, index(state, susceptibility)));
        let own: Vec<(i32, i32)> = indices.filter(|(_, index)| seen.contains(index)).collect();
        match (own.first(), own.last()) {
            // The index falls as the susceptibility rises.
            (Some((low, first)), Some((high, last))) if first == last => {
                Segment { susceptibility: [*low, *high], ..self }
            }
            _ => self,
        }
    }

    /// Returns the most likely susceptibility.
    fn middle(&self) -> i32 {
        let [low, high] = self.susceptibility;
        (low + high).div_euclid(2)
    }
}

/// Returns the index of a segment with this susceptibility at `state`.
fn index(state: State, susceptibility: i32) -> i32 {
    let exponent = 1.0 - EXPONENT * f64::from(state.shaping) / 100.0 * f64::from(susceptibility);
    (127.0 * (1.0 - quantiser::compression(state.quality).powf(exponent))).clamp(0.0, 127.0) as i32
}

impl States {
    /// Derives the states from the `segments` of an encode at the default strength and `quality`. Returns `None` when
    /// nothing can be derived.
    pub fn of(segments: &Segments, quality: f64) -> Option<States> {
        let shares = segments.shares()?;
        let compression = quantiser::compression(quality).ln();
        if compression >= 0.0 || compression.is_infinite() {
            return None;
        }
        let seen = State { quality, shaping: SHAPING };
        let segment = |s: usize| {
            let unknown = Segment { susceptibility: SUSCEPTIBILITIES, share: shares[s] };
            unknown.narrowed(seen, &[segments.index[s]])
        };
        let segments = Cell::new(std::array::from_fn(segment));
        let states = States { segments, offset: Cell::default(), given: RefCell::default() };
        states.offset.set(quantiser::ln_step(quality) - states.ln_step(seen));
        Some(states)
    }

    /// Returns the best state for `ln_step`, and the ln(step) of that state. The best state is near, well known, and
    /// not far from the default.
    pub fn nearest(&self, ln_step: f64) -> (State, f64) {
        // An earlier answer stays the answer for its own step, even when a better one is near it.
        if let Some(given) = self.given_at(ln_step) {
            return given;
        }
        let found = self.search(ln_step);
        // Two states may have the same step. The first answer is kept for both.
        self.given_at(found.1).unwrap_or_else(|| {
            self.given.borrow_mut().push(found);
            found
        })
    }

    fn given_at(&self, ln_step: f64) -> Option<(State, f64)> {
        self.given.borrow().iter().find(|(_, own)| *own == ln_step).copied()
    }

    fn search(&self, ln_step: f64) -> (State, f64) {
        let middle = self.coarsest_at_most(ln_step);
        let tried = (middle - REACH).max(0)..=(middle + REACH).min((100.0 * FINENESS) as i32);
        let qualities = tried.map(tried_quality);
        let states = qualities.flat_map(|quality| SHAPINGS.map(|shaping| State { quality, shaping }));
        let mut best = (f64::INFINITY, State { quality: tried_quality(middle), shaping: SHAPING }, ln_step);
        for state in states {
            let own = self.ln_step(state);
            let known = (own - ln_step).abs() + SHAPING_PENALTY * f64::from((state.shaping - SHAPING).abs());
            if known >= best.0 {
                continue; // The uncertainty takes long to compute, and only adds to the error.
            }
            let error = known + UNCERTAINTY_WEIGHT * self.uncertainty(state);
            if error < best.0 {
                best = (error, state, own);
            }
        }
        (best.1, best.2)
    }

    /// Returns the index of the lowest of the tried qualities whose step at the default strength is at most `ln_step`.
    fn coarsest_at_most(&self, ln_step: f64) -> i32 {
        let (mut low, mut high) = (0, (100.0 * FINENESS) as i32);
        while low < high {
            let middle = (low + high) / 2;
            let is_coarser = self.ln_step(State { quality: tried_quality(middle), shaping: SHAPING }) > ln_step;
            if is_coarser { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Records the indices of an encode at `state`, which keeps its `ln_step`. The steps of states near it change.
    pub fn record(&self, state: State, ln_step: f64, seen: [i32; SEGMENTS]) {
        self.narrow(state, seen);
        self.offset.set(self.offset.get() + ln_step - self.ln_step(state));
    }

    /// Narrows the segments by the indices that libwebp gives them at `state`. The steps of other states may change.
    pub fn narrow(&self, state: State, seen: [i32; SEGMENTS]) {
        self.segments.set(self.segments.get().map(|segment| segment.narrowed(state, &seen)));
    }

    /// Returns ln(step) of `state`.
    pub fn ln_step(&self, state: State) -> f64 {
        self.mean(state, Segment::middle) + self.offset.get()
    }

    /// Returns the uncertainty of the step of `state`.
    fn uncertainty(&self, state: State) -> f64 {
        let [high, low] = [0, 1].map(|end| self.mean(state, |segment| segment.susceptibility[end]));
        high - low
    }

    /// Returns the mean of ln(step) over the segments at `state`, when each has this susceptibility.
    fn mean(&self, state: State, susceptibility: impl Fn(&Segment) -> i32) -> f64 {
        let ln_step = |segment: &Segment| quantiser::ln_step_in_bytes(index(state, susceptibility(segment)));
        self.segments.get().iter().map(|segment| segment.share * ln_step(segment)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The segments of a photograph at quality 84.
    const SEEN: Segments =
        Segments { index: [21, 16, 13, 8], bytes: [23_127, 35_019, 31_997, 9_713], blocks: [272, 477, 545, 242] };

    #[test]
    fn indices_at_other_qualities_follow() {
        let states = States::of(&SEEN, 84.0).unwrap();
        // The same photograph at other states, encoded by libwebp.
        for (quality, shaping, seen) in [
            (84.0, 50, [21, 16, 13, 8]),
            (75.0, 50, [36, 28, 22, 15]),
            (90.0, 50, [12, 10, 7, 5]),
            (40.0, 50, [59, 49, 39, 28]),
            (84.0, 35, [19, 16, 13, 10]),
            (90.0, 65, [14, 10, 7, 4]),
        ] {
            let state = State { quality, shaping };
            for (segment, index) in states.segments.get().iter().zip(seen) {
                let [most, least] = segment.susceptibility.map(|end| super::index(state, end));
                assert!((least..=most).contains(&index), "{least} to {most} at {state:?}, {index} seen");
            }
        }
    }

    #[test]
    fn an_encode_keeps_its_step_and_leaves_less_uncertainty() {
        let states = States::of(&SEEN, 84.0).unwrap();
        let (state, ln_step) =
            (State { quality: 75.0, shaping: 50 }, states.ln_step(State { quality: 75.3, shaping: 50 }));
        let beside = State { quality: 74.5, shaping: 50 };
        let before = states.uncertainty(beside);
        states.record(state, ln_step, [36, 28, 22, 15]);
        assert!((states.ln_step(state) - ln_step).abs() < 1e-12);
        assert!(states.uncertainty(beside) < before, "{} of {before}", states.uncertainty(beside));
        // When two indices could be the first segment's, seeing both decides nothing. Seeing only one does.
        let ends = |state| states.segments.get()[0].susceptibility.map(|end| index(state, end));
        let unsure = |tenth: i32| State { quality: f64::from(tenth) / 10.0, shaping: 50 };
        let unsure = (500..700).map(unsure).find(|state| ends(*state)[0] != ends(*state)[1]).unwrap();
        let [least, most] = ends(unsure);
        let first = || states.segments.get()[0].susceptibility;
        let closer = first();
        states.record(unsure, 3.0, [least, most, 0, 0]);
        assert_eq!(first(), closer);
        states.record(unsure, 3.0, [least, least, 0, 0]);
        assert_ne!(first(), closer);
    }

    #[test]
    fn the_nearest_state_is_its_own_nearest() {
        let states = States::of(&SEEN, 84.0).unwrap();
        for hundredth in 150..560 {
            let (state, ln_step) = states.nearest(f64::from(hundredth) / 100.0);
            assert_eq!(states.nearest(ln_step), (state, ln_step));
            assert_eq!(states.ln_step(state), ln_step);
        }
    }

    #[test]
    fn hardly_an_index_is_left_out_below_quality_1() {
        let index_at = |at: i32| super::index(State { quality: tried_quality(at), shaping: SHAPING }, 0);
        for at in 0..FINENESS as i32 {
            assert!(index_at(at) - index_at(at + 1) <= 2, "{at}");
        }
    }

    #[test]
    fn an_encode_without_segments_says_nothing() {
        assert!(States::of(&Segments { bytes: [0; SEGMENTS], ..SEEN }, 84.0).is_none());
        assert!(States::of(&SEEN, 100.0).is_none() && States::of(&SEEN, 0.0).is_none());
    }
}
