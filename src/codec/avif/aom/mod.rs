//! AVIF by libaom: a picture prepared once, encoded at any state of its quantiser.

mod alpha;
mod library;
mod planes;
mod quality_scale;
mod screen;
mod size_model;
mod states;
mod tuning;

use std::cell::OnceCell;
use std::ops::RangeInclusive;

use avif_serialize::Aviffy;
use avif_serialize::constants::MatrixCoefficients;

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::quality::QualityScale;
use crate::codec::rate::SizePredictor;
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::{Chroma, Picture};
use alpha::Alpha;
use library::Settings;
use planes::Planes;
use states::State;
use tuning::{Tuning, options};

/// The codings that are used, coarsest first.
pub const CODINGS: &[LossyCoding] = &[LossyCoding::AvifHalved, LossyCoding::AvifFull];

/// Nanoseconds that an encode takes for each pixel, at each effort.
pub const NANOSECONDS_PER_PIXEL: [u64; 3] = [110, 110, 800];

/// The encoder on the quality scale.
pub fn scale(chroma: Chroma) -> QualityScale {
    match (linked_tuning(), chroma) {
        (Tuning::Ssim, Chroma::Halved) => quality_scale::HALVED,
        (Tuning::Ssim, Chroma::Full) => quality_scale::FULL,
        (Tuning::Iq, Chroma::Halved) => quality_scale::IQ_HALVED,
        (Tuning::Iq, Chroma::Full) => quality_scale::IQ_FULL,
    }
}

/// The tuning of the libaom that is linked.
fn linked_tuning() -> Tuning {
    Tuning::of(library::version())
}

/// Bytes of the boxes around a frame, and of its header and first blocks, which no statistics precede. The size model
/// is fitted to the rest of a file: docs/model.md, Sizes.
pub const BEGINNING: f64 = 242.0 + 85.0;

/// At effort best the first frame may have so many times the bytes that are predicted before it is compared with the
/// usual one.
const AS_PREDICTED: f64 = 1.15;

/// A frame of effort best that has more than so many times the bytes of the usual one is not better: docs/model.md,
/// AVIF.
const WASTEFUL: f64 = 1.25;

/// A picture ready to be written as AVIF at any quantiser step.
pub struct AvifEncoder<'a> {
    picture: &'a Picture,
    chroma: Chroma,
    effort: Effort,
    /// The effort that the frames are coded with, once that is decided.
    decided_effort: OnceCell<Effort>,
    /// Whether it is text or flat art: known after the first encode.
    screen: OnceCell<bool>,
    /// Made with the first encode.
    colour: OnceCell<Planes>,
    /// The alpha plane, where there is one.
    alpha: OnceCell<Option<Alpha>>,
    sample: OnceCell<SizePredictor>,
}

