//! Amounts of money as sums of products: `SO_LUONG * DON_GIA_BV * TYLE_TT_DV%`, `sum(XML2.T_BHTT) + sum(XML3.T_BHTT)`.
//!
//! Exact: decimals, not floating point. A factor that is missing or does not read leaves the amount unknown; a term of one
//! field that is missing is nothing.

use super::condition::{Clause, Here, Ref, parse as parse_clauses, reference};
use super::line::Line;
use super::tables::number;
use super::value::Decimal;

/// A sum.
#[derive(Debug)]
pub(super) struct Amount(Vec<Term>);

#[derive(Debug)]
struct Term {
    minus: bool,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// Fields of this row, or of a table with one row; with `true`, in percent.
    Product(Vec<(Ref, bool)>),
    Sum(Sum),
}

/// A field over all rows of a table for which the clauses hold.
#[derive(Debug)]
pub(super) struct Sum {
    field: Ref,
    clauses: Vec<Clause>,
}

impl Amount {
    /// Reads an amount as it stands in a rule of this table; what is no term is given back.
    pub(super) fn parse(text: &str, own: u8) -> Result<Self, String> {
        let mut terms = Vec::new();
        let mut minus = false;
        let mut rest = text.trim();
        loop {
            let end = if rest.starts_with("sum(") {
                rest.find(')').map_or(rest.len(), |at| at + 1)
            } else {
                rest.find(['+', '-']).unwrap_or(rest.len())
            };
            let (term, behind) = rest.split_at(end);
            let of = of(term.trim(), own).ok_or_else(|| term.trim().to_owned())?;
            terms.push(Term { minus, of });
            let behind = behind.trim_start();
            rest = match (behind.strip_prefix('+'), behind.strip_prefix('-')) {
                (Some(next), _) | (_, Some(next)) => next.trim_start(),
                _ if behind.is_empty() => return Ok(Self(terms)),
                _ => return Err(behind.to_owned()),
            };
            minus = behind.starts_with('-');
        }
    }

    /// None: it cannot be told.
    pub(super) fn of<'r>(&'r self, line: &Line<'_, 'r>) -> Option<Decimal> {
        self.0.iter().try_fold(Decimal::ZERO, |sum, term| {
            let value = term.of.value(line)?;
            if term.minus { sum.minus(value) } else { sum.plus(value) }
        })
    }
}

fn of(text: &str, own: u8) -> Option<Of> {
    if let Some(inner) = text.strip_prefix("sum(").and_then(|text| text.strip_suffix(')')) {
        let (field, clauses) = inner.split_once(" where ").unwrap_or((inner, ""));
        let field = reference(field.trim(), own)?;
        let clauses = parse_clauses(clauses, field.table).ok()?;
        return Some(Of::Sum(Sum { field, clauses }));
    }
    let factor = |text: &str| {
        let text = text.trim();
        let field = text.strip_suffix('%').unwrap_or(text);
        Some((reference(field, own)?, field.len() < text.len()))
    };
    // A table's name alone is no field of any.
    let factors: Option<Vec<(Ref, bool)>> = text.split('*').map(factor).collect();
    factors.filter(|_| number(text).is_none()).map(Of::Product)
}

impl Of {
    fn value<'r>(&'r self, line: &Line<'_, 'r>) -> Option<Decimal> {
        match self {
            Self::Product(factors) => match factors.as_slice() {
                [(field, false)] if line.value(*field).text.is_empty() => Some(Decimal::ZERO),
                factors => factors.iter().try_fold(Decimal::ONE, |product, (field, percent)| {
                    let value = line.value(*field).number()?;
                    product.times(if *percent { value.percent() } else { value })
                }),
            },
            // Asked once, it is not worth remembering.
            Self::Sum(sum) if line.here.visit.rows(line.here.table).count() < 2 => sum.value(&line.here),
            Self::Sum(sum) => line.here.asked.sums.of(sum, || sum.value(&line.here)),
        }
    }
}

impl Sum {
    fn value<'r>(&'r self, here: &Here<'_, 'r>) -> Option<Decimal> {
        let rows = here.visit.rows(self.field.table);
        let here = |row| Here {
            table: self.field.table,
            row,
            ..*here
        };
        let counted = (0..rows.count()).filter(|row| self.clauses.iter().all(|clause| clause.holds(&here(*row))));
        counted
            .map(|row| rows.get(row, self.field.field))
            .filter(|value| !value.is_empty())
            .try_fold(Decimal::ZERO, |sum, value| sum.plus(Decimal::parse(value)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::asked::Asked;
    use crate::rules::visit::Visit;

    #[test]
    fn lines_and_totals_are_worked_out_exactly() {
        let mut visit = Visit::new();
        visit.row("XML1", [("T_BNTT", "5")]);
        for (number, price, group) in [("3", "0.1", "10"), ("1", "100", "13")] {
            visit.row(
                "XML3",
                [
                    ("SO_LUONG", number),
                    ("DON_GIA_BV", price),
                    ("MA_NHOM", group),
                    ("TYLE_TT_DV", "50"),
                    ("T_BHTT", price),
                ],
            );
        }
        let value = |text: &str, table: u8| {
            let amount = Amount::parse(text, table).unwrap();
            let asked = Asked::default();
            let here = Here {
                visit: &visit,
                asked: &asked,
                table,
                row: 0,
            };
            let values = asked.first_row(&visit, table);
            amount.of(&Line { here, values })
        };
        for (text, table, expected) in [
            ("SO_LUONG * DON_GIA_BV * TYLE_TT_DV%", 3, "0.15"),
            ("SO_LUONG * DON_GIA_BV - T_BHTT", 3, "0.2"),
            ("sum(XML3.T_BHTT)", 1, "100.1"),
            ("sum(XML3.T_BHTT where MA_NHOM in 10 11) + T_BNTT", 1, "5.1"),
            ("sum(XML2.T_BHTT) + T_BNCCT", 1, "0"),
        ] {
            let expected = Decimal::parse(expected).unwrap();
            let found = value(text, table).unwrap();
            assert_eq!(
                found.compare(expected),
                Some(std::cmp::Ordering::Equal),
                "{text}: {found:?}"
            );
        }
        assert_eq!(value("SO_LUONG * DON_GIA_BH", 3), None, "a factor that is missing");
    }

    #[test]
    fn what_is_no_amount_is_given_back() {
        for bad in [
            "",
            "SO_LUONG *",
            "SO_LUONGS",
            "sum(XML2)",
            "sum(XML3.T_BHTT",
            "sum(XML3.T_BHTT where X in 1)",
            "XML3",
        ] {
            assert!(Amount::parse(bad, 3).is_err(), "{bad}");
        }
        assert!(Amount::parse("SO_LUONG + ", 3).is_err());
        assert!(Amount::parse("sum(XML3.T_BHTT) T_BNTT", 3).is_err());
    }
}
