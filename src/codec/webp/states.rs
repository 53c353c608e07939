//! libwebp's real states: a quality stands for four whole-number quantiser indices, one a segment of the picture, and
//! between two qualities that differ in none of them the file is the same. Which indices a picture's segments get
//! follows from how busy they are (libwebp quant_enc.c, VP8SetSegmentParams), and is read off one encode.

use std::cell::{Cell, RefCell};

use super::quantiser;

/// Segments that a picture may have (RFC 6386 s9.3).
pub const SEGMENTS: usize = 4;

/// What an encode says of its segments.
#[derive(Clone, Copy, Debug)]
pub struct Segments {
    /// Quantiser index of each.
    pub index: [i32; SEGMENTS],
    /// Bytes of the coefficients of each.
    pub bytes: [i32; SEGMENTS],
    /// Macroblocks of each.
    pub blocks: [i32; SEGMENTS],
}

impl Segments {
    /// Bytes of each, times how steeply they fall with its step: ln(bytes) over ln(step). Blocks of many bytes lose few
    /// of them to a coarser step, quiet ones whose noise is about as large as the step lose most: read off the bytes that
    /// libwebp's method 2 gave the segments of two photographs at six qualities (0.5 to 0.6 at 100 bytes a macroblock,
    /// 1.0 at 50, 1.6 at 20; never over 1.2 at indices from 23 on, 1.5 at 13, 1.7 at 7).
    fn movable(&self) -> [f64; SEGMENTS] {
        std::array::from_fn(|s| {
            let bytes = f64::from(self.bytes[s]);
            let steepest = (2.0 - 0.04 * f64::from(self.index[s])).max(1.05);
            let steepness = 7.0 / (bytes / f64::from(self.blocks[s].max(1))).max(1.0).sqrt();
            bytes * steepness.clamp(0.5, steepest)
        })
    }
}

/// A state: libwebp's quality and strength of spatial noise shaping (sns_strength).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    pub quality: f64,
    pub shaping: i32,
}

/// The strength that libwebp has by default.
pub const SHAPING: i32 = 50;

/// Strengths that are tried. They spread the segments' indices less or more, and so find states between those of the
/// default, which at high qualities are up to 15 % of the bytes apart. At equal bytes 12 Kodak pictures lost 0.0 to 0.4
/// of SSIMULACRA2 in the mean at 44 (0.4 to 0.8 at 26), and between -0.3 and 0.3 at 65 (-0.4 to 0.6 at 74), at 0.3 to
/// 1.5 bits a pixel: about what the bytes are worth that would be left over.
const SHAPINGS: [i32; 17] = [26, 29, 32, 35, 38, 41, 44, 47, SHAPING, 53, 56, 59, 62, 65, 68, 71, 74];

/// Exponent for each unit of a segment's susceptibility, at full strength (SNS_TO_DQ / 128).
const EXPONENT: f64 = 0.9 / 128.0;

/// Qualities that are tried, of each unit: indices last for a tenth of one and longer.
const FINENESS: f64 = 20.0;

/// Of these, how many to either side of the quality that a step stands for.
const REACH: i32 = 30;

/// What it takes, in ln(step), to leave the default strength by a unit: a state at 6 units has to be 1 % nearer. With half
/// of it files of 20 KB looked 0.1 points worse against a bisection at the default strength (31 photographs).
const RELUCTANCE: f64 = 0.001_6;

/// Weight of what is not known of a state's step: half of it is the error to expect.
const DOUBT: f64 = 0.5;

/// The states of a picture, on the scale of ln(quantiser step).
pub struct States {
    segments: Cell<[Segment; SEGMENTS]>,
    /// From the mean of the segments' steps to the step that the quality stands for.
    offset: Cell<f64>,
    /// What was answered so far.
    given: RefCell<Vec<(State, f64)>>,
}

/// Segment of a picture.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// libwebp's alpha: how much noise it takes unseen, -127 to 127, between these bounds, the higher first.
    susceptibility: [f64; 2],
    /// Of what its index moves, in ln(bytes).
    share: f64,
}

