//! Planes of luma and chroma (YCbCr, BT.601): chroma at half the samples across and down (4:2:0), at constant
//! luminance, and whole.
//!
//! Plain averaging changes how bright the edges of colours look: a mean of signal values is darker than the light that
//! it stands for, and luma keeps the values that went with the chroma of each pixel. So chroma is that of the mean in
//! linear light, and luma is then changed until the decoded pixel has the luminance of the original. docs/model.md,
//! Chroma, says what that gains.

use multiversion::multiversion;

use super::{Layout, Picture};

/// How samples of 8 bits stand for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleRange {
    /// 0 to 255: JPEG (T.871), AVIF as it is written here.
    Full,
    /// 16 to 235 for luma, 16 to 240 for chroma: WebP (RFC 9649).
    Limited,
}

impl SampleRange {
    /// What a level of luma and of chroma is multiplied by, and what is then added.
    fn scales(self) -> [(f32, f32); 2] {
        match self {
            SampleRange::Full => [(1.0, 0.0), (1.0, 128.0)],
            SampleRange::Limited => [(219.0 / 255.0, 16.0), (224.0 / 255.0, 128.0)],
        }
    }
}

/// The planes of a picture in YCbCr (BT.601) at 4:2:0, row after row without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalvedPlanes {
    /// Of the picture, in pixels.
    pub width: u32,
    /// Of the picture, in pixels.
    pub height: u32,
    /// One sample for each pixel.
    pub luma: Vec<u8>,
    /// Blue difference and red difference, one sample for each two by two pixels.
    pub chroma: [Vec<u8>; 2],
}

impl HalvedPlanes {
    /// The colour of `picture`; its alpha is left out.
    pub fn of(picture: &Picture, range: SampleRange) -> HalvedPlanes {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let plane = || vec![0; width.div_ceil(2) * height.div_ceil(2)];
        let mut planes = HalvedPlanes {
            width: picture.width(),
            height: picture.height(),
            luma: vec![0; width * height],
            chroma: [plane(), plane()],
        };
        let [luma_scale, chroma_scale] = range.scales();
        let mut halver = ChromaHalver::new(picture);
        for (at, rows) in planes.luma.chunks_mut(2 * width).enumerate() {
            let halved = halver.pair(at);
            for (row, levels) in rows.chunks_exact_mut(width).zip(halved.luma) {
                write_samples(levels, luma_scale, row);
            }
            for (plane, levels) in planes.chroma.iter_mut().zip(halved.chroma) {
                write_samples(levels, chroma_scale, &mut plane[at * levels.len()..][..levels.len()]);
            }
        }
        planes
    }
}

/// The planes of `picture` at 4:4:4, full range, row after row without padding: luma, blue difference and red
/// difference. Its alpha is left out.
pub fn full_planes(picture: &Picture) -> [Vec<u8>; 3] {
    let mut planes = [(); 3].map(|()| vec![0; picture.pixel_count() as usize]);
    write_planes(picture, planes.each_mut().map(Vec::as_mut_slice));
    planes
}

#[multiversion(targets("x86_64+avx2"))]
fn write_planes(picture: &Picture, planes: [&mut [u8]; 3]) {
    match picture.layout() {
        Layout::Rgb => convert_pixels::<3>(picture.pixels(), planes),
        Layout::Rgba => convert_pixels::<4>(picture.pixels(), planes),
    }
}

#[inline(always)]
fn convert_pixels<const N: usize>(pixels: &[u8], [y, cb, cr]: [&mut [u8]; 3]) {
    let (pixels, _) = pixels.as_chunks::<N>();
    for (((pixel, y), cb), cr) in pixels.iter().zip(y).zip(cb).zip(cr) {
        let (red, green, blue) = (f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2]));
        let luma = luma([red, green, blue]);
        *y = to_byte(luma);
        *cb = to_byte((blue - luma) * PER_BLUE + 128.0);
        *cr = to_byte((red - luma) * PER_RED + 128.0);
    }
}

/// Two rows of luma and the rows of chroma that they share, as levels: luma from 0 to 255, chroma around 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HalvedPair<'a> {
    /// The width is rounded up to an even number.
    pub luma: [&'a [f32]; 2],
    pub chroma: [&'a [f32]; 2],
    /// The index of the last pair of the picture.
    pub last: usize,
}

/// Halves the chroma of a picture, two rows at a time.
#[derive(Debug)]
pub(crate) struct ChromaHalver<'a> {
    picture: &'a Picture,
    /// The last pairs that were read: pair n is at n modulo their number.
    pairs: [Pair; 3],
    luma: [Vec<f32>; 2],
    scratch: Scratch,
}

