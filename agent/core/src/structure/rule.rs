//! What a profile asks of one element and of all within it.

use std::fmt::Write;

use serde_json::Value;

use super::profile::Profiles;
use super::tree::Node;
use super::walk::points_at;
use super::{Finding, Wrong};

/// The constraints on an element, and on what is within it.
#[derive(Debug, Default)]
pub(super) struct Rule {
    /// By name; a choice with its `[x]`.
    children: Vec<(String, Rule)>,
    slices: Vec<(String, Rule)>,
    discriminators: Vec<Discriminator>,
    /// Nothing but the slices may be there.
    closed: bool,
    min: u32,
    max: Option<u32>,
    fixed: Option<Value>,
    pattern: Option<Value>,
    types: Vec<Type>,
}

/// By what the slices of a list are told apart.
#[derive(Debug)]
struct Discriminator {
    by: By,
    path: String,
}

#[derive(Debug, PartialEq)]
enum By {
    Value,
    Type,
}

/// A type that is allowed, and what it has to keep.
#[derive(Debug)]
struct Type {
    code: String,
    /// One of them, if there are any.
    profiles: Vec<String>,
    /// What a reference may point at; empty: what R4 allows.
    targets: Vec<String>,
}

/// What is being looked at: where it is, and what is found there.
pub(super) struct Look<'p> {
    pub(super) profiles: &'p Profiles,
    pub(super) path: String,
    pub(super) found: Vec<Finding>,
}

/// A value of an element.
#[derive(Clone, Copy)]
struct Held<'n, 't> {
    /// The name in JSON.
    key: &'n str,
    /// The type of a choice, with its first letter large.
    choice: Option<&'n str>,
    at: Option<usize>,
    node: &'n Node<'t>,
    /// It is what stands beside a primitive that has no value.
    beside: bool,
}

impl Rule {
    /// The rule at the place of an `ElementDefinition.id`, made where it is not there yet.
    pub(super) fn place(&mut self, id: &str) -> &mut Self {
        let mut rule = self;
        for segment in id.split('.').skip(1) {
            let (name, slice) = match segment.split_once(':') {
                Some((name, slice)) => (name, Some(slice)),
                None => (segment, None),
            };
            rule = named(&mut rule.children, name);
            if let Some(slice) = slice {
                rule = named(&mut rule.slices, slice);
            }
        }
        rule
    }

    /// Takes over what an `ElementDefinition` says.
    pub(super) fn learn(&mut self, element: &Value) {
        if let Some(min) = element["min"].as_u64() {
            self.min = u32::try_from(min).unwrap_or(u32::MAX);
        }
        if let Some(max) = element["max"].as_str() {
            self.max = max.parse().ok();
        }
        for (key, value) in element.as_object().into_iter().flatten() {
            if key.starts_with("fixed") {
                self.fixed = Some(value.clone());
            } else if key.starts_with("pattern") {
                self.pattern = Some(value.clone());
            }
        }
        let texts = |value: &Value| -> Vec<String> {
            let items = value.as_array().into_iter().flatten();
            items.filter_map(|item| Some(item.as_str()?.to_owned())).collect()
        };
        if let Some(types) = element["type"].as_array() {
            let read = |of: &Value| Type {
                code: of["code"].as_str().unwrap_or_default().to_owned(),
                profiles: texts(&of["profile"]),
                targets: texts(&of["targetProfile"]),
            };
            self.types = types.iter().map(read).collect();
        }
        let slicing = &element["slicing"];
        if let Some(discriminators) = slicing["discriminator"].as_array() {
            let read = |of: &Value| Discriminator {
                by: match of["type"].as_str() {
                    Some("value" | "pattern") => By::Value,
                    _ => By::Type,
                },
                path: of["path"].as_str().unwrap_or_default().to_owned(),
            };
            self.discriminators = discriminators.iter().map(read).collect();
        }
        self.closed = slicing["rules"] == "closed";
    }

    /// Checks an object, all of whose members stand at `look.path`.
    pub(super) fn members(&self, node: &Node<'_>, look: &mut Look<'_>) {
        for (name, rule) in &self.children {
            let held = held(node, name);
            rule.count(name, held.len(), look);
            for one in &held {
                rule.value(*one, look);
            }
            rule.slices(name, &held, look);
        }
    }

    fn count(&self, name: &str, found: usize, look: &mut Look<'_>) {
        let wrong = if found < self.min as usize {
            Wrong::TooFew(self.min)
        } else if let Some(max) = self.max.filter(|max| found > *max as usize) {
            Wrong::TooMany(max)
        } else {
            return;
        };
        look.tell(name, wrong);
    }

