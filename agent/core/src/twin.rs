//! Claims of two visits that say the same: what the insurance gateway refuses as its code 61 (trùng hồ sơ), told before it is sent.
//!
//! The gateway does not ask for `MA_LK` there: a visit that was exported twice under two of them is one visit to it. What stays
//! true: two claims that agree in all that is compared, and whose amounts are no further apart than [`APART`], are never missed,
//! whichever of the two totals of today's tables the gateway means by its one; of a claim that lacks a card, a time or an amount
//! nothing is told here: the rules of those fields tell.

/// What `[rules] off` calls it.
pub const RULE: &str = "CLAIM-TWICE";

/// Amounts of the same visit are no further apart, in hundredths of a đồng.
const APART: u64 = 200;

/// What has to be the same, in this order.
const SAME: [&str; 8] = [
    "MA_THE_BHYT",
    "HO_TEN",
    "NGAY_VAO",
    "NGAY_RA",
    "MA_BENH_CHINH",
    "MA_CSKCB",
    "NAM_QT",
    "THANG_QT",
];
/// Of these, what no claim is compared without.
const NEEDED: [&str; 3] = ["MA_THE_BHYT", "NGAY_VAO", "NGAY_RA"];
/// What the fund pays, and the two totals.
const AMOUNTS: [&str; 3] = ["T_BHTT", "T_TONGCHI_BV", "T_TONGCHI_BH"];

/// Amounts in hundredths of a đồng, as [`near`] compares them.
pub type Amounts = [u64; 3];

/// What is compared of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// What has to be the same, however it is written: blanks and small letters say nothing.
    pub same: [String; 8],
    /// What may be a little different.
    pub amounts: Amounts,
}

impl Twin {
    /// Of the claim whose table XML1 has these fields; none: it cannot be told.
    pub fn of<'f>(field: impl Fn(&str) -> &'f str) -> Option<Self> {
        if NEEDED.iter().any(|name| field(name).trim().is_empty()) {
            return None;
        }
        let [card, name, arrived, left, disease, facility, year, month] = SAME.map(|name| plain(field(name)));
        let mut amounts = [0; 3];
        for (amount, name) in amounts.iter_mut().zip(AMOUNTS) {
            *amount = hundredths(field(name).trim())?;
        }
        // Some systems write the months with two digits.
        let month = month.trim_start_matches('0').to_owned();
        Some(Self {
            same: [card, name, arrived, left, disease, facility, year, month],
            amounts,
        })
    }
}

/// Whether amounts are those of one visit. To all of a visit's the same may have been added (each its own, wrapping around).
pub fn near(one: Amounts, other: Amounts) -> bool {
    let near = |nth: usize| one[nth].wrapping_sub(other[nth]).wrapping_add(APART) <= 2 * APART;
    near(0) && (near(1) || near(2))
}

/// Whether an entry of `[rules] off` means this rule: its id, or a beginning of it before a `*`.
pub fn is_meant(off: &str) -> bool {
    off.strip_suffix('*')
        .map_or(off == RULE, |begin| RULE.starts_with(begin))
}

