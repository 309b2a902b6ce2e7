//! The elements of R4's types that are sent, from `configs/fhir/r4.csv`, and how they are called in JSON.

const TABLE: &str = include_str!("../../../configs/fhir/r4.csv");

/// The rows: path, min, max, types, codes. None of the cells holds a comma.
pub(crate) fn rows() -> impl Iterator<Item = [&'static str; 5]> {
    TABLE.lines().skip(1).map(|line| {
        let mut cells = line.splitn(5, ',');
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    })
}

/// The types of an element, each without the targets of a reference, and those.
pub(crate) fn types(cell: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    cell.split('|').map(|of| match of.split_once('(') {
        Some((name, targets)) => (name, targets.trim_end_matches(')')),
        None => (of, ""),
    })
}

/// The name in JSON of an element that has this type: a choice (`value[x]`) has one for each.
pub(crate) fn member(element: &str, type_name: &str) -> String {
    match element.strip_suffix("[x]") {
        Some(stem) => format!("{stem}{}{}", type_name[..1].to_ascii_uppercase(), &type_name[1..]),
        None => element.to_owned(),
    }
}
