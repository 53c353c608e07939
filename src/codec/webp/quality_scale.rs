//! Lossy WebP on the quality scale: docs/model.md, Quality scale.

use crate::codec::quality::{QualityScale, point};

/// At 4:2:0, the only one that it has.
pub(super) const SCALE: QualityScale = QualityScale::new(&[
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
]);
