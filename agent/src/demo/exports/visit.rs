//! One invented visit: what happened, in which order, for how much.
//!
//! Everything here holds together the way the insurance checks it: line = quantity x price x ratio, totals = sums of
//! lines, arrival <= orders <= results <= discharge <= payment. Money is counted in hundredths of a đồng.

use fastrand::Rng;

use super::calendar::{Day, Minute};
use super::catalogue::{
    BED, CASES, Case, DRUGS, Drug, EXAM, IMPLANT, Index, SERVICES, SUPPLIES, Service, TRANSPORT, Value,
};
use super::people::{Person, pick};
use super::story::{More, Sign, Story, Wish};

/// What happened from arrival to payment.
pub(super) struct Course {
    pub(super) key: String,
    pub(super) index: u64,
    pub(super) person: Person,
    pub(super) facility: String,
    pub(super) case: &'static Case,
    /// Percent the fund pays, `None` for those without a card.
    pub(super) benefit: Option<u32>,
    pub(super) arrived: Minute,
    /// Set for inpatients.
    pub(super) admitted: Option<Minute>,
    pub(super) left: Minute,
    pub(super) paid: Minute,
    pub(super) days: i64,
    pub(super) doctor: String,
    pub(super) drugs: Vec<DrugLine>,
    pub(super) services: Vec<ServiceLine>,
    pub(super) results: Vec<ResultLine>,
    pub(super) notes: Vec<Note>,
    pub(super) more: Option<More>,
    /// This hospital's system writes `.00` behind whole amounts.
    pub(super) always_decimals: bool,
}

pub(super) struct DrugLine {
    pub(super) drug: &'static Drug,
    pub(super) quantity: i64,
    pub(super) dose: String,
    pub(super) ordered: Minute,
    pub(super) given: Minute,
    pub(super) money: Money,
}

pub(super) struct ServiceLine {
    pub(super) service: &'static Service,
    pub(super) quantity: i64,
    pub(super) ordered: Minute,
    pub(super) done: Minute,
    pub(super) result: Option<Minute>,
    pub(super) service_ratio: i64,
    pub(super) money: Money,
}

pub(super) struct ResultLine {
    pub(super) service: &'static Service,
    pub(super) index: &'static Index,
    pub(super) value: String,
    pub(super) description: &'static str,
    pub(super) conclusion: &'static str,
    pub(super) at: Minute,
}

pub(super) struct Note {
    pub(super) text: String,
    pub(super) at: Minute,
}

/// One line in money, in hundredths of a đồng.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Money {
    /// Percent of the item inside the insurance's scope: 0 or 100.
    pub(super) covered_ratio: i64,
    pub(super) hospital: i64,
    pub(super) insurance: i64,
    pub(super) patient: i64,
    pub(super) copay: i64,
    pub(super) fund: i64,
}

impl Course {
    /// The visit with this number. Each has a generator of its own, so a visit does not change with its neighbours.
    pub(super) fn invent(seed: u64, index: u64, first_day: Day, facility: &str, wish: Wish) -> Self {
        let mut rng = Rng::with_seed(mixed(seed, index));
        let rng = &mut rng;
        let arrived = first_day
            .plus((index / VISITS_A_DAY) as i64)
            .at(7, 0)
            .plus(rng.i64(0..480));
        // Every fifth visit is by someone who was here shortly before.
        let number = if index % 5 == 4 { index - 3 } else { index };
        let mut person_rng = Rng::with_seed(mixed(!seed, number));
        let person = Person::invent(&mut person_rng, number, first_day, facility);
        let more = More::invent(
            wish,
            &mut Rng::with_seed(mixed(seed.rotate_left(32), !index)),
            &person,
            first_day,
        );
        let story = more.as_ref().map_or(Story::Usual, |more| more.story);
        let usual = &CASES[rng.usize(0..CASES.len())];
        let case = story.case().unwrap_or(usual);
        let nights = if case.may_be_admitted && (story.stays() || rng.bool()) {
            rng.i64(2..6)
        } else {
            0
        };
        let admitted = (nights > 0).then(|| arrived.plus(45));
        let left = if nights > 0 {
            arrived.day().plus(nights).at(10, rng.u32(0..60))
        } else {
            arrived
        };
        let mut course = Self {
            key: format!("{facility}_{seed:04X}_{index:06}"),
            index,
            benefit: person.cards.last().map(|card| card.benefit),
            person,
            facility: facility.to_owned(),
            case,
            arrived,
            admitted,
            left,
            paid: left,
            days: nights.max(1),
            doctor: format!("{:06}/MAU-CCHN", 990_000 + rng.u32(0..40)),
            drugs: Vec::new(),
            services: Vec::new(),
            results: Vec::new(),
            notes: Vec::new(),
            more,
            always_decimals: rng.u32(0..4) == 0,
        };
        if course.exempt_since().is_some() {
            course.benefit = Some(100);
        }
        course.examine(rng);
        if nights > 0 {
            course.nurse(rng, nights)
        } else {
            course.left = course.prescribe(rng).plus(10)
        }
        course.hand_over();
        course.paid = course.left.plus(rng.i64(0..40));
        course
    }