impl<'a> AvifEncoder<'a> {
    /// Prepares `picture`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn new(picture: &'a Picture, chroma: Chroma, effort: Effort) -> Result<AvifEncoder<'a>, EncodeError> {
        Format::Avif.check_size(picture)?;
        let (screen, colour, alpha, sample) = (OnceCell::new(), OnceCell::new(), OnceCell::new(), OnceCell::new());
        let decided_effort = match effort {
            Effort::Best => OnceCell::new(),
            Effort::Fast | Effort::Balanced => OnceCell::from(effort),
        };
        Ok(AvifEncoder { picture, chroma, effort, decided_effort, screen, colour, alpha, sample })
    }

    fn is_screen_content(&self) -> bool {
        *self.screen.get_or_init(|| screen::is_screen_content(self.picture))
    }

    /// The planes of the colour. Text and flat art keep all of their chroma: docs/model.md, AVIF.
    fn colour(&self) -> &Planes {
        let chroma = if self.is_screen_content() { Chroma::Full } else { self.chroma };
        self.colour.get_or_init(|| Planes::of(self.picture, chroma))
    }

    /// # Errors
    /// [`EncodeError::Failed`].
    fn alpha(&self) -> Result<Option<&Alpha>, EncodeError> {
        if let Some(alpha) = self.alpha.get() {
            return Ok(alpha.as_ref());
        }
        let alpha = Alpha::of(self.picture, |planes, state, screen| self.frame(planes, state, screen, self.effort))?;
        Ok(self.alpha.get_or_init(|| alpha).as_ref())
    }

    /// Codes the colour. Slow decisions keep noise in the dark that nobody sees: a picture that takes far more bytes
    /// with them is coded as usual from then on.
    fn colour_frame(&self, state: State) -> Result<Vec<u8>, EncodeError> {
        let frame = |effort| self.frame(self.colour(), state, self.is_screen_content(), effort);
        if let Some(effort) = self.decided_effort.get() {
            return frame(*effort);
        }
        let best = frame(Effort::Best)?;
        if best.len() as f64 > AS_PREDICTED * self.ln_colour(state.ln_step).exp() {
            let usual = frame(Effort::Balanced)?;
            if best.len() as f64 > WASTEFUL * usual.len() as f64 {
                self.decided_effort.get_or_init(|| Effort::Balanced);
                return Ok(usual);
            }
        }
        self.decided_effort.get_or_init(|| Effort::Best);
        Ok(best)
    }

    /// ln of the bytes that the colour is predicted to take.
    fn ln_colour(&self, ln_step: f64) -> f64 {
        let fitted = match (linked_tuning(), self.chroma) {
            (Tuning::Ssim, Chroma::Halved) => &size_model::HALVED,
            (Tuning::Ssim, Chroma::Full) => &size_model::FULL,
            (Tuning::Iq, Chroma::Halved) => &size_model::IQ_HALVED,
            (Tuning::Iq, Chroma::Full) => &size_model::IQ_FULL,
        };
        self.sample.get_or_init(|| SizePredictor::of(self.picture, fitted)).ln_bytes(ln_step)
    }

    fn frame(&self, planes: &Planes, state: State, screen: bool, effort: Effort) -> Result<Vec<u8>, EncodeError> {
        let options = options(linked_tuning(), effort, state.level);
        let settings = Settings { index: state.index, screen, options };
        library::encode(planes, &settings)
            .map(|(frame, _)| frame)
            .map_err(|reason| EncodeError::Failed { format: Format::Avif, reason })
    }
}

