//! What rows ask of the visit as a whole, each worked out once: else every row of one table would look at every row of another.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::amount::Sum;
use super::condition::{Ref, Simple};
use super::date::Date;
use super::line::Value;
use super::tables::ALL;
use super::value::Decimal;
use super::visit::Visit;

/// The answers for one visit.
#[derive(Debug, Default)]
pub(super) struct Asked<'r> {
    /// Sums over a table.
    pub(super) sums: Answers<'r, Sum, Option<Decimal>>,
    /// Conditions on other tables.
    pub(super) conditions: Answers<'r, Simple, bool>,
    /// The dates of a list in the first row of another table.
    lists: RefCell<HashMap<Ref, Rc<[Option<Date>]>>>,
    /// The first row of each table, where another asks for it.
    first_rows: [OnceCell<Vec<Value<'r>>>; 16],
}

/// By the place of the question in memory; that it is borrowed keeps the place from being another's.
#[derive(Debug)]
pub(super) struct Answers<'r, Q, A>(RefCell<HashMap<usize, (&'r Q, A)>>);

impl<'r, Q, A: Copy> Answers<'r, Q, A> {
    /// The answer to that part of a rule; what is asked on the way is answered too.
    pub(super) fn of(&self, question: &'r Q, answer: impl FnOnce() -> A) -> A {
        let place = std::ptr::from_ref(question).addr();
        if let Some((_, known)) = self.0.borrow().get(&place) {
            return *known;
        }
        let answer = answer();
        self.0.borrow_mut().insert(place, (question, answer));
        answer
    }
}

impl<Q, A> Default for Answers<'_, Q, A> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<'r> Asked<'r> {
    /// A value for each field of a table.
    pub(super) fn first_row(&self, visit: &Visit<'r>, table: u8) -> &[Value<'r>] {
        self.first_rows[usize::from(table)].get_or_init(|| {
            let mut values = vec![Value::default(); ALL[usize::from(table)].fields.len()];
            for (field, text) in visit.rows(table).row(0) {
                values[usize::from(*field)].set(text);
            }
            values
        })
    }

    /// The dates of this list, which is that of the first row.
    pub(super) fn dates(&self, of: Ref, list: &str) -> Rc<[Option<Date>]> {
        let mut lists = self.lists.borrow_mut();
        Rc::clone(lists.entry(of).or_insert_with(|| Date::list(list).collect()))
    }
}
