//! WebP by libwebp.

use std::cell::OnceCell;
use std::ops::RangeInclusive;
use std::os::raw::c_int;

use super::alpha::{self, Alpha};
use super::library::{self, Config, Source};
use super::quantiser;
use super::size_model::{self, Stats};
use super::states::{SHAPING, SUSCEPTIBILITY_STATE, Segments, State, States};
use crate::codec::probes::Probes;
use crate::codec::rate::{self, SizePredictor};
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::chroma::{HalvedPlanes, SampleRange};
use crate::picture::{Chroma, Picture};

/// Largest side (RFC 9649: 14 bits; libwebp's WEBP_MAX_DIMENSION).
pub const MAX_SIDE: u32 = 16_383;

/// A picture ready to be written as lossy WebP at any quantiser step: YUV 4:2:0 is made once.
pub struct WebpEncoder<'a> {
    picture: &'a Picture,
    effort: Effort,
    /// libwebp's copy of the picture: made when the first encode is asked for.
    source: OnceCell<Source>,
    sample: OnceCell<SizePredictor>,
    /// Bytes of the alpha plane without loss, where there is one.
    lossless_alpha: OnceCell<Option<f64>>,
    /// The plane at fewer levels: measured when it would take more than its share.
    alpha: OnceCell<Option<Alpha>>,
    /// The real states, known after the first probe.
    states: OnceCell<States>,
    probes: Probes,
}

impl<'a> WebpEncoder<'a> {
    /// Prepares `picture`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] over [`MAX_SIDE`].
    pub fn new(picture: &'a Picture, effort: Effort) -> Result<WebpEncoder<'a>, EncodeError> {
        Format::Webp.check_size(picture)?;
        Ok(WebpEncoder {
            picture,
            effort,
            source: OnceCell::new(),
            sample: OnceCell::new(),
            lossless_alpha: OnceCell::new(),
            alpha: OnceCell::new(),
            states: OnceCell::new(),
            probes: Probes::default(),
        })
    }

    fn source(&self) -> Result<&Source, EncodeError> {
        if let Some(source) = self.source.get() {
            return Ok(source);
        }
        let source = self.import()?;
        Ok(self.source.get_or_init(|| source))
    }

    fn import(&self) -> Result<Source, EncodeError> {
        let picture = self.picture;
        if picture.has_alpha() || picture.is_grey() {
            let mut source = Source::import(picture, self.effort == Effort::Best)?;
            if self.effort == Effort::Best {
                source.convert_to_sharp_yuv()?;
            }
            return Ok(source);
        }
        Source::of_planes(&HalvedPlanes::of(picture, SampleRange::Limited))
    }
}

impl Encoder for WebpEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        quantiser::LN_STEP_RANGE
    }

    fn snap(&self, ln_step: f64) -> f64 {
        self.nearest(ln_step).1
    }

    fn predict(&self, ln_step: f64) -> f64 {
        let colour = self.ln_colour_bytes(ln_step);
        self.alpha_beside(ln_step).map_or(colour, |(_, bytes)| (colour.exp() + bytes).ln())
    }

    fn probe(&self, ln_step: f64) -> Result<Option<f64>, EncodeError> {
        if self.effort != Effort::Balanced {
            return Ok(None);
        }
        self.probes.at(ln_step, self.predict(ln_step), || self.new_probe(ln_step).map(Some))
    }

    fn max_probe_error(&self) -> Option<f64> {
        // A probe codes the alpha plane by a cheaper method, which takes up to a third more bytes.
        self.picture.has_alpha().then_some(0.03)
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        let (state, ln_step) = self.nearest(ln_step);
        let (file, stats) = self.source()?.encode(&self.config(ln_step, state, method(self.effort))?)?;
        if let Some(states) = self.states_at(ln_step) {
            states.record(state, ln_step, stats.segment_quant);
        }
        Ok(file)
    }
}

