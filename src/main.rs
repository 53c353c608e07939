//! bytefit's binary: parses the command line, runs the command, exits with its code.

use std::process::ExitCode;

// After 22 pictures of 3 to 17 megapixels, five idle seconds later: 69 MB resident with jemalloc, 394 with mimalloc,
// 315 with glibc's allocator; at the peak 324, 413 and 377.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    bytefit::cli::run()
}
