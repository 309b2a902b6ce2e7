//! What R4 says a resource may hold, from `configs/fhir/r4.csv`.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::primitive::Primitive;
use crate::r4;
use crate::tree::Name;

/// In the places of names that a shape does not have.
const NONE: u8 = u8::MAX;

/// The types of R4.
#[derive(Debug)]
pub(super) struct Base {
    shapes: Vec<Shape>,
    by_name: HashMap<&'static str, usize>,
    /// The shape of `Element`.
    element: usize,
}

/// The members of an object: a type, or an element with members of its own.
#[derive(Debug)]
pub(super) struct Shape {
    /// `Patient`, `Patient.contact`, `HumanName`.
    pub(super) name: &'static str,
    pub(super) is_resource: bool,
    pub(super) elements: Vec<Element>,
    /// A bit for each element that must be there.
    pub(super) needed: u128,
    /// A choice stands there once for each of its types.
    members: Vec<Member>,
    /// For each name in JSON, where among the members it is.
    places: Vec<u8>,
}

/// One element, a choice too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    /// A choice with its `[x]`.
    pub(super) name: &'static str,
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
        BASE.get_or_init(Base::read)
    }

    pub(super) fn shape(&self, at: usize) -> &Shape {
        &self.shapes[at]
    }

    /// What stands beside a primitive value.
    pub(super) fn element(&self) -> &Shape {
        &self.shapes[self.element]
    }

    /// The shape of a type of resource.
    pub(super) fn resource(&self, name: &str) -> Option<usize> {
        let at = *self.by_name.get(name)?;
        (self.shapes[at].is_resource && !name.contains('.')).then_some(at)
    }

    fn read() -> Self {
        let rows: Vec<[&str; 5]> = r4::rows().collect();
        let mut base = Self {
            shapes: Vec::new(),
            by_name: HashMap::new(),
            element: 0,
        };
        let is_backbone = |types: &str| matches!(types, "BackboneElement" | "Element");
        for [path, min, _, types, _] in &rows {
            if min.is_empty() || is_backbone(types) {
                base.by_name.insert(path, base.shapes.len());
                base.shapes.push(Shape {
                    name: path,
                    is_resource: matches!(*types, "DomainResource" | "Resource") || *path == "Resource",
                    elements: Vec::new(),
                    needed: 0,
                    members: Vec::new(),
                    places: vec![NONE; Name::count()],
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
        base.element = base.by_name["Element"];
        base
    }

    fn inherit(&mut self, to: usize, from: usize) {
        let from = &self.shapes[from];
        let inherited = Shape {
            name: self.shapes[to].name,
            is_resource: self.shapes[to].is_resource,
            elements: from.elements.clone(),
            needed: from.needed,
            members: from.members.clone(),
            places: from.places.clone(),
        };
        self.shapes[to] = inherited;
    }

    fn add(&mut self, owner: usize, [path, min, max, types, codes]: &[&'static str; 5]) {
        let name = path.rsplit_once('.').map_or(*path, |(_, name)| name);
        let element = self.shapes[owner].elements.len();
        for (kind, targets) in r4::types(types) {
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
            let shape = &mut self.shapes[owner];
            let place = u8::try_from(shape.members.len()).expect("a type has fewer than 255 members");
            shape.places[Name::of(&r4::member(name, kind)).at()] = place;
            shape.members.push(member);
        }
        let shape = &mut self.shapes[owner];
        shape.needed |= u128::from(*min == "1") << element;
        shape.elements.push(Element {
            name,
            many: *max == "*",
            codes,
        });
    }
}

impl Shape {
    pub(super) fn member(&self, name: Name) -> Option<&Member> {
        self.members.get(usize::from(self.places[name.at()]))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_sent_has_a_shape_with_its_inherited_and_its_own_elements() {
        let base = Base::r4();
        for kind in crate::bundle::TAKEN {
            let shape = base.shape(base.resource(kind).unwrap_or_else(|| panic!("{kind}")));
            for name in ["id", "meta", "extension", "_nothing"] {
                assert_eq!(
                    shape.member(Name::of(name)).is_some(),
                    name != "_nothing",
                    "{kind}.{name}"
                );
            }
        }
        assert!(base.resource("HumanName").is_none() && base.resource("Patient.contact").is_none());
    }

    #[test]
    fn rows_become_members_with_choices_targets_codes_and_shared_shapes() {
        let base = Base::r4();
        let named = |name: &str| base.shape(base.by_name[name]);
        let patient = named("Patient");
        let deceased = patient.member(Name::of("deceasedBoolean")).unwrap();
        assert_eq!(deceased.kind, Kind::Primitive(Primitive::Boolean));
        assert_eq!(patient.elements[deceased.element].name, "deceased[x]");
        assert!(patient.member(Name::of("deceased")).is_none() && patient.member(Name::of("deceasedString")).is_none());
        let gender = patient.elements[patient.member(Name::of("gender")).unwrap().element];
        assert!(gender.has_code("male") && !gender.has_code("nam") && !gender.many);
        let manager = patient.member(Name::of("managingOrganization")).unwrap();
        assert!(manager.may_point_at("Organization") && !manager.may_point_at("Patient"));
        assert!(named("Patient.contact").member(Name::of("modifierExtension")).is_some());
        let observation = named("Observation");
        assert_eq!(
            named("Observation.component")
                .member(Name::of("referenceRange"))
                .unwrap()
                .kind,
            observation.member(Name::of("referenceRange")).unwrap().kind
        );
        assert_ne!(
            observation.needed & 1 << observation.member(Name::of("status")).unwrap().element,
            0
        );
        assert_eq!(patient.needed, 0);
        assert!(observation.member(Name::of("contained")).unwrap().kind == Kind::Resource);
    }
}
