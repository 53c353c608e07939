//! JPEG XL on the quality scale, made of JPEGs that have trellis at coarse steps alone: docs/model.md, Quality scale.

use crate::codec::quality::{QualityScale, point};

/// At 4:2:0.
pub(super) const HALVED: QualityScale = QualityScale::new(&[
    point(-64.1, 3.700, -3.386),
    point(-58.2, 3.207, -3.114),
    point(-40.1, 2.714, -2.759),
    point(-13.4, 2.221, -2.397),
    point(10.6, 1.729, -2.022),
    point(35.0, 1.236, -1.563),
    point(51.5, 0.743, -1.159),
    point(63.0, 0.250, -0.770),
    point(72.4, -0.243, -0.410),
    point(79.6, -0.736, -0.058),
    point(84.9, -1.229, 0.337),
    point(88.6, -1.721, 0.679),
    point(90.9, -2.214, 0.992),
    point(92.3, -2.707, 1.288),
    point(92.9, -3.200, 1.503),
]);

/// At 4:4:4.
pub(super) const FULL: QualityScale = QualityScale::new(&[
    point(-64.0, 3.700, -3.146),
    point(-57.5, 3.207, -2.869),
    point(-38.0, 2.714, -2.476),
    point(-11.1, 2.221, -2.132),
    point(13.3, 1.729, -1.782),
    point(37.6, 1.236, -1.330),
    point(53.3, 0.743, -0.935),
    point(64.6, 0.250, -0.554),
    point(73.7, -0.243, -0.157),
    point(80.9, -0.736, 0.217),
    point(86.0, -1.229, 0.573),
    point(89.7, -1.721, 0.952),
    point(92.0, -2.214, 1.288),
    point(93.2, -2.707, 1.610),
    point(93.8, -3.200, 1.847),
]);
