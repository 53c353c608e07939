//! Lays pictures on a background.

use std::borrow::Cow;

use crate::picture::{Layout, Picture};

/// Lays `picture` on an opaque `background` (red, green, blue) and drops the alpha channel.
pub fn flatten(picture: &Picture, background: [u8; 3]) -> Picture {
    flattened(picture, background).into_owned()
}

/// [`flatten`] that does not copy a picture without alpha.
pub(in crate::picture) fn flattened(picture: &Picture, background: [u8; 3]) -> Cow<'_, Picture> {
    if !picture.has_alpha() {
        return Cow::Borrowed(picture);
    }
    let (source, _) = picture.pixels.as_chunks::<4>();
    let mut pixels = vec![[0; 3]; source.len()];
    for (laid, &[red, green, blue, alpha]) in pixels.iter_mut().zip(source) {
        *laid = [mix(red, background[0], alpha), mix(green, background[1], alpha), mix(blue, background[2], alpha)];
    }
    Cow::Owned(Picture::new(picture.width, picture.height, Layout::Rgb, pixels.into_flattened()))
}

/// `over` on `under` at `alpha` of 255, rounded to nearest (255 is odd: there are no ties).
fn mix(over: u8, under: u8, alpha: u8) -> u8 {
    let alpha = u32::from(alpha);
    ((u32::from(over) * alpha + u32::from(under) * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{flat, letters};
    use super::*;

    #[test]
    fn flattening_rounds_to_the_nearest_value() {
        for alpha in 0..=255_u8 {
            for (over, under) in [(0, 255), (255, 0), (200, 13), (7, 9), (255, 255)] {
                let exact =
                    f64::from(over) * f64::from(alpha) / 255.0 + f64::from(under) * f64::from(255 - alpha) / 255.0;
                let laid = flatten(&flat(1, 1, [over, over, over, alpha]), [under; 3]);
                assert_eq!(laid.pixels, [exact.round() as u8; 3], "{over} over {under} at {alpha}");
            }
        }
    }

    #[test]
    fn an_opaque_picture_flattens_to_itself() {
        let picture = letters(&["abc", "def"]);
        assert_eq!(flatten(&picture, [1, 2, 3]), picture);
    }
}
