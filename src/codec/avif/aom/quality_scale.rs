//! AVIF by libaom on the quality scale: docs/model.md, Quality scale.

use crate::codec::quality::{QualityScale, point};

/// At 4:2:0.
pub(super) const HALVED: QualityScale = QualityScale::new(&[
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
]);

/// At 4:4:4.
pub(super) const FULL: QualityScale = QualityScale::new(&[
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
]);

/// At 4:2:0 with libaom's tuning for still pictures, libaom 3.12.1.
pub(super) const IQ_HALVED: QualityScale = QualityScale::new(&[
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
]);

/// The same at 4:4:4.
pub(super) const IQ_FULL: QualityScale = QualityScale::new(&[
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
]);
