//! Spreads what many would do in the same instant: thousands of sites after an outage, a whole queue after a failure.
//!
//! No dice: the same name gives the same place each time, so that a site's own times stay the same from day to day.

use std::time::Duration;

/// A number of its own for whatever these names name together.
pub fn seed(names: &[&str]) -> u64 {
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0xff]));
    // FNV-1a; the same for ever, on every machine.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(hash)
}

/// A place within `[0, over)`, in whole milliseconds; zero where there is no room.
pub fn within(over: Duration, seed: u64) -> Duration {
    let room = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(mix(seed) % room)
}

/// A wait spread over its second half.
pub fn second_half(wait: Duration, seed: u64) -> Duration {
    wait / 2 + within(wait / 2, seed)
}

/// Scatters a number over all 64 bits (the finalizer of SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn twelve_thousand_sites_are_spread_evenly_over_ten_minutes() {
        let mut minutes = [0; 10];
        for site in 0..12_000 {
            let place = within(Duration::from_secs(600), seed(&[&format!("{site:05}"), "vhr"]));
            minutes[usize::try_from(place.as_secs() / 60).unwrap()] += 1;
        }
        assert!(minutes.iter().all(|sites| (1000..1400).contains(sites)), "{minutes:?}");
    }

    #[test]
    fn names_are_kept_apart() {
        assert_ne!(seed(&["79999", "vhr"]), seed(&["79999v", "hr"]));
        assert_ne!(seed(&["79999", "vhr"]), seed(&["79999", "insurance"]));
    }

    proptest! {
        #[test]
        fn a_place_lies_within_and_stays(over in 0..u64::MAX / 2, seed in any::<u64>()) {
            let over = Duration::from_millis(over);
            prop_assert!(within(over, seed) < over.max(Duration::from_millis(1)));
            prop_assert_eq!(within(over, seed), within(over, seed));
            prop_assert!(second_half(over, seed) >= over / 2 && second_half(over, seed) <= over);
        }
    }
}
