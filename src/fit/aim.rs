//! Where a search is to land, and when it is content.

/// Where to land.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aim {
    /// Bytes that the answer may not pass.
    pub cap: u64,
    /// Bytes that are best: the cap itself, or a size below it that the answer may fall to either side of.
    pub best: u64,
    /// Bytes below which nothing is an answer.
    pub least: u64,
    /// Bytes from which on the search is content, up to the cap.
    pub content: u64,
    /// Where between those and the cap it steers, 0 to 1.
    pub way: f64,
    /// Share of the bytes that it is content to lose for each encode after the first.
    pub impatience: f64,
    /// Encodes after which the search ends with what it has, or, when it has nothing, with the coarsest state.
    pub max_encodes: u32,
}

impl Aim {
    /// At most `cap` bytes, content within 3 % below, and with 3 % less for every further encode.
    pub fn below(cap: u64) -> Aim {
        let content = share_of(cap, 0.97);
        Aim { cap, best: cap, least: 0, content, way: WAY, impatience: 0.03, max_encodes: MAX_ENCODES }
    }

    /// As near to `target` as can be, at most `tolerance` bytes to either side, content within a tenth of that.
    pub fn around(target: u64, tolerance: u64) -> Aim {
        let content = target.saturating_sub(tolerance / 10);
        let (least, cap) = (target.saturating_sub(tolerance), target.saturating_add(tolerance));
        Aim { cap, best: target, least, content, way: 0.5, impatience: 0.0, max_encodes: MAX_ENCODES }
    }

    /// The same, content with this share of the cap, and steered so far up from there.
    pub fn steered(&self, content: f64, way: f64) -> Aim {
        Aim { content: share_of(self.cap, content), way, ..*self }
    }

    /// The same for a part of the picture, of this share of its pixels.
    pub fn for_share(&self, share: f64) -> Aim {
        let part = |bytes: u64| (bytes as f64 * share) as u64;
        let [cap, best, least, content] = [self.cap, self.best, self.least, self.content].map(part);
        Aim { cap, best, least, content, ..*self }
    }

    /// ln(bytes) to steer at after `encodes`, among those that it is content with. Where two encodes have missed the states
    /// are not where they seem: from then on it steers at less.
    pub(super) fn ln_goal(&self, encodes: usize) -> f64 {
        let (low, high) = (self.content_after(encodes.max(1)) as f64, self.content_upper() as f64);
        (low + (high - low) * self.way).max(1.0).ln()
    }

    pub(super) fn is_content(&self, bytes: u64, encodes: usize) -> bool {
        (self.content_after(encodes)..=self.content_upper()).contains(&bytes)
    }

    /// The fewest bytes that the search is content with after this many encodes, at least one.
    fn content_after(&self, encodes: usize) -> u64 {
        let given_up = self.best as f64 * self.impatience * (encodes - 1) as f64;
        self.content.saturating_sub(given_up as u64)
    }

    /// The most bytes that the search is content with: the cap, or as far above the best size as below it.
    fn content_upper(&self) -> u64 {
        if self.best == self.cap { self.cap } else { self.best + (self.best - self.content.min(self.best)) }
    }
}

fn share_of(cap: u64, share: f64) -> u64 {
    (cap as f64 * share).ceil() as u64
}

/// Way up below a cap. The middle leaves 1.7 % of the cap in the median, this 1.4 % for no more encodes (JPEG, 36 photographs
/// at five targets).
const WAY: f64 = 0.6;

/// Encodes at the most: secants land within four, bisection then halves what is left.
pub(super) const MAX_ENCODES: u32 = 12;
