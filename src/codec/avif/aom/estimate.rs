//! What an AVIF will take, before it is encoded. The coefficients are printed by
//! `cargo run --release --example rate_model`.

use crate::codec::rate::Fitted;

/// How sizes at 4:2:0 follow from counts: error 2.6 % in the median, 10 % in 95 of 100 cases.
pub const HALVED: Fitted = Fitted {
    finer: -0.75,
    steepness: 2.5,
    dead_zone: 0.9,
    coefficients: [-0.07685, 0.15074, 0.01951, 1.21263, -0.02766, -0.04193, 0.84933, 1.04553, 0.20277, 0.10885],
};

/// The same at 4:4:4: 4.1 % and 12 %.
pub const FULL: Fitted = Fitted {
    finer: 0.0,
    steepness: 1.0,
    dead_zone: 0.9,
    coefficients: [-1.02007, -0.76350, 0.06610, 1.58624, -0.12109, -0.00184, -9.02420, 2.40189, -0.10076, -0.30866],
};
