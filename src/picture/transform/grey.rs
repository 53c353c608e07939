//! Pictures and colours without colour.

use crate::picture::Picture;

/// Red, green and blue in the luma of sRGB (ITU-R BT.709, item 3.2), in ten-thousandths. As CSS's `grayscale()`.
const LUMA: [u32; 3] = [2126, 7152, 722];

/// Takes the colour out of `picture`. Its layout stays.
pub(super) fn without_colour(mut picture: Picture) -> Picture {
    for pixel in picture.pixels.chunks_exact_mut(picture.layout.bytes_per_pixel()) {
        let grey = grey_of([pixel[0], pixel[1], pixel[2]]);
        pixel[..3].fill(grey);
    }
    picture
}

/// The grey that is as bright as `colour` (red, green, blue).
pub fn grey_of(colour: [u8; 3]) -> u8 {
    let sum: u32 = colour.iter().zip(LUMA).map(|(value, weight)| u32::from(*value) * weight).sum();
    ((sum + 5_000) / 10_000) as u8
}

#[cfg(test)]
mod tests {
    use super::super::drawn::flat;
    use super::*;

    #[test]
    fn greys_stay_and_colours_become_their_luma() {
        for value in 0..=255 {
            assert_eq!(grey_of([value; 3]), value);
        }
        assert_eq!([[255, 0, 0], [0, 255, 0], [0, 0, 255]].map(grey_of), [54, 182, 18]);
        assert_eq!(without_colour(flat(2, 1, [255, 0, 0, 9])), flat(2, 1, [54, 54, 54, 9]));
    }
}
