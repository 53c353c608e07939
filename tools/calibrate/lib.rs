//! What the calibration programs share. Each program beside this file measures real pictures and prints constants of
//! the library; docs/model.md explains what they mean.

pub mod least_squares;
pub mod pictures;
