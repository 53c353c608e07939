//! Converts samples in any colour space to 8-bit sRGB.
//!
//! Profiles are applied with the perceptual intent (its table when the profile has one, otherwise the colorimetric one)
//! and without black point compensation, as browsers do. A profile is ignored when it is broken, does not fit the
//! samples (a grey profile on RGB) or is equivalent to sRGB.

use std::sync::{Arc, OnceLock};

use moxcms::{
    Chromaticity, CicpColorPrimaries, ColorPrimaries, ColorProfile, DataColorSpace, RenderingIntent, ToneReprCurve,
    TransferCharacteristics, Transform8BitExecutor, Transform16BitExecutor, TransformOptions, XyY,
};

use super::cicp;
use super::hdr::{self, ToneMap};

/// Pixels converted at a time. This limits the buffers of a conversion to 1 MiB.
const CHUNK_PIXELS: usize = 1 << 16;
/// Largest difference from sRGB, in levels of 255, with which a profile still counts as sRGB. 8-bit rounding hides it.
const SRGB_TOLERANCE: u8 = 1;

/// What the samples of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One sample of brightness.
    Grey,
    /// Brightness, then alpha.
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Cyan, magenta, yellow, black; the largest value is full ink.
    Cmyk,
}

impl Channels {
    /// Returns the number of samples of a pixel.
    pub const fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::GreyAlpha => 2,
            Channels::Rgb => 3,
            Channels::Rgba | Channels::Cmyk => 4,
        }
    }

    /// Whether the last sample is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Channels::GreyAlpha | Channels::Rgba)
    }

    /// Returns the layout after conversion: alpha stays, and all other channels become red, green and blue.
    pub const fn layout(self) -> crate::picture::Layout {
        if self.has_alpha() { crate::picture::Layout::Rgba } else { crate::picture::Layout::Rgb }
    }

    /// Those of a grey picture, with alpha where these have it.
    pub const fn of_grey(self) -> Channels {
        match self {
            Channels::Rgba | Channels::GreyAlpha => Channels::GreyAlpha,
            _ => Channels::Grey,
        }
    }

    const fn is_grey(self) -> bool {
        matches!(self, Channels::Grey | Channels::GreyAlpha)
    }
}

/// What the samples mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Space<'a> {
    /// sRGB, or CMYK without a profile.
    Srgb,
    /// An embedded ICC profile.
    Icc(&'a [u8]),
    /// Code points of ITU-T H.273.
    Cicp {
        /// ColourPrimaries, section 8.1.
        primaries: u8,
        /// TransferCharacteristics, section 8.2.
        transfer: u8,
    },
    /// A power function, and primaries when they differ from sRGB's.
    Gamma {
        /// The power that makes light of a sample: 2.2 for a gAMA of 45,455 in PNG.
        exponent: f32,
        /// `None` for the primaries of sRGB.
        primaries: Option<Chromaticities>,
    },
}

impl Space<'_> {
    /// Whether it is a profile for grey samples (ICC.1 s7.2.6).
    pub fn is_grey(&self) -> bool {
        matches!(self, Space::Icc(profile) if profile.get(16..20) == Some(b"GRAY"))
    }
}

/// CIE xy of a colour space's white point and primaries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chromaticities {
    /// The white point: x and y.
    pub white: (f32, f32),
    /// The red primary: x and y.
    pub red: (f32, f32),
    /// The green primary: x and y.
    pub green: (f32, f32),
    /// The blue primary: x and y.
    pub blue: (f32, f32),
}

/// A sample of 8 or 16 bits; the largest value is full intensity.
pub trait Sample: Copy + Default {
    /// Full intensity: 255 or 65,535.
    const MAX: Self;

    /// The sample as 8 bits, rounded to the nearest level.
    fn to_8_bits(self) -> u8;
    /// The sample from 0 to 1.
    fn to_unit(self) -> f32;
    /// Full intensity minus the sample.
    fn inverted(self) -> Self;
    /// The product of both samples, each taken from 0 to 1, rounded to the nearest level.
    fn multiplied(self, other: Self) -> Self;
    /// Applies the profile's transform to `source` and writes to `target`. Returns false when the profile cannot be
    /// applied.
    fn transform(profiled: &Profiled, source: &[Self], target: &mut [Self]) -> bool;
}

impl Sample for u8 {
    const MAX: u8 = u8::MAX;

