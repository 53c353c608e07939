//! A falling curve whose values take long to compute. Each point of a grid is computed once. Values between them are
//! interpolated.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Distance between grid points, in ln(step). Counts are nearly straight over an eighth. Between steps that differ by a
/// percent they jump, because thresholds are whole numbers.
const SPACING: f64 = 0.125;

/// The points computed so far. None is higher than the one to its left.
#[derive(Debug, Default)]
pub struct Curve(RefCell<BTreeMap<i64, f64>>);

impl Curve {
    /// Returns the curve at `x`, interpolated between the two nearest grid points, which `value_at` computes.
    pub fn read(&self, x: f64, value_at: impl Fn(f64) -> f64) -> f64 {
        let left = (x / SPACING).floor();
        let part = x / SPACING - left;
        let at = |point: f64| self.at(point as i64, || value_at(point * SPACING));
        let low = at(left);
        if part == 0.0 { low } else { low + (at(left + 1.0) - low) * part }
    }

    /// Returns the grid point nearest to `x`, where one value is computed instead of two.
    pub fn nearest_point(x: f64) -> f64 {
        (x / SPACING).round() * SPACING
    }

    /// Returns the value of a grid point. A model may rise outside the range that it was fitted to. Such a point gets
    /// the value of its neighbour.
    fn at(&self, point: i64, value: impl FnOnce() -> f64) -> f64 {
        let mut known = self.0.borrow_mut();
        if let Some(value) = known.get(&point) {
            return *value;
        }
        let highest = known.range(..point).next_back().map_or(f64::INFINITY, |(_, value)| *value);
        let lowest = known.range(point..).next().map_or(f64::NEG_INFINITY, |(_, value)| *value);
        let value = value().clamp(lowest, highest);
        known.insert(point, value);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_computed_once_and_a_line_is_reproduced() {
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

    #[test]
    fn a_rising_part_becomes_flat() {
        let curve = Curve::default();
        let bowl = |x: f64| (x - 1.0) * (x - 1.0);
        let asked = [0.0, 2.0, 0.5, 1.5, 1.0, 0.7];
        for x in asked {
            curve.read(x, bowl);
        }
        let mut sorted = asked.to_vec();
        sorted.sort_by(f64::total_cmp);
        let read: Vec<f64> = sorted.iter().map(|x| curve.read(*x, bowl)).collect();
        assert!(read.is_sorted_by(|left, right| left >= right), "{read:?}");
        assert_eq!(read[0], 1.0);
    }
}
