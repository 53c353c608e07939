//! What an AVIF will take, before it is encoded. The coefficients are printed by
//! `cargo run --release --example rate_model`.

use crate::codec::rate::Fitted;

/// How sizes follow from counts: error 3.8 % in the median, 14 % in 95 of 100 cases.
pub const COUNTED: Fitted = Fitted {
    finer: -0.5,
    dead_zone: 0.5,
    coefficients: [0.94139, -0.64712, 0.00691, 1.42705, -0.04360, 0.00902, -7.95699, 2.14693, 0.95357, -0.27379],
};