impl WebpEncoder<'_> {
    /// ln(bytes) at this step, by a fast encode, from which the states are known afterwards.
    fn new_probe(&self, ln_step: f64) -> Result<f64, EncodeError> {
        let (stats, segments) = self.stats(ln_step)?;
        let ln_bytes = size_model::at_method_4(&stats, self.picture.pixel_count() as f64, ln_step);
        let (state, _) = self.nearest(ln_step);
        let Some(states) = States::of(&segments, state.quality) else { return Ok(ln_bytes) };
        // libwebp codes the whole of an alpha plane before it calls back.
        if self.lossless_alpha().is_none()
            && let Some(indices) = self.source()?.indices(&config(SUSCEPTIBILITY_STATE, PROBE_METHOD)?)
        {
            states.narrow(SUSCEPTIBILITY_STATE, indices);
        }
        // The encode was of the state beside `ln_step`.
        let moved = self.predict(ln_step) - self.predict(states.ln_step(state));
        self.states.get_or_init(|| states);
        Ok(ln_bytes + moved)
    }

    /// ln(bytes) that the colour is expected to take at this step.
    fn ln_colour_bytes(&self, ln_step: f64) -> f64 {
        let sample = self.sample.get_or_init(|| SizePredictor::of(self.picture, &size_model::COUNTED));
        (sample.ln_bytes(ln_step).exp() + size_model::BEGINNING).ln()
    }

    /// The quality of the alpha plane on libwebp's scale beside colour at this step, and its predicted bytes. Returns
    /// `None` where there is no plane.
    fn alpha_beside(&self, ln_step: f64) -> Option<(c_int, f64)> {
        let lossless_bytes = self.lossless_alpha()?;
        let colour_bytes = self.ln_colour_bytes(ln_step).exp();
        if alpha::is_fair(lossless_bytes, colour_bytes) {
            return Some((alpha::LOSSLESS, lossless_bytes));
        }
        let alpha = self.alpha.get_or_init(|| {
            let coarser = self.measure_alpha(alpha::COARSER).ok()?;
            Some(Alpha::new(coarser, lossless_bytes))
        });
        alpha.as_ref().map(|alpha| alpha.beside(colour_bytes, ln_step))
    }

    fn lossless_alpha(&self) -> Option<f64> {
        // If this fails the encode that follows fails too, and says why.
        let measure = || self.measure_alpha([alpha::LOSSLESS]).ok().map(|[bytes]| bytes);
        *self.lossless_alpha.get_or_init(|| if self.picture.has_alpha() { measure() } else { None })
    }

    /// Bytes of the alpha plane at these qualities, by cheap encodes of a sample of its rows.
    fn measure_alpha<const N: usize>(&self, qualities: [c_int; N]) -> Result<[f64; N], EncodeError> {
        let strips = rate::strips(self.picture, Chroma::Halved, rate::rows_for(self.picture, SAMPLED_ALPHA_PIXELS));
        let part = strips.as_ref().map(|strips| Source::import(strips, false)).transpose()?;
        let source = part.as_ref().map_or_else(|| self.source(), Ok)?;
        let share = strips.map_or(1.0, |strips| strips.pixel_count() as f64 / self.picture.pixel_count() as f64);
        let mut measured = [0.0; N];
        for (bytes, quality) in measured.iter_mut().zip(qualities) {
            *bytes = alpha_bytes(source, quality)? / share;
        }
        Ok(measured)
    }

    fn config(&self, ln_step: f64, state: State, method: c_int) -> Result<Config, EncodeError> {
        let mut config = config(state, method)?;
        if let Some((quality, _)) = self.alpha_beside(ln_step) {
            config.alpha_quality = quality;
        }
        Ok(config)
    }

    /// The state that a step stands for, and where it is.
    fn nearest(&self, ln_step: f64) -> (State, f64) {
        if let Some(states) = self.states_at(ln_step) {
            return states.nearest(ln_step);
        }
        let quality = rounded(quantiser::quality(ln_step));
        (State { quality, shaping: SHAPING }, quantiser::ln_step(quality))
    }

    /// The states, once they are known. The ends of the range are the same for every picture.
    fn states_at(&self, ln_step: f64) -> Option<&States> {
        let range = self.ln_step_range();
        self.states.get().filter(|_| *range.start() < ln_step && ln_step < *range.end())
    }

    /// The statistics of an encode at this step and method 2.
    ///
    /// # Errors
    /// [`EncodeError::Failed`].
    pub fn stats(&self, ln_step: f64) -> Result<(Stats, Segments), EncodeError> {
        let config = self.config(ln_step, self.nearest(ln_step).0, PROBE_METHOD)?;
        let (file, stats) = self.source()?.encode(&config)?;
        let segments = Segments {
            index: stats.segment_quant,
            blocks: stats.segment_size,
            bytes: std::array::from_fn(|s| stats.residual_bytes.iter().map(|kind| kind[s]).sum()),
        };
        let alpha_bytes = f64::from(stats.alpha_data_size);
        let blocks = f64::from(stats.block_count[0] + stats.block_count[1]);
        let stats = Stats {
            bytes: (file.len() as f64 - alpha_bytes).max(1.0),
            alpha_bytes,
            mode_bytes: f64::from(stats.header_bytes[1]),
            dc_bytes: f64::from(stats.residual_bytes[0].iter().sum::<i32>()),
            share_4: f64::from(stats.block_count[0]) / blocks.max(1.0),
        };
        Ok((stats, segments))
    }
}

