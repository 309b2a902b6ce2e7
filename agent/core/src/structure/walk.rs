//! A resource against R4.

use std::collections::HashMap;

use super::base::{Base, Element, Kind, Member, Shape};
use super::path::Path;
use super::{Finding, Wrong};
use crate::bundle::{KEY_URL, shown};
use crate::tree::{self, Node};

/// Everything in a resource that R4 does not allow.
pub(super) fn resource(base: &'static Base, tree: Node<'_>) -> Vec<Finding> {
    let mut contained = HashMap::new();
    for inner in tree.get("contained").into_iter().flat_map(Node::items) {
        let part = |name| inner.get(name).and_then(Node::text);
        if let (Some(id), Some(kind)) = (part("id"), part("resourceType")) {
            contained.entry(id).or_insert(kind);
        }
    }
    let mut walk = Walk {
        base,
        contained,
        path: Path::default(),
        found: Vec::new(),
    };
    walk.resource(tree, false);
    walk.found
}

struct Walk<'t> {
    base: &'static Base,
    /// The type of each contained resource by its id; of several with one id that of the first.
    contained: HashMap<&'t str, &'t str>,
    path: Path<'t>,
    found: Vec<Finding>,
}

impl<'t> Walk<'t> {
    fn tell(&mut self, wrong: Wrong) {
        let path = self.path.to_string();
        self.found.push(Finding { path, wrong });
    }

    /// Tells of a member of what stands at the path.
    fn tell_of(&mut self, name: &str, wrong: Wrong) {
        let path = format!("{}.{name}", self.path);
        self.found.push(Finding { path, wrong });
    }

    fn resource(&mut self, node: Node<'t>, inside: bool) {
        let kind = node.get("resourceType").and_then(Node::text);
        let Some(shape) = kind.and_then(|kind| self.base.resource(kind)) else {
            return self.tell(Wrong::NotTaken);
        };
        let shape = self.base.shape(shape);
        if !inside {
            self.path.begin(shape.name);
        } else if node.get("id").is_none() {
            self.tell_of("id", Wrong::Missing);
        }
        if inside && node.get("contained").is_some() {
            self.tell_of("contained", Wrong::Unknown);
        }
        self.object(node, shape);
    }

    /// An object with the members of a shape.
    fn object(&mut self, node: Node<'t>, shape: &'static Shape) {
        if *node.kind() != tree::Kind::Object {
            return self.tell(Wrong::NotA(shape.name));
        }
        if node.is_empty() {
            return self.tell(Wrong::Empty);
        }
        // One bit for each element; and of a choice the type it came in first.
        let mut seen = 0u128;
        let mut choices: Vec<(usize, &str)> = Vec::new();
        for value in node.within() {
            let (key, (name, beside)) = (value.key(), value.name());
            if shape.is_resource && key == "resourceType" {
                continue;
            }
            let member = shape.member(name);
            let Some(member) = member.filter(|member| !beside || matches!(member.kind, Kind::Primitive(_))) else {
                self.tell_of(shown(key), Wrong::Unknown);
                continue;
            };
            let element = &shape.elements[member.element];
            let bit = 1 << member.element;
            if element.name.ends_with("[x]") {
                match choices.iter().find(|(of, _)| *of == member.element) {
                    Some((_, first)) if *first != member.type_name => self.tell_of(element.name, Wrong::SeveralTypes),
                    Some(_) => {}
                    None => choices.push((member.element, member.type_name)),
                }
            }
            seen |= bit;
            self.path.enter(key, None);
            self.values(value, member, element, beside);
            self.path.leave();
        }
        let elements = || (0..).zip(&shape.elements);
        let has = |name: &str| elements().any(|(at, element)| element.name == name && seen & 1 << at != 0);
        if shape.name == "Extension" && has("value[x]") == has("extension") {
            self.tell(Wrong::Empty);
        }
        if shape.needed & !seen != 0 {
            for (_, element) in elements().filter(|(at, _)| shape.needed & !seen & 1 << at != 0) {
                self.tell_of(element.name, Wrong::Missing);
            }
        }
    }

    /// What stands under one name: a value, or a list of them.
    fn values(&mut self, node: Node<'t>, member: &Member, element: &Element, beside: bool) {
        match (node.is_list(), element.many) {
            (true, false) => self.tell(Wrong::List),
            (true, true) => {
                if node.is_empty() {
                    self.tell(Wrong::Empty);
                }
                for (at, item) in node.within().enumerate() {
                    // Where a list of primitives and the one beside it have nothing at a place, the other has.
                    if *item.kind() == tree::Kind::Null && matches!(member.kind, Kind::Primitive(_)) {
                        continue;
                    }
                    self.path.at(Some(at));
                    self.value(item, member, element, beside);
                    self.path.at(None);
                }
            }
            (false, true) => self.tell(Wrong::NoList),
            (false, false) => self.value(node, member, element, beside),
        }
    }

    fn value(&mut self, node: Node<'t>, member: &Member, element: &Element, beside: bool) {
        match member.kind {
            _ if *node.kind() == tree::Kind::Null => self.tell(Wrong::Empty),
            Kind::Primitive(_) if beside => self.object(node, self.base.element()),
            Kind::Primitive(kind) => {
                if !kind.takes(node) {
                    self.tell(Wrong::NotA(member.type_name));
                } else if element.is_bound() && !node.text().is_some_and(|code| element.has_code(code)) {
                    self.tell(Wrong::Code);
                }
            }
            Kind::Resource => self.resource(node, true),
            Kind::Shape(at) => {
                let shape = self.base.shape(at);
                self.object(node, shape);
                match shape.name {
                    "Reference" => self.reference(node, member),
                    "CodeableConcept" if element.is_bound() => {
                        let mut codings = node.get("coding").into_iter().flat_map(Node::items);
                        if !codings.any(|coding| is_listed(coding, element)) {
                            self.tell(Wrong::Code);
                        }
                    }
                    "Coding" if element.is_bound() && !is_listed(node, element) => self.tell(Wrong::Code),
                    _ => {}
                }
            }
        }
    }

    fn reference(&mut self, node: Node<'t>, member: &Member) {
        let to = node.get("reference").and_then(Node::text);
        let kind = match to {
            Some(to) if to.starts_with('#') => match self.contained.get(&to[1..]) {
                Some(kind) => Some(*kind),
                None => return self.tell(Wrong::Dangling),
            },
            Some(to) => points_at(to),
            None => None,
        };
        if let Some(kind) = kind.or_else(|| node.get("type").and_then(Node::text))
            && !member.may_point_at(kind)
        {
            self.tell(Wrong::Target);
        }
    }
}

/// Whether a coding, by system and code, is one of the element's required codes.
fn is_listed(coding: Node<'_>, element: &Element) -> bool {
    let part = |name| coding.get(name).and_then(Node::text);
    matches!((part("system"), part("code")), (Some(system), Some(code)) if element.has_coding(system, code))
}

/// The type a reference points at, where it says.
pub(super) fn points_at(to: &str) -> Option<&str> {
    if let Some(key) = to.strip_prefix(KEY_URL) {
        return key.split('|').next();
    }
    let (rest, _) = to.split_once("/_history").unwrap_or((to, "")).0.rsplit_once('/')?;
    let kind = rest.rsplit('/').next()?;
    kind.starts_with(|c: char| c.is_ascii_uppercase()).then_some(kind)
}
