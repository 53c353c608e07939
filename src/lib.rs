//! bytefit: the best-looking picture that has at most so many bytes.
//!
//! The rooms, from the street to the cellar; imports go down only, and `tests/architecture.rs`
//! holds that rule:
//!
//! ```text
//! main -> cli -> app -> { http, settings, telemetry, sandbox } -> engine -> job -> { codec, fit } -> picture
//!                             \______ params ______/                 |
//!                                                                 metrics
//! ```
//!
//! - [`cli`]: one file a command.
//! - [`app`]: the composition root, settings to running service.
//! - [`http`]: the edge: requests in, answers and problems out.
//! - [`params`]: named text values to a valid [`job::Job`], for HTTP and command line alike.
//! - [`engine`]: the only room with threads: cache, permits, pool.
//! - [`metrics`]: the table of metrics.
//! - [`panics`]: panics caught and put in words.
//! - [`job`]: one job from bytes to answer, in a straight line.
//! - [`fit`]: the search for the setting that lands on the target.
//! - [`codec`]: bytes to pictures and back, one folder a format.
//! - [`picture`]: pixels, orientation, resizing, score.
//! - [`settings`]: defaults, file, environment and flags in one.
//! - [`telemetry`]: where log lines go.
//! - [`sandbox`]: what the serving process gives up before it meets its first client.
//!
//! The core (`picture`, `codec`, `fit`, `job`, `params`) is pure: it knows nothing of HTTP, tokio, the
//! environment, logs or metrics.

pub mod app;
pub mod byte_size;
pub mod cli;
pub mod codec;
pub mod engine;
pub mod http;
pub mod job;
pub mod metrics;
pub mod named;
pub mod panics;
pub mod params;
pub mod picture;
pub mod sandbox;
pub mod search;
pub mod settings;
pub mod stop;
pub mod telemetry;
