//! PNG with a palette on the quality scale: docs/model.md, Quality scale.

use crate::codec::quality::{QualityScale, point};

/// The step is the inverse of the number of colours.
pub(super) const SCALE: QualityScale = QualityScale::new(&[
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
]);
