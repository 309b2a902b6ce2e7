//! DPAPI: Windows seals a few bytes so that only this machine opens them again. The code is `unsafe` for the two calls, which are
//! the system's: there is no safe door to them.
//!
//! The scope is the machine, since the service and the person at the command line are different accounts; who may read the
//! file is a matter of the folder's rights. The entropy keeps other programs from opening the file by accident, no more.

#![allow(
    unsafe_code,
    reason = "CryptProtectData and CryptUnprotectData take and give raw pointers"
)]

use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Cryptography::{
    CRYPT_INTEGER_BLOB, CRYPTPROTECT_LOCAL_MACHINE, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData, CryptUnprotectData,
};

/// Never changes, or nothing that was sealed before opens any more.
const ENTROPY: &[u8] = b"vhr-agent storage key 1";
const FLAGS: u32 = CRYPTPROTECT_LOCAL_MACHINE | CRYPTPROTECT_UI_FORBIDDEN;

/// Seals for this machine.
pub(super) fn protect(plain: &[u8]) -> io::Result<Vec<u8>> {
    let (data, entropy) = (blob(plain)?, blob(ENTROPY)?);
    let mut out = empty();
    // SAFETY: `data` and `entropy` point to slices that outlive the call, with their own lengths, and the call only reads
    // them; the optional pointers may be null; `out` is ours to be written to.
    let done = unsafe {
        CryptProtectData(
            &raw const data,
            ptr::null(),
            &raw const entropy,
            ptr::null(),
            ptr::null(),
            FLAGS,
            &raw mut out,
        )
    };
    taken(done, out)
}

/// Opens what was sealed on this machine.
pub(super) fn unprotect(sealed: &[u8]) -> io::Result<Vec<u8>> {
    let (data, entropy) = (blob(sealed)?, blob(ENTROPY)?);
    let mut out = empty();
    // SAFETY: as in `protect`; a null description is one that is not asked for.
    let done = unsafe {
        CryptUnprotectData(
            &raw const data,
            ptr::null_mut(),
            &raw const entropy,
            ptr::null(),
            ptr::null(),
            FLAGS,
            &raw mut out,
        )
    };
    taken(done, out)
}

fn blob(bytes: &[u8]) -> io::Result<CRYPT_INTEGER_BLOB> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    Ok(CRYPT_INTEGER_BLOB {
        cbData: length,
        // The calls take it as mutable and write nothing to it.
        pbData: bytes.as_ptr().cast_mut(),
    })
}

fn empty() -> CRYPT_INTEGER_BLOB {
    CRYPT_INTEGER_BLOB {
        cbData: 0,
        pbData: ptr::null_mut(),
    }
}

/// What the system answered, as bytes of ours.
fn taken(done: i32, out: CRYPT_INTEGER_BLOB) -> io::Result<Vec<u8>> {
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    if out.pbData.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the call succeeded, so `out` is `cbData` bytes that the system allocated for us and that nobody else uses.
    let bytes = unsafe { std::slice::from_raw_parts(out.pbData, out.cbData as usize) }.to_vec();
    // SAFETY: as the documentation of both calls asks, once, with the pointer they gave; it is not used after.
    unsafe { LocalFree(out.pbData.cast()) };
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_sealed_it_opens_and_a_changed_byte_does_not() {
        let mut sealed = protect(b"open sesame").unwrap();
        assert_eq!(unprotect(&sealed).unwrap(), b"open sesame");
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        assert!(unprotect(&sealed).is_err());
    }
}