/// Two rows of a picture.
#[derive(Debug)]
struct Pair {
    index: Option<usize>,
    /// Red, green and blue of each row, of even width.
    rows: [[Vec<u8>; 3]; 2],
    /// Cb and Cr, as levels around 0.
    chroma: [Vec<f32>; 2],
}

#[derive(Debug)]
struct Scratch {
    /// Sums of two rows, in linear light.
    light: [Vec<f32>; 3],
    /// A row of chroma between two, with a sample more at each end.
    between: Vec<f32>,
    /// Chroma as a decoder enlarges it.
    enlarged: [Vec<f32>; 2],
}

impl<'a> ChromaHalver<'a> {
    pub(crate) fn new(picture: &'a Picture) -> ChromaHalver<'a> {
        let half = picture.width().div_ceil(2) as usize;
        let row = || vec![0.0; 2 * half];
        let bytes = || [(); 3].map(|()| vec![0; 2 * half]);
        let pair = || Pair { index: None, rows: [bytes(), bytes()], chroma: [vec![0.0; half], vec![0.0; half]] };
        ChromaHalver {
            picture,
            pairs: [pair(), pair(), pair()],
            luma: [row(), row()],
            scratch: Scratch { light: [row(), row(), row()], between: vec![0.0; half + 2], enlarged: [row(), row()] },
        }
    }

    /// The rows `2 * index` and `2 * index + 1`, or the last two below the picture.
    pub(crate) fn pair(&mut self, index: usize) -> HalvedPair<'_> {
        let last = (self.picture.height() as usize - 1) / 2;
        let index = index.min(last);
        let neighbours = [index.saturating_sub(1), index, (index + 1).min(last)];
        for pair in neighbours {
            self.read(pair);
        }
        let [above, own, below] = neighbours.map(|pair| &self.pairs[pair % 3]);
        for ((luma, row), neighbour) in self.luma.iter_mut().zip(&own.rows).zip([above, below]) {
            let Scratch { between, enlarged, .. } = &mut self.scratch;
            for ((near, far), enlarged) in own.chroma.iter().zip(&neighbour.chroma).zip(enlarged.iter_mut()) {
                enlarge(near, far, between, enlarged);
            }
            keep_luminance(row.each_ref().map(Vec::as_slice), enlarged.each_ref().map(Vec::as_slice), luma);
        }
        HalvedPair {
            luma: self.luma.each_ref().map(Vec::as_slice),
            chroma: own.chroma.each_ref().map(Vec::as_slice),
            last,
        }
    }

    fn read(&mut self, index: usize) {
        let pair = &mut self.pairs[index % 3];
        if pair.index == Some(index) {
            return;
        }
        pair.index = Some(index);
        for (row, planes) in pair.rows.iter_mut().enumerate() {
            read_row(self.picture, 2 * index + row, planes.each_mut().map(Vec::as_mut_slice));
        }
        let rows = pair.rows.each_ref().map(|row| row.each_ref().map(Vec::as_slice));
        halve(rows, &mut self.scratch.light, pair.chroma.each_mut().map(Vec::as_mut_slice));
    }
}

/// Reads a row of pixels into red, green and blue. Beyond the edges of the picture the last pixels repeat.
#[multiversion(targets("x86_64+avx2"))]
fn read_row(picture: &Picture, y: usize, planes: [&mut [u8]; 3]) {
    let width = picture.width() as usize;
    let row_bytes = width * picture.layout().bytes_per_pixel();
    let row = &picture.pixels()[y.min(picture.height() as usize - 1) * row_bytes..][..row_bytes];
    match picture.layout() {
        Layout::Rgb => read_pixels::<3>(row, planes),
        Layout::Rgba => read_pixels::<4>(row, planes),
    }
}

