//! People who do not exist: names, addresses, ids and cards that look right and belong to nobody.
//!
//! Every citizen id begins with 999, which is no province, and every insurance number with 9999, so invented data is
//! told apart from real data at a glance.

use fastrand::Rng;

use super::calendar::Day;

/// One invented person.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) code: String,
    pub(super) name: String,
    /// 12 digits, or empty for the few who came without papers.
    pub(super) citizen_id: String,
    pub(super) born: Day,
    /// Only the year is known: day, month, hour and minute are then written as zeros.
    pub(super) birth_year_only: bool,
    pub(super) female: bool,
    pub(super) blood: &'static str,
    pub(super) job: &'static str,
    pub(super) street: String,
    pub(super) province: &'static str,
    pub(super) commune: &'static str,
    pub(super) phone: String,
    pub(super) weight_hectograms: u32,
    pub(super) cards: Vec<Card>,
}

/// One insurance card.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) number: String,
    pub(super) registered_at: String,
    pub(super) from: Day,
    pub(super) to: Day,
    /// Percent the fund pays.
    pub(super) benefit: u32,
}

impl Person {
    /// The person with this number: the same whenever the same generator state is given.
    pub(super) fn invent(rng: &mut Rng, number: u64, today: Day, facility: &str) -> Self {
        // Consecutive numbers keep people of one seed apart; random digits would now and then make two people one.
        let serial = number % 1_000_000;
        let female = rng.bool();
        let age_days = i64::from(rng.u32(200..31_000));
        let born = today.plus(-age_days);
        let (year, ..) = born.civil();
        let (province, commune, place) = pick(rng, PLACES);
        let sex_digit = if year < 2000 { 0 } else { 2 } + i64::from(female);
        let papers = rng.u32(0..40) != 0;
        let years = age_days / 365;
        Self {
            code: format!("BN{number:08}"),
            name: name(rng, female),
            citizen_id: if papers {
                format!("999{sex_digit}{:02}{serial:06}", year % 100)
            } else {
                String::new()
            },
            born,
            birth_year_only: years > 60 && rng.u32(0..8) == 0,
            female,
            blood: pick(rng, BLOOD),
            job: if years < 18 { "00000" } else { pick(rng, JOBS) },
            street: format!("Số {} {}, {place}", rng.u32(1..400), pick(rng, STREETS)),
            province,
            commune,
            phone: format!("0900{:06}", rng.u32(0..1_000_000)),
            weight_hectograms: if years < 15 {
                60 + 28 * years as u32
            } else {
                rng.u32(420..860)
            },
            cards: cards(rng, serial, years, today, facility),
        }
    }

    /// Age in whole years, as far as anybody asks.
    pub(super) fn years(&self, today: Day) -> i64 {
        today.days_since(self.born) / 365
    }

    /// `NGAY_SINH`: twelve digits, unknown parts as zeros.
    pub(super) fn birth(&self) -> String {
        let (year, ..) = self.born.civil();
        if self.birth_year_only {
            format!("{year:04}00000000")
        } else {
            format!("{}0000", self.born.compact())
        }
    }
}

/// Most people hold one card, some none, a few changed cards during the visit and hold two.
fn cards(rng: &mut Rng, serial: u64, years: i64, today: Day, facility: &str) -> Vec<Card> {
    let count = match rng.u32(0..20) {
        0..=1 => 0,
        2 => 2,
        _ => 1,
    };
    let (group, benefit) = match years {
        0..6 => ("TE1", 100),
        6..18 => ("HS4", 80),
        60.. => ("HT3", 95),
        _ => pick(rng, CARD_GROUPS),
    };
    let (year, ..) = today.civil();
    let start = |year: i64| Day::new(year as u16, 1, 1).unwrap_or(today);
    (0..count)
        .map(|which| {
            // The second card begins where the first one ends, as after a change of job.
            let (group, from, to) = match which {
                0 if count == 2 => ("GD4", start(year), today.plus(-1)),
                0 => (group, start(year), start(year + 1).plus(-1)),
                _ => (group, today, start(year + 1).plus(-1)),
            };
            Card {
                number: format!("{group}799999{serial:06}"),
                registered_at: if rng.u32(0..4) == 0 {
                    "79998".to_owned()
                } else {
                    facility.to_owned()
                },
                from,
                to,
                benefit: if count == 2 && which == 0 { 80 } else { benefit },
            }
        })
        .collect()
}

pub(super) fn name(rng: &mut Rng, female: bool) -> String {
    let middle = if female {
        pick(rng, MIDDLE_FEMALE)
    } else {
        pick(rng, MIDDLE_MALE)
    };
    let given = if female {
        pick(rng, GIVEN_FEMALE)
    } else {
        pick(rng, GIVEN_MALE)
    };
    format!("{} {middle} {given}", pick(rng, FAMILY))
}

pub(super) fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())]
}

const FAMILY: &[&str] = &[
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương",
    "Lý", "Đinh", "Mai", "Trịnh", "Đoàn",
];
const MIDDLE_MALE: &[&str] = &[
    "Văn", "Đức", "Hữu", "Minh", "Quốc", "Công", "Xuân", "Thành", "Quang", "Ngọc",
];
const MIDDLE_FEMALE: &[&str] = &[
    "Thị",
    "Thị Ngọc",
    "Thị Kim",
    "Thu",
    "Thanh",
    "Mỹ",
    "Bích",
    "Thị Hồng",
    "Diệu",
];
const GIVEN_MALE: &[&str] = &[
    "Thử", "Mẫu", "Hùng", "Dũng", "Nam", "Sơn", "Tuấn", "Phúc", "Khánh", "Long", "Bảo", "Nghĩa", "Quý", "Tường", "Vỹ",
];
const GIVEN_FEMALE: &[&str] = &[
    "Mẫu",
    "Hoa",
    "Lan",
    "Hương",
    "Huyền",
    "Quỳnh",
    "Thảo",
    "Trúc",
    "Yến",
    "Ngân",
    "Phượng",
    "Uyên",
    "Nguyệt",
    "Đào",
];
const STREETS: &[&str] = &[
    "Lê Lợi",
    "Trần Phú",
    "Hai Bà Trưng",
    "Nguyễn Huệ",
    "Quang Trung",
    "Điện Biên Phủ",
    "Lý Tự Trọng",
];
const BLOOD: &[&str] = &["", "", "", "O+", "A+", "B+", "AB+", "O-"];
const JOBS: &[&str] = &["00000", "23000", "42000", "52000", "61000", "75000", "83000", "93000"];
const CARD_GROUPS: &[(&str, u32)] = &[
    ("DN4", 80),
    ("GD4", 80),
    ("HC4", 80),
    ("HN1", 100),
    ("CN3", 95),
    ("TC3", 95),
];
/// Province code, commune code, and what an address ends with since the district level went.
const PLACES: &[(&str, &str, &str)] = &[
    ("79", "26740", "Phường Sài Gòn, Thành phố Hồ Chí Minh"),
    ("79", "26743", "Phường Bến Thành, Thành phố Hồ Chí Minh"),
    ("79", "27127", "Phường Bình Thạnh, Thành phố Hồ Chí Minh"),
    ("01", "00004", "Phường Ba Đình, Thành phố Hà Nội"),
    ("01", "00070", "Phường Hoàn Kiếm, Thành phố Hà Nội"),
    ("48", "20242", "Phường Hải Châu, Thành phố Đà Nẵng"),
    ("92", "31135", "Phường Ninh Kiều, Thành phố Cần Thơ"),
    ("31", "11311", "Phường Hồng Bàng, Thành phố Hải Phòng"),
];
