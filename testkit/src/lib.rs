//! What the tests, the benches and the tools share: pictures that they draw, and small files in every input format.

pub mod drawing;
pub mod fixtures;
pub mod random;
