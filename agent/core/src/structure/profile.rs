//! The profiles of a set: rules by canonical url, each on top of those it derives from.

use std::collections::HashMap;

use serde_json::Value;

use super::rule::{Look, Rule};
use super::tree::Node;
use super::{Error, Finding};

/// The canonical urls of R4's own definitions begin with this.
const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";
/// Profiles rest on profiles no deeper than this.
const DEPTH: usize = 8;

/// Profiles by canonical url.
#[derive(Debug, Default)]
pub(super) struct Profiles(HashMap<String, Profile>);

#[derive(Debug)]
struct Profile {
    /// The type of R4 it is a profile of.
    kind: String,
    /// The profile it derives from, if that is none of R4.
    base: Option<String>,
    rule: Rule,
}

impl Profiles {
    /// From `StructureDefinition`s with differentials.
    pub(super) fn read(definitions: &str) -> Result<Self, Error> {
        let definitions: Vec<Value> = serde_json::from_str(definitions)?;
        let mut profiles = HashMap::with_capacity(definitions.len());
        for (at, definition) in definitions.iter().enumerate() {
            let (url, profile) = Profile::read(definition).ok_or(Error::Incomplete(at + 1))?;
            profiles.insert(url, profile);
        }
        let kinds: HashMap<String, String> = profiles
            .iter()
            .map(|(url, profile)| (url.clone(), profile.kind.clone()))
            .collect();
        for (url, profile) in &mut profiles {
            if let Some(base) = &profile.base {
                let kind = kinds.get(base).ok_or_else(|| Error::NoBase {
                    profile: url.clone(),
                    base: base.clone(),
                })?;
                profile.kind.clone_from(kind);
            }
        }
        Ok(Self(profiles))
    }

    /// The type a profile is of; `None` where it is not defined.
    pub(super) fn kind(&self, url: &str) -> Option<&str> {
        Some(&self.0.get(url)?.kind)
    }

    /// The type that a reference to this profile points at, where that is known.
    pub(super) fn kind_of_target<'a>(&'a self, url: &'a str) -> Option<&'a str> {
        self.kind(url).or_else(|| url.strip_prefix(CORE))
    }

    /// What a resource does not keep of a profile.
    pub(super) fn check(&self, url: &str, tree: &Node<'_>) -> Vec<Finding> {
        let mut look = Look {
            profiles: self,
            path: self.kind(url).unwrap_or_default().to_owned(),
            found: Vec::new(),
        };
        self.apply(url, tree, &mut look);
        look.found
    }

    /// Checks a value against a profile and all that it derives from.
    pub(super) fn apply(&self, url: &str, node: &Node<'_>, look: &mut Look<'_>) {
        let mut next = self.0.get(url);
        for _ in 0..DEPTH {
            let Some(profile) = next else { return };
            profile.rule.members(node, look);
            next = profile.base.as_ref().and_then(|base| self.0.get(base));
        }
    }
}

impl Profile {
    fn read(definition: &Value) -> Option<(String, Self)> {
        let text = |name: &str| definition[name].as_str().map(str::to_owned);
        let mut rule = Rule::default();
        for element in definition["differential"]["element"].as_array()? {
            let id = element["id"].as_str()?;
            rule.place(id).learn(element);
        }
        let base = text("baseDefinition")?;
        let profile = Self {
            kind: text("type")?,
            base: (!base.starts_with(CORE)).then_some(base),
            rule,
        };
        Some((text("url")?, profile))
    }
}