    fn slices(&self, name: &str, held: &[Held<'_, '_>], look: &mut Look<'_>) {
        let mut all_told = true;
        let mut in_one = vec![false; held.len()];
        for (slice_name, slice) in &self.slices {
            let mut matched = 0;
            let mut told = held.is_empty();
            for (at, one) in held.iter().enumerate() {
                let is_it = self.is_in(name, slice, *one);
                told |= is_it.is_some();
                if is_it == Some(true) {
                    matched += 1;
                    in_one[at] = true;
                    slice.value(*one, look);
                }
            }
            all_told &= told;
            if told && self.can_tell(name, slice) {
                slice.count(&format!("{name}:{slice_name}"), matched, look);
            }
        }
        if self.closed && all_told {
            for (one, _) in held.iter().zip(in_one).filter(|(_, in_one)| !in_one) {
                look.within(*one, |look| look.tell_here(Wrong::NoSlice));
            }
        }
    }

    /// Whether anything tells this slice from the others.
    fn can_tell(&self, name: &str, slice: &Self) -> bool {
        self.by(name).any(|(by, path)| match by {
            By::Value => slice.extension_url(path).is_some() || slice.expected(path).is_some(),
            By::Type => path == "$this" && name.ends_with("[x]") && !slice.types.is_empty(),
        })
    }

    /// The discriminators. Where a profile names slices that its base has cut, extensions and choices have only one way.
    fn by(&self, name: &str) -> impl Iterator<Item = (&By, &str)> {
        let implied = match name {
            _ if !self.discriminators.is_empty() => None,
            "extension" | "modifierExtension" => Some((&By::Value, "url")),
            choice if choice.ends_with("[x]") => Some((&By::Type, "$this")),
            _ => None,
        };
        let named = self.discriminators.iter().map(|one| (&one.by, &*one.path));
        named.chain(implied)
    }

    /// Whether a value belongs to a slice; `None`: nothing tells.
    fn is_in(&self, name: &str, slice: &Self, held: Held<'_, '_>) -> Option<bool> {
        let mut told = false;
        for (by, path) in self.by(name) {
            let is_it = match by {
                By::Value => match (slice.extension_url(path), slice.expected(path)) {
                    (Some(url), _) => held.node.get("url").and_then(Node::text) == Some(url),
                    (None, Some((wanted, exact))) => at(held.node, path)
                        .iter()
                        .any(|node| if exact { node.is(wanted) } else { node.holds(wanted) }),
                    (None, None) => continue,
                },
                By::Type if path == "$this" && name.ends_with("[x]") && !slice.types.is_empty() => {
                    slice.types.iter().any(|of| of.is_of(held))
                }
                By::Type => continue,
            };
            told = true;
            if !is_it {
                return Some(false);
            }
        }
        told.then_some(true)
    }

    /// The url of the extension that a slice is.
    fn extension_url(&self, path: &str) -> Option<&str> {
        let is_extension = path == "url" && self.types.iter().any(|of| of.code == "Extension");
        let profile = self.types.iter().flat_map(|of| &of.profiles).next();
        profile.filter(|_| is_extension).map(String::as_str)
    }

    /// What is fixed at a path within, and whether it is all that may be there.
    fn expected(&self, path: &str) -> Option<(&Value, bool)> {
        let mut rule = self;
        let mut rest = if path == "$this" { "" } else { path };
        loop {
            let given = rule.fixed.as_ref().map(|value| (value, rest.is_empty()));
            if let Some((value, exact)) = given.or(rule.pattern.as_ref().map(|value| (value, false))) {
                return Some((value_at(value, rest)?, exact));
            }
            if rest.is_empty() {
                return None;
            }
            let (name, behind) = rest.split_once('.').unwrap_or((rest, ""));
            rule = &rule.children.iter().find(|(child, _)| child == name)?.1;
            rest = behind;
        }
    }

    fn value(&self, held: Held<'_, '_>, look: &mut Look<'_>) {
        look.within(held, |look| {
            let fits = |value: &Value, exact: bool| {
                !held.beside
                    && if exact {
                        held.node.is(value)
                    } else {
                        held.node.holds(value)
                    }
            };
            if self.fixed.as_ref().is_some_and(|value| !fits(value, true))
                || self.pattern.as_ref().is_some_and(|value| !fits(value, false))
            {
                look.tell_here(Wrong::NotFixed);
            }
            if !held.beside {
                self.of_type(held, look);
            }
            self.members(held.node, look);
        });
    }

