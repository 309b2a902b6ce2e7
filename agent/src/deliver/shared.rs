//! What two records on their way to one endpoint must not both write.

use std::collections::HashSet;

/// What of the resources that visits share is on its way, and what is known to be there.
#[derive(Debug, Default)]
pub(super) struct Shared {
    flying: HashSet<u64>,
    there: HashSet<u64>,
    /// What the records on their way come to.
    pub(super) bytes: u64,
}

impl Shared {
    /// Reserves what a record shares with others, if nobody else on his way writes it too. What is only made when absent, and
    /// is known to be there, needs no reserving. (The lowest bit of a share says that each Bundle changes it.)
    pub(super) fn reserve(&mut self, shares: &[u64]) -> bool {
        let needed = |share: &&u64| *share & 1 == 1 || !self.there.contains(*share);
        let needed: Vec<u64> = shares.iter().filter(needed).copied().collect();
        if needed.iter().any(|share| self.flying.contains(share)) {
            return false;
        }
        self.flying.extend(needed);
        true
    }

    pub(super) fn release(&mut self, shares: &[u64], arrived: bool) {
        // Bounded: forgetting only means to be careful once more.
        if self.there.len() > 100_000 {
            self.there.clear();
        }
        for share in shares {
            self.flying.remove(share);
            if arrived && share & 1 == 0 {
                self.there.insert(*share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: u64 = 0x11;
    const ORGANIZATION: u64 = 0x20;

    #[test]
    fn two_visits_of_one_patient_are_never_on_their_way_together() {
        let mut shared = Shared::default();
        assert!(shared.reserve(&[PATIENT]));
        assert!(!shared.reserve(&[PATIENT]));
        shared.release(&[PATIENT], true);
        assert!(shared.reserve(&[PATIENT]));
        assert!(!shared.reserve(&[PATIENT]));
    }

    #[test]
    fn the_first_visit_that_brings_an_organization_goes_alone_and_all_others_after_it() {
        let mut shared = Shared::default();
        assert!(shared.reserve(&[ORGANIZATION, PATIENT]));
        assert!(!shared.reserve(&[ORGANIZATION, 0x33]));
        shared.release(&[ORGANIZATION, PATIENT], true);
        assert!(shared.reserve(&[ORGANIZATION, PATIENT]));
        assert!(shared.reserve(&[ORGANIZATION, 0x33]));
    }

    #[test]
    fn an_organization_whose_first_visit_failed_is_brought_by_one_alone_again() {
        let mut shared = Shared::default();
        assert!(shared.reserve(&[ORGANIZATION]));
        shared.release(&[ORGANIZATION], false);
        assert!(shared.reserve(&[ORGANIZATION]));
        assert!(!shared.reserve(&[ORGANIZATION]));
    }
}