impl Encoder for AvifEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        State::range()
    }

    fn snap(&self, ln_step: f64) -> f64 {
        State::nearest(ln_step).ln_step
    }

    fn predict(&self, ln_step: f64) -> f64 {
        // If alpha fails here, so does the encode that follows, and says why.
        let alpha = self.alpha().ok().flatten().map_or(0.0, |alpha| alpha.bytes_beside(State::nearest(ln_step)));
        (self.ln_colour(ln_step).exp() + alpha + BEGINNING).ln()
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        let state = State::nearest(ln_step);
        let colour = self.colour();
        let colour_frame = self.colour_frame(state)?;
        let effort = *self.decided_effort.get().unwrap_or(&self.effort);
        let alpha = self.alpha()?;
        let alpha_state = Alpha::state_beside(state);
        let alpha_frame =
            alpha.map(|alpha| self.frame(&alpha.planes, alpha_state, alpha.screen, effort)).transpose()?;
        let mut container = Aviffy::new();
        container
            .set_matrix_coefficients(MatrixCoefficients::Bt601)
            .set_full_color_range(true)
            .set_monochrome(colour.is_grey())
            .set_chroma_subsampling((!colour.is_full(), !colour.is_full()))
            .set_seq_profile(u8::from(colour.is_full()));
        let (width, height) = (self.picture.width(), self.picture.height());
        Ok(container.to_vec(&colour_frame, alpha_frame.as_deref(), width, height, 8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Limits, decode};
    use crate::picture::Layout;

    fn drawn(width: u32, height: u32, layout: Layout, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Picture {
        let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixels = points.flat_map(|(x, y)| pixel(x, y).into_iter().take(layout.bytes_per_pixel())).collect();
        Picture::new(width, height, layout, pixels)
    }

    fn soft(x: u32, y: u32) -> [u8; 4] {
        let wave = |scale: f64| (128.0 + 90.0 * (f64::from(x) / scale).sin() * (f64::from(y) / 19.0).cos()) as u8;
        [wave(23.0), wave(31.0), wave(11.0), if x > y { 255 } else { 0 }]
    }

    fn encoded(picture: &Picture, chroma: Chroma, quality: f64) -> Picture {
        let encoder = AvifEncoder::new(picture, chroma, Effort::Balanced).unwrap();
        let file = encoder.encode(scale(chroma).ln_step(quality)).unwrap();
        decode(&file, &Limits::default()).unwrap().picture
    }

    fn mean_difference(one: &Picture, other: &Picture) -> f64 {
        assert_eq!((one.width(), one.height(), one.layout()), (other.width(), other.height(), other.layout()));
        let total: u64 = one.pixels().iter().zip(other.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        total as f64 / one.pixels().len() as f64
    }

    #[test]
    fn every_index_is_the_one_that_libaom_takes() {
        for (width, height, chroma, screen, effort) in [
            (640, 480, Chroma::Halved, false, Effort::Balanced),
            (333, 217, Chroma::Full, false, Effort::Balanced),
            (300, 200, Chroma::Full, true, Effort::Balanced),
            (200, 300, Chroma::Halved, false, Effort::Best),
        ] {
            let planes = Planes::of(&drawn(width, height, Layout::Rgb, soft), chroma);
            for index in (1..=u8::MAX).step_by(3) {
                let settings = Settings { index, screen, options: options(linked_tuning(), effort, 4) };
                assert_eq!(library::encode(&planes, &settings).unwrap().1, index, "{width}x{height}");
            }
        }
    }

    #[test]
    fn colours_come_back_at_any_size() {
        for (width, height) in [(1, 1), (3, 7), (64, 64), (65, 1), (1, 200), (161, 99)] {
            let picture = drawn(width, height, Layout::Rgb, soft);
            for chroma in [Chroma::Halved, Chroma::Full] {
                let difference = mean_difference(&encoded(&picture, chroma, 90.0), &picture);
                assert!(difference < 3.0, "{width}x{height} {chroma:?}: {difference}");
            }
        }
    }

    #[test]
    fn a_grey_picture_has_no_chroma() {
        let grey = drawn(120, 80, Layout::Rgb, |x, y| [soft(x, y)[0]; 4]);
        let back = encoded(&grey, Chroma::Halved, 85.0);
        assert!(back.is_grey());
        assert!(mean_difference(&back, &grey) < 3.0);
    }

    #[test]
    fn an_alpha_channel_keeps_its_edges() {
        let picture = drawn(96, 64, Layout::Rgba, soft);
        let back = encoded(&picture, Chroma::Halved, 70.0);
        let alpha = |picture: &Picture| picture.pixels().chunks_exact(4).map(|pixel| pixel[3]).collect::<Vec<_>>();
        let off = alpha(&back).into_iter().zip(alpha(&picture)).filter(|(a, b)| a.abs_diff(*b) > 40).count();
        assert!(off < 96 * 64 / 50, "{off} pixels");
    }

    #[test]
    fn masks_are_coded_as_text_and_soft_shadows_are_not() {
        let stroke = |x: u32, y: u32| if (x / 5 + y / 9).is_multiple_of(3) { 255 } else { 0 };
        let shadow = |x: u32, y: u32| (255.0 * (-f64::from((x - 64).pow(2) + (y - 64).pow(2)) / 1_500.0).exp()) as u8;
        let alpha_of = |alpha: &dyn Fn(u32, u32) -> u8| {
            let picture = drawn(128, 128, Layout::Rgba, |x, y| [90, 20, 160, alpha(x, y)]);
            let encoder = AvifEncoder::new(&picture, Chroma::Halved, Effort::Balanced).unwrap();
            encoder.alpha().unwrap().unwrap().screen
        };
        assert!(alpha_of(&stroke) && !alpha_of(&|x, y| shadow(x.max(64), y.max(64))));
    }

    #[test]
    fn slow_decisions_do_not_spend_bytes_on_noise_in_the_dark() {
        let noise = |x: u32, y: u32| {
            let mixed =
                ((x / 4).wrapping_mul(0x9E37_79B1) ^ (y / 4).wrapping_mul(0x85EB_CA6B)).wrapping_mul(0x27D4_EB2F);
            [(40 + (mixed ^ (mixed >> 15)) % 3) as u8; 4]
        };
        let picture = drawn(512, 512, Layout::Rgb, noise);
        let bytes = |effort| {
            let encoder = AvifEncoder::new(&picture, Chroma::Halved, effort).unwrap();
            [80.0, 81.0].map(|quality| encoder.encode(scale(Chroma::Halved).ln_step(quality)).unwrap().len())
        };
        assert_eq!(bytes(Effort::Best), bytes(Effort::Balanced));
    }

    #[test]
    fn a_thin_picture_is_no_trouble() {
        let picture = drawn(crate::codec::avif::MAX_SIDE, 1, Layout::Rgb, soft);
        assert!(mean_difference(&encoded(&picture, Chroma::Halved, 60.0), &picture) < 12.0);
    }
}