    /// Whether the value is of a type that is taken, and keeps what is asked of it.
    fn of_type(&self, held: Held<'_, '_>, look: &mut Look<'_>) {
        let is_reference = matches!(held.node.get("reference"), Some(Node::Text(_)));
        let mut allowed = self.types.is_empty();
        let mut profiles = Vec::new();
        let mut targets = Vec::new();
        let mut any_target = !is_reference;
        for of in &self.types {
            if !of.is_of(held) {
                continue;
            }
            allowed = true;
            profiles.extend(&of.profiles);
            targets.extend(&of.targets);
            any_target |= of.code == "Reference" && of.targets.is_empty();
        }
        if !allowed {
            return look.tell_here(Wrong::TypeNotAllowed);
        }
        if !any_target
            && let Some(kind) = held.node.get("reference").and_then(Node::text).and_then(points_at)
            && let kinds = targets.iter().map(|target| look.profiles.kind_of_target(target))
            && let Some(kinds) = kinds.collect::<Option<Vec<_>>>()
            && !kinds.is_empty()
            && !kinds.contains(&kind)
        {
            look.tell_here(Wrong::Target);
        }
        look.profiles_of_value(&profiles, held.node);
    }
}

impl Type {
    /// Whether a value can have the type: only the key of a choice tells, by its end.
    fn is_of(&self, held: Held<'_, '_>) -> bool {
        held.choice.is_none_or(|of| of.eq_ignore_ascii_case(&self.code))
    }
}

impl Look<'_> {
    fn tell(&mut self, name: &str, wrong: Wrong) {
        let path = format!("{}.{name}", self.path);
        self.found.push(Finding { path, wrong });
    }

    fn tell_here(&mut self, wrong: Wrong) {
        let path = self.path.clone();
        self.found.push(Finding { path, wrong });
    }

    fn within(&mut self, held: Held<'_, '_>, look: impl FnOnce(&mut Self)) {
        let mark = self.path.len();
        let _ = match held.at {
            Some(at) => write!(self.path, ".{}[{at}]", held.key),
            None => write!(self.path, ".{}", held.key),
        };
        look(self);
        self.path.truncate(mark);
    }

    /// A value keeps one of these profiles, of those that are defined.
    fn profiles_of_value(&mut self, profiles: &[&String], node: &Node<'_>) {
        let known = profiles.iter().filter(|profile| self.profiles.kind(profile).is_some());
        let before = self.found.len();
        for profile in known {
            self.found.truncate(before);
            self.profiles.apply(profile, node, self);
            if self.found.len() == before {
                return;
            }
        }
    }
}

fn named<'r>(rules: &'r mut Vec<(String, Rule)>, name: &str) -> &'r mut Rule {
    let at = rules.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        rules.push((name.to_owned(), Rule::default()));
        rules.len() - 1
    });
    &mut rules[at].1
}

/// The values of the element `name` in an object.
fn held<'n, 't>(node: &'n Node<'t>, name: &str) -> Vec<Held<'n, 't>> {
    let Node::Object(members) = node else { return Vec::new() };
    let stem = name.strip_suffix("[x]");
    let is_it = |key: &str| match stem {
        Some(stem) => key
            .strip_prefix(stem)
            .is_some_and(|of| of.starts_with(|c: char| c.is_ascii_uppercase())),
        None => key == name,
    };
    let mut held = Vec::new();
    for (key, value) in members {
        let (key, beside) = match key.strip_prefix('_') {
            Some(key) => (key, true),
            None => (&**key, false),
        };
        if !is_it(key) || beside && node.get(key).is_some() {
            continue;
        }
        let is_list = matches!(value, Node::List(_));
        held.extend(value.items().iter().enumerate().map(|(at, node)| Held {
            key,
            choice: stem.and_then(|stem| key.strip_prefix(stem)),
            at: is_list.then_some(at),
            node,
            beside,
        }));
    }
    held
}

/// The values at a path of names.
fn at<'n, 't>(node: &'n Node<'t>, path: &str) -> Vec<&'n Node<'t>> {
    let mut nodes = vec![node];
    for name in path.split('.').filter(|name| *name != "$this") {
        nodes = nodes
            .iter()
            .filter_map(|node| node.get(name))
            .flat_map(Node::items)
            .collect();
    }
    nodes
}

fn value_at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut value = value;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        value = match value.get(name)? {
            Value::Array(items) => items.first()?,
            other => other,
        };
    }
    Some(value)
}
