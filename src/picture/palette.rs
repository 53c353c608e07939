//! Few colours in place of many, and whether a picture is still the same in them.

use std::array::from_fn;

use super::{Layout, Picture};

/// A picture as indexes into a palette of at most 256 colours.
pub(crate) struct Indexed {
    /// Red, green, blue and alpha of each colour.
    pub palette: Vec<[u8; 4]>,
    /// Rows from the top.
    pub indexes: Vec<u8>,
}

/// Pixels of red, green, blue and alpha, `width` to a row, in at most `colours` colours, 2 to 256. The error of a pixel
/// goes to its neighbours by the share `dithering`, 0 to 1.
///
/// # Errors
/// What the library says of a size or a number that it does not take.
pub(crate) fn reduce(rgba: &[u8], width: usize, colours: i32, dithering: f32) -> Result<Indexed, String> {
    let failed = |error: quantizr::Error| format!("{error:?}");
    let image = quantizr::Image::new(rgba, width, rgba.len() / 4 / width.max(1)).map_err(failed)?;
    let mut options = quantizr::Options::default();
    options.set_max_colors(colours).map_err(failed)?;
    let mut result = quantizr::QuantizeResult::quantize(&image, &options);
    result.set_dithering_level(dithering).map_err(failed)?;
    let mut indexes = vec![0; rgba.len() / 4];
    result.remap_image(&image, &mut indexes).map_err(failed)?;
    let found = result.get_palette();
    let entries = &found.entries[..found.count as usize];
    Ok(Indexed { palette: entries.iter().map(|colour| [colour.r, colour.g, colour.b, colour.a]).collect(), indexes })
}

/// `picture`, which has no alpha channel, in at most `colours` colours, without dithering.
///
/// # Errors
/// As [`reduce`].
pub(crate) fn in_colours(picture: &Picture, colours: i32) -> Result<Picture, String> {
    let Indexed { palette, indexes } = reduce(&rgba(picture), picture.width() as usize, colours, 0.0)?;
    let mut pixels = vec![0; 3 * indexes.len()];
    for (pixel, index) in pixels.as_chunks_mut().0.iter_mut().zip(indexes) {
        let [red, green, blue, _] = palette[usize::from(index)];
        *pixel = [red, green, blue];
    }
    Ok(Picture::new(picture.width(), picture.height(), Layout::Rgb, pixels))
}

/// The pixels of a picture without an alpha channel, with one.
pub(crate) fn rgba(picture: &Picture) -> Vec<u8> {
    let (pixels, _) = picture.pixels().as_chunks();
    let mut rgba = vec![u8::MAX; 4 * pixels.len()];
    for (to, [red, green, blue]) in rgba.as_chunks_mut().0.iter_mut().zip(pixels) {
        *to = [*red, *green, *blue, u8::MAX];
    }
    rgba
}

/// Levels by which the mean colour of a smooth block may change, and the tint of any block.
const LARGEST_SHIFT: i32 = 24;

/// Levels between the darkest and the lightest pixel of a smooth block, at most.
const SMOOTH: u8 = 64;

/// Share of the blocks that may change by more in brightness, and in tint: a red stamp is a small part of a page.
const LOST_SHARE: f64 = 0.005;
const LOST_TINTS: f64 = 0.0003;

/// Side of a block, in pixels.
const BLOCK: usize = 8;

/// Bytes of a row of a block.
const ROW_BYTES: usize = 3 * BLOCK;

/// Whether areas keep their colours, and letters their tint, in `reduced`, which is `original` in fewer colours. Where
/// a dark bar becomes lighter or a red stamp grey, it is another picture, however sharp its letters are. Neither has an
/// alpha channel.
pub(crate) fn is_faithful(original: &Picture, reduced: &Picture) -> bool {
    let (width, height) = (original.width() as usize / BLOCK, original.height() as usize / BLOCK);
    let corners = (0..width * height).map(|index| (index % width * BLOCK, index / width * BLOCK));
    let (mut areas, mut tints) = (0, 0);
    for corner in corners {
        let shift = Shift::of(original, reduced, corner);
        areas += usize::from(shift.is_smooth && shift.channel > LARGEST_SHIFT);
        tints += usize::from(shift.tint > LARGEST_SHIFT);
    }
    let share = |blocks: usize| blocks as f64 / (width * height).max(1) as f64;
    share(areas) <= LOST_SHARE && share(tints) <= LOST_TINTS
}

/// By how many levels the mean colour of a block changes.
struct Shift {
    /// The most in a channel.
    channel: i32,
    /// The difference between channels.
    tint: i32,
    is_smooth: bool,
}

impl Shift {
    fn of(original: &Picture, reduced: &Picture, (left, top): (usize, usize)) -> Shift {
        let width = original.width() as usize;
        // One for each byte of a row, so that all are added and compared at once.
        let (mut sums, mut darkest, mut lightest) = ([0; ROW_BYTES], [u8::MAX; ROW_BYTES], [0; ROW_BYTES]);
        for row in top..top + BLOCK {
            let start = (row * width + left) * 3;
            let [before, after] = [original, reduced].map(|picture| &picture.pixels()[start..start + ROW_BYTES]);
            for byte in 0..ROW_BYTES {
                sums[byte] += i16::from(after[byte]) - i16::from(before[byte]);
                darkest[byte] = darkest[byte].min(before[byte]);
                lightest[byte] = lightest[byte].max(before[byte]);
            }
        }
        let of_channel = |channel: usize| (channel..ROW_BYTES).step_by(3);
        let darkest = of_channel(1).map(|byte| darkest[byte]).fold(u8::MAX, u8::min);
        let lightest = of_channel(1).map(|byte| lightest[byte]).fold(0, u8::max);
        let sums: [i32; 3] = from_fn(|channel| of_channel(channel).map(|byte| i32::from(sums[byte])).sum());
        let [red, green, blue] = sums.map(|sum| sum / (BLOCK * BLOCK) as i32);
        Shift {
            channel: red.abs().max(green.abs()).max(blue.abs()),
            tint: red.max(green).max(blue) - red.min(green).min(blue),
            is_smooth: lightest - darkest < SMOOTH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters of a colour on white below a bar of another.
    fn page(bar: [u8; 3], letters: [u8; 3]) -> Picture {
        let colour = |x: usize, y: usize| match (y < 16, x % 9 < 3 && y % 14 < 10) {
            (true, _) => bar,
            (false, true) => letters,
            (false, false) => [255; 3],
        };
        let pixels = (0..160 * 160).flat_map(|index| colour(index % 160, index / 160));
        Picture::new(160, 160, Layout::Rgb, pixels.collect())
    }

    #[test]
    fn areas_keep_their_colours_and_letters_their_tint() {
        let (black, white) = ([0; 3], [255; 3]);
        let of_text = page(white, black);
        for (original, reduced, is_kept) in [
            (&of_text, page([250; 3], [40; 3]), true),
            (&page([30; 3], black), page([120; 3], black), false),
            (&page(white, [0, 60, 230]), page(white, [80; 3]), false),
            (&page(white, [0, 60, 230]), page(white, [0, 60, 200]), true),
        ] {
            assert_eq!(is_faithful(original, &reduced), is_kept);
        }
    }
}
