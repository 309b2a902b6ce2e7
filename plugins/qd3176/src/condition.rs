//! XML1 to Conditions: the main disease, the accompanying ones, and the wording of the diagnoses at admission and
//! discharge. Exactly one is the main diagnosis.

use vhr_plugin_sdk::{Object, list, resource};

use crate::codes;
use crate::fhir::{coding, concept_body, is_code, known};
use crate::profile::{Fixed, Fragment};
use crate::source::{Draft, ENCOUNTER, Source};

/// A Condition of this visit and the part it plays.
pub(crate) struct Diagnosis<'a> {
    pub(crate) key: String,
    pub(crate) role: Role,
    /// ICD-10, where it is coded so.
    pub(crate) icd10: Option<&'a str>,
    /// The code of traditional medicine.
    traditional: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Main,
    Other,
    Admission,
    Discharge,
}

impl Role {
    /// The fixed concept of `Encounter.diagnosis.use`.
    pub(crate) fn concept(self, fixed: &Fixed) -> &Fragment {
        match self {
            Role::Main => &fixed.main_diagnosis,
            Role::Other => &fixed.other_diagnosis,
            Role::Admission => &fixed.admission_diagnosis,
            Role::Discharge => &fixed.discharge_diagnosis,
        }
    }
}

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> Vec<Diagnosis<'a>> {
    let head = source.head;
    let systems = &source.profile.code_systems;
    let (icd10, yhct) = (systems.icd10.as_deref(), systems.traditional_medicine.as_deref());
    let mut found: Vec<Diagnosis<'a>> = Vec::new();
    if source.is_check_in() || source.is_assessment() {
        return found;
    }
    let mut traditional = list(head.get("MA_BENH_YHCT"));

    let main = head.get("MA_BENH_CHINH");
    if main.is_none() {
        draft.missing(head, "MA_BENH_CHINH", "Thiếu mã bệnh chính", "no main diagnosis");
    }
    let paired = traditional.next();
    if main.is_some() || paired.is_some() {
        let status = status(source, draft);
        put(source, draft, "main", status, |o| {
            o.array("coding", |a| {
                coding(a, icd10, main);
                coding(a, yhct, paired);
            });
            // Words stand in only for codes that FHIR cannot hold as codes.
            let words = [main, paired].into_iter().flatten().find(|code| !is_code(code));
            o.maybe("text", words);
        });
        found.push(Diagnosis {
            key: "main".into(),
            role: Role::Main,
            icd10: main,
            traditional: paired,
        });
    }

    for code in list(head.get("MA_BENH_KT")) {
        if found.iter().all(|known| known.icd10 != Some(code)) {
            let key = format!("other-{}", found.len());
            put(source, draft, &key, None, |o| concept_body(o, icd10, Some(code), None));
            found.push(Diagnosis {
                key,
                role: Role::Other,
                icd10: Some(code),
                traditional: None,
            });
        }
    }
    for code in traditional {
        let key = format!("other-{}", found.len());
        put(source, draft, &key, None, |o| concept_body(o, yhct, Some(code), None));
        found.push(Diagnosis {
            key,
            role: Role::Other,
            icd10: None,
            traditional: Some(code),
        });
    }
    let wordings = [
        ("admission", "CHAN_DOAN_VAO", Role::Admission),
        ("discharge", "CHAN_DOAN_RV", Role::Discharge),
    ];
    for (key, field, role) in wordings {
        if let Some(text) = head.get(field) {
            put(source, draft, key, None, |o| o.text("text", text));
            found.push(Diagnosis {
                key: key.into(),
                role,
                icd10: None,
                traditional: None,
            });
        }
    }
    found
}

/// `reasonCode` and `reasonReference` of what a row's diagnoses are the reason for: `icd10` and `traditional` are its lists
/// of codes. A traditional code that no Condition has is none of the codes that a set may demand here; it goes to the notes.
pub(crate) fn write_reasons(
    o: &mut Object<'_>,
    source: &Source<'_>,
    diagnoses: &[Diagnosis<'_>],
    icd10: &[Option<&str>],
    traditional: Option<&str>,
) {
    let system = source.profile.code_systems.icd10.as_deref();
    let codes = || icd10.iter().flat_map(|codes| list(*codes));
    let known = |code: &str| diagnoses.iter().find(|diagnosis| diagnosis.icd10 == Some(code));
    o.array("reasonCode", |a| {
        for code in codes().filter(|code| known(code).is_none()) {
            a.object(|o| concept_body(o, system, Some(code), None));
        }
    });
    o.array("reasonReference", |a| {
        let mut named: Vec<&str> = Vec::new();
        let traditional = list(traditional).filter_map(|code| traditional_of(diagnoses, code));
        for diagnosis in codes().filter_map(known).chain(traditional) {
            if !named.contains(&diagnosis.key.as_str()) {
                named.push(&diagnosis.key);
                a.reference("Condition", &diagnosis.key);
            }
        }
    });
}

/// The traditional codes of a list that no Condition has.
pub(crate) fn other_traditional<'c>(diagnoses: &[Diagnosis<'_>], codes: Option<&'c str>) -> String {
    let others = list(codes).filter(|code| traditional_of(diagnoses, code).is_none());
    others.collect::<Vec<&'c str>>().join("; ")
}

fn traditional_of<'d, 'a>(diagnoses: &'d [Diagnosis<'a>], code: &str) -> Option<&'d Diagnosis<'a>> {
    diagnoses.iter().find(|diagnosis| diagnosis.traditional == Some(code))
}

/// What the treatment result says about the main disease.
fn status<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> Option<&'static str> {
    let code = source.head.get("KET_QUA_DTRI")?;
    match codes::result(code, source.day().as_str()) {
        Some((status, _)) => status,
        None => {
            draft.unknown_code(source.head, "KET_QUA_DTRI");
            None
        }
    }
}

fn put<'a>(
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    key: &str,
    status: Option<&str>,
    code: impl FnOnce(&mut Object<'_>),
) {
    let json = resource("Condition", |o| {
        match status {
            Some("resolved") => clinical_status(o, "resolved", "Resolved"),
            Some(_) => clinical_status(o, "active", "Active"),
            None => o.raw("clinicalStatus", source.profile.fixed.clinical_status.json()),
        }
        o.array("category", |a| a.raw(source.profile.fixed.condition_category.json()));
        o.object("code", code);
        o.reference("subject", "Patient", source.patient);
        o.reference("encounter", "Encounter", ENCOUNTER);
    });
    draft.put("Condition", key.to_owned(), json);
}

fn clinical_status(o: &mut Object<'_>, code: &str, display: &str) {
    known(
        o,
        "clinicalStatus",
        "http://terminology.hl7.org/CodeSystem/condition-clinical",
        code,
        display,
    );
}