impl Segment {
    /// The index at `state` that libwebp would cut the fraction off, when its susceptibility lies at `place` (0 to 1)
    /// between the bounds.
    fn index(&self, state: State, place: f64) -> f64 {
        let [first, last] = self.susceptibility;
        let exponent = 1.0 - EXPONENT * f64::from(state.shaping) / 100.0 * (first + (last - first) * place);
        (127.0 * (1.0 - quantiser::compression(state.quality).powf(exponent))).clamp(0.0, 127.0)
    }

    /// The segment with closer bounds, when only one of the indices `seen` at `state` can be its own: libwebp merges
    /// segments that come to the same index, and numbers them anew.
    fn narrowed(self, state: State, seen: [i32; SEGMENTS]) -> Segment {
        let [least, most] = [0.0, 1.0].map(|place| self.index(state, place));
        let mut own = seen.into_iter().map(f64::from).filter(|index| least < index + 1.0 && *index < most);
        let Some(index) = own.next() else { return self };
        if own.any(|other| other != index) {
            return self;
        }
        let [first, last] = susceptibilities(state, index);
        let susceptibility = [first.min(self.susceptibility[0]), last.max(self.susceptibility[1])];
        if susceptibility[0] > susceptibility[1] { Segment { susceptibility, ..self } } else { self }
    }
}

/// The bounds of what gives `index` at `state`: that of the index itself, and of the next, which is lower.
fn susceptibilities(state: State, index: f64) -> [f64; 2] {
    [index, index + 1.0].map(|index| {
        let exponent = (1.0 - index / 127.0).max(1e-3).ln() / quantiser::compression(state.quality).ln();
        (1.0 - exponent) * 100.0 / (EXPONENT * f64::from(state.shaping))
    })
}

impl States {
    /// What `segments` of an encode at the default strength and `quality` tell; none when they say nothing.
    pub fn of(segments: &Segments, quality: f64) -> Option<States> {
        let movable = segments.movable();
        let total: f64 = movable.iter().sum();
        let compression = quantiser::compression(quality).ln();
        if total <= 0.0 || compression >= 0.0 || compression.is_infinite() {
            return None;
        }
        let seen = State { quality, shaping: SHAPING };
        let segment = |s: usize| {
            let susceptibility = susceptibilities(seen, f64::from(segments.index[s]));
            Segment { susceptibility, share: movable[s] / total }
        };
        let segments = Cell::new(std::array::from_fn(segment));
        let states = States { segments, offset: Cell::default(), given: RefCell::default() };
        // The fraction that is cut off is half an index on average.
        let smooth = states.mean(|segment| (segment.index(seen, 0.5) - 0.5).max(0.0));
        states.offset.set(quantiser::ln_step(quality) - smooth);
        Some(states)
    }

    /// The best state for `ln_step`, and where it is: near, known well, and not far from the default.
    pub fn nearest(&self, ln_step: f64) -> (State, f64) {
        // What was an answer is its own: from there a better one may be in sight that was not from here.
        if let Some(given) = self.given_at(ln_step) {
            return given;
        }
        let found = self.look_around(ln_step);
        // Two states may amount to the same step: the first that was an answer stands for both.
        self.given_at(found.1).unwrap_or_else(|| {
            self.given.borrow_mut().push(found);
            found
        })
    }

    fn given_at(&self, ln_step: f64) -> Option<(State, f64)> {
        self.given.borrow().iter().find(|(_, place)| *place == ln_step).copied()
    }

    fn look_around(&self, ln_step: f64) -> (State, f64) {
        let middle = (quantiser::quality(ln_step) * FINENESS).round() as i32;
        let tried = (middle - REACH).max(0)..=(middle + REACH).min((100.0 * FINENESS) as i32);
        let qualities = tried.map(|place| f64::from(place) / FINENESS);
        let states = qualities.flat_map(|quality| SHAPINGS.map(|shaping| State { quality, shaping }));
        let mut best = (f64::INFINITY, State { quality: f64::from(middle) / FINENESS, shaping: SHAPING }, ln_step);
        for state in states {
            let place = self.ln_step(state);
            let known = (place - ln_step).abs() + RELUCTANCE * f64::from((state.shaping - SHAPING).abs());
            if known >= best.0 {
                continue; // Doubt, which is dear to ask for, only makes it worse.
            }
            let fault = known + DOUBT * self.doubt(state);
            if fault < best.0 {
                best = (fault, state, place);
            }
        }
        (best.1, best.2)
    }

