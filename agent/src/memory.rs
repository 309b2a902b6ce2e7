//! Giving memory back to the system.

/// After a burst (compiling a plugin, a large file) the C library keeps what was freed for later; the service then idles for
/// hours with it. This returns what is not in use. Elsewhere than with glibc there is nothing to do.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "malloc_trim takes a number and touches nothing but the allocator's own free lists"
    )]
    // SAFETY: no memory in use is touched; glibc allows the call at any time from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}
