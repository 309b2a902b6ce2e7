//! What R4 says a resource may hold, from `configs/fhir/r4.csv`.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::primitive::Primitive;

const R4: &str = include_str!("../../../../configs/fhir/r4.csv");

/// The types of R4.
#[derive(Debug)]
pub(super) struct Base {
    shapes: Vec<Shape>,
    by_name: HashMap<&'static str, usize>,
}

/// The members of an object: a type, or an element with members of its own.
#[derive(Debug)]
pub(super) struct Shape {
    /// `Patient`, `Patient.contact`, `HumanName`.
    pub(super) name: &'static str,
    pub(super) is_resource: bool,
    pub(super) elements: Vec<Element>,
    /// By the name in JSON: a choice stands there once for each of its types.
    members: Vec<(String, Member)>,
}

/// One element, a choice too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    /// A choice with its `[x]`.
    pub(super) name: &'static str,
    pub(super) needed: bool,
    pub(super) many: bool,
    /// Of a required binding; a concept's as `system|code`.
    codes: &'static str,
}

/// What stands under a name in JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Its place among the elements.
    pub(super) element: usize,
    pub(super) kind: Kind,
    /// The name of the type, for people.
    pub(super) type_name: &'static str,
    /// The types a reference may point at, with blanks between; empty: any.
    targets: &'static str,
}

/// What a value is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Primitive(Primitive),
    Shape(usize),
    /// Any resource.
    Resource,
}

impl Base {
    /// R4, read once.
    pub(super) fn r4() -> &'static Self {
        static BASE: OnceLock<Base> = OnceLock::new();
        BASE.get_or_init(|| Base::read(R4))
    }

    pub(super) fn shape(&self, at: usize) -> &Shape {
        &self.shapes[at]
    }

    /// What stands beside a primitive value.
    pub(super) fn element(&self) -> &Shape {
        &self.shapes[self.by_name["Element"]]
    }

    /// The shape of a type of resource.
    pub(super) fn resource(&self, name: &str) -> Option<usize> {
        let at = *self.by_name.get(name)?;
        (self.shapes[at].is_resource && !name.contains('.')).then_some(at)
    }

    fn read(text: &'static str) -> Self {
        let rows: Vec<[&str; 5]> = text.lines().skip(1).map(cells).collect();
        let mut base = Self {
            shapes: Vec::new(),
            by_name: HashMap::new(),
        };
        let is_backbone = |types: &str| matches!(types, "BackboneElement" | "Element");
        for [path, min, _, types, _] in &rows {
            if min.is_empty() || is_backbone(types) {
                base.by_name.insert(path, base.shapes.len());
                base.shapes.push(Shape {
                    name: path,
                    is_resource: matches!(*types, "DomainResource" | "Resource") || *path == "Resource",
                    elements: Vec::new(),
                    members: Vec::new(),
                });
            }
        }
        // A type comes after the one it is made from.
        for row in &rows {
            let [path, min, _, types, _] = *row;
            if let Some((owner, _)) = path.rsplit_once('.') {
                base.add(base.by_name[owner], row);
            }
            if (min.is_empty() || is_backbone(types)) && !types.is_empty() {
                base.inherit(base.by_name[path], base.by_name[types]);
            }
        }
        base
    }

    fn inherit(&mut self, to: usize, from: usize) {
        let (elements, members) = (self.shapes[from].elements.clone(), self.shapes[from].members.clone());
        self.shapes[to].elements = elements;
        self.shapes[to].members = members;
    }

    fn add(&mut self, owner: usize, [path, min, max, types, codes]: &[&'static str; 5]) {
        let name = path.rsplit_once('.').map_or(*path, |(_, name)| name);
        let element = self.shapes[owner].elements.len();
        for type_name in types.split('|') {
            let (kind, targets) = match type_name.split_once('(') {
                Some((kind, targets)) => (kind, targets.trim_end_matches(')')),
                None => (type_name, ""),
            };
            let named = match (kind.strip_prefix('@'), kind) {
                (Some(path), _) => path,
                (None, "BackboneElement" | "Element") => path,
                (None, kind) => kind,
            };
            let member = Member {
                element,
                kind: match Primitive::of(named) {
                    Some(primitive) => Kind::Primitive(primitive),
                    None if named == "Resource" => Kind::Resource,
                    None => Kind::Shape(self.by_name[named]),
                },
                type_name: kind,
                targets,
            };
            let key = match name.strip_suffix("[x]") {
                Some(stem) => format!("{stem}{}{}", kind[..1].to_ascii_uppercase(), &kind[1..]),
                None => name.to_owned(),
            };
            self.shapes[owner].members.push((key, member));
        }
        self.shapes[owner].elements.push(Element {
            name,
            needed: *min == "1",
            many: *max == "*",
            codes,
        });
    }
}

