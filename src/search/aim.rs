//! The size that a search aims at, and the sizes that end it.

/// The size that a search aims at, and the sizes that end it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aim {
    /// The most bytes that the answer may have.
    pub cap: u64,
    /// The best size: the cap itself, or a size below it. Then the answer may be larger or smaller than that.
    pub best: u64,
    /// Whether the search goes on until it has tried the states on both sides of the best size.
    pub is_for_nearest: bool,
    /// The fewest bytes that end the search.
    pub good_enough: u64,
    /// Where the search aims, from `good_enough` (0) to the cap (1).
    pub position: f64,
    /// The share of the best size by which `good_enough` falls for each encode after the first.
    pub loss_per_encode: f64,
    /// The most encodes. A search that has nothing by then tries the coarsest state.
    pub max_encodes: u32,
}

impl Aim {
    /// At most `cap` bytes. The last 3 % below the cap are good enough, and 3 % more with every further encode.
    pub fn below(cap: u64) -> Aim {
        let good_enough = share_of(cap, 0.97);
        Aim {
            cap,
            best: cap,
            is_for_nearest: false,
            good_enough,
            position: POSITION,
            loss_per_encode: 0.03,
            max_encodes: MAX_ENCODES,
        }
    }

    /// As near to `target` as possible, at most `tolerance` bytes above it.
    pub fn around(target: u64, tolerance: u64) -> Aim {
        Aim {
            cap: target.saturating_add(tolerance),
            best: target,
            is_for_nearest: true,
            good_enough: target,
            position: 0.5,
            loss_per_encode: 0.0,
            max_encodes: MAX_ENCODES,
        }
    }

    /// The same with another `good_enough`, a share of the cap, and another `position`.
    pub fn within(&self, good_enough: f64, position: f64) -> Aim {
        Aim { good_enough: share_of(self.cap, good_enough), position, ..*self }
    }

    /// The same for a search that may have no time for a second encode: so low that the model's error does not reach
    /// the cap, and whatever fits is good enough.
    pub fn at_once(&self) -> Aim {
        self.within(AT_ONCE_LEAST, AT_ONCE_POSITION)
    }

    /// The same for a part of the picture that has this `share` of its pixels.
    pub fn for_share(&self, share: f64) -> Aim {
        let part = |bytes: u64| (bytes as f64 * share) as u64;
        let [cap, best, good_enough] = [self.cap, self.best, self.good_enough].map(part);
        Aim { cap, best, good_enough, ..*self }
    }

    /// ln(bytes) to aim at after `encodes`. After two encodes that missed the model is not to be trusted, so the goal
    /// falls with `good_enough`.
    pub(crate) fn ln_goal(&self, encodes: usize) -> f64 {
        let (low, high) = (self.least_good_enough(encodes.max(1)) as f64, self.most_good_enough() as f64);
        (low + (high - low) * self.position).max(1.0).ln()
    }

    pub(super) fn is_good_enough(&self, bytes: u64, encodes: usize) -> bool {
        (self.least_good_enough(encodes)..=self.most_good_enough()).contains(&bytes)
    }

    /// The fewest bytes that end the search after `encodes`, which are at least one.
    fn least_good_enough(&self, encodes: usize) -> u64 {
        let given_up = self.best as f64 * self.loss_per_encode * (encodes - 1) as f64;
        self.good_enough.saturating_sub(given_up as u64)
    }

    /// The most bytes that end the search: the cap, or as far above the best size as `good_enough` is below it.
    fn most_good_enough(&self) -> u64 {
        if self.best == self.cap { self.cap } else { self.best + (self.best - self.good_enough.min(self.best)) }
    }
}

fn share_of(cap: u64, share: f64) -> u64 {
    (cap as f64 * share).ceil() as u64
}

/// The usual position: it leaves fewer bytes unused than the middle, for no more encodes (docs/model.md).
const POSITION: f64 = 0.6;

/// The most encodes. Secants rarely need more than four; bisections then halve what is left.
pub(super) const MAX_ENCODES: u32 = 12;

/// The fewest bytes that end a search which may have no second encode, as a share of the cap, and its goal between
/// those and the cap: 85 % of the cap, further below it than the error of the model in 95 of 100 files (docs/model.md).
const AT_ONCE_LEAST: f64 = 0.5;
const AT_ONCE_POSITION: f64 = 0.7;
