//! The profiles of a set: rules by canonical url, each on top of those it derives from.

use std::collections::HashMap;

use serde_json::Value;

use super::codes::ValueSets;
use super::path::Path;
use super::rule::{Look, Rule};
use super::{Error, Finding};
use crate::tree::Node;

/// The canonical urls of R4's own definitions begin with this.
const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";
/// Profiles rest on profiles no deeper than this.
const DEPTH: usize = 8;

/// Profiles, and their places by canonical url.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    all: Vec<Profile>,
    places: HashMap<String, usize>,
    sets: ValueSets,
}

#[derive(Debug)]
struct Profile {
    /// The type of R4 it is a profile of.
    kind: String,
    /// The profile it derives from, if that is none of R4.
    base: Option<usize>,
    rule: Rule,
    /// The rule asks for nothing.
    idle: bool,
}

impl Profiles {
    /// From `StructureDefinition`s with differentials, and the `ValueSet`s their required bindings name.
    pub(super) fn read(definitions: &str) -> Result<Self, Error> {
        let definitions: Vec<Value> = serde_json::from_str(definitions)?;
        let mut profiles = Self::default();
        let mut bases = Vec::with_capacity(definitions.len());
        let (sets, structures): (Vec<_>, Vec<_>) = (1..)
            .zip(&definitions)
            .partition(|(_, definition)| definition["resourceType"] == "ValueSet");
        for (at, set) in sets {
            let url = set["url"].as_str().ok_or(Error::Incomplete(at))?;
            profiles.sets.learn(url.to_owned(), set);
        }
        for (at, definition) in structures {
            let (url, base, profile) = Profile::read(definition, &profiles.sets).ok_or(Error::Incomplete(at))?;
            profiles.places.insert(url.clone(), profiles.all.len());
            profiles.all.push(profile);
            bases.push((url, base));
        }
        for (at, (profile, base)) in bases.into_iter().enumerate() {
            let place = profiles.places.get(&base).copied();
            if place.is_none() && !base.starts_with(CORE) {
                return Err(Error::NoBase { profile, base });
            }
            profiles.all[at].base = place;
        }
        profiles.settle();
        Ok(profiles)
    }

    /// Finds what refers to what, and leaves out what nothing can break; that may leave others with nothing to ask.
    fn settle(&mut self) {
        let Self { all, places, .. } = self;
        let kinds: Vec<String> = all.iter().map(|profile| profile.kind.clone()).collect();
        let kind_of = |url: &str| match places.get(url) {
            Some(at) => Some(kinds[*at].clone()),
            None => url.strip_prefix(CORE).map(str::to_owned),
        };
        for profile in all.iter_mut() {
            profile.rule.resolve(&|url| places.get(url).copied(), &kind_of);
        }
        for _ in 0..DEPTH {
            let idle: Vec<bool> = (0..all.len())
                .map(|at| chain(all, at).all(|profile| profile.idle))
                .collect();
            for profile in all.iter_mut() {
                profile.idle = profile.rule.prune("", &|at| idle[at]);
            }
        }
    }

    /// The type a profile is of; `None` where it is not defined.
    pub(super) fn kind(&self, url: &str) -> Option<&str> {
        Some(&self.all[*self.places.get(url)?].kind)
    }

    pub(super) fn sets(&self) -> &ValueSets {
        &self.sets
    }

    /// What a resource does not keep of a profile that is defined.
    pub(super) fn check(&self, url: &str, tree: Node<'_>) -> Vec<Finding> {
        let mut path = Path::default();
        path.begin(tree.get("resourceType").and_then(Node::text).unwrap_or_default());
        let mut look = Look {
            profiles: self,
            path,
            found: Vec::new(),
        };
        if let Some(at) = self.places.get(url) {
            self.apply(*at, tree, &mut look);
        }
        look.found
    }

    /// Checks a value against a profile and all that it derives from.
    pub(super) fn apply<'t>(&self, at: usize, node: Node<'t>, look: &mut Look<'_, 't>) {
        chain(&self.all, at).for_each(|profile| profile.rule.members(node, look));
    }
}

/// A profile and those it rests on.
fn chain(all: &[Profile], at: usize) -> impl Iterator<Item = &Profile> {
    let of = |profile: &&Profile| profile.base.map(|base| &all[base]);
    std::iter::successors(all.get(at), move |profile| of(profile)).take(DEPTH)
}

impl Profile {
    /// Its url, what it derives from, and what it says.
    fn read(definition: &Value, sets: &ValueSets) -> Option<(String, String, Self)> {
        let text = |name: &str| definition[name].as_str().map(str::to_owned);
        let mut rule = Rule::default();
        for element in definition["differential"]["element"].as_array()? {
            let id = element["id"].as_str()?;
            rule.place(id).learn(element, sets);
        }
        let profile = Self {
            kind: text("type")?,
            base: None,
            rule,
            idle: false,
        };
        Some((text("url")?, text("baseDefinition")?, profile))
    }
}
