//! The rules over one visit.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::asked::Asked;
use super::condition::{Here, Ref};
use super::date::Date;
use super::kind::{Check, Many};
use super::line::{Line, Value};
use super::tables::{ALL, Table};
use super::value::{Decimal, Made, entry_count};
use super::visit::Visit;
use super::{Day, Finding, Rules, Severity, TableRules};
use crate::said;
use crate::say::Said;

/// A rule that many rows break is told for so many of them.
const ROWS_TOLD: u32 = 3;
/// And no more than so many findings for one visit.
const FINDINGS: usize = 100;

/// What of the rules in force on that day the visit breaks: first what holds its claim back, in the order of the tables.
pub fn check<'a>(rules: &'a Rules, visit: &Visit<'a>, day: Day) -> Vec<Finding> {
    let mut found = Found {
        rules,
        day,
        hits: Vec::new(),
        counts: HashMap::new(),
    };
    let asked = Asked::default();
    // Of one row after the other; each leaves it empty.
    let widest = ALL.iter().map(|table| table.fields.len()).max();
    let mut values = vec![Value::default(); widest.unwrap_or_default()];
    for (table, (known, of_table)) in (0u8..).zip(ALL.iter().zip(&rules.tables)) {
        let at = |row| Here {
            visit,
            asked: &asked,
            table,
            row,
        };
        let rows = visit.rows(table);
        for row in 0..rows.count() {
            let cells = rows.row(row);
            for (field, text) in cells {
                values[usize::from(*field)].set(text);
            }
            let line = Line {
                here: at(row),
                values: &values,
            };
            of_row(of_table, cells, &line, &mut found);
            for (field, _) in cells {
                values[usize::from(*field)].set("");
            }
        }
        for (rule, check) in &of_table.whole {
            whole(check, *rule, &at(0), known, &mut found);
        }
    }
    found.end()
}

/// The values of a row, and what is missing in it, in the order of the fields.
fn of_row<'r>(of_table: &'r TableRules, cells: &[(u16, &str)], line: &Line<'_, 'r>, found: &mut Found<'r>) {
    let mut needs = of_table.needs.iter().peekable();
    for (field, text) in cells {
        while let Some((missing, rule)) = needs.next_if(|(needed, _)| needed <= field) {
            if missing < field {
                found.add(*rule, &line.here, Some(*missing));
            }
        }
        let value = &line.values[usize::from(*field)];
        let of_field = &of_table.values[usize::from(*field)];
        let checks = if text.len() > of_field.most {
            &of_field.checks
        } else {
            &of_field.left[Made::of(text) as usize]
        };
        for (rule, check) in checks {
            if !fits(check, value, line, found.day) {
                found.add(*rule, &line.here, Some(*field));
            }
        }
    }
    for (missing, rule) in needs {
        found.add(*rule, &line.here, Some(*missing));
    }
}

/// Whether a value is as it must be. What cannot be told is right.
fn fits<'r>(check: &'r Check, of: &Value<'_>, line: &Line<'_, 'r>, day: Day) -> bool {
    let value = of.text;
    match check {
        Check::Empty => false,
        // Most are short enough in bytes, and need not be counted.
        Check::Size(most) => value.len() <= *most || value.chars().count() <= *most,
        Check::Chars(chars) => chars.fits(value),
        // What is a number is no list of several, and what is a date neither.
        Check::Number(range, many) => match (of.number(), many) {
            (Some(number), _) => range.holds(number),
            (None, Many::One) => false,
            (None, Many::List) => many.all(value, |entry| {
                Decimal::parse(entry).is_some_and(|number| range.holds(number))
            }),
        },
        Check::Date(forms, many) => {
            let has = |date: Date| forms.iter().any(|form| date.has(*form));
            match (of.date(), many) {
                (Some(date), _) => has(date),
                (None, Many::One) => false,
                (None, Many::List) => many.all(value, |entry| Date::parse(entry).is_some_and(has)),
            }
        }
        Check::Code(codes, many) => many.all(value, |value| codes.holds(value, day)),
        Check::Shape(shapes, many) => many.all(value, |value| shapes.iter().any(|shape| shape.fits(value))),
        Check::Count(min, max) => (*min..=*max).contains(&entry_count(value)),
        Check::Aligned(others) => {
            let count = entry_count(value);
            let same = |other: &Ref| line.value(*other).text.is_empty() || line.here.dates(*other).len() == count;
            others.iter().all(same)
        }
        Check::Order {
            not_before,
            other,
            days,
            any,
        } => {
            let held = line.value(*other);
            let fits = |one, other| in_order(one, other, *not_before, *days);
            match (of.date(), held.date()) {
                _ if held.text.is_empty() => true,
                (Some(one), Some(other)) => fits(one, other),
                _ => {
                    let dates: Vec<Option<Date>> = Date::list(value).collect();
                    all_in_order(&dates, &line.here.dates(*other), *any, fits)
                }
            }
        }
        Check::Same(other) => {
            let other = line.value(*other).text;
            other.is_empty() || other == value
        }
        Check::Amount { exact, amount, within } => {
            let difference = || of.number()?.minus(amount.of(line)?);
            difference().is_none_or(|difference| {
                let compared = if *exact { difference.size() } else { difference };
                compared.compare(*within) != Some(Ordering::Greater)
            })
        }
        Check::Days { from, to, exact } => {
            let number = |field: &Ref| line.value(*field).date()?.day_number();
            let days = || Some(number(to)? - number(from)? + 1);
            match (of.number(), days()) {
                (Some(given), Some(days)) if days > 0 => {
                    let days = Decimal {
                        mantissa: i128::from(days),
                        scale: 0,
                    };
                    let compared = given.compare(days);
                    compared == Some(Ordering::Equal) || (!exact && compared == Some(Ordering::Less))
                }
                _ => true,
            }
        }
        Check::Newborn { before, days } => {
            let number = |value: &Value<'_>| value.date()?.day_number();
            let age = || Some(number(line.value(*before))? - number(of)?);
            age().is_none_or(|age| age < 0 || age > *days) || (value.len() == 12 && !value.ends_with("0000"))
        }
        Check::Citizen { sex, born } => citizen(value, line.value(*sex).text, line.value(*born).text),
        Check::Need
        | Check::Running
        | Check::Unique(_)
        | Check::Known
        | Check::Required
        | Check::Forbidden
        | Check::One => true,
    }
}

