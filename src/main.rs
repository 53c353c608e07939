//! The bytefit binary: runs the command line and exits with its code.

use std::process::ExitCode;

// jemalloc returns freed memory to the system: 69 MB resident after 22 pictures, where mimalloc keeps 394 and glibc 315.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

// docs/model.md says what each option saves. `retain:false` unmaps what is free, which the memory limit of a worker counts.
#[cfg(not(target_env = "msvc"))]
#[expect(unsafe_code, reason = "jemalloc reads its options from a symbol of this name (its manual, TUNING)")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_OPTIONS: &[u8; 45] = b"thp:always,oversize_threshold:0,retain:false\0";

fn main() -> ExitCode {
    bytefit::cli::run()
}
