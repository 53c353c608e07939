//! Memory that was freed but that the allocators still keep for later.
#![expect(unsafe_code, reason = "both allocators are C libraries")]

/// Returns freed memory to the system: that of jemalloc, where each thread keeps some for ten seconds, and that of the
/// C library, which the encoders in C use. docs/model.md says how much that is.
pub fn release_free_memory() {
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
