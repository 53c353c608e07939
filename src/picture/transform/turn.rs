//! Turns that are asked for, as one of the eight orientations.

use crate::named::named;
use crate::picture::Orientation;

named! {
    /// A turn clockwise, in degrees.
    #[derive(Default)]
    pub enum Rotation {
        /// None.
        #[default]
        None = "0",
        /// A quarter turn.
        Quarter = "90",
        /// Half a turn.
        Half = "180",
        /// Three quarters of a turn.
        ThreeQuarters = "270",
    }
}

named! {
    /// A mirroring.
    #[derive(Default)]
    pub enum Flip {
        /// None.
        #[default]
        None = "none",
        /// Left to right.
        Horizontal = "horizontal",
        /// Top to bottom.
        Vertical = "vertical",
    }
}

/// The turn that rotates first and flips after that.
pub(super) fn turn(rotation: Rotation, flip: Flip) -> Orientation {
    match (rotation, flip) {
        (Rotation::None, Flip::None) => Orientation::Upright,
        (Rotation::None, Flip::Horizontal) | (Rotation::Half, Flip::Vertical) => Orientation::FlipHorizontal,
        (Rotation::None, Flip::Vertical) | (Rotation::Half, Flip::Horizontal) => Orientation::FlipVertical,
        (Rotation::Half, Flip::None) => Orientation::Rotate180,
        (Rotation::Quarter, Flip::None) => Orientation::Rotate90,
        (Rotation::ThreeQuarters, Flip::None) => Orientation::Rotate270,
        (Rotation::Quarter, Flip::Horizontal) | (Rotation::ThreeQuarters, Flip::Vertical) => Orientation::Transpose,
        (Rotation::Quarter, Flip::Vertical) | (Rotation::ThreeQuarters, Flip::Horizontal) => Orientation::Transverse,
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawn::letters;
    use super::super::orient;
    use super::*;

    #[test]
    fn a_picture_is_rotated_clockwise_and_then_flipped() {
        let turned = |rotation, flip| orient(letters(&["abc", "def"]), turn(rotation, flip));
        let quarters: [&[&str]; 4] = [&["abc", "def"], &["da", "eb", "fc"], &["fed", "cba"], &["cf", "be", "ad"]];
        for (rotation, rows) in Rotation::ALL.iter().zip(quarters) {
            let rotated = letters(rows);
            assert_eq!(turned(*rotation, Flip::None), rotated, "{rotation:?}");
            let mirrored = orient(rotated.clone(), Orientation::FlipHorizontal);
            assert_eq!(turned(*rotation, Flip::Horizontal), mirrored, "{rotation:?}");
            assert_eq!(turned(*rotation, Flip::Vertical), orient(rotated, Orientation::FlipVertical), "{rotation:?}");
        }
    }
}
