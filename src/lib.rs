//! bytefit: the best-looking picture that has at most so many bytes.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use bytefit::codec::{Format, Limits};
//! use bytefit::job::{self, Formats, Job, JobError, Stop};
//!
//! /// The best-looking JPEG or WebP of `photo` within 80,000 bytes.
//! fn fit(photo: &[u8]) -> Result<Vec<u8>, JobError> {
//!     let job = Job::new(80_000, Formats::Among(vec![Format::Jpeg, Format::Webp]));
//!     let stop = Stop::at(Instant::now() + Duration::from_secs(10));
//!     Ok(job::run(&job, photo, &Limits::default(), &stop)?.bytes)
//! }
//! # assert!(fit(b"no picture").is_err());
//! ```
//!
//! The modules, the top layer first. Imports go down only, and `tests/architecture.rs` holds that rule:
//!
//! ```text
//! main -> cli -> app -> { http, settings, telemetry, sandbox } -> engine -> job -> { codec, search } -> picture
//!                             \______ params ______/                 |
//!                                                                 metrics
//! ```
//!
//! - `cli`: the commands, one file each.
//! - `app`: builds the running service from its settings.
//! - `http`: requests in, answers and problems out.
//! - [`params`]: names and values to a valid [`job::Job`], for HTTP and the command line alike.
//! - `batch`: many pictures, worked on behind the requests that clients wait for.
//! - `source`: pictures by URL, from public hosts only.
//! - `trace`: what requests took, for an OpenTelemetry collector.
//! - `engine`: cache, queue, memory and threads around the jobs.
//! - `metrics`: the table of metrics.
//! - `panics`: catches panics and puts them in words.
//! - [`job`]: one job, from the bytes of a file to its answer.
//! - [`search`]: finds the encoder setting whose file meets the target.
//! - [`codec`]: bytes to pictures and back, one folder per format.
//! - [`picture`]: pixels, orientation, transforms, score.
//! - [`stop`], `byte_size`, `duration`, `excerpt`, `named`: deadlines and cancelling, sizes and durations as people
//!   write them, shortened values in messages, enums with names.
//! - [`config_value`]: how values are written in configurations.
//! - `settings`: the configurations of all modules, from defaults, file, environment and flags.
//! - `telemetry`: where log lines go.
//! - `sandbox`: what the serving process gives up before it meets its first client.
//!
//! The core (`picture`, `codec`, `search`, `job`, `params`) knows nothing of HTTP, tokio, the environment, logs or
//! metrics. Without the feature `server` it is all that there is.

#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod batch;
mod byte_size;
#[cfg(feature = "server")]
pub mod cli;
pub mod codec;
pub mod config_value;
mod duration;
#[cfg(feature = "server")]
pub mod engine;
mod excerpt;
#[cfg(feature = "server")]
pub mod http;
pub mod job;
#[cfg(feature = "server")]
pub mod metrics;
mod named;
#[cfg(feature = "server")]
mod outbound;
#[cfg(feature = "server")]
mod panics;
pub mod params;
pub mod picture;
#[cfg(feature = "server")]
pub mod sandbox;
pub mod search;
#[cfg(feature = "server")]
pub mod settings;
#[cfg(feature = "server")]
pub mod source;
pub mod stop;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod trace;
#[cfg(feature = "server")]
pub mod workers;
