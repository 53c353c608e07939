//! Systems that can't seal a process: there is no spawner, and so no worker.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use crate::engine::{Bounds, Header, Work, WorkError};
use crate::job::{Answer, Job, JobError};
use crate::metrics::Metrics;

/// The spawner process.
pub struct Spawner(Infallible);

/// The pool of workers.
pub struct Workers(Infallible);

impl Spawner {
    /// # Errors
    /// Always.
    pub fn start(_: Arc<dyn Work>) -> io::Result<Spawner> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has the calls that seal a process"))
    }
}

impl Workers {
    /// # Errors
    /// Never: there is no spawner to call it with.
    pub fn new(spawner: Spawner, _: Arc<Metrics>) -> io::Result<Workers> {
        match spawner.0 {}
    }

    /// Never called.
    pub async fn spawner_gone(&self) {
        match self.0 {}
    }
}

impl Work for Workers {
    fn memory_needed(&self, _: &Job, _: &Header<'_>, _: u64) -> Result<u64, JobError> {
        match self.0 {}
    }

    fn run(&self, _: &Job, _: &[u8], _: &Bounds<'_>) -> Result<Answer, WorkError> {
        match self.0 {}
    }
}
