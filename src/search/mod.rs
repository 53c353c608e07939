//! The search for the setting that lands on the target. Knows byte counts and an encoder trait, no codec.

pub mod aim;
mod bracket;
pub mod encoder;
mod model;
pub mod secant;
