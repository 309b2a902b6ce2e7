//! What the program says on stderr, as far as it is a promise.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// Promises, in the short forms in which they are said.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Exports accepted.
    pub(crate) accepted: BTreeSet<String>,
    /// Deliveries that have arrived.
    pub(crate) delivered: BTreeSet<String>,
}

impl Promises {
    /// Reads what was said. A line that is cut off says nothing.
    pub(crate) fn said(&mut self, log: &str) {
        for line in log.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let field = |name: &str| Some(line.split_once(name)?.1.split_once('"')?.0.to_owned());
            if line.contains(" accepted export=") {
                self.accepted.extend(field("export=\""));
            } else if line.contains(" delivered delivery=") && !line.contains(" not delivered ") {
                self.delivered.extend(field("delivery=\""));
            }
        }
    }
}

/// As the program shows an export with these bytes.
pub(crate) fn short(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..5]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether a delivery's id is the one of this short form.
pub(crate) fn is_short_of(short: &str, id: &str) -> bool {
    let (Some((begin, at)), Some((record, endpoint))) = (short.split_once('@'), id.split_once('@')) else {
        return false;
    };
    record.starts_with(begin) && at == endpoint
}
