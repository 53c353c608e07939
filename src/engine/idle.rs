//! What an idle process gives back.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Engine;
use super::allocator::release_free_memory;
#[cfg(target_os = "linux")]
use super::mapped_files::release_mapped_files;

/// After this long without work a process is idle. The next job pays for that with a few hundred page faults, 0.3 ms.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// Returns to the system what this process does not need while it waits: free memory, and its program as far as it is
/// in files.
pub(crate) fn release_idle_memory() {
    release_free_memory();
    #[cfg(target_os = "linux")]
    release_mapped_files();
}

impl Engine {
    /// Returns memory to the system once the service is idle, at the start and after each time of work, for ever.
    pub async fn release_memory_when_idle(&self) {
        let mut ticks = tokio::time::interval(IDLE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut is_released) = (0, false);
        loop {
            ticks.tick().await;
            let requests = self.shared.metrics.requests();
            let is_idle = requests == seen && self.shared.metrics.jobs_in_flight() == 0;
            if is_idle && !is_released {
                // On the pool, which has nothing to do: it may take milliseconds. It does not panic.
                let _ = self.shared.pool.run(release_idle_memory).await;
            }
            (seen, is_released) = (requests, is_idle);
        }
    }
}
