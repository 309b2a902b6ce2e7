//! What a profile asks of one element and of all within it.

use serde_json::Value;

use super::codes::ValueSets;
use super::path::Path;
use super::profile::Profiles;
use super::walk::points_at;
use super::{Finding, Wrong};
use crate::tree::{Kind, Name, Node};

/// The constraints on an element, and on what is within it.
#[derive(Debug, Default)]
pub(super) struct Rule {
    children: Vec<(Element, Rule)>,
    slices: Vec<(String, Rule)>,
    discriminators: Vec<Discriminator>,
    /// Nothing but the slices may be there.
    closed: bool,
    min: u32,
    max: Option<u32>,
    fixed: Option<Value>,
    pattern: Option<Value>,
    types: Vec<Type>,
    /// The value set that its codes must be of, by its place, where the profile set has it.
    set: Option<usize>,
}

/// An element of an object.
#[derive(Debug)]
struct Element {
    /// A choice with its `[x]`.
    name: String,
    /// How it is called in JSON.
    member: Name,
    /// Of a choice: how it is called as each type.
    choice: Vec<(Name, &'static str)>,
    /// The set of all these names.
    names: Few,
}

/// A set of names that tells at once of most that they are not in it.
#[derive(Debug, Clone, Copy)]
struct Few(u64);

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
    /// Those of them that are defined, by their places.
    defined: Vec<usize>,
    /// What a reference may point at; empty: what R4 allows.
    targets: Vec<String>,
    /// The types of R4 that those are, where that is known.
    kinds: Vec<Option<String>>,
}

/// What is being looked at: where it is, and what is found there.
pub(super) struct Look<'p, 't> {
    pub(super) profiles: &'p Profiles,
    pub(super) path: Path<'t>,
    pub(super) found: Vec<Finding>,
}

