//! Codecs in sealed processes: a picture that kills its codec costs one request.
//!
//! ```text
//! server: many threads, owns the network      spawner: one thread      worker: one thread, sealed, one job at a time
//!   Workers::run  ------ start, kill -------------->  | fork, reap
//!                 <----- started + stream, ended ---  |
//!                 ------ Ask + file ------------------------------------->
//!                 <----- Done + file | Failed | Panicked -----------------
//! ```
//!
//! Workers start when there is work and are replaced after 64 jobs or a large one. A worker is killed when its job
//! is over its deadline or nobody waits for it any more: that frees its core at once, whatever its codec does.

#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod exchange;
#[cfg(target_os = "linux")]
mod pool;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod registry;
#[cfg(target_os = "linux")]
mod spawner;
#[cfg(not(target_os = "linux"))]
mod unsupported;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(target_os = "linux")]
pub use pool::Workers;
#[cfg(target_os = "linux")]
pub use spawner::Spawner;
#[cfg(not(target_os = "linux"))]
pub use unsupported::{Spawner, Workers};
