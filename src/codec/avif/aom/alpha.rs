//! The alpha plane of an AVIF file: how finely it is coded, with which tools, and what it takes.

use super::super::quantiser;
use super::planes::Planes;
use super::states::State;
use crate::codec::EncodeError;
use crate::codec::rate;
use crate::picture::{Chroma, Picture};

/// The quantiser index down to which the plane is coded like the colour. Beyond it, its index rises more slowly: errors
/// at the edges of masks are seen first.
const COARSE: u8 = 60;

/// At most about so many pixels are measured.
const SAMPLED_PIXELS: u64 = 500_000;

/// By how much ln(bytes) of a plane falls for each unit of ln(step): .25 for masks with hard edges, .63 for soft ones.
const SLOPE: f64 = 0.45;

/// An alpha plane.
pub(super) struct Alpha {
    pub planes: Planes,
    /// Whether the tools for text and flat art make it smaller: masks with hard edges take a quarter less with a third
    /// of the error, soft shadows four times as much.
    pub screen: bool,
    /// Bytes that the plane is expected to take at [`COARSE`].
    bytes: f64,
}

impl Alpha {
    /// Returns `None` for a picture without alpha. `encode` codes planes at a state, with the tools for text or
    /// without.
    ///
    /// # Errors
    /// Those of `encode`.
    pub(super) fn of(
        picture: &Picture,
        encode: impl Fn(&Planes, State, bool) -> Result<Vec<u8>, EncodeError>,
    ) -> Result<Option<Alpha>, EncodeError> {
        let Some(planes) = Planes::of_alpha(picture) else { return Ok(None) };
        let strips = rate::strips(picture, Chroma::Halved, rate::rows_for(picture, SAMPLED_PIXELS));
        let part = strips.as_ref().and_then(Planes::of_alpha);
        let sample = part.as_ref().unwrap_or(&planes);
        let state = State { index: COARSE, ..State::nearest(quantiser::ln_step(COARSE)) };
        let [usual, screen] = [false, true].map(|screen| encode(sample, state, screen).map(|file| file.len() as f64));
        let (usual, screen) = (usual?, screen?);
        let share = f64::from(sample.height) / f64::from(planes.height);
        Ok(Some(Alpha { planes, screen: screen < usual, bytes: screen.min(usual) / share }))
    }

    /// The state of the plane beside colour at `colour`.
    pub(super) fn state_beside(colour: State) -> State {
        State { index: colour.index.min(COARSE + colour.index.saturating_sub(COARSE) / 4 * 3), ..colour }
    }

    /// Bytes that the plane is expected to take beside colour at this state.
    pub(super) fn bytes_beside(&self, colour: State) -> f64 {
        let coarser = quantiser::ln_step(Alpha::state_beside(colour).index) - quantiser::ln_step(COARSE);
        self.bytes * (-SLOPE * coarser).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_follows_the_colour_and_then_falls_behind() {
        let beside = |index| Alpha::state_beside(State { index, ..State::nearest(1.0) }).index;
        assert_eq!([1, 60, 61, 62, 160, 255].map(beside), [1, 60, 60, 60, 135, 204]);
    }
}
