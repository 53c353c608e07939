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
    point(76.1, -0.736, -0.054),
    point(81.8, -1.229, 0.317),
    point(86.0, -1.721, 0.681),
    point(88.3, -2.214, 0.977),
    point(90.0, -2.707, 1.269),
    point(91.1, -3.200, 1.515),
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
    point(77.8, -0.736, 0.240),
    point(83.7, -1.229, 0.606),
    point(88.0, -1.721, 0.964),
    point(90.5, -2.214, 1.290),
    point(92.2, -2.707, 1.610),
    point(93.3, -3.200, 1.843),
]);
