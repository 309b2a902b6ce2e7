//! XML1 to Conditions: the main disease, the accompanying ones, and the wording of the diagnoses at admission and
//! discharge. Exactly one is the main diagnosis.

use vhr_plugin_sdk::{Array, Object, list, resource};

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
            });
        }
    }
    found
}

/// References to the Conditions that a code list names, and codings for the codes that no Condition carries.
pub(crate) fn reasons<'a>(
    diagnoses: &'a [Diagnosis<'_>],
    codes: Option<&'a str>,
) -> (Vec<&'a Diagnosis<'a>>, Vec<&'a str>) {
    let mut known = Vec::new();
    let mut others = Vec::new();
    for code in list(codes) {
        match diagnoses.iter().find(|diagnosis| diagnosis.icd10 == Some(code)) {
            Some(diagnosis) => known.push(diagnosis),
            None => others.push(code),
        }
    }
    (known, others)
}

/// `reasonCode` and `reasonReference` of a service.
pub(crate) fn write_reasons(o: &mut Object<'_>, source: &Source<'_>, diagnoses: &[Diagnosis<'_>], codes: Option<&str>) {
    let (known, others) = reasons(diagnoses, codes);
    let system = source.profile.code_systems.icd10.as_deref();
    o.array("reasonCode", |a| {
        for code in others {
            a.object(|o| concept_body(o, system, Some(code), None));
        }
    });
    o.array("reasonReference", |a| references(a, &known));
}

fn references(a: &mut Array<'_>, diagnoses: &[&Diagnosis<'_>]) {
    for diagnosis in diagnoses {
        a.reference("Condition", &diagnosis.key);
    }
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
