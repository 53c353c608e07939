//! Predicts the size of an AVIF: docs/model.md, Sizes.

use crate::codec::rate::{FineStepBend, SizeModel};

/// How sizes at 4:2:0 follow from counts.
pub(super) const HALVED: SizeModel = SizeModel {
    finer: -1.0,
    steepness: 3.0,
    dead_zone: 0.9,
    coefficients: [-0.44467, 0.17097, 0.01614, 1.24807, -0.01526, -0.02902, 0.02716, 0.76664, 0.06448, 0.11831],
    bend: FineStepBend::NONE,
};

/// The same at 4:4:4.
pub(super) const FULL: SizeModel = SizeModel {
    finer: -0.25,
    steepness: 2.0,
    dead_zone: 0.75,
    coefficients: [-0.82425, -0.99834, 0.07750, 1.58824, -0.10225, 0.01806, -9.48553, 1.63532, -0.01848, -0.41734],
    bend: FineStepBend::NONE,
};

/// At 4:2:0 with libaom's tuning for still pictures, libaom 3.12.1. These two were fitted to whole files.
pub(super) const IQ_HALVED: SizeModel = SizeModel {
    finer: -1.0,
    steepness: 3.0,
    dead_zone: 0.9,
    coefficients: [-0.47768, -0.02142, 0.03057, 1.21405, -0.00566, 0.00629, -2.23254, 0.59356, 0.05410, 0.05197],
    bend: FineStepBend::NONE,
};

/// The same at 4:4:4.
pub(super) const IQ_FULL: SizeModel = SizeModel {
    finer: -0.5,
    steepness: 2.0,
    dead_zone: 0.9,
    coefficients: [-0.98871, -0.93131, 0.08368, 1.45468, -0.07877, 0.03575, -6.69977, 1.29996, -0.15499, -0.34866],
    bend: FineStepBend::NONE,
};
