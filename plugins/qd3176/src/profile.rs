//! The profile set to write, as data: identifier systems, code systems, extensions, fixed codings and what must be there.
//!
//! `configs/profiles/*.json` hold the sets. A new one needs no code here; an unknown or missing key is refused at once,
//! so a typing mistake does not quietly drop a field at every hospital.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;

/// A profile set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name it is configured by.
    pub name: String,
    /// For people.
    pub title: String,
    pub(crate) identifiers: Identifiers,
    pub(crate) code_systems: CodeSystems,
    pub(crate) extensions: Extensions,
    pub(crate) fixed: Fixed,
    pub(crate) requires: Requires,
}

/// What the site may set for this plugin.
#[derive(Debug, Default, Deserialize)]
pub struct Settings {
    /// The facility's name, for its Organization; the tables hold only its code.
    pub facility_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identifiers {
    pub(crate) citizen_id: IdentifierKind,
    pub(crate) old_citizen_id: IdentifierKind,
    pub(crate) passport: IdentifierKind,
    pub(crate) insurance_card: IdentifierKind,
    pub(crate) patient: IdentifierKind,
    pub(crate) facility: IdentifierKind,
    pub(crate) practitioner: IdentifierKind,
    pub(crate) visit: IdentifierKind,
    pub(crate) medical_record: IdentifierKind,
    /// The number under which the record of a finished visit is kept.
    pub(crate) archive: IdentifierKind,
    /// The number of a person at the social insurance, which is not the number of a card.
    pub(crate) social_insurance: IdentifierKind,
    pub(crate) temporary_card: IdentifierKind,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierKind {
    /// Empty where nobody has published one: then only the type says what the number is.
    #[serde(default)]
    pub(crate) system: String,
    #[serde(default, rename = "use")]
    pub(crate) usage: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Fragment,
}

/// `null`: the code is written without a system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeSystems {
    pub(crate) icd10: Option<String>,
    pub(crate) icd9cm: Option<String>,
    pub(crate) traditional_medicine: Option<String>,
    pub(crate) visit_type: Option<String>,
    pub(crate) entitlement: Option<String>,
    pub(crate) discharge: Option<String>,
    pub(crate) admission_reason: Option<String>,
    pub(crate) drug: Option<String>,
    pub(crate) route: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) supply: Option<String>,
    pub(crate) body_site: Option<String>,
    pub(crate) test_index: Option<String>,
    pub(crate) cost_group: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) nationality: Option<String>,
    pub(crate) ethnic_group: Option<String>,
    pub(crate) occupation: Option<String>,
    pub(crate) administrative_area: Option<String>,
    /// Systems of the lists that only one field uses, by that field. Without one, the code comes with words that say what it is.
    pub(crate) by_field: BTreeMap<String, String>,
}

/// `null`: the field is not written as an extension, and so not at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extensions {
    pub(crate) nationality: Option<ConceptExtension>,
    pub(crate) ethnic_group: Option<ConceptExtension>,
    pub(crate) occupation: Option<ConceptExtension>,
    pub(crate) birth_time: Option<PlainExtension>,
    pub(crate) birth_place: Option<PlainExtension>,
    pub(crate) address: Option<AddressExtension>,
}

/// An extension that holds one concept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConceptExtension {
    pub(crate) url: String,
    /// The concept sits in an inner extension of this url.
    #[serde(default)]
    pub(crate) inner: Option<String>,
    /// How the source's code is written.
    #[serde(default, rename = "as")]
    pub(crate) form: ConceptForm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConceptForm {
    /// As a coding of the field's code system.
    #[default]
    Coding,
    /// As text, where the set's own code system is another one.
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlainExtension {
    pub(crate) url: String,
}

/// An extension of an address with one inner extension per level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressExtension {
    pub(crate) url: String,
    pub(crate) province: String,
    pub(crate) district: String,
    pub(crate) ward: String,
}

/// Concepts that the set fixes to the letter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixed {
    pub(crate) organization_type: Fragment,
    pub(crate) condition_category: Fragment,
    /// What a diagnosis of the visit is where the treatment result says nothing; `null`: left out.
    pub(crate) clinical_status: Fragment,
    pub(crate) admission_diagnosis: Fragment,
    pub(crate) discharge_diagnosis: Fragment,
    pub(crate) main_diagnosis: Fragment,
    pub(crate) other_diagnosis: Fragment,
    /// What kind of document the paper of a table is.
    pub(crate) papers: BTreeMap<String, Fragment>,
    /// What is asked for when a patient is sent to another facility.
    pub(crate) referral: Fragment,
    /// The kind of an appointment to come back.
    pub(crate) follow_up: Fragment,
}

/// Elements the set demands. Where the source has nothing for one, it is written as absent, never made up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requires {
    pub(crate) patient_name: bool,
    /// Family and given name apart. The source never splits a name, and neither do we.
    pub(crate) patient_name_parts: bool,
    pub(crate) patient_gender: bool,
    pub(crate) patient_birth_date: bool,
    pub(crate) organization_name: bool,
    pub(crate) practitioner_name: bool,
    pub(crate) requester: bool,
    pub(crate) performer: bool,
    pub(crate) performed: bool,
    pub(crate) effective: bool,
    pub(crate) address_text: bool,
}

/// A piece of FHIR JSON that is copied as it stands.
#[derive(Debug, Default)]
pub(crate) struct Fragment(String);

impl Fragment {
    pub(crate) fn json(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Fragment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(if value.is_null() {
            String::new()
        } else {
            value.to_string()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOH: &str = include_str!("../../../configs/profiles/moh-ehealth-1.0.json");
    const R4: &str = include_str!("../../../configs/profiles/r4.json");

    #[test]
    fn the_two_sets_of_the_house_load() {
        for (text, name) in [(MOH, "moh-ehealth-1.0"), (R4, "r4")] {
            let profile: Profile = serde_json::from_str(text).unwrap();
            assert_eq!(profile.name, name);
            assert!(!profile.title.is_empty());
        }
    }

    #[test]
    fn plain_r4_writes_no_extension_of_the_ministry() {
        let extensions = R4
            .split("\"extensions\"")
            .nth(1)
            .unwrap()
            .split("\"fixed\"")
            .next()
            .unwrap();
        assert!(!extensions.contains("fhir.ehealth.gov.vn"), "{extensions}");
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let error = serde_json::from_str::<Profile>(&MOH.replace("\"citizen_id\"", "\"citizenid\"")).unwrap_err();
        assert!(error.to_string().contains("citizenid"));
    }
}
