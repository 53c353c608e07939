//! The search for the setting that lands on the target. Knows byte counts and an encoder trait, no codec.

pub mod aim;
mod bracket;
pub mod encode;
mod model;
pub mod search;
pub mod stop;
pub mod target;