impl Shape {
    pub(super) fn member(&self, name: &str) -> Option<Member> {
        // Most names differ in their length already: faster than any hash of them.
        let member = self.members.iter().find(|(known, _)| known == name);
        member.map(|(_, member)| *member)
    }
}

impl Element {
    /// Whether the element is bound to codes.
    pub(super) fn is_bound(&self) -> bool {
        !self.codes.is_empty()
    }

    /// Whether a code is one of the list.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.codes.split(' ').any(|listed| listed == code)
    }

    /// Whether a code of a system is one of the list.
    pub(super) fn has_coding(&self, system: &str, code: &str) -> bool {
        let listed = |of: &str| of.strip_prefix(system)?.strip_prefix('|').map(|listed| listed == code);
        self.codes.split(' ').any(|of| listed(of) == Some(true))
    }
}

impl Member {
    /// Whether a reference may point at this type.
    pub(super) fn may_point_at(&self, kind: &str) -> bool {
        self.targets.is_empty() || self.targets.split(' ').any(|target| target == kind)
    }
}

/// The five cells of a row: none holds a comma.
fn cells(line: &str) -> [&str; 5] {
    let mut cells = line.splitn(5, ',');
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_sent_has_a_shape_with_its_inherited_and_its_own_elements() {
        let base = Base::r4();
        for kind in crate::bundle::TAKEN {
            let shape = base.shape(base.resource(kind).unwrap_or_else(|| panic!("{kind}")));
            for name in ["id", "meta", "extension", "_nothing"] {
                assert_eq!(shape.member(name).is_some(), name != "_nothing", "{kind}.{name}");
            }
        }
        assert!(base.resource("HumanName").is_none() && base.resource("Patient.contact").is_none());
    }

    #[test]
    fn rows_become_members_with_choices_targets_codes_and_shared_shapes() {
        let base = Base::r4();
        let named = |name: &str| base.shape(base.by_name[name]);
        let patient = named("Patient");
        let deceased = patient.member("deceasedBoolean").unwrap();
        assert_eq!(deceased.kind, Kind::Primitive(Primitive::Boolean));
        assert_eq!(patient.elements[deceased.element].name, "deceased[x]");
        assert!(patient.member("deceased").is_none() && patient.member("deceasedString").is_none());
        let gender = patient.elements[patient.member("gender").unwrap().element];
        assert!(gender.has_code("male") && !gender.has_code("nam") && !gender.needed && !gender.many);
        let manager = patient.member("managingOrganization").unwrap();
        assert!(manager.may_point_at("Organization") && !manager.may_point_at("Patient"));
        assert!(named("Patient.contact").member("modifierExtension").is_some());
        let observation = named("Observation");
        assert_eq!(
            named("Observation.component").member("referenceRange").unwrap().kind,
            observation.member("referenceRange").unwrap().kind
        );
        assert!(observation.elements[observation.member("status").unwrap().element].needed);
        assert!(observation.member("contained").unwrap().kind == Kind::Resource);
    }
}