/// A value of an element.
#[derive(Clone, Copy)]
struct Held<'t> {
    /// The name in JSON.
    key: &'t str,
    /// The type of a choice, with its first letter large.
    choice: Option<&'t str>,
    at: Option<usize>,
    node: Node<'t>,
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
            rule = named(
                &mut rule.children,
                |element| element.name == name,
                || Element::named(name),
            );
            if let Some(slice) = slice {
                rule = named(&mut rule.slices, |known| known == slice, || slice.to_owned());
            }
        }
        rule
    }

    /// Takes over what an `ElementDefinition` says; required bindings as far as they are to one of these sets.
    pub(super) fn learn(&mut self, element: &Value, sets: &ValueSets) {
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
                defined: Vec::new(),
                targets: texts(&of["targetProfile"]),
                kinds: Vec::new(),
            };
            self.types = types.iter().map(read).collect();
        }
        let binding = &element["binding"];
        if let (Some("required"), Some(set)) = (binding["strength"].as_str(), binding["valueSet"].as_str()) {
            self.set = sets.place(set);
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

    /// Finds the profiles that types within are to keep, and the types that references may point at.
    pub(super) fn resolve(&mut self, place: &dyn Fn(&str) -> Option<usize>, kind_of: &dyn Fn(&str) -> Option<String>) {
        for of in &mut self.types {
            of.defined = of.profiles.iter().filter_map(|profile| place(profile)).collect();
            of.kinds = of.targets.iter().map(|target| kind_of(target)).collect();
        }
        let children = self.children.iter_mut().map(|(_, rule)| rule);
        let slices = self.slices.iter_mut().map(|(_, rule)| rule);
        children.chain(slices).for_each(|rule| rule.resolve(place, kind_of));
    }

    /// Checks an object, all of whose members stand at `look.path`.
    pub(super) fn members<'t>(&self, node: Node<'t>, look: &mut Look<'_, 't>) {
        if self.children.is_empty() {
            return;
        }
        let is_object = *node.kind() == Kind::Object;
        let there: Few = node
            .within()
            .filter(|_| is_object)
            .map(|member| member.name().0)
            .collect();
        for (element, rule) in &self.children {
            let mut count = 0;
            if there.may_have_of(element.names) {
                element.each(node, |held| {
                    count += 1;
                    rule.value(held, look);
                });
            }
            if let Some(wrong) = rule.count(count) {
                look.tell(&element.name, wrong);
            }
            if !rule.slices.is_empty() {
                let mut held = Vec::with_capacity(count);
                if count > 0 {
                    element.each(node, |one| held.push(one));
                }
                rule.slices(&element.name, &held, look);
            }
        }
    }

    /// Drops what asks for nothing, in most profiles the most; `idle` profiles are kept by everything. Gives back whether
    /// nothing is left that anything could break, as the rule of the element `name`.
    pub(super) fn prune(&mut self, name: &str, idle: &dyn Fn(usize) -> bool) -> bool {
        for of in &mut self.types {
            if of.defined.iter().any(|profile| idle(*profile)) {
                of.defined.clear();
            }
        }
        self.children
            .retain_mut(|(element, rule)| !rule.prune(&element.name, idle));
        let closed = self.closed;
        self.slices.retain_mut(|(_, slice)| !slice.prune(name, idle) || closed);
        let asks = |of: &Type| name.ends_with("[x]") || !of.defined.is_empty() || !of.targets.is_empty();
        self.min == 0
            && self.max.is_none()
            && self.fixed.is_none()
            && self.pattern.is_none()
            && self.set.is_none()
            && self.children.is_empty()
            && self.slices.is_empty()
            && !self.types.iter().any(asks)
    }

    /// What is wrong with so many.
    fn count(&self, found: usize) -> Option<Wrong> {
        if found < self.min as usize {
            return Some(Wrong::TooFew(self.min));
        }
        let max = self.max.filter(|max| found > *max as usize);
        max.map(Wrong::TooMany)
    }

    fn slices<'t>(&self, name: &str, held: &[Held<'t>], look: &mut Look<'_, 't>) {
        let mut all_told = true;
        let mut in_one = vec![false; held.len()];
        for (slice_name, slice) in &self.slices {
            let mut matched = 0;
            let mut told = held.is_empty();
            for (at, one) in held.iter().enumerate() {
                let is_it = self.is_in(name, slice, *one, look.profiles.sets());
                told |= is_it.is_some();
                if is_it == Some(true) {
                    matched += 1;
                    in_one[at] = true;
                    slice.value(*one, look);
                }
            }
            all_told &= told;
            if told
                && let Some(wrong) = slice.count(matched)
                && self.can_tell(name, slice)
            {
                look.tell(&format!("{name}:{slice_name}"), wrong);
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
            By::Value => {
                slice.extension_url(path).is_some() || slice.expected(path).is_some() || slice.set_at(path).is_some()
            }
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
    fn is_in(&self, name: &str, slice: &Self, held: Held<'_>, sets: &ValueSets) -> Option<bool> {
        let mut told = false;
        for (by, path) in self.by(name) {
            let is_it = match by {
                By::Value => match (slice.extension_url(path), slice.expected(path)) {
                    (Some(url), _) => held.node.get("url").and_then(Node::text) == Some(url),
                    (None, Some((wanted, exact))) => any_at(held.node, path, &|node| {
                        if exact { node.is(wanted) } else { node.holds(wanted) }
                    }),
                    (None, None) => match slice.set_at(path) {
                        Some(set) => sets.has(set, held.node),
                        None => continue,
                    },
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

    /// The value set by which it is told from the others.
    fn set_at(&self, path: &str) -> Option<usize> {
        self.set.filter(|_| path == "$this")
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
            rule = &rule.children.iter().find(|(child, _)| child.name == name)?.1;
            rest = behind;
        }
    }

    fn value<'t>(&self, held: Held<'t>, look: &mut Look<'_, 't>) {
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
                let set = self.set.filter(|_| held.can_be_bound());
                if set.is_some_and(|set| !look.profiles.sets().has(set, held.node)) {
                    look.tell_here(Wrong::NotOfSet);
                }
                self.of_type(held, look);
            }
            self.members(held.node, look);
        });
    }

    /// Whether the value is of a type that is taken, and keeps what is asked of it.
    fn of_type<'t>(&self, held: Held<'t>, look: &mut Look<'_, 't>) {
        if self.types.is_empty() {
            return;
        }
        let to = held.node.get("reference").and_then(Node::text);
        let mut of_type = self.types.iter().filter(|of| of.is_of(held)).peekable();
        if of_type.peek().is_none() {
            return look.tell_here(Wrong::TypeNotAllowed);
        }
        if let Some(kind) = to.and_then(points_at)
            && !of_type.clone().any(|of| of.may_point_at(kind))
        {
            look.tell_here(Wrong::Target);
        }
        look.one_of(of_type.flat_map(|of| &of.defined), held.node);
    }
}

