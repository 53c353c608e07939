//! The states of libaom that are used, from the coarsest to the finest: a quantiser index, and the quantiser matrices
//! that look best with it.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use super::super::quantiser;

/// A quantiser setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct State {
    /// ln of the step that would take as many bytes at [`STEEPEST`]. States are in the order of it.
    pub ln_step: f64,
    /// 1 to 255.
    pub index: u8,
    /// Which quantiser matrices, 0 (steep) to 15 (flat).
    pub level: u8,
}

/// The level of coarse quantisers: docs/model.md, AVIF.
const STEEPEST: u8 = 2;

/// The level of the finest: from a score of 88 on, steeper ones cost more than they save.
const FLATTEST: u8 = 10;

/// Where [`STEEPEST`] ends, at a score of about 80, and levels for each unit of ln(step) from there on.
const RAMP: (f64, f64) = (1.5, 9.4);

/// How much coarser a step has to be, in ln(step), to take as many bytes with matrices that are one level flatter. A
/// level adds 5.2 % of bytes, a per cent of step takes 0.71 % away.
const LN_STEP_OF_LEVEL: f64 = 0.073;

static STATES: LazyLock<Vec<State>> = LazyLock::new(|| {
    let all = (1..=u8::MAX).flat_map(|index| (STEEPEST..=FLATTEST).map(move |level| State::new(index, level)));
    let mut states: Vec<State> = all.filter(|state| state.level == level_at(state.ln_step)).collect();
    states.sort_by(|one, other| one.ln_step.total_cmp(&other.ln_step));
    states
});

impl State {
    fn new(index: u8, level: u8) -> State {
        let ln_step = quantiser::ln_step(index) - LN_STEP_OF_LEVEL * f64::from(level - STEEPEST);
        State { ln_step, index, level }
    }

    /// The state nearest to `ln_step`.
    pub(super) fn nearest(ln_step: f64) -> State {
        let above = STATES.partition_point(|state| state.ln_step < ln_step).min(STATES.len() - 1);
        let below = above.saturating_sub(1);
        let nearer_below = ln_step - STATES[below].ln_step < STATES[above].ln_step - ln_step;
        STATES[if nearer_below { below } else { above }]
    }

    /// `ln_step` of the finest and of the coarsest state.
    pub(super) fn range() -> RangeInclusive<f64> {
        STATES[0].ln_step..=STATES[STATES.len() - 1].ln_step
    }
}

fn level_at(ln_step: f64) -> u8 {
    let above = (RAMP.0 - ln_step) * RAMP.1;
    STEEPEST + above.round().clamp(0.0, f64::from(FLATTEST - STEEPEST)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_nearest_to_itself() {
        for state in STATES.iter() {
            assert_eq!(State::nearest(state.ln_step), *state);
        }
    }

    #[test]
    fn states_lie_close_and_reach_from_end_to_end() {
        let (finest, coarsest) = (STATES[0], STATES[STATES.len() - 1]);
        assert_eq!((finest.index, finest.level), (1, FLATTEST));
        assert_eq!((coarsest.index, coarsest.level), (255, STEEPEST));
        // At the fine end the quantiser's own steps are whole numbers from 8 on.
        for pair in STATES.windows(2).filter(|pair| pair[0].ln_step > 0.5) {
            let gap = pair[1].ln_step - pair[0].ln_step;
            assert!(gap > 0.0 && gap < 0.05, "{:?} to {:?}", pair[0], pair[1]);
        }
    }
}