    /// Exam, then the tests it leads to, with their results.
    fn examine(&mut self, rng: &mut Rng) {
        let exam = self.arrived.plus(rng.i64(3..25));
        self.serve(&SERVICES[EXAM], 1, exam, exam.plus(8), Some(exam.plus(15)));
        self.notes.push(Note {
            text: format!("{}; {}", self.case.reason, self.case.note),
            at: exam.plus(10),
        });
        for (nth, &service) in self.case.services.iter().enumerate() {
            let service = &SERVICES[service];
            let ordered = exam.plus(15 + nth as i64);
            let done = ordered.plus(rng.i64(5..20));
            let result = done.plus(rng.i64(10..60));
            self.serve(service, 1, ordered, done, Some(result));
            for index in service.results {
                let (value, description, conclusion) = read(rng, &index.value);
                self.results.push(ResultLine {
                    service,
                    index,
                    value,
                    description,
                    conclusion,
                    at: result,
                });
            }
        }
    }

    /// Drugs to take home; answers when they were handed out.
    fn prescribe(&mut self, rng: &mut Rng) -> Minute {
        let known = self
            .services
            .iter()
            .filter_map(|line| line.result)
            .max()
            .unwrap_or(self.arrived);
        let ordered = known.plus(5);
        let days = rng.i64(3..15);
        for &drug in self.case.drugs {
            let times = rng.i64(1..4);
            let dose = format!("1 {}/lần * {times} lần/ngày * {days} ngày", DRUGS[drug].unit);
            self.dispense(&DRUGS[drug], times * days, dose, ordered, ordered.plus(12));
        }
        ordered.plus(12)
    }

    /// Days on the ward: drugs, supplies and a note each morning, and the bed.
    fn nurse(&mut self, rng: &mut Rng, nights: i64) {
        for day in 0..nights {
            // The first orders wait for the first results; the later ones follow the morning round.
            let round = if day == 0 {
                self.prescribe_first()
            } else {
                self.arrived.day().plus(day).at(8, 0)
            };
            let text = format!(
                "Ngày điều trị thứ {}: {} Mạch {} lần/phút.",
                day + 1,
                self.case.note,
                rng.u32(64..110)
            );
            self.notes.push(Note { text, at: round });
            for &drug in self.case.drugs {
                let dose = format!("1 {}/lần * 2 lần/ngày * 1 ngày", DRUGS[drug].unit);
                self.dispense(&DRUGS[drug], 2, dose, round.plus(5), round.plus(30));
            }
        }
        for supply in SUPPLIES {
            let ordered = self.arrived.day().plus(1).at(8, 5);
            self.serve(&SERVICES[supply], nights, ordered, ordered.plus(25), None);
        }
        if self.story() == Story::Surgery {
            let ordered = self.arrived.plus(150);
            self.serve(&SERVICES[IMPLANT], 1, ordered, ordered.plus(25), None);
        }
        let bed = self.admitted.unwrap_or(self.arrived);
        self.serve(&SERVICES[BED], nights, bed, bed, Some(self.left));
    }