    fn to_8_bits(self) -> u8 {
        self
    }

    fn to_unit(self) -> f32 {
        f32::from(self) / 255.0
    }

    fn inverted(self) -> u8 {
        u8::MAX - self
    }

    fn multiplied(self, other: u8) -> u8 {
        ((u32::from(self) * u32::from(other) + 127) / 255) as u8
    }

    fn transform(profiled: &Profiled, source: &[u8], target: &mut [u8]) -> bool {
        profiled.eight.transform(source, target).is_ok()
    }
}

impl Sample for u16 {
    const MAX: u16 = u16::MAX;

    fn to_8_bits(self) -> u8 {
        ((u32::from(self) * 255 + 32_767) / 65_535) as u8
    }

    fn to_unit(self) -> f32 {
        f32::from(self) / 65_535.0
    }

    fn inverted(self) -> u16 {
        u16::MAX - self
    }

    fn multiplied(self, other: u16) -> u16 {
        ((u64::from(self) * u64::from(other) + 32_767) / 65_535) as u16
    }

    fn transform(profiled: &Profiled, source: &[u16], target: &mut [u16]) -> bool {
        profiled.sixteen().is_some_and(|transform| transform.transform(source, target).is_ok())
    }
}

/// Converts samples of one kind to sRGB.
pub struct Converter {
    channels: Channels,
    method: Method,
}

enum Method {
    /// Changes only layout and depth.
    Plain,
    Profiled(Box<Profiled>),
    ToneMapped(Box<ToneMap>),
}

/// The transforms of a profile. The tables of the 16-bit transform take 10 ms to fill, so it is created on first use.
pub struct Profiled {
    profile: ColorProfile,
    source: moxcms::Layout,
    target: moxcms::Layout,
    eight: Arc<Transform8BitExecutor>,
    sixteen: OnceLock<Option<Arc<Transform16BitExecutor>>>,
    /// Whether the transforms take the samples unchanged, instead of expanded to red, green and blue.
    native: bool,
}

impl Converter {
    /// Prepares the conversion from `space` to sRGB.
    pub fn new(space: &Space<'_>, channels: Channels) -> Converter {
        Converter { channels, method: method(space, channels).unwrap_or(Method::Plain) }
    }

    /// Whether 8-bit RGB or RGBA samples stay unchanged.
    pub fn is_identity(&self) -> bool {
        matches!(self.method, Method::Plain) && matches!(self.channels, Channels::Rgb | Channels::Rgba)
    }

    /// Whether the samples are already sRGB, so that only their layout and depth change.
    pub fn keeps_colours(&self) -> bool {
        matches!(self.method, Method::Plain) && self.channels != Channels::Cmyk
    }

    /// Converts `source` and writes to `target`, which has [`Channels::layout`].
    ///
    /// # Panics
    /// Panics when the slices do not hold the same number of whole pixels.
    pub fn convert<S: Sample>(&self, source: &[S], target: &mut [u8]) {
        let (from, to) = (self.channels.count(), self.channels.layout().bytes_per_pixel());
        assert_eq!(source.len() / from, target.len() / to, "source and target hold different numbers of pixels");
        let pairs = source.chunks(CHUNK_PIXELS * from).zip(target.chunks_mut(CHUNK_PIXELS * to));
        for (source, target) in pairs {
            self.convert_chunk(source, target);
        }
    }

    /// Converts 8-bit RGB or RGBA `pixels` in place.
    pub fn convert_in_place(&self, pixels: &mut [u8]) {
        if self.is_identity() {
            return;
        }
        let mut source = Vec::new();
        for target in pixels.chunks_mut(CHUNK_PIXELS * self.channels.count()) {
            source.clear();
            source.extend_from_slice(target);
            self.convert_chunk(&source, target);
        }
    }

    fn convert_chunk<S: Sample>(&self, source: &[S], target: &mut [u8]) {
        match &self.method {
            Method::Plain => spread(source, self.channels, target, S::to_8_bits),
            Method::Profiled(profiled) => {
                let spread_source = (!profiled.native).then(|| spread_chunk(source, self.channels));
                let mut converted = vec![S::default(); target.len()];
                if S::transform(profiled, spread_source.as_deref().unwrap_or(source), &mut converted) {
                    narrow(&converted, target);
                } else {
                    spread(source, self.channels, target, S::to_8_bits);
                }
            }
            Method::ToneMapped(tone_map) => {
                let spread_source = spread_chunk(source, self.channels);
                let size = self.channels.layout().bytes_per_pixel();
                for (pixel, target) in spread_source.chunks_exact(size).zip(target.chunks_exact_mut(size)) {
                    let rgb = tone_map.convert([pixel[0].to_unit(), pixel[1].to_unit(), pixel[2].to_unit()]);
                    target[..3].copy_from_slice(&rgb);
                    if let (Some(alpha), Some(target)) = (pixel.get(3), target.get_mut(3)) {
                        *target = alpha.to_8_bits();
                    }
                }
            }
        }
    }
}

