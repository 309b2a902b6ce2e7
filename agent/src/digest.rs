//! Keyed digests: what the index may hold instead of patient data. Without the site's key nobody can try out values.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Makes keyed digests (HMAC-SHA256) with a key of the site's own.
#[derive(Clone)]
pub struct Keyed(Hmac<Sha256>);

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed([hidden])")
    }
}

impl Keyed {
    /// With this key.
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The digest by which a visit is known.
    pub fn visit(&self, facility: &str, visit: &str) -> [u8; 16] {
        self.digest("visit", &[facility.as_bytes(), visit.as_bytes()])
    }

    /// The digest of `parts` for one purpose: the same parts under another purpose give another digest.
    pub fn digest(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = self.0.clone();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        digest
    }
}

/// SHA-256 in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_another_purpose_or_another_cut_gives_another_digest() {
        let digest = |key: &str, purpose: &str, parts: &[&[u8]]| Keyed::new(key.as_bytes()).digest(purpose, parts);
        let one = digest("k", "visit", &[b"ab", b"c"]);
        assert_eq!(one, digest("k", "visit", &[b"ab", b"c"]));
        assert_ne!(one, digest("l", "visit", &[b"ab", b"c"]));
        assert_ne!(one, digest("k", "path", &[b"ab", b"c"]));
        assert_ne!(one, digest("k", "visit", &[b"a", b"bc"]));
    }
}
