//! Shuts an ext4 down as a power cut would: at once, without writing its journal. `vhr-cut-power FOLDER`, as root.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    /// `_IOR('X', 125, __u32)`: `EXT4_IOC_SHUTDOWN`.
    const SHUTDOWN: libc::c_ulong = 0x8004_587d;
    /// `EXT4_GOING_FLAGS_NOLOGFLUSH`: what is not on the disk yet never gets there.
    const NO_LOG_FLUSH: u32 = 2;
    let folder = std::env::args_os().nth(1).ok_or(std::io::ErrorKind::InvalidInput)?;
    let folder = std::fs::File::open(folder)?;
    // SAFETY: the descriptor is open, and the call reads one u32 from the pointer, which lives until it returns.
    if unsafe { libc::ioctl(folder.as_raw_fd(), SHUTDOWN as _, &NO_LOG_FLUSH) } == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
