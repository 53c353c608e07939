//! Where a search is to land, and when it is content.

/// Where to land.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aim {
    /// Bytes that the answer may not pass.
    pub cap: u64,
    /// Bytes that are best: the cap itself, or a size below it that the answer may fall to either side of.
    pub best: u64,
    /// Whether the size nearest to the best is wanted: then the search goes on until it has seen the states beside it.
    pub is_for_nearest: bool,
    /// Bytes from which on the search is content, up to the cap.
    pub good_enough: u64,
    /// Where between those and the cap it steers, 0 to 1.
    pub position: f64,
    /// Share of the bytes that it is content to lose for each encode after the first.
    pub loss_per_encode: f64,
    /// Encodes after which the search ends with what it has, or, when it has nothing, with the coarsest state.
    pub max_encodes: u32,
}

impl Aim {
    /// At most `cap` bytes, content within 3 % below, and with 3 % less for every further encode.
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

    /// As near to `target` as can be, at most `tolerance` bytes above it.
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

    /// The same, content with this share of the cap, and steered so far up from there.
    pub fn within(&self, good_enough: f64, position: f64) -> Aim {
        Aim { good_enough: share_of(self.cap, good_enough), position, ..*self }
    }

    /// The same for a part of the picture, of this share of its pixels.
    pub fn for_share(&self, share: f64) -> Aim {
        let part = |bytes: u64| (bytes as f64 * share) as u64;
        let [cap, best, good_enough] = [self.cap, self.best, self.good_enough].map(part);
        Aim { cap, best, good_enough, ..*self }
    }

    /// ln(bytes) to steer at after `encodes`, among those that it is content with. Where two encodes have missed the states
    /// are not where they seem: from then on it steers at less.
    pub(super) fn ln_goal(&self, encodes: usize) -> f64 {
        let (low, high) = (self.least_good_enough(encodes.max(1)) as f64, self.most_good_enough() as f64);
        (low + (high - low) * self.position).max(1.0).ln()
    }

    pub(super) fn is_good_enough(&self, bytes: u64, encodes: usize) -> bool {
        (self.least_good_enough(encodes)..=self.most_good_enough()).contains(&bytes)
    }

    /// The fewest bytes that the search is content with after this many encodes, at least one.
    fn least_good_enough(&self, encodes: usize) -> u64 {
        let given_up = self.best as f64 * self.loss_per_encode * (encodes - 1) as f64;
        self.good_enough.saturating_sub(given_up as u64)
    }

    /// The most bytes that the search is content with: the cap, or as far above the best size as below it.
    fn most_good_enough(&self) -> u64 {
        if self.best == self.cap { self.cap } else { self.best + (self.best - self.good_enough.min(self.best)) }
    }
}

fn share_of(cap: u64, share: f64) -> u64 {
    (cap as f64 * share).ceil() as u64
}

/// Way up below a cap. The middle leaves 1.7 % of the cap in the median, this 1.4 % for no more encodes (JPEG, 36 photographs
/// at five targets).
const POSITION: f64 = 0.6;

/// Encodes at the most: secants land within four, bisection then halves what is left.
pub(super) const MAX_ENCODES: u32 = 12;
