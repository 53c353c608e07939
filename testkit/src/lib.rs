//! What the tests, the benches and the tools share: pictures that they draw, small files in every input format, and a client.

pub mod drawing;
pub mod fixtures;
pub mod http;
pub mod random;