fn narrow<S: Sample>(source: &[S], target: &mut [u8]) {
    for (target, sample) in target.iter_mut().zip(source) {
        *target = sample.to_8_bits();
    }
}

fn spread_chunk<S: Sample>(source: &[S], channels: Channels) -> Vec<S> {
    let mut target = vec![S::default(); source.len() / channels.count() * channels.layout().bytes_per_pixel()];
    spread(source, channels, &mut target, |sample| sample);
    target
}

/// Expands `source` to red, green, blue (alpha) in `target`. CMYK becomes RGB by the formula of libjpeg's readers, `(1
/// - ink) * (1 - black)`. Nothing better is known without a profile.
fn spread<S: Sample, T: Copy>(source: &[S], channels: Channels, target: &mut [T], map: impl Fn(S) -> T) {
    match channels {
        Channels::Rgb | Channels::Rgba => {
            target.iter_mut().zip(source).for_each(|(target, &sample)| *target = map(sample));
        }
        Channels::Grey => {
            for (target, &grey) in target.as_chunks_mut().0.iter_mut().zip(source) {
                *target = [map(grey); 3];
            }
        }
        Channels::GreyAlpha => {
            for (target, &[grey, alpha]) in target.as_chunks_mut().0.iter_mut().zip(source.as_chunks().0) {
                let grey = map(grey);
                *target = [grey, grey, grey, map(alpha)];
            }
        }
        Channels::Cmyk => {
            for (target, pixel) in target.chunks_exact_mut(3).zip(source.chunks_exact(4)) {
                let light = pixel[3].inverted();
                for (target, ink) in target.iter_mut().zip(&pixel[..3]) {
                    *target = map(ink.inverted().multiplied(light));
                }
            }
        }
    }
}

fn method(space: &Space<'_>, channels: Channels) -> Option<Method> {
    match *space {
        Space::Srgb => None,
        Space::Icc(profile) => from_icc(profile, channels),
        Space::Cicp { primaries, transfer } => from_cicp(primaries, transfer, channels),
        Space::Gamma { exponent, primaries } => from_gamma(exponent, primaries, channels),
    }
}

fn from_icc(bytes: &[u8], channels: Channels) -> Option<Method> {
    let profile = ColorProfile::new_from_slice(bytes).ok()?;
    let fits = match profile.color_space {
        DataColorSpace::Rgb => matches!(channels, Channels::Rgb | Channels::Rgba),
        DataColorSpace::Gray => channels.is_grey(),
        DataColorSpace::Cmyk => channels == Channels::Cmyk,
        _ => false,
    };
    if !fits {
        return None;
    }
    profiled(profile, channels, true)
}

fn from_cicp(primaries: u8, transfer: u8, channels: Channels) -> Option<Method> {
    let (primaries, transfer) = (cicp::primaries(primaries), cicp::transfer(transfer));
    if (primaries, transfer) == (CicpColorPrimaries::Bt709, TransferCharacteristics::Srgb) {
        return None;
    }
    if let Some(curve) = hdr::Curve::of(transfer) {
        let matrix =
            cicp::profile(primaries, TransferCharacteristics::Linear).transform_matrix(&ColorProfile::new_srgb());
        return Some(Method::ToneMapped(Box::new(ToneMap::new(curve, matrix.v))));
    }
    profiled(cicp::profile(primaries, transfer), channels, false)
}

fn from_gamma(exponent: f32, primaries: Option<Chromaticities>, channels: Channels) -> Option<Method> {
    let mut profile = ColorProfile::new_srgb();
    if let Some(chromaticities) = primaries {
        let (white, primaries) = chromaticities.plausible()?;
        profile.update_rgb_colorimetry(white, primaries);
    }
    let curve = ToneReprCurve::Parametric(vec![exponent]);
    profile.red_trc = Some(curve.clone());
    profile.green_trc = Some(curve.clone());
    profile.blue_trc = Some(curve);
    profile.cicp = None;
    profiled(profile, channels, false)
}

