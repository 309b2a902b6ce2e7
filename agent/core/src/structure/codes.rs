//! The codes that an element must be one of, as far as a profile set tells them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::tree::Node;

/// The `ValueSet`s of a profile set, and their places by canonical url.
#[derive(Debug, Default)]
pub(super) struct ValueSets {
    all: Vec<ValueSet>,
    places: HashMap<String, usize>,
}

/// The codes it includes, by their systems.
#[derive(Debug)]
struct ValueSet(HashMap<String, Codes>);

#[derive(Debug)]
enum Codes {
    /// All of the system; or those of them that a filter takes, which only a terminology server knows: then none is refused.
    Any,
    These(HashSet<String>),
}

impl ValueSets {
    /// Takes over a `ValueSet`. Of one that rests on others, or leaves codes out, nothing can be said here, and no binding to it is checked.
    pub(super) fn learn(&mut self, url: String, definition: &Value) {
        if let Some(set) = ValueSet::read(definition) {
            self.places.insert(url, self.all.len());
            self.all.push(set);
        }
    }

    /// The place of a set, by its canonical url with or without a version.
    pub(super) fn place(&self, url: &str) -> Option<usize> {
        let url = url.split_once('|').map_or(url, |(url, _)| url);
        self.places.get(url).copied()
    }

    /// Whether a code, a coding or a concept is of a set; of a concept one coding is enough.
    pub(super) fn has(&self, set: usize, node: Node<'_>) -> bool {
        let ValueSet(systems) = &self.all[set];
        if let Some(code) = node.text() {
            return systems.values().any(|codes| codes.have(code));
        }
        let mut codings = node.get("coding").unwrap_or(node).items();
        codings.any(|coding| {
            let part = |name| coding.get(name).and_then(Node::text);
            let (system, code) = (part("system"), part("code"));
            let codes = system.and_then(|system| systems.get(system));
            codes.zip(code).is_some_and(|(codes, code)| codes.have(code))
        })
    }
}

impl ValueSet {
    fn read(definition: &Value) -> Option<Self> {
        let mut systems = HashMap::new();
        let compose = &definition["compose"];
        if !compose["exclude"].is_null() {
            return None;
        }
        for include in compose["include"].as_array()? {
            if !include["valueSet"].is_null() {
                return None;
            }
            let system = include["system"].as_str()?;
            let codes = systems
                .entry(system.to_owned())
                .or_insert_with(|| Codes::These(HashSet::new()));
            match (include["concept"].as_array(), codes) {
                (Some(concepts), Codes::These(codes)) => {
                    codes.extend(concepts.iter().filter_map(|one| Some(one["code"].as_str()?.to_owned())));
                }
                (Some(_), Codes::Any) => {}
                (None, codes) => *codes = Codes::Any,
            }
        }
        Some(Self(systems))
    }
}

impl Codes {
    fn have(&self, code: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(codes) => codes.contains(code),
        }
    }
}
