//! The settings between which an encoder crosses the best size.

use super::encoder::{NUDGES, SearchedEncoder};

/// The range of `x` that can hold the state of the best size.
pub(super) struct Bracket {
    pub(super) finest: f64,
    pub(super) coarsest: f64,
    /// The coarsest `x` whose file is larger than the best size.
    pub(super) over: Option<f64>,
    /// The finest `x`, coarser than that, whose file is not.
    pub(super) fits: Option<f64>,
    tried: Vec<f64>,
}

impl Bracket {
    pub(super) fn new<E: SearchedEncoder>(encoder: &E) -> Bracket {
        let range = encoder.range();
        let (finest, coarsest) = (encoder.snap(*range.start()), encoder.snap(*range.end()));
        Bracket { finest, coarsest, over: None, fits: None, tried: Vec::new() }
    }

    pub(super) fn note(&mut self, x: f64, fits: bool) {
        self.tried.push(x);
        // On flat art sizes are not monotone. What contradicts the bracket is ignored.
        if fits && self.over.is_none_or(|over| x > over) {
            self.fits = Some(self.fits.map_or(x, |known| known.min(x)));
        } else if !fits && self.fits.is_none_or(|known| x < known) {
            self.over = Some(self.over.map_or(x, |known| known.max(x)));
        }
    }

    pub(super) fn low(&self) -> f64 {
        self.over.unwrap_or(self.finest)
    }

    pub(super) fn high(&self) -> f64 {
        self.fits.unwrap_or(self.coarsest)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.over.is_some() && self.fits.is_some()
    }

    /// Whether no state that is left is worth an encode.
    pub(super) fn is_narrow(&self) -> bool {
        self.is_closed() && self.high() - self.low() < NARROW
    }

    pub(super) fn middle(&self) -> f64 {
        (self.low() + self.high()) / 2.0
    }

    /// A state inside the bracket that was not tried: the suggestion, one a little inward of it, the middle, or an open
    /// end. Returns `None` when none is left.
    pub(super) fn untried<E: SearchedEncoder>(&self, encoder: &E, suggestion: f64) -> Option<f64> {
        // A suggestion that was tried is an end of the bracket. Inward is away from it.
        let inward = if suggestion - self.low() < self.high() - suggestion { 1.0 } else { -1.0 };
        let beside = NUDGES.map(|nudge| suggestion + inward * nudge);
        let open_ends = [self.over.is_none().then_some(self.finest), self.fits.is_none().then_some(self.coarsest)];
        [suggestion]
            .into_iter()
            .chain(beside)
            .chain([self.middle()])
            .map(|x| encoder.snap(x.clamp(self.low(), self.high())))
            .chain(open_ends.into_iter().flatten())
            .find(|state| (self.low()..=self.high()).contains(state) && !self.tried.contains(state))
    }
}

/// ln(step) that changes the size by half a percent.
const NARROW: f64 = 0.006;
