//! How much a plugin may use, and the meter that holds it to its memory.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::manifest::Manifest;

/// What one plugin may use. The defaults, or what its manifest asks for; a site may set other values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories of an instance together, in bytes.
    pub memory: usize,
    /// Fuel for one record, before its size is counted. Also what `open` and `finish` get.
    pub fuel_per_record: u64,
    /// Fuel on top for each byte of a record's payload.
    pub fuel_per_byte: u64,
    /// The longest one call into the plugin may take by the clock. Fuel decides long before; this is the net below it.
    pub deadline: Duration,
}

impl Limits {
    /// Memory a plugin gets when its manifest does not ask, in MiB.
    pub const MEMORY_MB: u64 = 64;
    /// Memory a manifest may ask for at most, in MiB. It bounds time too: a single bulk operation cannot be interrupted.
    pub const MEMORY_MB_CEILING: u64 = 512;
    /// Fuel per record when the manifest does not ask.
    pub const FUEL_PER_RECORD: u64 = 20_000_000;
    /// Fuel per record a manifest may ask for at most: about a second of computing.
    pub const FUEL_PER_RECORD_CEILING: u64 = 5_000_000_000;

    /// What this plugin asks for, defaults elsewhere.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            memory: usize::try_from(manifest.limits.memory_mb << 20).unwrap_or(usize::MAX),
            fuel_per_record: manifest.limits.fuel_per_record,
            fuel_per_byte: 2_000,
            deadline: Duration::from_secs(10),
        }
    }

    /// The fuel for a call that hands over this many bytes.
    pub(super) fn fuel(&self, bytes: usize) -> u64 {
        self.fuel_per_byte
            .saturating_mul(bytes as u64)
            .saturating_add(self.fuel_per_record)
    }
}

/// Adds up what an instance takes over all its memories and tables; the engine's own limiter counts each one alone.
#[derive(Debug)]
pub(super) struct Meter {
    bytes: usize,
    bytes_limit: usize,
    elements: usize,
    /// Something was asked for beyond the limit, so a crash after it is a matter of memory.
    pub(super) denied: bool,
}

/// Elements of all tables of one instance together; a Python or SpiderMonkey guest needs up to 10,000.
const TABLE_ELEMENTS: usize = 20_000;

impl Meter {
    pub(super) fn new(bytes_limit: usize) -> Self {
        Self {
            bytes: 0,
            bytes_limit,
            elements: 0,
            denied: false,
        }
    }

    fn grow(&mut self, total: usize, limit: usize, by: usize) -> Option<usize> {
        let grown = total.checked_add(by).filter(|grown| *grown <= limit);
        self.denied |= grown.is_none();
        grown
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // the plugin's own bound, not ours
        }
        let grown = self.grow(self.bytes, self.bytes_limit, desired.saturating_sub(current));
        self.bytes = grown.unwrap_or(self.bytes);
        Ok(grown.is_some())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let grown = self.grow(self.elements, TABLE_ELEMENTS, desired.saturating_sub(current));
        self.elements = grown.unwrap_or(self.elements);
        Ok(grown.is_some())
    }

    // Room for the interpreters: a QuickJS component has 13 core instances and 3 memories, a Python one 38 instances.
    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_limit() {
        let mut meter = Meter::new(10);
        assert!(meter.memory_growing(0, 6, None).unwrap());
        assert!(meter.memory_growing(0, 4, None).unwrap());
        assert!(!meter.denied);
        assert!(!meter.memory_growing(4, 5, None).unwrap());
        assert!(meter.denied);
    }

    #[test]
    fn a_plugin_that_meets_its_own_maximum_was_not_denied() {
        let mut meter = Meter::new(10);
        assert!(!meter.memory_growing(0, 6, Some(5)).unwrap());
        assert!(!meter.denied);
        assert!(meter.memory_growing(0, 10, Some(10)).unwrap());
    }

    #[test]
    fn tables_share_one_limit() {
        let mut meter = Meter::new(0);
        assert!(meter.table_growing(0, TABLE_ELEMENTS - 1, None).unwrap());
        assert!(!meter.table_growing(0, 2, None).unwrap());
        assert!(meter.table_growing(0, 1, None).unwrap());
    }
}
