//! The names of members, as numbers: finding one costs no comparison of texts.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use rustc_hash::FxBuildHasher;

use crate::r4;

static NAMES: LazyLock<Names> = LazyLock::new(Names::read);

/// The name of a member in R4, in the order of the alphabet; all others are [`Name::OTHER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(u16);

#[derive(Debug)]
struct Names {
    sorted: Vec<String>,
    numbers: HashMap<String, Name, FxBuildHasher>,
}

impl Name {
    /// None of R4's.
    pub(crate) const OTHER: Self = Self(0);

    /// The number of a name.
    pub(crate) fn of(name: &str) -> Self {
        NAMES.numbers.get(name).copied().unwrap_or(Self::OTHER)
    }

    /// How many numbers there are, that of the others among them.
    pub(crate) fn count() -> usize {
        NAMES.sorted.len() + 1
    }

    /// Its place in a list of [`Name::count`].
    pub(crate) fn at(self) -> usize {
        usize::from(self.0)
    }

    /// The names of a choice, by its stem: each with its type, as it stands in the name.
    pub(crate) fn of_choice(stem: &str) -> impl Iterator<Item = (Self, &'static str)> {
        let sorted = (1..).zip(&NAMES.sorted);
        sorted.filter_map(move |(number, name)| {
            let of = name.strip_prefix(stem)?;
            of.starts_with(|c: char| c.is_ascii_uppercase())
                .then_some((Self(number), of))
        })
    }
}

impl Names {
    fn read() -> Self {
        let elements = r4::rows().filter_map(|[path, _, _, types, _]| Some((path.rsplit_once('.')?.1, types)));
        let members = elements.flat_map(|(element, types)| r4::types(types).map(|(of, _)| r4::member(element, of)));
        let sorted: BTreeSet<String> = members.chain(["resourceType".to_owned()]).collect();
        let sorted: Vec<String> = sorted.into_iter().collect();
        let numbers = sorted.iter().cloned().zip((1..).map(Name)).collect();
        Self { sorted, numbers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers_in_the_order_of_the_alphabet_and_choices_one_for_each_type() {
        assert!(Name::of("birthDate") < Name::of("gender") && Name::of("gender") < Name::of("resourceType"));
        assert_eq!(
            (Name::of("giới"), Name::of("value[x]"), Name::of("")),
            (Name::OTHER, Name::OTHER, Name::OTHER)
        );
        let choice: Vec<_> = Name::of_choice("multipleBirth").collect();
        assert_eq!(
            choice,
            [
                (Name::of("multipleBirthBoolean"), "Boolean"),
                (Name::of("multipleBirthInteger"), "Integer")
            ]
        );
        assert!(choice.iter().all(|(name, _)| (1..Name::count()).contains(&name.at())));
    }
}
