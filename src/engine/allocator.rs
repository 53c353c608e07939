//! Memory that was freed but that the allocators still keep for later.
#![expect(unsafe_code, reason = "both allocators are C libraries")]

/// Lets both allocators keep what was freed for the next job, for a process that does one job after the other and calls
/// [`release_free_memory`] between them. By default they return much of it within a job and get it back page by page,
/// which took 3 to 4 % of the CPU time of a job of 2 megapixels.
pub(crate) fn keep_free_memory() {
    // SAFETY: sets two numbers before the first job. 32 MiB is the largest threshold that mmap may have (mallopt(3)).
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
    }
    #[cfg(not(target_env = "msvc"))]
    // SAFETY: writes one number of the type that the command takes (jemalloc's manual, arena.<i>.dirty_decay_ms: -1 is
    // never). A process of one thread has arena 0 only. If another allocator is in use, it does nothing.
    unsafe {
        let mut never: isize = -1;
        let none = std::ptr::null_mut();
        let decay = (&raw mut never).cast();
        tikv_jemalloc_sys::mallctl(c"arena.0.dirty_decay_ms".as_ptr(), none, none.cast(), decay, size_of::<isize>());
    }
}

/// Returns freed memory to the system: that of jemalloc, where each thread keeps some for ten seconds, and that of the
/// C library, which the encoders in C use. docs/model.md says how much that is.
pub(crate) fn release_free_memory() {
    #[cfg(not(target_env = "msvc"))]
    // SAFETY: this command of jemalloc takes no arguments and may be called at any time (its manual, MALLCTL
    // NAMESPACE); 4096 is MALLCTL_ARENAS_ALL. If another allocator is in use, it does nothing.
    unsafe {
        let none = std::ptr::null_mut();
        tikv_jemalloc_sys::mallctl(c"arena.4096.purge".as_ptr(), none, none.cast(), none, 0);
    }
    // SAFETY: the only argument is the bytes to leave at the top of the heap; the call takes its own locks.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