fn in_order(one: Date, other: Date, not_before: bool, days: i64) -> bool {
    let compared = if days == 0 {
        Some(one.compare(other))
    } else {
        let (one, other) = (one.day_number(), other.day_number());
        one.zip(other).map(|(one, other)| one.cmp(&(other + days)))
    };
    match compared {
        None | Some(Ordering::Equal) => true,
        Some(Ordering::Less) => !not_before,
        Some(Ordering::Greater) => not_before,
    }
}

/// Of two lists that are not of one length, so many entries are held against each other: nobody has more cards.
const UNPAIRED: usize = 100;

/// Of two lists of one length entry by entry, else each of the one against the other; what is no date is right.
fn all_in_order(dates: &[Option<Date>], others: &[Option<Date>], any: bool, fits: impl Fn(Date, Date) -> bool) -> bool {
    let pair = |one: &Option<Date>, other: &Option<Date>| one.zip(*other).is_none_or(|(one, other)| fits(one, other));
    if dates.len() == others.len() {
        let mut fits = dates.iter().zip(others).map(|(one, other)| pair(one, other));
        return if any {
            fits.any(|fits| fits)
        } else {
            fits.all(|fits| fits)
        };
    }
    let mut checked = dates
        .iter()
        .take(UNPAIRED)
        .map(|one| others.iter().take(UNPAIRED).all(|other| pair(one, other)));
    if any {
        checked.any(|fits| fits)
    } else {
        checked.all(|fits| fits)
    }
}

/// The fourth digit tells century and sex, the next two the year of birth.
fn citizen(value: &str, sex: &str, born: &str) -> bool {
    let bytes = value.as_bytes();
    if bytes.len() != 12 || !bytes.iter().all(u8::is_ascii_digit) || born.len() < 4 {
        return true;
    }
    let century = match born.get(..2) {
        Some("19") => 0,
        Some("20") => 2,
        _ => return true,
    };
    let expected = match sex {
        "1" => b'0' + century,
        "2" => b'1' + century,
        _ => return true,
    };
    bytes[3] == expected && Some(&value[4..6]) == born.get(2..4)
}

/// A table as a whole.
fn whole<'r>(check: &'r Check, rule: u32, here: &Here<'_, 'r>, known: &'static Table, found: &mut Found<'r>) {
    let rows = here.visit.rows(here.table);
    let at = |row: usize| Here { row, ..*here };
    match check {
        Check::Required if rows.count() == 0 => found.add(rule, here, None),
        Check::Forbidden if rows.count() > 0 => found.add(rule, here, None),
        Check::One if rows.count() > 1 => found.add(rule, &at(1), None),
        Check::Known => {
            for (row, _) in rows.unknown() {
                found.add(rule, &at(*row as usize - 1), None);
            }
        }
        Check::Running => {
            let field = known.field("STT").unwrap_or_default();
            let wrong = (0..rows.count()).find(|row| {
                let given = rows.get(*row, field);
                !given.is_empty() && given.parse() != Ok(row + 1)
            });
            if let Some(row) = wrong {
                found.add(rule, &at(row), Some(field));
            }
        }
        Check::Unique(fields) if rows.count() > 1 => {
            let key = |row: usize| fields.iter().map(move |field| rows.get(row, *field));
            let mut seen = HashMap::with_capacity(rows.count());
            for row in 0..rows.count() {
                if key(row).all(str::is_empty) {
                    continue;
                }
                match seen.entry(hash(key(row))) {
                    Entry::Vacant(free) => drop(free.insert(row)),
                    Entry::Occupied(first) if key(*first.get()).eq(key(row)) => {
                        found.add(rule, &at(row), fields.first().copied());
                    }
                    // Two rows that say other things: a chance of one in many millions, and nothing is told.
                    Entry::Occupied(_) => {}
                }
            }
        }
        _ => {}
    }
}

