//! A curve that is dear to ask: asked at the points of a grid, once each, and read between them. Must not know what
//! it stands for.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Distance of the grid's points, in ln(step): counts bend little over an eighth, while between steps that differ by
/// a percent they only show the grain of whole-number thresholds.
const SPACING: f64 = 0.125;

/// The points of a curve that were asked for so far.
#[derive(Debug, Default)]
pub struct Curve(RefCell<BTreeMap<i64, f64>>);

impl Curve {
    /// The curve at `x`, on the straight line between the two points next to it, each from `value_at`.
    pub fn read(&self, x: f64, value_at: impl Fn(f64) -> f64) -> f64 {
        let left = (x / SPACING).floor();
        let at = |point: f64| *self.0.borrow_mut().entry(point as i64).or_insert_with(|| value_at(point * SPACING));
        let (low, high) = (at(left), at(left + 1.0));
        low + (high - low) * (x / SPACING - left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_asked_for_once_and_a_line_is_read_as_it_is() {
        let curve = Curve::default();
        let asked = RefCell::new(Vec::new());
        let line = |x: f64| {
            asked.borrow_mut().push(x);
            3.0 - 2.0 * x
        };
        for x in [-0.3, -0.26, 0.0, 0.1, 1.0] {
            assert!((curve.read(x, line) - (3.0 - 2.0 * x)).abs() < 1e-12, "{x}");
        }
        let mut once = asked.borrow().clone();
        once.sort_by(f64::total_cmp);
        once.dedup();
        assert_eq!(once.len(), asked.borrow().len());
    }
}