    /// Takes in the indices that an encode at `state` had. Placed at `ln_step`, it stays there: what is near to it
    /// moves.
    pub fn learn(&self, state: State, ln_step: f64, seen: [i32; SEGMENTS]) {
        self.segments.set(self.segments.get().map(|segment| segment.narrowed(state, seen)));
        self.offset.set(self.offset.get() + ln_step - self.ln_step(state));
    }

    /// The step that `state` amounts to.
    pub fn ln_step(&self, state: State) -> f64 {
        self.mean(|segment| segment.index(state, 0.5).floor()) + self.offset.get()
    }

    /// How far the step of `state` may be off.
    fn doubt(&self, state: State) -> f64 {
        let [low, high] = [0.02, 0.98].map(|place| self.mean(|segment| segment.index(state, place).floor()));
        (high - low).abs()
    }

    /// The mean of ln(step) over the segments' indices.
    fn mean(&self, index: impl Fn(&Segment) -> f64) -> f64 {
        self.segments.get().iter().map(|segment| segment.share * quantiser::ln_step_of(index(segment))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libwebp says of a photograph at quality 84.
    const SEEN: Segments =
        Segments { index: [21, 16, 13, 8], bytes: [23_127, 35_019, 31_997, 9_713], blocks: [272, 477, 545, 242] };

    #[test]
    fn indices_at_other_qualities_follow() {
        let states = States::of(&SEEN, 84.0).unwrap();
        // The same photograph at other states: libwebp's own word.
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
                let ends = [0.0, 1.0].map(|place| segment.index(state, place));
                let (least, most) = (ends[0].min(ends[1]) - 1e-6, ends[0].max(ends[1]) + 1e-6);
                let seen = f64::from(index);
                assert!(least < seen + 1.0 && seen < most, "{least} to {most} at {state:?}, {seen} seen");
            }
        }
    }

    #[test]
    fn what_was_seen_stays_where_it_was_and_leaves_less_doubt() {
        let states = States::of(&SEEN, 84.0).unwrap();
        let (state, ln_step) =
            (State { quality: 75.0, shaping: 50 }, states.ln_step(State { quality: 75.3, shaping: 50 }));
        let beside = State { quality: 74.5, shaping: 50 };
        let before = states.doubt(beside);
        states.learn(state, ln_step, [36, 28, 22, 15]);
        assert!((states.ln_step(state) - ln_step).abs() < 1e-12);
        assert!(states.doubt(beside) < before, "{} of {before}", states.doubt(beside));
        // Where two indices could be the first segment's, only one of them alone says which it is.
        let ends = |state| [0.0, 1.0].map(|place| states.segments.get()[0].index(state, place).floor() as i32);
        let unsure = |tenth: i32| State { quality: f64::from(tenth) / 10.0, shaping: 50 };
        let unsure = (500..700).map(unsure).find(|state| ends(*state)[0] != ends(*state)[1]).unwrap();
        let [least, most] = ends(unsure);
        let first = || states.segments.get()[0].susceptibility;
        let closer = first();
        states.learn(unsure, 3.0, [least, most, 0, 0]);
        assert_eq!(first(), closer);
        states.learn(unsure, 3.0, [least, least, 0, 0]);
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
    fn an_encode_without_segments_says_nothing() {
        assert!(States::of(&Segments { bytes: [0; SEGMENTS], ..SEEN }, 84.0).is_none());
        assert!(States::of(&SEEN, 100.0).is_none() && States::of(&SEEN, 0.0).is_none());
    }
}