/// Of some values together, eight bytes at a time; each ends with a byte that no text has.
fn hash<'a>(values: impl Iterator<Item = &'a str>) -> u64 {
    let put =
        |hash: u64, word: [u8; 8]| (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517C_C1B7_2722_0A95);
    values.fold(0, |hash, value| {
        let (words, rest) = value.as_bytes().as_chunks();
        let mut last = [0xFF; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        put(words.iter().fold(hash, |hash, word| put(hash, *word)), last)
    })
}

/// What was found so far.
struct Found<'r> {
    rules: &'r Rules,
    day: Day,
    hits: Vec<Hit>,
    /// How often each rule was broken, and where its last hit is.
    counts: HashMap<u32, (u32, usize)>,
}

/// A rule that is broken, not put into words yet: of very many only the first are.
struct Hit {
    rule: u32,
    table: u8,
    row: u32,
    field: Option<u16>,
    /// In so many more rows, of which nothing else is told.
    more: u32,
}

impl<'r> Found<'r> {
    /// A check failed: if its rule holds that day and under its condition, that is a finding.
    fn add(&mut self, place: u32, here: &Here<'_, 'r>, field: Option<u16>) {
        let rule = &self.rules.rules[place as usize];
        let holds = !rule.off && (rule.from..=rule.to).contains(&self.day);
        if !holds || !rule.when.iter().all(|clause| clause.holds(here)) {
            return;
        }
        let (count, last) = self.counts.entry(place).or_insert((0, 0));
        *count += 1;
        if *count > ROWS_TOLD {
            return;
        }
        *last = self.hits.len();
        let there = here.visit.rows(here.table).count() > here.row;
        self.hits.push(Hit {
            rule: place,
            table: here.table,
            row: if there {
                u32::try_from(here.row + 1).unwrap_or(u32::MAX)
            } else {
                0
            },
            field,
            more: 0,
        });
    }

    fn said(&self, hit: &Hit) -> Said {
        let words = &self.rules.words[self.rules.rules[hit.rule as usize].words as usize];
        let table = &ALL[usize::from(hit.table)];
        let field = hit.field.map(|field| &table.fields[usize::from(field)]);
        let filled = |text: &str, name: &str| {
            if !text.contains('{') {
                return text.to_owned();
            }
            let size = field.and_then(|field| field.size).map(|size| size.to_string());
            text.replace("{table}", &table.name)
                .replace("{field}", field.map_or("", |field| &field.name))
                .replace("{size}", &size.unwrap_or_default())
                .replace("{name}", name)
        };
        let (name_vi, name_en) = field.map_or(("", ""), |field| (&field.name_vi, &field.name_en));
        let mut said = Said {
            vi: filled(&words.vi, name_vi),
            en: filled(&words.en, name_en),
        };
        let more = hit.more;
        if more > 0 {
            said.vi.push_str(&format!(" Còn {more} dòng như vậy."));
            said.en.push_str(&format!(" {more} more such rows."));
        }
        said
    }

    fn finding(&self, hit: &Hit) -> Finding {
        let (rule, table) = (&self.rules.rules[hit.rule as usize], &ALL[usize::from(hit.table)]);
        Finding {
            rule: rule.id.to_string(),
            severity: rule.severity,
            table: table.name.as_str(),
            row: hit.row,
            field: hit.field.map_or("", |field| &table.fields[usize::from(field)].name),
            said: self.said(hit),
        }
    }

    fn end(mut self) -> Vec<Finding> {
        for (count, last) in self.counts.values() {
            self.hits[*last].more = count.saturating_sub(ROWS_TOLD);
        }
        let rules = self.rules;
        self.hits.sort_by_key(|hit| rules.rules[hit.rule as usize].severity);
        let told = self.hits.iter().take(FINDINGS);
        let mut findings: Vec<Finding> = told.map(|hit| self.finding(hit)).collect();
        if let Some(more) = self.hits.len().checked_sub(FINDINGS).filter(|more| *more > 0) {
            findings.push(Finding {
                rule: "RULES-MORE".to_owned(),
                severity: Severity::Warn,
                table: ALL[1].name.as_str(),
                row: 0,
                field: "",
                said: said!(
                    "Còn {more} điểm nữa: sửa những điểm trên rồi xuất lại.",
                    "{more} more findings: correct these and export again."
                ),
            });
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_dates_are_compared_entry_by_entry_and_uneven_ones_by_their_beginnings() {
        let not_before = |one: &str, other: &str| {
            let (one, other): (Vec<_>, Vec<_>) = (Date::list(one).collect(), Date::list(other).collect());
            all_in_order(&one, &other, false, |one, other| in_order(one, other, true, 0))
        };
        let days = vec!["20260101"; 100_000].join(";");
        assert!(not_before(&days, &days));
        assert!(not_before(&format!("{days};20270101"), &days));
        assert!(!not_before(&format!("20250101;{days}"), &days));
        assert!(!not_before("20260101;20250101", "20260101;20260101"));
    }
}
