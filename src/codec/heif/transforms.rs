//! What is done to a decoded picture before it is shown: the crop, then the rotation and the mirroring.

use super::Coding;
use super::meta::Meta;
use crate::codec::bytes::u32_be;
use crate::picture::Orientation;
use crate::picture::transform::Area;

impl Meta<'_> {
    /// Returns the part that is shown of an item of this size.
    pub(super) fn crop(&self, id: u32, width: u32, height: u32) -> Option<Area> {
        cropped_area(self.properties_of(id, b"clap").next()?, width, height)
    }

    /// Refuses the transforms of a HEIC in another order than crop, rotation, mirroring (MIAF s7.3.6.7), and repeated
    /// ones: readers apply them as they are listed. Those of an AVIF they apply in this order.
    pub(super) fn check_order(&self, id: u32) -> Result<(), &'static str> {
        let place = |kind: [u8; 4]| [b"clap", b"irot", b"imir"].iter().position(|known| **known == kind);
        let places = self.ordered_properties(id).filter_map(|(kind, _)| place(kind));
        match self.coding == Coding::Hevc && !places.is_sorted_by(|before, after| before < after) {
            true => Err("it is cropped, turned and mirrored in an order that is not supported"),
            false => Ok(()),
        }
    }

    /// Returns the rotation and then the mirroring of an item (MIAF s7.3.6.7: always in this order). AVIF ignores the
    /// orientation in EXIF.
    pub(super) fn orientation(&self, id: u32) -> Orientation {
        let turns = self.properties_of(id, b"irot").next().and_then(|body| body.first()).map_or(0, |turns| turns & 3);
        let mirror = self.properties_of(id, b"imir").next().and_then(|body| body.first()).map(|axis| axis & 1);
        orientation(turns, mirror)
    }
}

/// Reads `clap` (ISO/IEC 14496-12 s12.1.4): fractions of a size and of the distance between the centres. Returns `None`
/// where the part is empty or not inside a picture of `width` x `height`.
fn cropped_area(clap: &[u8], width: u32, height: u32) -> Option<Area> {
    let fraction = |at: usize| {
        let (above, below) = (u32_be(clap, at)? as i32, u32_be(clap, at + 4)?);
        (below > 0).then(|| f64::from(above) / f64::from(below))
    };
    let (across, down) = (fraction(0)?, fraction(8)?);
    let start = |side: u32, part: f64, offset: f64| (f64::from(side) - part) / 2.0 + offset;
    let (left, top) = (start(width, across, fraction(16)?), start(height, down, fraction(24)?));
    let crop = Area {
        left: left.round().max(0.0) as u32,
        top: top.round().max(0.0) as u32,
        width: across.round().max(0.0) as u32,
        height: down.round().max(0.0) as u32,
    };
    let is_inside =
        |start: u32, part: u32, side: u32| part > 0 && start.checked_add(part).is_some_and(|end| end <= side);
    (is_inside(crop.left, crop.width, width) && is_inside(crop.top, crop.height, height)).then_some(crop)
}

/// Combines `turns` quarter turns anti-clockwise with a mirroring after them: axis 0 swaps top and bottom, 1 left and
/// right.
fn orientation(turns: u8, mirror: Option<u8>) -> Orientation {
    match (turns, mirror) {
        (0, None) => Orientation::Upright,
        (1, None) => Orientation::Rotate270,
        (2, None) => Orientation::Rotate180,
        (_, None) => Orientation::Rotate90,
        (0, Some(0)) | (2, Some(1)) => Orientation::FlipVertical,
        (0, Some(_)) | (2, Some(_)) => Orientation::FlipHorizontal,
        (1, Some(0)) | (3, Some(1)) => Orientation::Transpose,
        (_, Some(_)) => Orientation::Transverse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_comes_before_the_mirroring() {
        // Where the corners of a picture end up: top left, top right, bottom left, bottom right.
        let turned = |[a, b, c, d]: [u8; 4]| [b, d, a, c];
        let mirrored = |[a, b, c, d]: [u8; 4], axis| if axis == 0 { [c, d, a, b] } else { [b, a, d, c] };
        let upright = |orientation| match orientation {
            Orientation::Upright => [1, 2, 3, 4],
            Orientation::FlipHorizontal => [2, 1, 4, 3],
            Orientation::Rotate180 => [4, 3, 2, 1],
            Orientation::FlipVertical => [3, 4, 1, 2],
            Orientation::Transpose => [1, 3, 2, 4],
            Orientation::Rotate90 => [3, 1, 4, 2],
            Orientation::Transverse => [4, 2, 3, 1],
            Orientation::Rotate270 => [2, 4, 1, 3],
        };
        for turns in 0..4u8 {
            let corners = (0..turns).fold([1, 2, 3, 4], |corners, _| turned(corners));
            assert_eq!(upright(orientation(turns, None)), corners, "{turns}");
            for axis in [0, 1] {
                assert_eq!(upright(orientation(turns, Some(axis))), mirrored(corners, axis), "{turns} {axis}");
            }
        }
    }

    #[test]
    fn a_crop_lies_around_the_centre_and_inside_the_picture() {
        let clap = |values: [i32; 8]| values.map(i32::to_be_bytes).concat();
        let crop = |left, top, width, height| Some(Area { left, top, width, height });
        assert_eq!(cropped_area(&clap([4, 1, 6, 2, 0, 1, 0, 1]), 8, 5), crop(2, 1, 4, 3));
        assert_eq!(cropped_area(&clap([4, 1, 3, 1, -4, 2, 1, 1]), 8, 5), crop(0, 2, 4, 3));
        for outside in
            [[9, 1, 3, 1, 0, 1, 0, 1], [4, 1, 3, 1, 3, 1, 0, 1], [0, 1, 3, 1, 0, 1, 0, 1], [4, 0, 3, 1, 0, 1, 0, 1]]
        {
            assert_eq!(cropped_area(&clap(outside), 8, 5), None, "{outside:?}");
        }
        assert_eq!(cropped_area(&[0; 31], 8, 5), None);
    }
}
