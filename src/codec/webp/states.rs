//! libwebp's real states: a quality stands for four whole-number quantiser indices, one a segment of the picture, and
//! between two qualities that differ in none of them the file is the same. Which indices a picture's segments get
//! follows from how busy they are (libwebp quant_enc.c, VP8SetSegmentParams), and is read off one encode.

use std::cell::RefCell;

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
/// default, which at high qualities are up to 15 % of the bytes apart. A photograph lost 0.1 of SSIMULACRA2 at equal
/// bytes at 35, 0.3 at 65.
const SHAPINGS: [i32; 9] = [38, 41, 44, 47, 50, 53, 56, 59, 62];

/// Exponent for each unit of a segment's susceptibility, at full strength (SNS_TO_DQ / 128).
const EXPONENT: f64 = 0.9 / 128.0;

/// Tenths of a quality unit that are tried around the quality that a step stands for: indices last for 1 to 20.
const REACH: i32 = 15;

/// What it takes, in ln(step), to leave the default strength by a unit: a state at 12 units has to be 1 % nearer.
const RELUCTANCE: f64 = 0.000_8;

/// Weight of what is not known of a state's step, of which half is the error to expect.
const DOUBT: f64 = 0.3;

/// The states of a picture, on the scale of ln(quantiser step).
pub struct States {
    segments: [Segment; SEGMENTS],
    /// From the mean of the segments' steps to the step that the quality stands for.
    offset: f64,
    /// What was answered so far.
    given: RefCell<Vec<(State, f64)>>,
}

/// Segment of a picture.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// libwebp's alpha: how much noise it takes unseen, -127 to 127, between these bounds.
    susceptibility: [f64; 2],
    /// Of what its index moves, in ln(bytes).
    share: f64,
}

impl Segment {
    /// The index at `state` that libwebp would cut the fraction off, when its susceptibility lies at `place` (0 to 1)
    /// between the bounds.
    fn index(&self, state: State, place: f64) -> f64 {
        let [low, high] = self.susceptibility;
        let exponent = 1.0 - EXPONENT * f64::from(state.shaping) / 100.0 * (low + (high - low) * place);
        (127.0 * (1.0 - quantiser::compression(state.quality).powf(exponent))).clamp(0.0, 127.0)
    }
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
        let susceptibility = |index: f64| {
            let exponent = (1.0 - index / 127.0).max(1e-3).ln() / compression;
            (1.0 - exponent) * 100.0 / (EXPONENT * f64::from(SHAPING))
        };
        let segment = |s: usize| {
            let index = f64::from(segments.index[s]);
            Segment { susceptibility: [index, index + 1.0].map(susceptibility), share: movable[s] / total }
        };
        let mut states = States { segments: std::array::from_fn(segment), offset: 0.0, given: RefCell::default() };
        // The fraction that is cut off is half an index on average.
        let smooth = states.mean(|segment| (segment.index(State { quality, shaping: SHAPING }, 0.5) - 0.5).max(0.0));
        states.offset = quantiser::ln_step(quality) - smooth;
        Some(states)
    }

    /// The best state for `ln_step`, and where it is: near, known well, and not far from the default.
    pub fn nearest(&self, ln_step: f64) -> (State, f64) {
        // What was an answer is its own: from there a better one may be in sight that was not from here.
        if let Some(given) = self.given.borrow().iter().find(|(_, place)| *place == ln_step) {
            return *given;
        }
        let found = self.look_around(ln_step);
        self.given.borrow_mut().push(found);
        found
    }

    fn look_around(&self, ln_step: f64) -> (State, f64) {
        let middle = (quantiser::quality(ln_step) * 10.0).round() as i32;
        let tenths = (middle - REACH).max(0)..=(middle + REACH).min(1000);
        let qualities = tenths.map(|tenth| f64::from(tenth) / 10.0);
        let states = qualities.flat_map(|quality| SHAPINGS.map(|shaping| State { quality, shaping }));
        let mut best = (f64::INFINITY, State { quality: f64::from(middle) / 10.0, shaping: SHAPING }, ln_step);
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

    /// The step that `state` amounts to.
    pub fn ln_step(&self, state: State) -> f64 {
        self.mean(|segment| segment.index(state, 0.5).floor()) + self.offset
    }

    /// How far the step of `state` may be off.
    fn doubt(&self, state: State) -> f64 {
        let [low, high] = [0.02, 0.98].map(|place| self.mean(|segment| segment.index(state, place).floor()));
        (high - low).abs()
    }

    /// The mean of ln(step) over the segments' indices.
    fn mean(&self, index: impl Fn(&Segment) -> f64) -> f64 {
        self.segments.iter().map(|segment| segment.share * quantiser::ln_step_of(index(segment))).sum()
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
            for (segment, index) in states.segments.iter().zip(seen) {
                let ends = [0.0, 1.0].map(|place| segment.index(state, place));
                let (least, most) = (ends[0].min(ends[1]) - 1e-6, ends[0].max(ends[1]) + 1e-6);
                let seen = f64::from(index);
                assert!(least < seen + 1.0 && seen < most, "{least} to {most} at {state:?}, {seen} seen");
            }
        }
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