/// Bytes of the alpha plane of `source` at a quality on libwebp's scale.
fn alpha_bytes(source: &Source, quality: c_int) -> Result<f64, EncodeError> {
    let mut config = config(State { quality: 0.0, shaping: SHAPING }, ALPHA_METHOD)?;
    config.alpha_quality = quality;
    let (_, stats) = source.encode(&config)?;
    Ok(f64::from(stats.alpha_data_size))
}

/// At most about so many pixels of an alpha plane are measured.
const SAMPLED_ALPHA_PIXELS: u64 = 500_000;

/// The method of the cheaper encode. It takes two fifths of the time of method 4 and chooses modes in the same way.
const PROBE_METHOD: c_int = 2;

/// The cheapest method that codes alpha planes about as well as method 4. Method 0 does not predict pixels: the plane of a
/// photograph that fades out took 62,629 bytes where 77 are enough.
const ALPHA_METHOD: c_int = 1;

/// How much detail the loop filter leaves, 0 to 7: docs/model.md, WebP.
const SHARPNESS: c_int = 7;

/// libwebp's method by effort: docs/model.md, WebP.
fn method(effort: Effort) -> c_int {
    match effort {
        Effort::Fast => 2,
        Effort::Balanced => 4,
        Effort::Best => 6,
    }
}

/// What libwebp spends on lossless files, 0 to 100. From 76 on it looks for the cheapest way to copy: a page of two
/// colours takes a fifth fewer bytes for a tenth more time, and photographs stay as they are. At 100 a file takes 10 to
/// 40 times as long.
const LOSSLESS_QUALITY: f64 = 90.0;

/// `picture` as lossless WebP.
///
/// # Errors
/// [`EncodeError::TooLarge`] over [`MAX_SIDE`], [`EncodeError::Failed`] when memory runs out.
pub fn encode_lossless(picture: &Picture, effort: Effort) -> Result<Vec<u8>, EncodeError> {
    Format::Webp.check_size(picture)?;
    let source = Source::import(picture, true)?;
    let mut config = config(State { quality: LOSSLESS_QUALITY, shaping: SHAPING }, method(effort))?;
    config.lossless = 1;
    // Hidden colour is kept too.
    config.exact = 1;
    let (file, _) = source.encode(&config)?;
    Ok(file)
}

/// The nearest quality that is tried where the states are unknown: hundredths are finer than libwebp's own states.
/// Below 1 an index takes as little as a ten-thousandth.
fn rounded(quality: f64) -> f64 {
    let fineness = if quality < 1.0 { 10_000.0 } else { 100.0 };
    (quality * fineness).round() / fineness
}

