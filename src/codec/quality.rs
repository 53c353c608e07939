//! One quality scale for every format: the same number means the same look.
//!
//! Quality `q`, 1 to 100, is the setting whose median SSIMULACRA2 over the training set is `q`. The tables are
//! printed by `cargo run --release -p bytefit-tools --bin quality_scale`, over 46 photographs of at most 1,024 pixels a side
//! (24 Kodak pictures, 12 of CLIC 2025, 10 camera files) at balanced effort. Must not know targets.

/// A point of an encoder's curve.
#[derive(Clone, Copy, Debug)]
struct ScalePoint {
    quality: f64,
    /// ln of the quantiser step that gives this quality.
    ln_step: f64,
    /// Median ln(bits per pixel) there: the first guess of a size.
    ln_bits_per_pixel: f64,
}

/// An encoder's curve, from the coarsest step to the finest.
#[derive(Clone, Copy, Debug)]
pub struct QualityScale(&'static [ScalePoint]);

/// JPEG at 4:2:0.
pub const JPEG_HALVED: QualityScale = QualityScale(JPEG_HALVED_POINTS);
/// JPEG at 4:4:4.
pub const JPEG_FULL: QualityScale = QualityScale(JPEG_FULL_POINTS);
/// Lossy WebP.
pub const WEBP: QualityScale = QualityScale(WEBP_POINTS);
/// AVIF by libaom at 4:2:0.
pub const AVIF_HALVED: QualityScale = QualityScale(AVIF_HALVED_POINTS);
/// AVIF by libaom at 4:4:4.
pub const AVIF_FULL: QualityScale = QualityScale(AVIF_FULL_POINTS);
/// The same with libaom's tuning for still pictures, libaom 3.12.1.
pub const AVIF_IQ_HALVED: QualityScale = QualityScale(AVIF_IQ_HALVED_POINTS);
/// The same at 4:4:4.
pub const AVIF_IQ_FULL: QualityScale = QualityScale(AVIF_IQ_FULL_POINTS);
/// AVIF by rav1e.
pub const AVIF_RAV1E: QualityScale = QualityScale(AVIF_RAV1E_POINTS);
/// PNG with a palette.
pub const PNG: QualityScale = QualityScale(PNG_POINTS);

impl QualityScale {
    /// ln of the step for `quality`; beyond the ends of the scale, the end.
    pub fn ln_step(&self, quality: f64) -> f64 {
        self.read(quality, |point| point.quality, |point| point.ln_step)
    }

    /// The quality of the step `exp(ln_step)`: up to 100, and below 1, down to -65, where nobody wants to look.
    pub fn quality(&self, ln_step: f64) -> f64 {
        self.read(-ln_step, |point| -point.ln_step, |point| point.quality)
    }

    /// Median ln(bits per pixel) at this step.
    pub fn ln_bits_per_pixel(&self, ln_step: f64) -> f64 {
        self.read(-ln_step, |point| -point.ln_step, |point| point.ln_bits_per_pixel)
    }

    /// ln(bytes) that the median picture of `pixels` takes at this step.
    pub fn ln_bytes(&self, pixels: u64, ln_step: f64) -> f64 {
        self.ln_bits_per_pixel(ln_step) + (pixels as f64 / 8.0).ln()
    }

    /// ln of the step at which the median picture of `pixels` takes this ln(bytes).
    pub fn ln_step_for(&self, pixels: u64, ln_bytes: f64) -> f64 {
        let ln_bits_per_pixel = ln_bytes - (pixels as f64 / 8.0).ln();
        self.read(ln_bits_per_pixel, |point| point.ln_bits_per_pixel, |point| point.ln_step)
    }

    /// Reads the curve between its knots: `from` rises along them.
    fn read(&self, value: f64, from: fn(&ScalePoint) -> f64, to: fn(&ScalePoint) -> f64) -> f64 {
        let right = self.0.partition_point(|point| from(point) < value).clamp(1, self.0.len() - 1);
        let (left, right) = (&self.0[right - 1], &self.0[right]);
        let share = ((value - from(left)) / (from(right) - from(left))).clamp(0.0, 1.0);
        to(left) + (to(right) - to(left)) * share
    }
}

const fn point(quality: f64, ln_step: f64, ln_bits_per_pixel: f64) -> ScalePoint {
    ScalePoint { quality, ln_step, ln_bits_per_pixel }
}

const JPEG_HALVED_POINTS: &[ScalePoint] = &[
    point(-64.1, 3.700, -2.996),
    point(-58.2, 3.207, -2.827),
    point(-40.1, 2.714, -2.537),
    point(-13.0, 2.221, -2.215),
    point(9.7, 1.729, -1.877),
    point(29.6, 1.236, -1.500),
    point(45.0, 0.743, -1.181),
    point(57.4, 0.250, -0.811),
    point(68.0, -0.243, -0.425),
    point(76.1, -0.736, -0.054),
    point(81.8, -1.229, 0.317),
    point(86.0, -1.721, 0.681),
    point(88.3, -2.214, 0.977),
    point(90.0, -2.707, 1.269),
    point(91.1, -3.200, 1.515),
];

const JPEG_FULL_POINTS: &[ScalePoint] = &[
    point(-63.9, 3.700, -2.598),
    point(-57.2, 3.207, -2.477),
    point(-37.9, 2.714, -2.234),
    point(-10.4, 2.221, -1.937),
    point(12.8, 1.729, -1.618),
    point(33.1, 1.236, -1.274),
    point(47.6, 0.743, -0.900),
    point(59.6, 0.250, -0.549),
    point(69.9, -0.243, -0.146),
    point(77.8, -0.736, 0.240),
    point(83.7, -1.229, 0.606),
    point(88.0, -1.721, 0.964),
    point(90.5, -2.214, 1.290),
    point(92.2, -2.707, 1.610),
    point(93.3, -3.200, 1.843),
];

const WEBP_POINTS: &[ScalePoint] = &[
    point(-23.8, 5.649, -2.434),
    point(-7.6, 5.346, -2.207),
    point(7.7, 5.040, -1.916),
    point(21.0, 4.736, -1.643),
    point(35.6, 4.431, -1.325),
    point(46.1, 4.127, -1.080),
    point(58.4, 3.822, -0.741),
    point(67.3, 3.518, -0.416),
    point(73.8, 3.213, -0.105),
    point(78.7, 2.909, 0.172),
    point(83.3, 2.604, 0.476),
    point(86.7, 2.300, 0.774),
    point(88.6, 1.996, 1.027),
    point(89.3, 1.690, 1.175),
    point(89.7, 1.386, 1.237),
];

const AVIF_HALVED_POINTS: &[ScalePoint] = &[
    point(-51.7, 5.432, -3.304),
    point(-27.4, 5.007, -2.827),
    point(-5.6, 4.568, -2.345),
    point(15.2, 4.137, -1.927),
    point(32.8, 3.717, -1.542),
    point(47.9, 3.291, -1.171),
    point(59.3, 2.848, -0.842),
    point(68.4, 2.420, -0.525),
    point(75.2, 1.998, -0.202),
    point(80.3, 1.558, 0.128),
    point(84.3, 1.136, 0.442),
    point(87.6, 0.705, 0.807),
    point(89.1, 0.281, 1.092),
    point(90.8, -0.179, 1.360),
    point(91.2, -0.584, 1.566),
];

const AVIF_FULL_POINTS: &[ScalePoint] = &[
    point(-46.1, 5.432, -3.197),
    point(-23.0, 5.007, -2.701),
    point(-2.3, 4.568, -2.244),
    point(18.7, 4.137, -1.842),
    point(36.8, 3.717, -1.450),
    point(51.2, 3.291, -1.067),
    point(62.5, 2.848, -0.679),
    point(71.1, 2.420, -0.341),
    point(77.0, 1.998, -0.012),
    point(82.0, 1.558, 0.326),
    point(86.2, 1.136, 0.610),
    point(89.6, 0.705, 0.980),
    point(91.1, 0.281, 1.287),
    point(92.4, -0.179, 1.592),
    point(92.8, -0.584, 1.859),
];

const AVIF_IQ_HALVED_POINTS: &[ScalePoint] = &[
    point(-45.9, 5.432, -3.225),
    point(-24.3, 5.007, -2.782),
    point(-1.3, 4.568, -2.299),
    point(18.9, 4.137, -1.887),
    point(36.4, 3.717, -1.507),
    point(50.0, 3.291, -1.140),
    point(61.0, 2.848, -0.798),
    point(69.2, 2.420, -0.499),
    point(75.7, 1.998, -0.179),
    point(80.5, 1.558, 0.133),
    point(84.4, 1.136, 0.444),
    point(87.6, 0.705, 0.813),
    point(89.2, 0.281, 1.097),
    point(90.8, -0.179, 1.364),
    point(91.2, -0.584, 1.568),
];

const AVIF_IQ_FULL_POINTS: &[ScalePoint] = &[
    point(-45.0, 5.432, -3.171),
    point(-23.6, 5.007, -2.735),
    point(-0.5, 4.568, -2.253),
    point(19.9, 4.137, -1.849),
    point(37.4, 3.717, -1.468),
    point(51.5, 3.291, -1.096),
    point(62.4, 2.848, -0.738),
    point(70.5, 2.420, -0.397),
    point(76.6, 1.998, -0.096),
    point(81.7, 1.558, 0.243),
    point(86.0, 1.136, 0.552),
    point(89.4, 0.705, 0.925),
    point(90.9, 0.281, 1.234),
    point(92.4, -0.179, 1.552),
    point(92.8, -0.584, 1.863),
];

const AVIF_RAV1E_POINTS: &[ScalePoint] = &[
    point(-30.3, 5.374, -2.677),
    point(-15.6, 4.988, -2.413),
    point(7.1, 4.606, -1.969),
    point(27.9, 4.230, -1.541),
    point(45.9, 3.842, -1.085),
    point(59.3, 3.462, -0.672),
    point(70.2, 3.074, -0.252),
    point(78.2, 2.691, 0.111),
    point(83.3, 2.303, 0.439),
    point(87.0, 1.928, 0.744),
    point(90.0, 1.531, 1.054),
    point(91.8, 1.139, 1.324),
    point(93.0, 0.754, 1.587),
    point(93.5, 0.405, 1.809),
    point(93.7, 0.000, 1.963),
];

const PNG_POINTS: &[ScalePoint] = &[
    point(-64.2, -0.693, -0.895),
    point(-58.0, -1.099, -0.407),
    point(-43.5, -1.386, -0.195),
    point(-21.0, -1.792, 0.041),
    point(-0.2, -2.079, 0.242),
    point(11.8, -2.398, 0.351),
    point(25.6, -2.773, 0.529),
    point(38.2, -3.135, 0.698),
    point(48.7, -3.466, 0.822),
    point(57.7, -3.807, 0.950),
    point(65.5, -4.159, 1.075),
    point(70.5, -4.511, 1.177),
    point(73.6, -4.852, 1.294),
    point(77.1, -5.198, 1.392),
    point(80.6, -5.545, 1.492),
];
