//! By what a claim is told from one that says the same of another visit, from what its table XML1 says.

use vhr_core::twin::Twin;

use crate::digest::Keyed;
use crate::frame::Opened;
use crate::spool::batch::TwinKey;

pub(super) fn of(keyed: &Keyed, opened: &Opened) -> Option<TwinKey> {
    let row = opened.rows("XML1").next()?;
    let twin = Twin::of(|field| row.get(field).unwrap_or_default())?;
    let same = twin.same.each_ref().map(String::as_bytes);
    let mut amounts = twin.amounts;
    for (amount, nth) in amounts.iter_mut().zip([b"0", b"1", b"2"]) {
        let parts: Vec<&[u8]> = std::iter::once(&nth[..]).chain(same).collect();
        let added = keyed.digest("twin-amount", &parts);
        *amount = amount.wrapping_add(u64::from_le_bytes(
            added[..8].try_into().expect("eight of sixteen bytes"),
        ));
    }
    Some(TwinKey {
        same: keyed.digest("twin", &same),
        amounts,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use vhr_core::twin::near;

    use super::*;
    use crate::demo::exports::{self, Options};
    use crate::frame::{self, Limits};

    fn keys(bytes: &[u8]) -> Vec<Option<TwinKey>> {
        let keyed = Keyed::new(b"a key of the site's");
        let cuts = frame::records(bytes, &Limits::default()).map_while(Result::ok);
        let opened = cuts.filter_map(|cut| frame::open(&cut, &Limits::default()).ok());
        opened.map(|opened| of(&keyed, &opened)).collect()
    }

    fn key(name: &str, total: &str) -> TwinKey {
        let fields = format!(
            "<MA_THE_BHYT>GD4797912345678</MA_THE_BHYT><HO_TEN>{name}</HO_TEN><NGAY_VAO>202601050712</NGAY_VAO>\
             <NGAY_RA>202601051040</NGAY_RA><T_TONGCHI_BV>{total}</T_TONGCHI_BV><T_TONGCHI_BH>{total}</T_TONGCHI_BH>\
             <T_BHTT>80000</T_BHTT>"
        );
        let file = format!(
            "<GIAMDINHHS><THONGTINHOSO><DANHSACHHOSO><HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE><TONG_HOP>{fields}\
             </TONG_HOP></NOIDUNGFILE></FILEHOSO></HOSO></DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>"
        );
        keys(file.as_bytes())[0].expect("all is there")
    }

    #[test]
    fn what_is_kept_tells_how_far_twins_are_apart_and_no_amount() {
        let one = key("AN", "100000");
        let other = key("AN", "100002");
        let distances = [0, 1, 2].map(|nth: usize| other.amounts[nth].wrapping_sub(one.amounts[nth]));
        assert_eq!((one.same, distances), (other.same, [0, 200, 200]));
        // Of one amount, twice in a claim, and in the claim of somebody else, no two are kept as the same.
        let somebody = key("BÌNH", "100000");
        assert_ne!(one.same, somebody.same);
        let mut kept: Vec<u64> = one.amounts.into_iter().chain(somebody.amounts).collect();
        kept.sort_unstable();
        kept.dedup();
        assert_eq!(kept.len(), 6);
        assert!(kept.iter().all(|kept| ![8_000_000, 10_000_000].contains(kept)));
    }

    #[test]
    fn no_two_visits_of_the_generator_are_twins() {
        let mut known: HashMap<[u8; 16], Vec<TwinKey>> = HashMap::new();
        let demo = Options {
            visits: 100,
            ..Options::demo()
        };
        let mut files: Vec<Vec<u8>> = exports::generate(&demo).map(|file| file.bytes).collect();
        for seed in [1, 7, 602] {
            let mut file = Vec::new();
            exports::write_one_file(&mut file, seed, 2_000).expect("there is room in memory");
            files.push(file);
        }
        files.extend(exports::generate(&Options::all_tables(9, 300)).map(|file| file.bytes));
        let all = files.iter().flat_map(|file| keys(file)).flatten();
        let mut count = 0;
        for key in all {
            let alike = known.entry(key.same).or_default();
            assert!(alike.iter().all(|other| !near(other.amounts, key.amounts)), "{count}");
            alike.push(key);
            count += 1;
        }
        assert!(count > 4_000, "{count} have a card");
    }
}
