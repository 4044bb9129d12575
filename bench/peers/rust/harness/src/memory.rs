//! What the allocator has handed out.

/// Bytes in use by the process according to glibc's allocator, which all native peers use.
pub fn allocated_bytes() -> usize {
    // SAFETY: takes nothing and only reads the allocator's books.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}
