//! libc's functions, as far as they change files: each does the same by system call, and is written down.
//!
//! SAFETY, for all of them: they are called as libc's own are, with the same promises about pointers and lengths, and hand
//! these on unchanged. `open` and its kind take their last argument whether it was given or not, as the kernel does.
//! Numbers go to the kernel as they came; results are those of the kernel, with `errno` set by `syscall`.

#![allow(
    unsafe_op_in_unsafe_fn,
    clippy::missing_safety_doc,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "see above: these are libc's functions, one line of system call each"
)]

use std::os::raw::{c_char, c_int, c_long, c_uint, c_void};

use libc::{AT_FDCWD, iovec, mode_t, off_t, size_t, ssize_t, syscall};

use crate::log::{Field, forget, handle, recorder, same};

/// Does the call; if it went well and something is to be said of it, says it. All under the lock.
macro_rules! recorded {
    ($wanted:expr, $call:expr, |$result:ident, $about:ident| $kind:expr => [$($field:expr),*]) => {
        match recorder().zip($wanted) {
            None => $call,
            Some((recorder, $about)) => {
                let mut state = recorder.lock();
                let $result = $call;
                if $result >= 0 {
                    let error = *libc::__errno_location();
                    recorder.record(&mut state, $kind, &[$($field),*]);
                    *libc::__errno_location() = error;
                }
                $result
            }
        }
    };
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let call = || syscall(libc::SYS_openat, folder, path, flags, mode as c_uint) as c_int;
    let Some((recorder, name)) = recorder().and_then(|recorder| Some((recorder, recorder.path(folder, path)?))) else {
        return call();
    };
    let mut state = recorder.lock();
    let descriptor = call();
    if descriptor >= 0
        && let Some(handle) = state.follow(descriptor)
    {
        let fields = [Field::Number(handle), Field::Number(flags as u64), Field::Bytes(&name)];
        recorder.record(&mut state, b'o', &fields);
    }
    descriptor
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    openat(folder, path, flags, mode)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    openat(AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    openat(AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    openat(AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    // Before it is closed: another thread may get the number at once.
    forget(descriptor);
    syscall(libc::SYS_close, descriptor) as c_int
}

unsafe fn duplicated(from: c_int, to: c_long) -> c_int {
    let to = to as c_int;
    if to >= 0 {
        same(from, to);
    }
    to
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup(descriptor: c_int) -> c_int {
    duplicated(descriptor, syscall(libc::SYS_dup, descriptor))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int {
    duplicated(from, syscall(libc::SYS_dup3, from, to, flags))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl(descriptor: c_int, command: c_int, argument: c_long) -> c_int {
    let result = syscall(libc::SYS_fcntl, descriptor, command, argument);
    if command == libc::F_DUPFD || command == libc::F_DUPFD_CLOEXEC {
        return duplicated(descriptor, result);
    }
    result as c_int
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl64(descriptor: c_int, command: c_int, argument: c_long) -> c_int {
    fcntl(descriptor, command, argument)
}

/// What was just written, where the descriptor stands now.
unsafe fn data<'a>(bytes: *const c_void, written: ssize_t) -> &'a [u8] {
    std::slice::from_raw_parts(bytes.cast(), written as usize)
}

unsafe fn began(descriptor: c_int, written: ssize_t) -> Field<'static> {
    Field::Number((syscall(libc::SYS_lseek, descriptor, 0, libc::SEEK_CUR) as u64).wrapping_sub(written as u64))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(descriptor: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    let call = || syscall(libc::SYS_write, descriptor, bytes, length) as ssize_t;
    if descriptor == libc::STDERR_FILENO {
        return recorded!(Some(()), call(), |n, _about| b'e' => [Field::Bytes(data(bytes, n))]);
    }
    recorded!(handle(descriptor), call(), |n, about| b'w' =>
        [Field::Number(about), began(descriptor, n), Field::Bytes(data(bytes, n))])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite64(
    descriptor: c_int,
    bytes: *const c_void,
    length: size_t,
    at: off_t,
) -> ssize_t {
    let call = || syscall(libc::SYS_pwrite64, descriptor, bytes, length, at) as ssize_t;
    recorded!(handle(descriptor), call(), |n, about| b'w' =>
        [Field::Number(about), Field::Number(at as u64), Field::Bytes(data(bytes, n))])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite(descriptor: c_int, bytes: *const c_void, length: size_t, at: off_t) -> ssize_t {
    pwrite64(descriptor, bytes, length, at)
}

/// The bytes of a gathered write, in one piece.
unsafe fn gathered(parts: *const iovec, count: c_int, written: ssize_t) -> Vec<u8> {
    let mut all = Vec::new();
    for part in std::slice::from_raw_parts(parts, count as usize) {
        all.extend_from_slice(std::slice::from_raw_parts(part.iov_base.cast(), part.iov_len));
    }
    all.truncate(written as usize);
    all
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(descriptor: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let call = || syscall(libc::SYS_writev, descriptor, parts, count) as ssize_t;
    if descriptor == libc::STDERR_FILENO {
        return recorded!(Some(()), call(), |n, _about| b'e' => [Field::Bytes(&gathered(parts, count, n))]);
    }
    recorded!(handle(descriptor), call(), |n, about| b'w' =>
        [Field::Number(about), began(descriptor, n), Field::Bytes(&gathered(parts, count, n))])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwritev64(descriptor: c_int, parts: *const iovec, count: c_int, at: off_t) -> ssize_t {
    // The kernel takes the offset in two halves; on 64 bits the second is not looked at.
    let call = || syscall(libc::SYS_pwritev, descriptor, parts, count, at, 0) as ssize_t;
    recorded!(handle(descriptor), call(), |n, about| b'w' =>
        [Field::Number(about), Field::Number(at as u64), Field::Bytes(&gathered(parts, count, n))])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwritev(descriptor: c_int, parts: *const iovec, count: c_int, at: off_t) -> ssize_t {
    pwritev64(descriptor, parts, count, at)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate64(descriptor: c_int, length: off_t) -> c_int {
    let call = || syscall(libc::SYS_ftruncate, descriptor, length) as c_int;
    recorded!(handle(descriptor), call(), |_result, about| b't' => [Field::Number(about), Field::Number(length as u64)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate(descriptor: c_int, length: off_t) -> c_int {
    ftruncate64(descriptor, length)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fallocate64(descriptor: c_int, mode: c_int, at: off_t, length: off_t) -> c_int {
    let call = || syscall(libc::SYS_fallocate, descriptor, mode, at, length) as c_int;
    recorded!(handle(descriptor), call(), |_result, about| b'a' =>
        [Field::Number(about), Field::Number(mode as u64), Field::Number(at as u64), Field::Number(length as u64)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fallocate(descriptor: c_int, mode: c_int, at: off_t, length: off_t) -> c_int {
    fallocate64(descriptor, mode, at, length)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn posix_fallocate64(descriptor: c_int, at: off_t, length: off_t) -> c_int {
    // This one gives the error itself.
    if fallocate64(descriptor, 0, at, length) == 0 {
        0
    } else {
        *libc::__errno_location()
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn posix_fallocate(descriptor: c_int, at: off_t, length: off_t) -> c_int {
    posix_fallocate64(descriptor, at, length)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fsync(descriptor: c_int) -> c_int {
    let call = || syscall(libc::SYS_fsync, descriptor) as c_int;
    recorded!(handle(descriptor), call(), |_result, about| b'f' => [Field::Number(about)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    let call = || syscall(libc::SYS_fdatasync, descriptor) as c_int;
    recorded!(handle(descriptor), call(), |_result, about| b'd' => [Field::Number(about)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sync_file_range(descriptor: c_int, at: off_t, length: off_t, flags: c_uint) -> c_int {
    let call = || syscall(libc::SYS_sync_file_range, descriptor, at, length, flags) as c_int;
    recorded!(handle(descriptor), call(), |_result, about| b'g' => [Field::Number(about)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn renameat2(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    let call = || syscall(libc::SYS_renameat2, from_folder, from, to_folder, to, flags) as c_int;
    let names = recorder().and_then(|recorder| recorder.path(from_folder, from).zip(recorder.path(to_folder, to)));
    recorded!(names, call(), |_result, about| b'r' => [Field::Bytes(&about.0), Field::Bytes(&about.1)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn renameat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
) -> c_int {
    renameat2(from_folder, from, to_folder, to, 0)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    renameat2(AT_FDCWD, from, AT_FDCWD, to, 0)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let call = || syscall(libc::SYS_linkat, from_folder, from, to_folder, to, flags) as c_int;
    let names = recorder().and_then(|recorder| recorder.path(from_folder, from).zip(recorder.path(to_folder, to)));
    recorded!(names, call(), |_result, about| b'l' => [Field::Bytes(&about.0), Field::Bytes(&about.1)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    linkat(AT_FDCWD, from, AT_FDCWD, to, 0)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    let call = || syscall(libc::SYS_unlinkat, folder, path, flags) as c_int;
    let name = recorder().and_then(|recorder| recorder.path(folder, path));
    recorded!(name, call(), |_result, about| b'u' => [Field::Bytes(&about)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    unlinkat(AT_FDCWD, path, 0)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    unlinkat(AT_FDCWD, path, libc::AT_REMOVEDIR)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    let call = || syscall(libc::SYS_mkdirat, folder, path, mode as c_uint) as c_int;
    let name = recorder().and_then(|recorder| recorder.path(folder, path));
    recorded!(name, call(), |_result, about| b'm' => [Field::Bytes(&about)])
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    mkdirat(AT_FDCWD, path, mode)
}