fn plain(text: &str) -> String {
    text.split_whitespace()
        .map(str::to_uppercase)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `1250000`, `1250000.5`. What is behind the second decimal is cut off: that parts no two amounts within two đồng.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let cents = part.bytes().chain(*b"00").take(2);
    let cents = cents.fold(0, |cents, digit| cents * 10 + u64::from(digit - b'0'));
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(cents)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Fields = BTreeMap<&'static str, String>;

    fn visit() -> Fields {
        let fields = [
            ("MA_LK", "79999_0001"),
            ("MA_THE_BHYT", "GD4797912345678"),
            ("HO_TEN", "NGUYỄN THỊ BỊA"),
            ("NGAY_VAO", "202601050712"),
            ("NGAY_RA", "202601051040"),
            ("MA_BENH_CHINH", "J06.9"),
            ("MA_CSKCB", "79999"),
            ("NAM_QT", "2026"),
            ("THANG_QT", "01"),
            ("T_TONGCHI_BV", "250000"),
            ("T_TONGCHI_BH", "240000"),
            ("T_BHTT", "192000"),
        ];
        fields.map(|(name, value)| (name, value.to_owned())).into()
    }

    fn twin(fields: &Fields) -> Option<Twin> {
        Twin::of(|name| fields.get(name).map_or("", String::as_str))
    }

    fn with(changes: &[(&'static str, &str)]) -> Fields {
        let mut fields = visit();
        fields.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    }

    /// Whether both can be told, and are one visit to the gateway.
    fn are_twins(one: &Fields, other: &Fields) -> bool {
        let (Some(one), Some(other)) = (twin(one), twin(other)) else {
            return false;
        };
        one.same == other.same && near(one.amounts, other.amounts)
    }

    #[test]
    fn the_same_under_another_ma_lk_or_written_otherwise_is_a_twin() {
        for same in [
            with(&[("MA_LK", "79999_0002")]),
            with(&[("HO_TEN", " Nguyễn  Thị Bịa "), ("MA_THE_BHYT", "gd4797912345678 ")]),
            with(&[("THANG_QT", "1"), ("T_BHTT", "192000.00")]),
            with(&[("MA_BN", "1"), ("CHAN_DOAN_RV", "other words")]),
        ] {
            assert!(are_twins(&visit(), &same), "{same:?}");
        }
    }

    #[test]
    fn another_card_name_time_disease_facility_or_period_is_another_visit() {
        for name in SAME {
            let mut other = visit();
            let value = other.get_mut(name).unwrap();
            *value = value.replace(|c: char| c.is_ascii_alphanumeric(), "7");
            assert!(twin(&other).is_some() && !are_twins(&visit(), &other), "{name}");
        }
    }

    #[test]
    fn what_lacks_a_card_a_time_or_an_amount_is_nobodys_twin() {
        for name in NEEDED.into_iter().chain(AMOUNTS) {
            for value in ["", "  "] {
                let lacking = with(&[(name, value)]);
                assert!(!are_twins(&lacking, &lacking), "{name}");
            }
        }
        for amount in ["x", "-1", "1,5", "1.", ".5", "1.2.3", "99999999999999999999"] {
            assert_eq!(twin(&with(&[("T_BHTT", amount)])), None, "{amount}");
        }
    }

    #[test]
    fn either_total_may_be_the_gateways_and_what_the_fund_pays_decides_with_it() {
        for (changes, twins) in [
            ([("T_TONGCHI_BV", "250003"), ("T_TONGCHI_BH", "240002")], true),
            ([("T_TONGCHI_BV", "249998"), ("T_TONGCHI_BH", "0")], true),
            ([("T_TONGCHI_BV", "250003"), ("T_TONGCHI_BH", "239997.99")], false),
            ([("T_BHTT", "192002.01"), ("T_TONGCHI_BH", "240000")], false),
            ([("T_BHTT", "191998"), ("T_TONGCHI_BH", "240000")], true),
        ] {
            assert_eq!(are_twins(&visit(), &with(&changes)), twins, "{changes:?}");
        }
    }

    #[test]
    fn it_is_switched_off_by_its_id_or_by_a_beginning_of_it() {
        for (off, meant) in [
            ("CLAIM-TWICE", true),
            ("CLAIM-*", true),
            ("*", true),
            ("CLAIM", false),
            ("CLAIM-TWICE-X", false),
            ("XML1-*", false),
        ] {
            assert_eq!(is_meant(off), meant, "{off}");
        }
    }

    proptest! {
        #[test]
        fn amounts_within_two_dong_are_found_and_no_others(
            amounts in proptest::array::uniform3(0u64..100_000_000_000),
            apart in proptest::array::uniform3(-400i64..=400),
            added in proptest::array::uniform3(any::<u64>()),
        ) {
            let written = |amount: u64| format!("{}.{:02}", amount / 100, amount % 100);
            let other = [0, 1, 2].map(|nth: usize| amounts[nth].saturating_add_signed(apart[nth]));
            let fields = |amounts: [u64; 3]| {
                let mut fields = visit();
                fields.extend(AMOUNTS.into_iter().zip(amounts.map(written)));
                fields
            };
            let within = |nth: usize| amounts[nth].abs_diff(other[nth]) <= 200;
            let twins = within(0) && (within(1) || within(2));
            prop_assert_eq!(are_twins(&fields(amounts), &fields(other)), twins);
            let hidden = |amounts: [u64; 3]| [0, 1, 2].map(|nth: usize| amounts[nth].wrapping_add(added[nth]));
            prop_assert_eq!(near(hidden(amounts), hidden(other)), twins);
        }

        #[test]
        fn cutting_off_decimals_never_parts_what_is_within_two_dong(dong in 2u64..1_000_000, part in "[0-9]{1,6}", less in "[0-9]{1,6}") {
            // dong.part and (dong - 2).less, which is no further away where `less` is no smaller than `part`.
            prop_assume!(format!("{less:0<6}") >= format!("{part:0<6}"));
            let [one, other] = [format!("{dong}.{part}"), format!("{}.{less}", dong - 2)];
            let (one, other) = (with(&[("T_BHTT", &one)]), with(&[("T_BHTT", &other)]));
            prop_assert!(are_twins(&one, &other));
        }
    }
}
