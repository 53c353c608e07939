//! One quality scale for every format: the same number means the same look.
//!
//! Quality `q`, 1 to 100, is the setting whose median SSIMULACRA2 over the training set is `q`. The tables are
//! printed by `cargo run --release --example quality_scale`, over 46 photographs of at most 1,024 pixels a side
//! (24 Kodak pictures, 12 of CLIC 2025, 10 camera files) at balanced effort. Must not know targets.

/// A point of an encoder's curve.
#[derive(Clone, Copy, Debug)]
struct Knot {
    quality: f64,
    /// ln of the quantiser step that gives this quality.
    ln_step: f64,
    /// Median ln(bits per pixel) there: the first guess of a size.
    ln_bits_per_pixel: f64,
}

/// An encoder's curve, from the coarsest step to the finest.
#[derive(Clone, Copy, Debug)]
pub struct Scale(&'static [Knot]);

/// JPEG at 4:2:0.
pub const JPEG_HALVED: Scale = Scale(JPEG_HALVED_KNOTS);
/// JPEG at 4:4:4.
pub const JPEG_FULL: Scale = Scale(JPEG_FULL_KNOTS);
/// Lossy WebP.
pub const WEBP: Scale = Scale(WEBP_KNOTS);
/// AVIF by libaom at 4:2:0.
pub const AVIF_HALVED: Scale = Scale(AVIF_HALVED_KNOTS);
/// AVIF by libaom at 4:4:4.
pub const AVIF_FULL: Scale = Scale(AVIF_FULL_KNOTS);
/// The same with libaom's tuning for still pictures, libaom 3.12.1.
pub const AVIF_IQ_HALVED: Scale = Scale(AVIF_IQ_HALVED_KNOTS);
/// The same at 4:4:4.
pub const AVIF_IQ_FULL: Scale = Scale(AVIF_IQ_FULL_KNOTS);
/// AVIF by rav1e.
pub const AVIF_RAV1E: Scale = Scale(AVIF_RAV1E_KNOTS);
/// PNG with a palette.
pub const PNG: Scale = Scale(PNG_KNOTS);

impl Scale {
    /// ln of the step for `quality`; beyond the ends of the scale, the end.
    pub fn ln_step(&self, quality: f64) -> f64 {
        self.read(quality, |knot| knot.quality, |knot| knot.ln_step)
    }

    /// The quality of the step `exp(ln_step)`: up to 100, and below 1, down to -65, where nobody wants to look.
    pub fn quality(&self, ln_step: f64) -> f64 {
        self.read(-ln_step, |knot| -knot.ln_step, |knot| knot.quality)
    }

    /// Median ln(bits per pixel) at this step.
    pub fn ln_bits_per_pixel(&self, ln_step: f64) -> f64 {
        self.read(-ln_step, |knot| -knot.ln_step, |knot| knot.ln_bits_per_pixel)
    }

    /// ln(bytes) that the median picture of `pixels` takes at this step.
    pub fn ln_bytes(&self, pixels: u64, ln_step: f64) -> f64 {
        self.ln_bits_per_pixel(ln_step) + (pixels as f64 / 8.0).ln()
    }

    /// ln of the step at which the median picture of `pixels` takes this ln(bytes).
    pub fn ln_step_for(&self, pixels: u64, ln_bytes: f64) -> f64 {
        let ln_bits_per_pixel = ln_bytes - (pixels as f64 / 8.0).ln();
        self.read(ln_bits_per_pixel, |knot| knot.ln_bits_per_pixel, |knot| knot.ln_step)
    }

    /// Reads the curve between its knots: `from` rises along them.
    fn read(&self, value: f64, from: fn(&Knot) -> f64, to: fn(&Knot) -> f64) -> f64 {
        let right = self.0.partition_point(|knot| from(knot) < value).clamp(1, self.0.len() - 1);
        let (left, right) = (&self.0[right - 1], &self.0[right]);
        let share = ((value - from(left)) / (from(right) - from(left))).clamp(0.0, 1.0);
        to(left) + (to(right) - to(left)) * share
    }
}

const fn knot(quality: f64, ln_step: f64, ln_bits_per_pixel: f64) -> Knot {
    Knot { quality, ln_step, ln_bits_per_pixel }
}

const JPEG_HALVED_KNOTS: &[Knot] = &[
    knot(-64.1, 3.700, -2.996),
    knot(-58.2, 3.207, -2.827),
    knot(-40.1, 2.714, -2.537),
    knot(-13.0, 2.221, -2.215),
    knot(9.7, 1.729, -1.877),
    knot(29.6, 1.236, -1.500),
    knot(45.0, 0.743, -1.181),
    knot(57.4, 0.250, -0.811),
    knot(68.0, -0.243, -0.425),
    knot(76.1, -0.736, -0.054),
    knot(81.8, -1.229, 0.317),
    knot(86.0, -1.721, 0.681),
    knot(88.3, -2.214, 0.977),
    knot(90.0, -2.707, 1.269),
    knot(91.1, -3.200, 1.515),
];

const JPEG_FULL_KNOTS: &[Knot] = &[
    knot(-63.9, 3.700, -2.598),
    knot(-57.2, 3.207, -2.477),
    knot(-37.9, 2.714, -2.234),
    knot(-10.4, 2.221, -1.937),
    knot(12.8, 1.729, -1.618),
    knot(33.1, 1.236, -1.274),
    knot(47.6, 0.743, -0.900),
    knot(59.6, 0.250, -0.549),
    knot(69.9, -0.243, -0.146),
    knot(77.8, -0.736, 0.240),
    knot(83.7, -1.229, 0.606),
    knot(88.0, -1.721, 0.964),
    knot(90.5, -2.214, 1.290),
    knot(92.2, -2.707, 1.610),
    knot(93.3, -3.200, 1.843),
];

const WEBP_KNOTS: &[Knot] = &[
    knot(-23.8, 5.649, -2.434),
    knot(-7.6, 5.346, -2.207),
    knot(7.7, 5.040, -1.916),
    knot(21.0, 4.736, -1.643),
    knot(35.6, 4.431, -1.325),
    knot(46.1, 4.127, -1.080),
    knot(58.4, 3.822, -0.741),
    knot(67.3, 3.518, -0.416),
    knot(73.8, 3.213, -0.105),
    knot(78.7, 2.909, 0.172),
    knot(83.3, 2.604, 0.476),
    knot(86.7, 2.300, 0.774),
    knot(88.6, 1.996, 1.027),
    knot(89.3, 1.690, 1.175),
    knot(89.7, 1.386, 1.237),
];

const AVIF_HALVED_KNOTS: &[Knot] = &[
    knot(-51.7, 5.432, -3.304),
    knot(-27.4, 5.007, -2.827),
    knot(-5.6, 4.568, -2.345),
    knot(15.2, 4.137, -1.927),
    knot(32.8, 3.717, -1.542),
    knot(47.9, 3.291, -1.171),
    knot(59.3, 2.848, -0.842),
    knot(68.4, 2.420, -0.525),
    knot(75.2, 1.998, -0.202),
    knot(80.3, 1.558, 0.128),
    knot(84.3, 1.136, 0.442),
    knot(87.6, 0.705, 0.807),
    knot(89.1, 0.281, 1.092),
    knot(90.8, -0.179, 1.360),
    knot(91.2, -0.584, 1.566),
];

const AVIF_FULL_KNOTS: &[Knot] = &[
    knot(-46.1, 5.432, -3.197),
    knot(-23.0, 5.007, -2.701),
    knot(-2.3, 4.568, -2.244),
    knot(18.7, 4.137, -1.842),
    knot(36.8, 3.717, -1.450),
    knot(51.2, 3.291, -1.067),
    knot(62.5, 2.848, -0.679),
    knot(71.1, 2.420, -0.341),
    knot(77.0, 1.998, -0.012),
    knot(82.0, 1.558, 0.326),
    knot(86.2, 1.136, 0.610),
    knot(89.6, 0.705, 0.980),
    knot(91.1, 0.281, 1.287),
    knot(92.4, -0.179, 1.592),
    knot(92.8, -0.584, 1.859),
];

const AVIF_IQ_HALVED_KNOTS: &[Knot] = &[
    knot(-45.9, 5.432, -3.225),
    knot(-24.3, 5.007, -2.782),
    knot(-1.3, 4.568, -2.299),
    knot(18.9, 4.137, -1.887),
    knot(36.4, 3.717, -1.507),
    knot(50.0, 3.291, -1.140),
    knot(61.0, 2.848, -0.798),
    knot(69.2, 2.420, -0.499),
    knot(75.7, 1.998, -0.179),
    knot(80.5, 1.558, 0.133),
    knot(84.4, 1.136, 0.444),
    knot(87.6, 0.705, 0.813),
    knot(89.2, 0.281, 1.097),
    knot(90.8, -0.179, 1.364),
    knot(91.2, -0.584, 1.568),
];

const AVIF_IQ_FULL_KNOTS: &[Knot] = &[
    knot(-45.0, 5.432, -3.171),
    knot(-23.6, 5.007, -2.735),
    knot(-0.5, 4.568, -2.253),
    knot(19.9, 4.137, -1.849),
    knot(37.4, 3.717, -1.468),
    knot(51.5, 3.291, -1.096),
    knot(62.4, 2.848, -0.738),
    knot(70.5, 2.420, -0.397),
    knot(76.6, 1.998, -0.096),
    knot(81.7, 1.558, 0.243),
    knot(86.0, 1.136, 0.552),
    knot(89.4, 0.705, 0.925),
    knot(90.9, 0.281, 1.234),
    knot(92.4, -0.179, 1.552),
    knot(92.8, -0.584, 1.863),
];

const AVIF_RAV1E_KNOTS: &[Knot] = &[
    knot(-30.3, 5.374, -2.677),
    knot(-15.6, 4.988, -2.413),
    knot(7.1, 4.606, -1.969),
    knot(27.9, 4.230, -1.541),
    knot(45.9, 3.842, -1.085),
    knot(59.3, 3.462, -0.672),
    knot(70.2, 3.074, -0.252),
    knot(78.2, 2.691, 0.111),
    knot(83.3, 2.303, 0.439),
    knot(87.0, 1.928, 0.744),
    knot(90.0, 1.531, 1.054),
    knot(91.8, 1.139, 1.324),
    knot(93.0, 0.754, 1.587),
    knot(93.5, 0.405, 1.809),
    knot(93.7, 0.000, 1.963),
];

const PNG_KNOTS: &[Knot] = &[
    knot(-64.2, -0.693, -0.895),
    knot(-58.0, -1.099, -0.407),
    knot(-43.5, -1.386, -0.195),
    knot(-21.0, -1.792, 0.041),
    knot(-0.2, -2.079, 0.242),
    knot(11.8, -2.398, 0.351),
    knot(25.6, -2.773, 0.529),
    knot(38.2, -3.135, 0.698),
    knot(48.7, -3.466, 0.822),
    knot(57.7, -3.807, 0.950),
    knot(65.5, -4.159, 1.075),
    knot(70.5, -4.511, 1.177),
    knot(73.6, -4.852, 1.294),
    knot(77.1, -5.198, 1.392),
    knot(80.6, -5.545, 1.492),
];
