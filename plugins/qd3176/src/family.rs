//! Parents and guardians that papers name, as RelatedPersons: each name once, with the number the paper has of it.

use vhr_plugin_sdk::{Object, resource};

use crate::fhir::{identifier, known_body};
use crate::source::{Draft, Source, same_name};

/// What somebody is to the patient: the field of the name, the field of the number, code and display of v3-RoleCode.
const ROLES: [(&str, &str, &str, &str); 3] = [
    ("HO_TEN_CHA", "MA_CHA", "FTH", "father"),
    ("HO_TEN_ME", "MA_ME", "MTH", "mother"),
    ("NGUOI_GIAM_HO", "", "GUARD", "guardian"),
];

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for (name_field, number_field, code, display) in ROLES {
        let mut found: Vec<(Option<&str>, Option<&str>)> = Vec::new();
        for line in ["XML7", "XML8", "XML11"]
            .into_iter()
            .flat_map(|table| source.lines(table))
        {
            let (name, number) = (line.get(name_field), line.get(number_field));
            let same = |known: &&mut (Option<&str>, Option<&str>)| match (known.0, name) {
                (Some(known), Some(name)) => same_name(known, name),
                _ => true,
            };
            match found.iter_mut().find(same) {
                _ if name.or(number).is_none() => {}
                Some(known) => *known = (known.0.or(name), known.1.or(number)),
                None => found.push((name, number)),
            }
        }
        for (place, (name, number)) in found.into_iter().enumerate() {
            let json = resource("RelatedPerson", |o| {
                o.array("identifier", |a| {
                    identifier(a, &source.profile.identifiers.social_insurance, number);
                });
                o.reference("patient", "Patient", source.patient);
                relationship(o, code, display);
                o.array("name", |a| a.object(|o| o.maybe("text", name)));
            });
            draft.put("RelatedPerson", format!("{name_field}-{}", place + 1), json);
        }
    }
}

pub(crate) fn relationship(o: &mut Object<'_>, code: &str, display: &str) {
    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
    o.array("relationship", |a| a.object(|o| known_body(o, ROLE, code, display)));
}
