//! The small pieces of FHIR that every resource is made of: concepts, identifiers, amounts, periods, absence.

use vhr_plugin_sdk::{Array, Decimal, Moment, Object};

use crate::codes;
use crate::profile::{IdentifierKind, PlainExtension};
use crate::source::Source;

/// An element that has to be there and of which the source knows nothing.
pub(crate) const ABSENT: &str =
    r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#;

pub(crate) const UCUM: &str = "http://unitsofmeasure.org";

/// `{coding:[{system, code}], text}`. A code that FHIR cannot hold as a code is kept as text instead.
pub(crate) fn concept(
    o: &mut Object<'_>,
    name: &'static str,
    system: Option<&str>,
    code: Option<&str>,
    text: Option<&str>,
) {
    o.object(name, |o| concept_body(o, system, code, text));
}

pub(crate) fn concept_body(o: &mut Object<'_>, system: Option<&str>, code: Option<&str>, text: Option<&str>) {
    let valid = code.filter(|code| is_code(code));
    o.array("coding", |a| coding(a, system, valid));
    o.maybe("text", text.or(if valid.is_none() { code } else { None }));
}

/// `{system, code}`, if there is a code.
pub(crate) fn coding(a: &mut Array<'_>, system: Option<&str>, code: Option<&str>) {
    if let Some(code) = code.filter(|code| is_code(code)) {
        a.object(|o| {
            o.maybe("system", system);
            o.text("code", code);
        });
    }
}

/// `{coding:[{system, code, display}]}`, for what HL7 itself defines.
pub(crate) fn known(o: &mut Object<'_>, name: &'static str, system: &str, code: &str, display: &str) {
    o.object(name, |o| known_body(o, system, code, display));
}

pub(crate) fn known_body(o: &mut Object<'_>, system: &str, code: &str, display: &str) {
    o.array("coding", |a| {
        a.object(|o| {
            o.text("system", system);
            o.text("code", code);
            o.text("display", display);
        });
    });
}

/// A concept that is only text.
pub(crate) fn wording(o: &mut Object<'_>, name: &'static str, text: &str) {
    o.object(name, |o| o.text("text", text));
}

/// FHIR's `code`: no white space at the ends, single blanks inside.
pub(crate) fn is_code(text: &str) -> bool {
    // Nearly all codes are plain ASCII without a blank, which is quickly seen.
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain
        || !text.is_empty()
            && text
                .split(' ')
                .all(|part| !part.is_empty() && !part.contains(char::is_whitespace))
}

pub(crate) fn identifier(a: &mut Array<'_>, kind: &IdentifierKind, value: Option<&str>) {
    if let Some(value) = value {
        a.object(|o| identifier_body(o, kind, value));
    }
}

pub(crate) fn identifier_body(o: &mut Object<'_>, kind: &IdentifierKind, value: &str) {
    o.maybe("use", kind.usage.as_deref());
    o.raw("type", kind.kind.json());
    o.text("system", &kind.system);
    o.text("value", value);
}

/// A reference by identifier to something that is not part of this record.
pub(crate) fn logical(
    o: &mut Object<'_>,
    name: &'static str,
    resource_type: &str,
    system: Option<&str>,
    value: Option<&str>,
) {
    if let Some(value) = value {
        o.object(name, |o| {
            o.text("type", resource_type);
            o.object("identifier", |o| {
                o.maybe("system", system);
                o.text("value", value);
            });
        });
    }
}

/// A facility: the visit's own one, or another one that is known by its code only.
pub(crate) fn organization(o: &mut Object<'_>, name: &'static str, source: &Source<'_>, code: Option<&str>) {
    match code.filter(|code| *code != source.facility) {
        None => o.reference(name, "Organization", source.facility),
        other => {
            let system = Some(source.profile.identifiers.facility.system.as_str());
            logical(o, name, "Organization", system, other);
        }
    }
}

/// A code of a list that only one field uses: its system where the set names one, and in words what it says.
pub(crate) fn national_body(o: &mut Object<'_>, source: &Source<'_>, field: &str, label: &str, code: &str) {
    let system = source.profile.code_systems.by_field.get(field);
    o.array("coding", |a| coding(a, system.map(String::as_str), Some(code)));
    match codes::meaning(field, code, source.day().as_str()) {
        Some(meaning) => o.text("text", meaning),
        None => o.text("text", &[label, ": ", code].concat()),
    }
}

/// What no other element has room for, each with its meaning in front.
pub(crate) fn notes(o: &mut Object<'_>, notes: &[(&str, Option<&str>)]) {
    o.array("note", |a| {
        for (meaning, text) in notes {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                a.object(|o| o.text("text", &[meaning, ": ", text].concat()));
            }
        }
    });
}

/// `{url, valueX}` of an extension that the set may name.
pub(crate) fn plain_extension(
    a: &mut Array<'_>,
    extension: Option<&PlainExtension>,
    value: impl FnOnce(&mut Object<'_>),
) {
    if let Some(extension) = extension {
        a.object(|o| {
            o.text("url", &extension.url);
            value(o);
        });
    }
}

/// An amount in đồng.
pub(crate) fn money(o: &mut Object<'_>, name: &'static str, value: Option<Decimal<'_>>) {
    if let Some(value) = value {
        o.object(name, |o| {
            o.decimal("value", value);
            o.text("currency", "VND");
        });
    }
}

/// A quantity with the unit as the source words it.
pub(crate) fn quantity(o: &mut Object<'_>, name: &'static str, value: Option<Decimal<'_>>, unit: Option<&str>) {
    if let Some(value) = value {
        o.object(name, |o| {
            o.decimal("value", value);
            o.maybe("unit", unit);
        });
    }
}

/// A quantity with a coded unit.
pub(crate) fn measured(
    o: &mut Object<'_>,
    name: &'static str,
    value: Decimal<'_>,
    unit: &str,
    system: &str,
    code: &str,
) {
    o.object(name, |o| {
        o.decimal("value", value);
        o.text("unit", unit);
        o.text("system", system);
        o.text("code", code);
    });
}

pub(crate) fn period(o: &mut Object<'_>, name: &'static str, start: Option<Moment>, end: Option<Moment>) {
    o.object(name, |o| {
        o.moment("start", start);
        o.moment("end", end);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_no_odd_blanks() {
        assert!(is_code("1.11") && is_code("05C.35") && is_code("A B"));
        for bad in ["", " A", "A ", "A  B", "A\nB", "A\u{a0}B"] {
            assert!(!is_code(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_code_is_kept_as_text() {
        let json = vhr_plugin_sdk::resource("X", |o| {
            concept(o, "a", Some("urn:s"), Some("A  B"), None);
            concept(o, "b", None, Some("C1"), Some("name"));
            concept(o, "c", Some("urn:s"), None, None);
        });
        assert_eq!(
            json,
            r#"{"resourceType":"X","a":{"text":"A  B"},"b":{"coding":[{"code":"C1"}],"text":"name"}}"#
        );
    }
}