impl Held<'_> {
    /// Whether a value has a code that a binding can be about: of a choice not every type has.
    fn can_be_bound(&self) -> bool {
        let coded = ["CodeableConcept", "Coding", "Code", "Quantity"];
        self.choice.is_none_or(|of| coded.contains(&of))
    }
}

impl Type {
    /// Whether a value can have the type: only the key of a choice tells, by its end.
    fn is_of(&self, held: Held<'_>) -> bool {
        held.choice.is_none_or(|of| of.eq_ignore_ascii_case(&self.code))
    }

    /// Whether a reference of this type may point at a type of R4, as far as that is known.
    fn may_point_at(&self, kind: &str) -> bool {
        let fits = |target: &Option<String>| target.as_deref().is_none_or(|of| of == kind);
        self.code == "Reference" && (self.kinds.is_empty() || self.kinds.iter().any(fits))
    }
}

impl<'t> Look<'_, 't> {
    fn tell(&mut self, name: &str, wrong: Wrong) {
        let path = format!("{}.{name}", self.path);
        self.found.push(Finding { path, wrong });
    }

    fn tell_here(&mut self, wrong: Wrong) {
        let path = self.path.to_string();
        self.found.push(Finding { path, wrong });
    }

    fn within(&mut self, held: Held<'t>, look: impl FnOnce(&mut Self)) {
        self.path.enter(held.key, held.at);
        look(self);
        self.path.leave();
    }

    /// A value keeps one of these profiles, if there are any.
    fn one_of<'r>(&mut self, profiles: impl Iterator<Item = &'r usize>, node: Node<'t>) {
        let before = self.found.len();
        for profile in profiles {
            self.found.truncate(before);
            self.profiles.apply(*profile, node, self);
            if self.found.len() == before {
                return;
            }
        }
    }
}

/// The rule that is called so, made where it is not there yet.
fn named<K>(rules: &mut Vec<(K, Rule)>, is_it: impl Fn(&K) -> bool, make: impl FnOnce() -> K) -> &mut Rule {
    let known = rules.iter().position(|(key, _)| is_it(key));
    let at = known.unwrap_or_else(|| {
        rules.push((make(), Rule::default()));
        rules.len() - 1
    });
    &mut rules[at].1
}

impl Element {
    fn named(name: &str) -> Self {
        let stem = name.strip_suffix("[x]");
        let choice: Vec<_> = stem.into_iter().flat_map(Name::of_choice).collect();
        let member = Name::of(name);
        Self {
            name: name.to_owned(),
            member,
            names: choice.iter().map(|(name, _)| *name).chain([member]).collect(),
            choice,
        }
    }

    /// Whether a member is of this element, and then the type of a choice.
    fn is(&self, name: Name) -> Option<Option<&'static str>> {
        if self.choice.is_empty() {
            return (name == self.member).then_some(None);
        }
        let named = self.choice.iter().find(|(member, _)| *member == name);
        named.map(|(_, of)| Some(*of))
    }

    /// Hands over each of its values in an object.
    fn each<'t>(&self, node: Node<'t>, mut take: impl FnMut(Held<'t>)) {
        for value in node.within() {
            let (name, beside) = value.name();
            let Some(choice) = self.is(name) else {
                continue;
            };
            if beside && node.has(name) {
                continue;
            }
            let key = value.key();
            let mut held = Held {
                key: if beside { &key[1..] } else { key },
                choice,
                at: None,
                node: value,
                beside,
            };
            if !value.is_list() {
                take(held);
                continue;
            }
            for (at, item) in value.within().enumerate() {
                held.at = Some(at);
                held.node = item;
                take(held);
            }
        }
    }
}

impl Few {
    fn may_have_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl FromIterator<Name> for Few {
    fn from_iter<T: IntoIterator<Item = Name>>(names: T) -> Self {
        Self(names.into_iter().fold(0, |all, name| all | 1 << (name.at() % 64)))
    }
}

/// Whether any of the values at a path of names is the one.
fn any_at(node: Node<'_>, path: &str, is_it: &impl Fn(Node<'_>) -> bool) -> bool {
    let (name, behind) = path.split_once('.').unwrap_or((path, ""));
    match name {
        "" => is_it(node),
        "$this" => any_at(node, behind, is_it),
        name => {
            let mut items = node.get(name).into_iter().flat_map(Node::items);
            items.any(|item| any_at(item, behind, is_it))
        }
    }
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
