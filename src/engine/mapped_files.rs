//! The pages of the program and its libraries that this process has mapped.
#![expect(unsafe_code, reason = "the system's list of loaded files is read through a callback")]

use std::ffi::{c_int, c_void};

/// Gives back the mapped pages of code and constants. Most were used at the start or in the last job alone. The system
/// keeps what it can in its cache of files, and maps it again, 64 KiB at a time, when it is used.
pub(super) fn release_mapped_files() {
    // SAFETY: the callback keeps nothing, and takes no data.
    unsafe { libc::dl_iterate_phdr(Some(release_segments), std::ptr::null_mut()) };
}

/// Gives back what is mapped of one file: of its segments those that are never written, so that the file has all of
/// them.
unsafe extern "C" fn release_segments(file: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr(3) calls with a pointer to a file that stays loaded meanwhile, and its table of segments.
    let (base, segments) = unsafe {
        let file = &*file;
        (file.dlpi_addr as usize, std::slice::from_raw_parts(file.dlpi_phdr, file.dlpi_phnum.into()))
    };
    let page = page_size();
    for segment in segments.iter().filter(|found| found.p_type == libc::PT_LOAD && found.p_flags & libc::PF_W == 0) {
        let start = base + segment.p_vaddr as usize;
        let end = start + segment.p_memsz as usize;
        let start = start & !(page - 1);
        // SAFETY: the pages are read-only and those of a file, which the system reads again (madvise(2),
        // MADV_DONTNEED). Where it refuses, nothing has changed.
        unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_DONTNEED) };
    }
    0
}

fn page_size() -> usize {
    // SAFETY: asks for a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of files that this process has mapped.
    fn mapped_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    #[test]
    fn the_program_goes_on_with_fewer_of_its_pages() {
        // Tests beside this one map some of them again.
        let fewer = (0..10).any(|_| {
            let before = mapped_bytes();
            release_mapped_files();
            mapped_bytes() < before
        });
        assert!(fewer);
    }
}
