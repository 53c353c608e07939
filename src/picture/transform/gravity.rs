//! Which part of a picture stays where it is cropped, and where it lies where it is padded.

use serde::{Deserialize, Serialize};

/// The place in a picture that matters most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Gravity {
    /// A point, in shares of the sides: 0 is left or top, 1 right or bottom.
    Point {
        /// From the left, 0 to 1.
        x: f64,
        /// From the top, 0 to 1.
        y: f64,
    },
    /// Where detail, skin and strong colours are; the centre where a picture is padded.
    Smart,
}

impl Default for Gravity {
    /// The centre.
    fn default() -> Gravity {
        Gravity::Point { x: 0.5, y: 0.5 }
    }
}

impl Gravity {
    /// Where the left top corner of a picture of `size` lies on a canvas at least as large.
    pub(super) fn place_of(self, size: (u32, u32), canvas: (u32, u32)) -> (u32, u32) {
        let (x, y) = match self {
            Gravity::Point { x, y } => (x, y),
            Gravity::Smart => (0.5, 0.5),
        };
        let place = |free: u32, share: f64| (f64::from(free) * share) as u32;
        (place(canvas.0 - size.0, x), place(canvas.1 - size.1, y))
    }
}
