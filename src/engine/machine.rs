//! Cores and memory of the machine, or of the container.

use std::fs;
use std::num::NonZero;
use std::thread;

/// Assumed where the system does not say how much memory there is.
const FALLBACK_MEMORY: u64 = 1 << 30;

/// Cores that this process may use, at least 1. The processor quota of a cgroup counts.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Memory that this process may use, in bytes: the machine's, or less where a cgroup says so.
pub(super) fn memory_bytes() -> u64 {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    // A container sees its own cgroup as the root. The first path is cgroup version 2, the second version 1.
    let cgroups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].map(read);
    let machine = total_memory(&read("/proc/meminfo"));
    let limits = cgroups.iter().filter_map(|text| cgroup_limit(text));
    machine.into_iter().chain(limits).min().unwrap_or(FALLBACK_MEMORY)
}

/// The `MemTotal` of /proc/meminfo.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// The limit that a cgroup sets. Returns `None` for `max`.
fn cgroup_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_kibibytes() {
        assert_eq!(total_memory("MemTotal:       24615940 kB\nMemFree: 1 kB\n"), Some(24_615_940 * 1024));
        assert_eq!(total_memory(""), None);
    }

    #[test]
    fn a_cgroup_without_a_limit_sets_none() {
        assert_eq!(cgroup_limit("536870912\n"), Some(536_870_912));
        assert_eq!(cgroup_limit("max\n"), None);
        assert_eq!(cgroup_limit(""), None);
    }

    #[test]
    fn the_machine_has_something() {
        assert!(cores() >= 1);
        assert!(memory_bytes() >= 16 << 20);
    }
}