    /// Drugs of a programme to take home, and the way to the next hospital.
    fn hand_over(&mut self) {
        if self.story() == Story::Hiv(Sign::Drugs) {
            let drug = &DRUGS[ANTIRETROVIRAL];
            let dose = format!("1 {}/lần * 1 lần/ngày * 30 ngày", drug.unit);
            self.dispense(drug, 30, dose, self.left.plus(-8), self.left.plus(-2));
        }
        if self.more(|more| more.to.is_some()) {
            self.serve(&SERVICES[TRANSPORT], 24, self.left, self.left, None);
        }
    }

    fn prescribe_first(&self) -> Minute {
        self.services
            .iter()
            .filter_map(|line| line.result)
            .max()
            .unwrap_or(self.arrived)
            .plus(5)
    }

    fn dispense(&mut self, drug: &'static Drug, quantity: i64, dose: String, ordered: Minute, given: Minute) {
        let money = self.price(quantity, drug.price, drug.price, 100, drug.covered);
        self.drugs.push(DrugLine {
            drug,
            quantity,
            dose,
            ordered,
            given,
            money,
        });
    }

    fn serve(
        &mut self,
        service: &'static Service,
        quantity: i64,
        ordered: Minute,
        done: Minute,
        result: Option<Minute>,
    ) {
        // A second service of the same kind on one day counts in part; imaging after imaging is the usual case.
        let again = service.group == 2 && self.services.iter().any(|line| line.service.group == 2);
        let service_ratio = if again { 80 } else { 100 };
        let (hospital, insurance) = (service.price_hospital, service.price_insurance);
        let money = self.price(quantity, hospital, insurance, service_ratio, true);
        self.services.push(ServiceLine {
            service,
            quantity,
            ordered,
            done,
            result,
            service_ratio,
            money,
        });
    }

    fn price(&self, quantity: i64, hospital: i64, insurance: i64, service_ratio: i64, covered: bool) -> Money {
        let covered_ratio = if covered && self.benefit.is_some() { 100 } else { 0 };
        let hospital = share(quantity * hospital, service_ratio);
        let insurance = share(share(quantity * insurance, service_ratio), covered_ratio);
        let fund = share(insurance, self.benefit.unwrap_or(0).into());
        Money {
            covered_ratio,
            hospital,
            insurance,
            patient: hospital - insurance,
            copay: insurance - fund,
            fund,
        }
    }
}

impl Money {
    /// The sum of these lines.
    pub(super) fn total<'a>(lines: impl Iterator<Item = &'a Money>) -> Self {
        lines.fold(Self::default(), |sum, line| Self {
            covered_ratio: 0,
            hospital: sum.hospital + line.hospital,
            insurance: sum.insurance + line.insurance,
            patient: sum.patient + line.patient,
            copay: sum.copay + line.copay,
            fund: sum.fund + line.fund,
        })
    }
}

/// A percentage of an amount, rounded half up.
fn share(amount: i64, percent: i64) -> i64 {
    (amount * percent + 50) / 100
}

fn read(rng: &mut Rng, value: &Value) -> (String, &'static str, &'static str) {
    match value {
        Value::Number { low, high, decimals } => {
            let scale = 10_f64.powi(*decimals as i32);
            (format!("{:.decimals$}", rng.i64(*low..=*high) as f64 / scale), "", "")
        }
        Value::Words(words) => (pick(rng, words).to_owned(), "", ""),
        Value::Reading {
            description,
            conclusions,
        } => (String::new(), description, pick(rng, conclusions)),
    }
}

/// Neighbouring seeds and numbers must not give related generators (the finaliser of splitmix64).
fn mixed(seed: u64, index: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ index.wrapping_add(0x632B_E59B_D9B4_E019);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

const VISITS_A_DAY: u64 = 400;
/// Its position in `DRUGS`.
const ANTIRETROVIRAL: usize = 11;
