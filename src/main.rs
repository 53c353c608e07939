//! The bytefit binary: runs the command line and exits with its code.

use std::process::ExitCode;

// jemalloc returns freed memory to the system: 69 MB resident after 22 pictures, where mimalloc keeps 394 and glibc 315.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    bytefit::cli::run()
}
