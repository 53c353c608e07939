//! Tone maps high dynamic range (PQ and HLG, ITU-R BT.2100) to sRGB.
//!
//! Reference white is 203 nits (ITU-R BT.2408) and becomes sRGB's white. Brighter values are compressed into the top
//! quarter of the range by one curve on the largest channel, so hues stay the same.

use moxcms::TransferCharacteristics;

/// Luminance of sRGB's white, in nits (ITU-R BT.2408 s2.2).
const WHITE_NITS: f32 = 203.0;
/// Luminance that the curve maps to white, in nits. Most content is mastered to this peak.
const PEAK_NITS: f32 = 1000.0;
/// The point where the curve starts to bend, relative to white.
const KNEE: f32 = 0.75;
/// Number of steps of the tables: 12 bits, finer than the samples of any such picture.
const STEPS: usize = 4096;

/// The weights of BT.2020's primaries in luminance.
const LUMA_2020: [f32; 3] = [0.2627, 0.6780, 0.0593];

/// How a signal becomes light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    /// The perceptual quantiser, SMPTE ST 2084.
    Pq,
    /// Hybrid log-gamma, ARIB STD-B67.
    Hlg,
}

impl Curve {
    /// Returns `None` for a transfer function without high dynamic range.
    pub(super) fn of(transfer: TransferCharacteristics) -> Option<Curve> {
        match transfer {
            TransferCharacteristics::Smpte2084 => Some(Curve::Pq),
            TransferCharacteristics::Hlg => Some(Curve::Hlg),
            _ => None,
        }
    }
}

/// Converts one high dynamic range space to sRGB.
pub(super) struct ToneMap {
    /// Signal to light: nits divided by [`WHITE_NITS`] for PQ, scene light 0 to 1 for HLG.
    light: Vec<f32>,
    curve: Curve,
    /// Linear light of the picture's primaries to that of BT.709's.
    matrix: [[f32; 3]; 3],
    /// Light 0 to 1 to sRGB levels.
    levels: Vec<u8>,
}

impl ToneMap {
    /// Prepares the conversion of a picture whose linear light `matrix` converts to that of BT.709's primaries.
    pub(super) fn new(curve: Curve, matrix: [[f64; 3]; 3]) -> ToneMap {
        let unit = |step: usize| step as f32 / (STEPS - 1) as f32;
        let light_of = match curve {
            Curve::Pq => pq_light,
            Curve::Hlg => hlg_light,
        };
        let light = (0..STEPS).map(|step| light_of(unit(step))).collect();
        // The table is indexed by the square root of light. Linear steps would be too coarse for the shadows.
        let levels = (0..STEPS).map(|step| srgb_level(unit(step) * unit(step))).collect();
        ToneMap { light, curve, matrix: matrix.map(|row| row.map(|weight| weight as f32)), levels }
    }

    /// Converts a signal, each channel 0 to 1, to an sRGB pixel.
    pub(super) fn convert(&self, signal: [f32; 3]) -> [u8; 3] {
        let mut light = signal.map(|channel| self.light[step(channel)]);
        if self.curve == Curve::Hlg {
            light = hlg_display(light);
        }
        let rgb = self.matrix.map(|row| (row[0] * light[0] + row[1] * light[1] + row[2] * light[2]).max(0.0));
        let largest = rgb[0].max(rgb[1]).max(rgb[2]);
        let scale = if largest > KNEE { squeeze(largest) / largest } else { 1.0 };
        rgb.map(|channel| self.levels[step((channel * scale).sqrt())])
    }
}

fn step(unit: f32) -> usize {
    (unit.clamp(0.0, 1.0) * (STEPS - 1) as f32).round() as usize
}

/// SMPTE ST 2084, relative to white.
fn pq_light(signal: f32) -> f32 {
    const M1: f32 = 0.159_301_76;
    const M2: f32 = 78.84375;
    const C1: f32 = 0.8359375;
    const C2: f32 = 18.851_563;
    const C3: f32 = 18.6875;
    let power = signal.powf(1.0 / M2);
    ((power - C1).max(0.0) / (C2 - C3 * power)).powf(1.0 / M1) * 10_000.0 / WHITE_NITS
}

/// The inverse of BT.2100's HLG camera curve: scene light, 0 to 1.
fn hlg_light(signal: f32) -> f32 {
    const A: f32 = 0.178_832_77;
    const B: f32 = 0.284_668_92;
    const C: f32 = 0.559_910_7;
    if signal <= 0.5 { signal * signal / 3.0 } else { (((signal - C) / A).exp() + B) / 12.0 }
}

/// BT.2100's system gamma of 1.2 for a display of [`PEAK_NITS`], relative to white.
fn hlg_display(scene: [f32; 3]) -> [f32; 3] {
    let luma = scene.iter().zip(LUMA_2020).map(|(channel, weight)| channel * weight).sum::<f32>();
    let gain = luma.max(1e-6).powf(0.2) * PEAK_NITS / WHITE_NITS;
    scene.map(|channel| channel * gain)
}

/// Compresses light above the knee into the range that is left below white with Reinhard's extended curve. The peak
/// becomes 1.
fn squeeze(light: f32) -> f32 {
    let headroom = 1.0 - KNEE;
    let over = (light - KNEE) / headroom;
    let peak = (PEAK_NITS / WHITE_NITS - KNEE) / headroom;
    (KNEE + headroom * over * (1.0 + over / (peak * peak)) / (1.0 + over)).min(1.0)
}

fn srgb_level(light: f32) -> u8 {
    let signal = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (signal * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear BT.2020 to linear BT.709 (ITU-R BT.2087).
    const FROM_2020: [[f64; 3]; 3] =
        [[1.660_5, -0.587_6, -0.072_8], [-0.124_6, 1.132_9, -0.008_3], [-0.018_2, -0.100_6, 1.118_7]];

    fn tone_map(curve: Curve) -> ToneMap {
        ToneMap::new(curve, FROM_2020)
    }

    #[test]
    fn only_pq_and_hlg_are_toned_down() {
        assert_eq!(Curve::of(TransferCharacteristics::Smpte2084), Some(Curve::Pq));
        assert_eq!(Curve::of(TransferCharacteristics::Hlg), Some(Curve::Hlg));
        assert_eq!(Curve::of(TransferCharacteristics::Srgb), None);
    }

    #[test]
    fn black_stays_black_and_the_peak_is_white() {
        // PQ of 1000 nits is 0.7518 (BT.2408 table 1); HLG's peak is 1.
        for (curve, peak) in [(Curve::Pq, 0.7518), (Curve::Hlg, 1.0)] {
            let map = tone_map(curve);
            assert_eq!(map.convert([0.0; 3]), [0; 3]);
            assert!(map.convert([peak; 3]).iter().all(|&level| level >= 254), "{curve:?}");
        }
    }

    #[test]
    fn mid_grey_keeps_its_light() {
        // 26 nits, the light of an 18 % card under a white of 203 without highlights, is PQ 0.38 (BT.2408).
        let grey = tone_map(Curve::Pq).convert([0.38; 3]);
        assert!(grey.iter().all(|&level| level.abs_diff(101) <= 3), "{grey:?}");
    }

    #[test]
    fn brighter_is_never_darker() {
        for curve in [Curve::Pq, Curve::Hlg] {
            let map = tone_map(curve);
            let ramp: Vec<u8> = (0..=1000).map(|i| map.convert([i as f32 / 1000.0; 3])[0]).collect();
            assert!(ramp.is_sorted(), "{curve:?}");
        }
    }
}
