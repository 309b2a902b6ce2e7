//! The facility and everybody who is named by licence code: shared resources, found at the receiver by identifier.

use vhr_plugin_sdk::{Scope, put, resource};

use crate::fhir::{ABSENT, identifier};
use crate::source::{Draft, Source};

pub(crate) fn facility<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let kind = &source.profile.identifiers.facility;
    let name = source.settings.facility_name.as_deref().filter(|_| source.at_home);
    let json = resource("Organization", |o| {
        o.array("identifier", |a| identifier(a, kind, Some(source.facility)));
        o.array("type", |a| a.raw(source.profile.fixed.organization_type.json()));
        match name {
            Some(name) => o.text("name", name),
            None if source.profile.requires.organization_name => o.raw("_name", ABSENT),
            None => {}
        }
    });
    let scope = Scope::Shared {
        system: &kind.system,
        value: source.facility,
    };
    put(
        &mut draft.resources,
        "Organization",
        source.facility.to_owned(),
        scope,
        json,
    );
}

/// Last of all: by then everybody has been named.
pub(crate) fn practitioners<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let kind = &source.profile.identifiers.practitioner;
    for licence in &draft.people {
        let json = resource("Practitioner", |o| {
            o.array("identifier", |a| identifier(a, kind, Some(licence)));
            if source.profile.requires.practitioner_name {
                o.array("name", |a| {
                    a.object(|o| {
                        o.text("use", "official");
                        o.raw("_text", ABSENT);
                    });
                });
            }
        });
        let scope = Scope::Shared {
            system: &kind.system,
            value: licence,
        };
        put(&mut draft.resources, "Practitioner", (*licence).to_owned(), scope, json);
    }
}
