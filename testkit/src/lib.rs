//! What the tests, the benches and the tools share: pictures that they draw, small files in every input format and
//! damage to them, a client, a Redis, and a look at /proc.

pub mod answers;
pub mod drawing;
pub mod fixtures;
pub mod http;
pub mod mutation;
pub mod processes;
pub mod random;
pub mod redis;
pub mod s3;