impl Chromaticities {
    /// Whether these are sRGB's, within rounding.
    pub fn are_srgb(&self) -> bool {
        const SRGB: [(f32, f32); 4] = [(0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)];
        let points = [self.white, self.red, self.green, self.blue];
        points.iter().zip(SRGB).all(|(a, b)| (a.0 - b.0).abs() < 0.002 && (a.1 - b.1).abs() < 0.002)
    }

    /// Returns `None` for points that no colour space has. The matrix would divide by zero: the least y is that of the
    /// blue of ProPhoto RGB, 0.0001.
    fn plausible(&self) -> Option<(XyY, ColorPrimaries)> {
        let points = [self.white, self.red, self.green, self.blue];
        let is_in = |(x, y): &(f32, f32)| (0.0..=1.0).contains(x) && (0.000_05..=1.0).contains(y);
        if !points.iter().all(is_in) || self.white.1 < 0.01 {
            return None;
        }
        let [red, green, blue] = [self.red, self.green, self.blue];
        let area = (green.0 - red.0) * (blue.1 - red.1) - (blue.0 - red.0) * (green.1 - red.1);
        if area.abs() < 0.01 {
            return None;
        }
        let point = |(x, y)| Chromaticity::new(x, y);
        let primaries = ColorPrimaries { red: point(red), green: point(green), blue: point(blue) };
        Some((XyY::new(f64::from(self.white.0), f64::from(self.white.1), 1.0), primaries))
    }
}

fn profiled(profile: ColorProfile, channels: Channels, native: bool) -> Option<Method> {
    let (source, target) = match (channels, native) {
        (Channels::Grey, true) => (moxcms::Layout::Gray, moxcms::Layout::Rgb),
        (Channels::GreyAlpha, true) => (moxcms::Layout::GrayAlpha, moxcms::Layout::Rgba),
        (Channels::Cmyk, true) => (moxcms::Layout::Rgba, moxcms::Layout::Rgb),
        // Only an ICC profile can describe CMYK.
        (Channels::Cmyk, false) => return None,
        (Channels::Rgb, _) | (Channels::Grey, false) => (moxcms::Layout::Rgb, moxcms::Layout::Rgb),
        (Channels::Rgba, _) | (Channels::GreyAlpha, false) => (moxcms::Layout::Rgba, moxcms::Layout::Rgba),
    };
    let eight = profile.create_transform_8bit(source, &ColorProfile::new_srgb(), target, options()).ok()?;
    let profiled = Profiled { profile, source, target, eight, sixteen: OnceLock::new(), native };
    if is_srgb(&profiled, channels) { None } else { Some(Method::Profiled(Box::new(profiled))) }
}

fn options() -> TransformOptions {
    TransformOptions { rendering_intent: RenderingIntent::Perceptual, ..TransformOptions::default() }
}

impl Profiled {
    fn sixteen(&self) -> Option<&Transform16BitExecutor> {
        let make = || {
            let srgb = ColorProfile::new_srgb();
            self.profile.create_transform_16bit(self.source, &srgb, self.target, options()).ok()
        };
        self.sixteen.get_or_init(make).as_deref()
    }
}