fn config(state: State, method: c_int) -> Result<Config, EncodeError> {
    let mut config = library::config(state.quality)?;
    config.method = method;
    config.sns_strength = state.shaping;
    config.filter_sharpness = SHARPNESS;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Limits, decode};
    use crate::picture::Layout;

    const SIDE: u32 = 128;

    /// Soft colours under this alpha channel.
    fn veiled(alpha: impl Fn(u32, u32) -> u8) -> Picture {
        veiled_at(SIDE, alpha)
    }

    fn veiled_at(side: u32, alpha: impl Fn(u32, u32) -> u8) -> Picture {
        let points = (0..side * side).map(|index| (index % side, index / side));
        let pixels = points.flat_map(|(x, y)| [x as u8, y as u8, (x + y) as u8, alpha(x, y)]);
        Picture::new(side, side, Layout::Rgba, pixels.collect())
    }

    /// Noise that repeats nowhere.
    fn grain(x: u32, y: u32) -> u8 {
        let mixed = ((y * 4_096 + x) ^ 0x9E37).wrapping_mul(0x85EB_CA6B);
        ((mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35) >> 24) as u8
    }

    fn coarsest(picture: &Picture) -> Vec<u8> {
        let encoder = WebpEncoder::new(picture, Effort::Balanced).unwrap();
        encoder.encode(*encoder.ln_step_range().end()).unwrap()
    }

    fn alpha_of(picture: &Picture) -> Vec<u8> {
        picture.pixels().chunks_exact(4).map(|pixel| pixel[3]).collect()
    }

    #[test]
    fn there_are_states_beside_the_coarsest_before_a_probe() {
        let picture = veiled(|_, _| 255);
        let encoder = WebpEncoder::new(&picture, Effort::Fast).unwrap();
        let coarsest = *encoder.ln_step_range().end();
        let beside = [0.02, 0.04, 0.06].map(|finer| encoder.snap(coarsest - finer));
        assert!(beside[0] < coarsest && beside[1] < beside[0] && beside[2] < beside[1], "{beside:?}");
    }

    #[test]
    fn indices_are_those_of_a_whole_encode() {
        let picture = veiled_at(300, |_, _| 255);
        let busier = |at: usize, byte: u8| if at / 4 % 300 < 100 { byte } else { byte ^ grain(at as u32, 7) >> 3 };
        let pixels = picture.pixels().iter().enumerate().map(|(at, byte)| busier(at, *byte)).collect();
        let source = Source::import(&Picture::new(300, 300, Layout::Rgba, pixels), false).unwrap();
        for state in [SUSCEPTIBILITY_STATE, State { quality: 60.0, shaping: SHAPING }] {
            let config = config(state, PROBE_METHOD).unwrap();
            let whole = source.encode(&config).unwrap().1.segment_quant;
            assert_eq!(source.indices(&config), Some(whole), "{state:?}");
            assert_ne!(whole, [whole[0]; crate::codec::webp::states::SEGMENTS]);
        }
    }

    #[test]
    fn an_alpha_plane_that_would_be_all_of_the_file_loses_levels() {
        let grainy = veiled(grain);
        let encoder = WebpEncoder::new(&grainy, Effort::Balanced).unwrap();
        let lossless_bytes = alpha_bytes(encoder.source().unwrap(), 100).unwrap();
        let file = coarsest(&grainy);
        assert!((file.len() as f64) < lossless_bytes / 2.0, "{} of {lossless_bytes}", file.len());
        let alpha = alpha_of(&decode(&file, &Limits::default()).unwrap().picture);
        let off = alpha.iter().zip(alpha_of(&grainy)).map(|(one, other)| one.abs_diff(other)).max();
        assert!(off.is_some_and(|off| (1..=64).contains(&off)), "{off:?}");
    }

    #[test]
    fn rows_stand_for_the_alpha_plane() {
        let side = 1_500;
        let soft = |x: u32, y: u32| {
            let off = [x, y].map(|at| (f64::from(at) / f64::from(side) - 0.5).powi(2)).iter().sum::<f64>().sqrt();
            ((0.45 - off) * 600.0).clamp(0.0, 255.0) as u8
        };
        for picture in [veiled_at(side, soft), veiled_at(side, grain)] {
            let encoder = WebpEncoder::new(&picture, Effort::Balanced).unwrap();
            let weighed = encoder.lossless_alpha().unwrap();
            let whole = alpha_bytes(encoder.source().unwrap(), 100).unwrap();
            assert!((0.7..1.4).contains(&(weighed / whole)), "{weighed} of {whole}");
        }
    }

    #[test]
    fn a_mask_keeps_its_edges() {
        let masked = veiled(|x, y| if (x / 9 + y / 7) % 2 == 0 { 255 } else { 0 });
        let back = decode(&coarsest(&masked), &Limits::default()).unwrap().picture;
        assert_eq!(alpha_of(&back), alpha_of(&masked));
    }

    #[test]
    fn the_estimate_counts_the_alpha_plane() {
        let (grainy, plain) = (veiled(grain), veiled(|x, _| if x == 0 { 0 } else { 255 }));
        let expected = |picture: &Picture| WebpEncoder::new(picture, Effort::Balanced).unwrap().predict(4.0).exp();
        assert!(expected(&grainy) > 1.4 * expected(&plain), "{} {}", expected(&grainy), expected(&plain));
    }
}
