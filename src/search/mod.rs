//! The search for the encoder setting whose file meets a size. It knows byte counts and an encoder trait.

pub mod aim;
mod bracket;
pub mod encoder;
mod model;
pub mod secant;