/// Checks the transform on all greys and a grid of colours.
fn is_srgb(profiled: &Profiled, channels: Channels) -> bool {
    let colours: Vec<[u8; 3]> = match channels {
        Channels::Cmyk => return false,
        Channels::Grey | Channels::GreyAlpha => (0..=u8::MAX).map(|grey| [grey; 3]).collect(),
        Channels::Rgb | Channels::Rgba => {
            let grid = (0..9 * 9 * 9).map(|i| [i % 9, i / 9 % 9, i / 81].map(|step: u16| (step * 255 / 8) as u8));
            (0..=u8::MAX).map(|grey| [grey; 3]).chain(grid).collect()
        }
    };
    let alpha = channels.has_alpha();
    let pixel = |colour: &[u8; 3], samples: usize| {
        colour[..samples].iter().copied().chain(alpha.then_some(u8::MAX)).collect::<Vec<u8>>()
    };
    let samples = if channels.is_grey() && profiled.native { 1 } else { 3 };
    let source: Vec<u8> = colours.iter().flat_map(|colour| pixel(colour, samples)).collect();
    let expected: Vec<u8> = colours.iter().flat_map(|colour| pixel(colour, 3)).collect();
    let mut converted = vec![0; expected.len()];
    profiled.eight.transform(&source, &mut converted).is_ok()
        && converted.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= SRGB_TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(space: &Space<'_>, channels: Channels, source: &[u8]) -> Vec<u8> {
        let pixels = source.len() / channels.count();
        let mut target = vec![0; pixels * channels.layout().bytes_per_pixel()];
        Converter::new(space, channels).convert(source, &mut target);
        target
    }

    fn icc(profile: &ColorProfile) -> Vec<u8> {
        profile.encode().unwrap()
    }

    #[test]
    fn sixteen_bits_are_rounded_not_cut() {
        assert_eq!(
            [0u16, 128, 129, 385, 386, 0xFEFF, 0xFF80, 0xFFFF].map(Sample::to_8_bits),
            [0, 0, 1, 1, 2, 254, 255, 255]
        );
    }

    #[test]
    fn grey_is_spread_and_alpha_stays() {
        assert_eq!(convert(&Space::Srgb, Channels::Grey, &[7, 9]), [7, 7, 7, 9, 9, 9]);
        assert_eq!(convert(&Space::Srgb, Channels::GreyAlpha, &[7, 9]), [7, 7, 7, 9]);
    }

    #[test]
    fn cmyk_without_profile_multiplies_what_the_inks_leave() {
        let pixels = [0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 128, 255, 51];
        assert_eq!(convert(&Space::Srgb, Channels::Cmyk, &pixels), [255, 255, 255, 0, 255, 255, 0, 0, 0, 204, 102, 0]);
    }

    #[test]
    fn an_srgb_profile_changes_nothing() {
        let profile = icc(&ColorProfile::new_srgb());
        assert!(Converter::new(&Space::Icc(&profile), Channels::Rgb).is_identity());
        assert!(Converter::new(&Space::Cicp { primaries: 1, transfer: 13 }, Channels::Rgba).is_identity());
    }

    #[test]
    fn primaries_at_the_edge_of_the_diagram_are_converted() {
        let xyz = Space::Cicp { primaries: 10, transfer: 8 };
        // Computed in double precision with the matrices of Bradford and of sRGB.
        for (pixel, expected) in [([128; 3], [188; 3]), ([120, 100, 60], [220, 151, 128])] {
            let converted = convert(&xyz, Channels::Rgb, &pixel);
            assert!(converted.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{pixel:?} {converted:?}");
        }
        let primaries = Chromaticities {
            white: (0.3457, 0.3585),
            red: (0.7347, 0.2653),
            green: (0.1596, 0.8404),
            blue: (0.0366, 0.0001),
        };
        let prophoto = Space::Gamma { exponent: 1.8, primaries: Some(primaries) };
        let converted = convert(&prophoto, Channels::Rgb, &[140, 110, 90]);
        let expected = [185, 122, 105];
        assert!(converted.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{converted:?}");
    }

    #[test]
    fn high_dynamic_range_has_the_primaries_that_are_named() {
        // Computed in double precision from the chromaticities of H.273, without the curve for bright values, which
        // these are not.
        let bt709 = [130, 86, 60];
        let expected =
            [(1, bt709), (77, bt709), (8, [142, 84, 56]), (9, [152, 79, 55]), (10, [192, 0, 61]), (11, [136, 84, 56])];
        for (primaries, expected) in expected {
            let converted = convert(&Space::Cicp { primaries, transfer: 16 }, Channels::Rgb, &[110, 90, 75]);
            assert!(converted.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{primaries}: {converted:?}");
        }
    }

    #[test]
    fn primaries_that_are_reserved_are_those_of_srgb() {
        for primaries in [0, 2, 3, 13, 77, 255] {
            let space = Space::Cicp { primaries, transfer: 13 };
            assert!(Converter::new(&space, Channels::Rgb).is_identity(), "{primaries}");
        }
    }

    #[test]
    fn transfer_functions_that_are_reserved_are_that_of_srgb() {
        let pixel = [200, 100, 50];
        let of = |transfer| convert(&Space::Cicp { primaries: 12, transfer }, Channels::Rgb, &pixel);
        let srgb = of(13);
        assert_ne!(srgb, pixel);
        for transfer in [0, 2, 3, 19, 77, 255] {
            assert_eq!(of(transfer), srgb, "{transfer}");
        }
    }

    #[test]
    fn wide_gamut_is_converted_and_alpha_stays() {
        let profile = icc(&ColorProfile::new_display_p3());
        let from_icc = convert(&Space::Icc(&profile), Channels::Rgba, &[200, 100, 50, 77, 128, 128, 128, 0]);
        let from_cicp = convert(
            &Space::Cicp { primaries: 12, transfer: 13 },
            Channels::Rgba,
            &[200, 100, 50, 77, 128, 128, 128, 0],
        );
        // Computed in double precision with the matrices of CSS Color 4: 214.9, 92.6, 31.0.
        for converted in [from_icc, from_cicp] {
            let expected = [215, 93, 31, 77, 128, 128, 128, 0];
            assert!(converted.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{converted:?}");
        }
    }

    #[test]
    fn in_place_is_the_same_as_from_a_copy() {
        let profile = icc(&ColorProfile::new_adobe_rgb());
        let source: Vec<u8> = (0..(CHUNK_PIXELS * 3 + 300)).map(|i| (i * 7 % 251) as u8).collect();
        let mut pixels = source.clone();
        Converter::new(&Space::Icc(&profile), Channels::Rgb).convert_in_place(&mut pixels);
        assert_ne!(pixels, source);
        assert_eq!(pixels, convert(&Space::Icc(&profile), Channels::Rgb, &source));
    }

    #[test]
    fn both_depths_agree() {
        let profile = icc(&ColorProfile::new_pro_photo_rgb());
        let converter = Converter::new(&Space::Icc(&profile), Channels::Rgb);
        let eight: Vec<u8> = (0..300).map(|i| (i * 83 % 256) as u8).collect();
        let sixteen: Vec<u16> = eight.iter().map(|&sample| u16::from(sample) * 257).collect();
        let (mut from_eight, mut from_sixteen) = (vec![0; 300], vec![0; 300]);
        converter.convert(&eight, &mut from_eight);
        converter.convert(&sixteen, &mut from_sixteen);
        assert!(from_eight.iter().zip(&from_sixteen).all(|(a, b)| a.abs_diff(*b) <= 2));
    }

    #[test]
    fn a_broken_or_unfit_profile_counts_as_none() {
        let grey = icc(&ColorProfile::new_gray_with_gamma(1.8));
        let p3 = icc(&ColorProfile::new_display_p3());
        for (profile, channels) in
            [(&grey[..], Channels::Rgb), (&p3, Channels::Grey), (&p3[..200], Channels::Rgb), (b"no", Channels::Rgb)]
        {
            assert!(matches!(Converter::new(&Space::Icc(profile), channels).method, Method::Plain));
        }
    }

    #[test]
    fn a_profile_cut_or_damaged_anywhere_never_panics() {
        let profile = icc(&ColorProfile::new_adobe_rgb());
        for at in 0..profile.len() {
            let mut damaged = profile.clone();
            damaged[at] = damaged[at].wrapping_add(0x55);
            convert(&Space::Icc(&damaged), Channels::Rgb, &[10, 20, 30]);
            convert(&Space::Icc(&profile[..at]), Channels::Rgb, &[10, 20, 30]);
        }
    }

    #[test]
    fn linear_light_grows_brighter() {
        let linear = Space::Gamma { exponent: 1.0, primaries: None };
        let converted = convert(&linear, Channels::Grey, &[55]);
        assert!(converted.iter().all(|&grey| grey.abs_diff(128) <= 2), "{converted:?}");
    }

    #[test]
    fn a_grey_profile_is_applied_to_grey() {
        let linear = icc(&ColorProfile::new_gray_with_gamma(1.0));
        let converted = convert(&Space::Icc(&linear), Channels::GreyAlpha, &[55, 9]);
        assert!(converted[..3].iter().all(|&grey| grey.abs_diff(128) <= 2), "{converted:?}");
        assert_eq!(converted[3], 9);
    }

    #[test]
    fn impossible_primaries_count_as_none() {
        let primaries = Chromaticities { white: (0.3, 0.0), red: (0.0, 0.0), green: (0.0, 0.0), blue: (0.0, 0.0) };
        let space = Space::Gamma { exponent: 1.0, primaries: Some(primaries) };
        assert!(matches!(Converter::new(&space, Channels::Rgb).method, Method::Plain));
    }
}
