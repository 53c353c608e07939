//! JPEG on the quality scale: docs/model.md, Quality scale.

use crate::codec::quality::{QualityScale, point};

/// At 4:2:0.
pub(super) const HALVED: QualityScale = QualityScale::new(&[
    point(-64.1, 3.700, -2.996),
    point(-58.2, 3.207, -2.827),
    point(-40.1, 2.714, -2.537),
    point(-13.0, 2.221, -2.215),
    point(9.7, 1.729, -1.877),
    point(29.6, 1.236, -1.500),
    point(45.0, 0.743, -1.181),
    point(57.4, 0.250, -0.811),
    point(68.0, -0.243, -0.425),
    point(76.6, -0.736, -0.047),
    point(82.9, -1.229, 0.348),
    point(87.1, -1.721, 0.726),
    point(89.7, -2.214, 1.050),
    point(91.4, -2.707, 1.357),
    point(92.1, -3.200, 1.576),
]);

/// At 4:4:4.
pub(super) const FULL: QualityScale = QualityScale::new(&[
    point(-63.9, 3.700, -2.598),
    point(-57.2, 3.207, -2.477),
    point(-37.9, 2.714, -2.234),
    point(-10.4, 2.221, -1.937),
    point(12.8, 1.729, -1.618),
    point(33.1, 1.236, -1.274),
    point(47.6, 0.743, -0.900),
    point(59.6, 0.250, -0.549),
    point(69.9, -0.243, -0.146),
    point(77.9, -0.736, 0.243),
    point(84.4, -1.229, 0.616),
    point(88.7, -1.721, 0.994),
    point(91.2, -2.214, 1.345),
    point(92.9, -2.707, 1.677),
    point(93.6, -3.200, 1.899),
]);
