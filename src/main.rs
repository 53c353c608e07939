//! The bytefit binary: runs the command line and exits with its code.

use std::process::ExitCode;

// jemalloc returns freed memory to the system: 69 MB resident after 22 pictures, where mimalloc keeps 394 and glibc
// 315.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The options of jemalloc.
// Huge pages save 4 to 6 % of the CPU time of a job, and unmapping what is free bounds what they cost in memory:
// docs/model.md has the table.
#[cfg(not(target_env = "msvc"))]
#[expect(unsafe_code, reason = "jemalloc reads its options from a symbol of this name (its manual, TUNING)")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_OPTIONS: &[u8; 45] = b"thp:always,oversize_threshold:0,retain:false\0";

fn main() -> ExitCode {
    bytefit::cli::run()
}