#[inline(always)]
fn read_pixels<const N: usize>(row: &[u8], [red, green, blue]: [&mut [u8]; 3]) {
    let (pixels, _) = row.as_chunks::<N>();
    for (((pixel, red), green), blue) in pixels.iter().zip(&mut *red).zip(&mut *green).zip(&mut *blue) {
        (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
    }
    for plane in [red, green, blue] {
        let last = plane[pixels.len() - 1];
        plane[pixels.len()..].fill(last);
    }
}

/// The largest level.
const WHITE: f32 = 255.0;

/// Coefficients of a cubic that stands for the sRGB curve: off by at most .002 of white.
const LIGHT: [f32; 3] = [0.012_522_878 / WHITE, 0.682_171_1 / (WHITE * WHITE), 0.305_306_02 / (WHITE * WHITE * WHITE)];

/// The light of a level, 1 for white.
#[inline(always)]
fn light(level: f32) -> f32 {
    level * (LIGHT[0] + level * (LIGHT[1] + level * LIGHT[2]))
}

/// How fast light rises at a level.
#[inline(always)]
fn slope(level: f32) -> f32 {
    LIGHT[0] + level * (2.0 * LIGHT[1] + level * (3.0 * LIGHT[2]))
}

/// The level of a light: two Newton steps from the square root, off by less than a hundredth of a level.
#[inline(always)]
fn level(of_light: f32) -> f32 {
    let from_root = WHITE * of_light.sqrt();
    let closer = from_root - (light(from_root) - of_light) / slope(from_root);
    closer - (light(closer) - of_light) / slope(closer)
}

/// The level of the mean of four pixels, of which these are the sums of two.
#[inline(always)]
fn mean_level(light_sums: &[f32; 2]) -> f32 {
    level((light_sums[0] + light_sums[1]) * 0.25)
}

/// Levels of Cb for each by which blue is above luma, and of Cr for red.
const PER_BLUE: f32 = 1.0 / 1.772;
const PER_RED: f32 = 1.0 / 1.402;

#[inline(always)]
fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Cb and Cr of each two by two pixels: of their mean in linear light.
#[multiversion(targets("x86_64+avx2"))]
fn halve(rows: [[&[u8]; 3]; 2], light_sums: &mut [Vec<f32>; 3], [cb, cr]: [&mut [f32]; 2]) {
    for (channel, sums) in light_sums.iter_mut().enumerate() {
        for ((sum, upper), lower) in sums.iter_mut().zip(rows[0][channel]).zip(rows[1][channel]) {
            *sum = light(f32::from(*upper)) + light(f32::from(*lower));
        }
    }
    let [red, green, blue] = light_sums.each_ref().map(|sums| sums.as_chunks::<2>().0);
    let samples = red.iter().zip(green).zip(blue).zip(cb.iter_mut()).zip(cr.iter_mut());
    for ((((red, green), blue), cb), cr) in samples {
        let (red, green, blue) = (mean_level(red), mean_level(green), mean_level(blue));
        let luma = luma([red, green, blue]);
        *cb = (blue - luma) * PER_BLUE;
        *cr = (red - luma) * PER_RED;
    }
}

/// Enlarges a row of chroma as decoders do: three parts of the nearer sample and one of the farther, in both
/// directions.
#[multiversion(targets("x86_64+avx2"))]
fn enlarge(near: &[f32], far: &[f32], between: &mut [f32], enlarged: &mut [f32]) {
    let count = near.len();
    for ((between, near), far) in between[1..].iter_mut().zip(near).zip(far) {
        *between = 0.75 * near + 0.25 * far;
    }
    (between[0], between[count + 1]) = (between[1], between[count]);
    let (pairs, _) = enlarged.as_chunks_mut::<2>();
    let samples = between[..count].iter().zip(&between[1..=count]).zip(&between[2..]);
    for (pair, ((before, own), after)) in pairs.iter_mut().zip(samples) {
        *pair = [0.75 * own + 0.25 * before, 0.75 * own + 0.25 * after];
    }
}

/// Luminance of red, green and blue in linear light (BT.709, whose primaries sRGB has).
const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];

#[inline(always)]
fn luminance(red: f32, green: f32, blue: f32) -> f32 {
    LUMINANCE[0] * light(red) + LUMINANCE[1] * light(green) + LUMINANCE[2] * light(blue)
}

/// Luma changes by at most so many levels. A decoder clips what would need more.
const MAX_CHANGE: f32 = 40.0;

/// The luma with which pixels that are decoded with this chroma have the luminance of the original: one Newton step
/// from their own luma.
#[multiversion(targets("x86_64+avx2"))]
fn keep_luminance([red, green, blue]: [&[u8]; 3], [cb, cr]: [&[f32]; 2], kept: &mut [f32]) {
    // Calls of closures would keep this loop from being vectorised.
    for (((((red, green), blue), cb), cr), kept) in red.iter().zip(green).zip(blue).zip(cb).zip(cr).zip(kept) {
        let (red, green, blue) = (f32::from(*red), f32::from(*green), f32::from(*blue));
        let plain = luma([red, green, blue]);
        let decoded_red = within_white(plain + 1.402 * cr);
        let decoded_green = within_white(plain - 0.344_136 * cb - 0.714_136 * cr);
        let decoded_blue = within_white(plain + 1.772 * cb);
        let missing = luminance(red, green, blue) - luminance(decoded_red, decoded_green, decoded_blue);
        let rise = LUMINANCE[0] * slope(decoded_red)
            + LUMINANCE[1] * slope(decoded_green)
            + LUMINANCE[2] * slope(decoded_blue);
        *kept = within_white(plain + (missing / rise).clamp(-MAX_CHANGE, MAX_CHANGE));
    }
}

#[inline(always)]
fn within_white(level: f32) -> f32 {
    level.clamp(0.0, WHITE)
}

/// Writes levels as samples of 8 bits.
#[multiversion(targets("x86_64+avx2"))]
fn write_samples(levels: &[f32], (scale, offset): (f32, f32), samples: &mut [u8]) {
    for (sample, level) in samples.iter_mut().zip(levels) {
        *sample = to_byte(level * scale + offset);
    }
}

/// 1.5 * 2^23: floats from 2^23 to 2^24 are whole numbers, rounded to the nearest.
const WHOLE_NUMBERS: f32 = 12_582_912.0;

/// Faster than a cast: after adding this constant, the low bits of the float are a whole number.
#[inline(always)]
fn to_byte(level: f32) -> u8 {
    (within_white(level) + WHOLE_NUMBERS).to_bits() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Disks of saturated colours: red on blue, blue on red, and so on.
    fn disks() -> Picture {
        const COLOURS: [[u8; 3]; 6] =
            [[220, 20, 30], [20, 40, 210], [20, 160, 40], [230, 210, 30], [240, 240, 240], [15, 15, 15]];
        let colour = |x: usize, y: usize| {
            let (across, down) = ((x % 16) as i32 - 8, (y % 16) as i32 - 8);
            let cell = x / 16 + 2 * (y / 16);
            COLOURS[(cell + usize::from(across * across + down * down < 36) * (1 + cell % 3)) % COLOURS.len()]
        };
        picture(96, 90, colour)
    }

    fn picture(width: usize, height: usize, colour: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
        let pixels = (0..width * height).flat_map(|at| colour(at % width, at / width)).collect();
        Picture::new(width as u32, height as u32, Layout::Rgb, pixels)
    }

    #[test]
    fn whole_chroma_is_that_of_each_pixel() {
        // T.871: Y, Cb and Cr of black, white, red, green, blue and a grey.
        let cases: [([u8; 3], [u8; 3]); 6] = [
            ([0, 0, 0], [0, 128, 128]),
            ([255, 255, 255], [255, 128, 128]),
            ([255, 0, 0], [76, 85, 255]),
            ([0, 255, 0], [150, 44, 21]),
            ([0, 0, 255], [29, 255, 107]),
            ([77, 77, 77], [77, 128, 128]),
        ];
        let [y, cb, cr] = full_planes(&picture(6, 1, |x, _| cases[x].0));
        for (at, (pixel, expected)) in cases.iter().enumerate() {
            assert_eq!([y[at], cb[at], cr[at]], *expected, "{pixel:?}");
        }
        let rgba = cases.iter().flat_map(|(pixel, _)| [pixel[0], pixel[1], pixel[2], 9]).collect();
        assert_eq!(full_planes(&Picture::new(6, 1, Layout::Rgba, rgba)), [y, cb, cr]);
    }

    /// The planes by plain averaging.
    fn averaged(picture: &Picture) -> HalvedPlanes {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let byte = |x: usize, y: usize, channel: usize| f32::from(picture.pixels()[(y * width + x) * 3 + channel]);
        let luma_at = |x, y| luma([0, 1, 2].map(|channel| byte(x, y, channel)));
        let chroma = [(2, 1.772), (0, 1.402)].map(|(channel, range)| {
            let at = |x: usize, y: usize| (byte(x, y, channel) - luma_at(x, y)) / range;
            let mean = |x, y| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0;
            let samples = (0..width * height / 4).map(|index| (index % (width / 2) * 2, index / (width / 2) * 2));
            samples.map(|(x, y)| to_byte(mean(x, y) + 128.0)).collect()
        });
        let luma = (0..width * height).map(|index| to_byte(luma_at(index % width, index / width))).collect();
        HalvedPlanes { width: picture.width(), height: picture.height(), luma, chroma }
    }

    /// sRGB's curve (IEC 61966-2-1), of a level.
    fn exact_light(level: f64) -> f64 {
        let unit = level / 255.0;
        if unit <= 0.040_45 { unit / 12.92 } else { ((unit + 0.055) / 1.055).powf(2.4) }
    }

    fn exact_luminance(rgb: [f64; 3]) -> f64 {
        rgb.iter().zip(LUMINANCE).map(|(level, weight)| f64::from(weight) * exact_light(*level)).sum()
    }

    /// The mean square error of the decoded luminance, with chroma as `chroma_at` reads a plane at a pixel.
    fn luminance_error(
        picture: &Picture,
        planes: &HalvedPlanes,
        chroma_at: impl Fn(&[u8], usize, usize, usize) -> f64,
    ) -> f64 {
        let width = picture.width() as usize;
        let squares = picture.pixels().chunks_exact(3).zip(&planes.luma).enumerate().map(|(at, (pixel, y))| {
            let (y, [cb, cr]) = (
                f64::from(*y),
                planes.chroma.each_ref().map(|plane| chroma_at(plane, width / 2, at % width, at / width) - 128.0),
            );
            let decoded = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
            let original = [pixel[0], pixel[1], pixel[2]].map(f64::from);
            (exact_luminance(decoded.map(|level| level.round().clamp(0.0, 255.0))) - exact_luminance(original)).powi(2)
        });
        squares.sum::<f64>() / planes.luma.len() as f64
    }

    fn smoothed(plane: &[u8], width: usize, x: usize, y: usize) -> f64 {
        let neighbour = |at: usize, count: usize| {
            if at.is_multiple_of(2) { (at / 2).saturating_sub(1) } else { (at / 2 + 1).min(count - 1) }
        };
        let (far_x, far_y) = (neighbour(x, width), neighbour(y, plane.len() / width));
        let at = |x: usize, y: usize| f64::from(plane[y * width + x]);
        let row = |y: usize| 0.75 * at(x / 2, y) + 0.25 * at(far_x, y);
        0.75 * row(y / 2) + 0.25 * row(far_y)
    }

    fn repeated(plane: &[u8], width: usize, x: usize, y: usize) -> f64 {
        f64::from(plane[y / 2 * width + x / 2])
    }

    #[test]
    fn edges_of_colours_keep_their_luminance_better_than_by_averaging() {
        let picture = disks();
        let (kept, plain) = (HalvedPlanes::of(&picture, SampleRange::Full), averaged(&picture));
        let errors =
            |planes| [luminance_error(&picture, planes, smoothed), luminance_error(&picture, planes, repeated)];
        let ([kept, kept_repeated], [plain, plain_repeated]) = (errors(&kept), errors(&plain));
        assert!(kept < 0.25 * plain, "{kept}, {plain} by averaging");
        assert!(kept_repeated < plain_repeated, "{kept_repeated}, {plain_repeated} by averaging, chroma not smoothed");
    }

    #[test]
    fn one_colour_stays_as_it_is() {
        for colour in [[200, 30, 40], [0, 0, 0], [255; 3], [1, 2, 3], [7, 250, 90], [0, 0, 255]] {
            let picture = picture(10, 6, |_, _| colour);
            assert_eq!(HalvedPlanes::of(&picture, SampleRange::Full), averaged(&picture), "{colour:?}");
        }
    }

    #[test]
    fn grey_keeps_every_level() {
        let picture = picture(256, 4, |x, y| [x as u8 ^ (y as u8 * 85); 3]);
        let planes = HalvedPlanes::of(&picture, SampleRange::Full);
        assert!(planes.luma.iter().zip(picture.pixels().chunks_exact(3)).all(|(luma, pixel)| *luma == pixel[0]));
        assert!(planes.chroma.iter().flatten().all(|sample| *sample == 128));
    }

    #[test]
    fn samples_of_the_limited_range_are_those_of_video() {
        let planes = |colour: [u8; 3]| HalvedPlanes::of(&picture(2, 2, |_, _| colour), SampleRange::Limited);
        for (colour, samples) in [([0; 3], [16, 128, 128]), ([255; 3], [235, 128, 128]), ([0, 0, 255], [41, 240, 110])]
        {
            let planes = planes(colour);
            assert_eq!([planes.luma[0], planes.chroma[0][0], planes.chroma[1][0]], samples);
        }
    }

    #[test]
    fn odd_sides_repeat_their_last_pixels() {
        let odd = picture(5, 3, |x, y| [x as u8 * 50, y as u8 * 90, 128]);
        let even = picture(6, 4, |x, y| [x.min(4) as u8 * 50, y.min(2) as u8 * 90, 128]);
        let [odd, even] = [odd, even].map(|picture| HalvedPlanes::of(&picture, SampleRange::Full));
        assert_eq!(odd.chroma, even.chroma);
        let rows = even.luma.chunks_exact(6).take(3).flat_map(|row| &row[..5]).copied();
        assert_eq!(odd.luma, rows.collect::<Vec<u8>>());
    }
}
