use serde_json::{Value, json};

use super::*;

const MOH: &str = include_str!("../../../../configs/profiles/moh-ehealth-1.0.definitions.json");
const CORE: &str = "http://fhir.ehealth.gov.vn/core/StructureDefinition/";

fn moh() -> Structure {
    let claims = [
        ("Patient", "vn-core-patient"),
        ("Encounter", "vn-core-encounter"),
        ("Organization", "vn-core-provider"),
        ("Condition", "vn-core-condition-encounter-diagnosis"),
        ("ServiceRequest", "vn-core-service-request"),
    ];
    let claims = claims.map(|(kind, profile)| (kind.to_owned(), vec![format!("{CORE}{profile}")]));
    Structure::read(MOH, claims.into()).unwrap()
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code, "display": display}]})
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "extension": [{
            "url": format!("{CORE}extension-race"),
            "valueCodeableConcept": {"coding": [{"system": "http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-race", "code": "01", "display": "Kinh"}]},
        }],
        "identifier": [{
            "use": "official",
            "type": coding("v2-0203", "SB", "Social Beneficiary Identifier"),
            "system": "http://fhir.ehealth.gov.vn/core/sid/insurance_number",
            "value": "DN4790000000001",
        }],
        "name": [{"text": "Trần Văn Thử", "family": "Trần", "given": ["Văn", "Thử"]}],
        "gender": "male",
        "birthDate": "1980-02-29",
        "address": [{"text": "1 Đường Thử"}],
        "managingOrganization": {"reference": "urn:key:Organization|79999"},
    })
}

fn read(json: &str) -> Tree<'_> {
    Tree::read(json).unwrap()
}

/// What is found in a resource after something was done to it: path and fault.
fn faults(of: Value, change: impl FnOnce(&mut Value)) -> Vec<(String, Wrong)> {
    let mut of = of;
    change(&mut of);
    let structure = Structure::r4();
    let checked = structure.check(&read(&of.to_string()));
    checked
        .faults
        .into_iter()
        .map(|found| (found.path, found.wrong))
        .collect()
}

fn only(path: &str, wrong: Wrong) -> Vec<(String, Wrong)> {
    vec![(path.to_owned(), wrong)]
}

/// Why the Ministry's profile is not claimed for a patient.
fn missed(change: impl FnOnce(&mut Value)) -> Vec<(String, Wrong)> {
    missed_of(patient(), change)
}

fn missed_of(of: Value, change: impl FnOnce(&mut Value)) -> Vec<(String, Wrong)> {
    let mut of = of;
    change(&mut of);
    let structure = moh();
    let checked = structure.check(&read(&of.to_string()));
    assert_eq!(checked.faults, []);
    assert!(checked.claim.is_some() ^ checked.missed.is_some());
    let (_, missed) = checked.missed.unwrap_or_default();
    missed.into_iter().map(|found| (found.path, found.wrong)).collect()
}

#[test]
fn a_patient_that_keeps_the_profile_claims_it_and_plain_r4_claims_nothing() {
    let text = patient().to_string();
    let (moh, r4) = (moh(), Structure::r4());
    let checked = moh.check(&read(&text));
    assert_eq!((checked.faults, checked.missed), (vec![], None));
    assert_eq!(checked.claim, Some(&*format!("{CORE}vn-core-patient")));
    assert_eq!(r4.check(&read(&text)), Checked::default());
}

#[test]
fn elements_that_r4_does_not_have_or_have_otherwise_are_told_by_their_path() {
    assert_eq!(
        faults(patient(), |p| p["cccd"] = json!("1")),
        only("Patient.cccd", Wrong::Unknown)
    );
    assert_eq!(
        faults(patient(), |p| p["name"][0]["txt"] = json!("x")),
        only("Patient.name[0].txt", Wrong::Unknown)
    );
    assert_eq!(
        faults(patient(), |p| p["name"] = json!({"text": "x"})),
        only("Patient.name", Wrong::NoList)
    );
    assert_eq!(
        faults(patient(), |p| p["gender"] = json!(["male"])),
        only("Patient.gender", Wrong::List)
    );
    assert_eq!(
        faults(patient(), |p| p["gender"] = json!("nam")),
        only("Patient.gender", Wrong::Code)
    );
    assert_eq!(
        faults(patient(), |p| p["birthDate"] = json!("1981-02-29")),
        only("Patient.birthDate", Wrong::NotA("date"))
    );
    assert_eq!(
        faults(patient(), |p| p["active"] = json!("true")),
        only("Patient.active", Wrong::NotA("boolean"))
    );
    assert_eq!(
        faults(patient(), |p| p["address"] = json!([])),
        only("Patient.address", Wrong::Empty)
    );
    assert_eq!(
        faults(patient(), |p| p["contact"] = json!([{}])),
        only("Patient.contact[0]", Wrong::Empty)
    );
    assert_eq!(
        faults(patient(), |p| p["name"][0]["text"] = json!("")),
        only("Patient.name[0].text", Wrong::NotA("string"))
    );
    assert_eq!(
        faults(patient(), |p| p["gender"] = Value::Null),
        only("Patient.gender", Wrong::Empty)
    );
    assert_eq!(
        faults(patient(), |p| p["address"] = json!(["x"])),
        only("Patient.address[0]", Wrong::NotA("Address"))
    );
    assert_eq!(
        faults(patient(), |p| p["resourceType"] = json!("Patients")),
        only("", Wrong::NotTaken)
    );
    assert_eq!(faults(json!({}), |_| ()), only("", Wrong::NotTaken));
    for value in ["Nguyễn Văn Thử", "079185000123", &"a".repeat(65)] {
        assert_eq!(
            faults(patient(), |p| p[value] = json!(1)),
            only("Patient.?", Wrong::Unknown)
        );
    }
}

#[test]
fn a_choice_has_one_type_and_one_that_is_allowed() {
    assert_eq!(faults(patient(), |p| p["deceasedBoolean"] = json!(true)), []);
    assert_eq!(
        faults(patient(), |p| p["deceasedString"] = json!("x")),
        only("Patient.deceasedString", Wrong::Unknown)
    );
    let both = |p: &mut Value| {
        p["deceasedBoolean"] = json!(true);
        p["deceasedDateTime"] = json!("2026");
    };
    assert_eq!(
        faults(patient(), both),
        only("Patient.deceased[x]", Wrong::SeveralTypes)
    );
    let empty = |p: &mut Value| p["extension"] = json!([{"url": "http://x"}]);
    assert_eq!(faults(patient(), empty), only("Patient.extension[0]", Wrong::Empty));
}

#[test]
fn what_must_be_there_is_missed_unless_it_says_why_it_is_absent() {
    let observation = || json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}});
    assert_eq!(faults(observation(), |_| ()), []);
    let without = |o: &mut Value| drop(o.as_object_mut().unwrap().remove("status"));
    assert_eq!(
        faults(observation(), without),
        only("Observation.status", Wrong::Missing)
    );
    let absent = |o: &mut Value| {
        without(o);
        o["_status"] = json!({"extension": [{"url": "http://x", "valueCode": "unknown"}]});
    };
    assert_eq!(faults(observation(), absent), []);
    let beside_an_object = |o: &mut Value| o["_code"] = json!({"id": "x"});
    assert_eq!(
        faults(observation(), beside_an_object),
        only("Observation._code", Wrong::Unknown)
    );
}

#[test]
fn concepts_bound_to_codes_need_one_of_them_with_its_system() {
    let condition = |system: &str| json!({"resourceType": "Condition", "clinicalStatus": coding(system, "active", "Active"), "subject": {"reference": "urn:key:Patient|1"}});
    assert_eq!(faults(condition("condition-clinical"), |_| ()), []);
    let elsewhere = faults(condition("allergyintolerance-clinical"), |_| ());
    assert_eq!(elsewhere, only("Condition.clinicalStatus", Wrong::Code));
}

#[test]
fn references_point_at_types_that_may_be_there_and_into_the_resource() {
    let to = |to: &str| {
        let to = to.to_owned();
        faults(patient(), move |p| p["managingOrganization"] = json!({"reference": to}))
    };
    assert_eq!(to("urn:key:Organization|1"), []);
    assert_eq!(to("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"), []);
    for wrong in [
        "urn:key:Patient|1",
        "Patient/1",
        "https://x.example/fhir/Patient/1/_history/2",
    ] {
        assert_eq!(
            to(wrong),
            only("Patient.managingOrganization", Wrong::Target),
            "{wrong}"
        );
    }
    assert_eq!(to("#x"), only("Patient.managingOrganization", Wrong::Dangling));
    let contained = |kind: &'static str| {
        faults(patient(), move |p| {
            p["contained"] = json!([{"resourceType": kind, "id": "x"}]);
            p["managingOrganization"] = json!({"reference": "#x"});
        })
    };
    assert_eq!(contained("Organization"), []);
    assert_eq!(
        contained("Patient"),
        only("Patient.managingOrganization", Wrong::Target)
    );
}

#[test]
fn the_ministrys_patient_has_a_birth_date_a_name_as_text_and_slices_that_fit() {
    assert_eq!(missed(|_| ()), []);
    assert_eq!(
        missed(|p| drop(p.as_object_mut().unwrap().remove("birthDate"))),
        only("Patient.birthDate", Wrong::TooFew(1))
    );
    let nameless = |p: &mut Value| drop(p["name"][0].as_object_mut().unwrap().remove("text"));
    assert_eq!(missed(nameless), only("Patient.name[0].text", Wrong::TooFew(1)));
    let valueless = |p: &mut Value| drop(p["identifier"][0].as_object_mut().unwrap().remove("value"));
    assert_eq!(missed(valueless), only("Patient.identifier[0].value", Wrong::TooFew(1)));
    let second = |p: &mut Value| {
        let mut again = p["identifier"][0].clone();
        again["value"] = json!("DN4790000000002");
        p["identifier"].as_array_mut().unwrap().push(again);
    };
    assert_eq!(missed(second), only("Patient.identifier:TheBHYT", Wrong::TooMany(1)));
    let other_display = |p: &mut Value| p["identifier"][0]["type"]["coding"][0]["display"] = json!("SB");
    assert_eq!(
        missed(other_display),
        only("Patient.identifier[0].type", Wrong::NotFixed)
    );
    let with_text = |p: &mut Value| p["identifier"][0]["type"]["text"] = json!("BHYT");
    assert_eq!(missed(with_text), only("Patient.identifier[0].type", Wrong::NotFixed));
    let text = |p: &mut Value| drop(p["address"][0].as_object_mut().unwrap().remove("text"));
    let bare = |p: &mut Value| {
        text(p);
        p["address"][0]["city"] = json!("Thử");
    };
    assert_eq!(missed(bare), only("Patient.address[0].text", Wrong::TooFew(1)));
    let race =
        |p: &mut Value| p["extension"][0] = json!({"url": format!("{CORE}extension-race"), "valueString": "Kinh"});
    assert_eq!(missed(race).len(), 1, "{:?}", missed(race));
    let unknown_system = |p: &mut Value| p["identifier"][0]["system"] = json!("urn:other");
    assert_eq!(missed(unknown_system), []);
}

fn encounter(roles: &[(&str, &str)]) -> Value {
    let diagnosis = |(code, display): &(&str, &str)| {
        let mut using = coding("diagnosis-role", code, display);
        using["text"] = json!(display);
        json!({"condition": {"reference": "urn:key:Condition|1"}, "use": using})
    };
    json!({
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "urn:key:Patient|1"},
        "diagnosis": roles.iter().map(diagnosis).collect::<Vec<_>>(),
    })
}

#[test]
fn the_ministrys_encounter_has_exactly_one_main_diagnosis_and_no_rank() {
    let main = ("CC", "Chief complaint");
    assert_eq!(missed_of(encounter(&[main]), |_| ()), []);
    let none = missed_of(encounter(&[("CM", "Comorbidity diagnosis")]), |_| ());
    assert_eq!(
        none,
        only("Encounter.diagnosis:ChiefComplaint_CDBenhChinh", Wrong::TooFew(1))
    );
    let two = missed_of(encounter(&[main, main]), |_| ());
    assert_eq!(
        two,
        only("Encounter.diagnosis:ChiefComplaint_CDBenhChinh", Wrong::TooMany(1))
    );
    let ranked = missed_of(encounter(&[main]), |e| e["diagnosis"][0]["rank"] = json!(1));
    assert_eq!(ranked, only("Encounter.diagnosis[0].rank", Wrong::TooMany(0)));
    let missing = encounter(&[main]);
    let pointing = missed_of(missing, |e| {
        e["serviceProvider"] = json!({"reference": "urn:key:Organization|1"})
    });
    assert_eq!(pointing, []);
}

#[test]
fn what_a_plugin_claims_by_itself_is_held_against_it() {
    let structure = moh();
    let claiming = |profile: &str, change: fn(&mut Value)| {
        let mut patient = patient();
        patient["meta"] = json!({"profile": [profile]});
        change(&mut patient);
        let checked = structure.check(&read(&patient.to_string()));
        assert_eq!(checked.claim, None);
        checked
            .faults
            .into_iter()
            .map(|found| (found.path, found.wrong))
            .collect::<Vec<_>>()
    };
    let ours = format!("{CORE}vn-core-patient");
    assert_eq!(claiming(&ours, |_| ()), []);
    let unborn = claiming(&ours, |p| drop(p.as_object_mut().unwrap().remove("birthDate")));
    assert_eq!(unborn, only("Patient.birthDate", Wrong::TooFew(1)));
    assert_eq!(
        claiming("http://x.example/patient", |_| ()),
        only("Patient.meta.profile", Wrong::Claim)
    );
    assert_eq!(
        claiming(&format!("{CORE}vn-core-encounter"), |_| ()),
        only("Patient.meta.profile", Wrong::Claim)
    );
}

#[test]
fn a_set_that_cannot_be_used_says_why() {
    let claims = |profile: &str| [("Patient".to_owned(), vec![profile.to_owned()])].into();
    assert!(matches!(Structure::read("{}", BTreeMap::new()), Err(Error::NotJson(_))));
    assert!(matches!(
        Structure::read("[{}]", BTreeMap::new()),
        Err(Error::Incomplete(1))
    ));
    assert!(matches!(
        Structure::read("[]", claims("http://x")),
        Err(Error::Undefined { .. })
    ));
    let encounter = format!("{CORE}vn-core-encounter");
    assert!(matches!(
        Structure::read(MOH, claims(&encounter)),
        Err(Error::Undefined { .. })
    ));
    let orphan =
        json!([{"url": "u", "type": "Patient", "baseDefinition": "http://x/none", "differential": {"element": []}}]);
    assert!(matches!(
        Structure::read(&orphan.to_string(), BTreeMap::new()),
        Err(Error::NoBase { .. })
    ));
}

#[test]
fn a_finding_names_the_element_and_never_the_value() {
    let structure = Structure::r4();
    let mut patient = patient();
    patient["gender"] = json!("Bí mật");
    let checked = structure.check(&read(&patient.to_string()));
    let [fault] = &checked.faults[..] else { panic!() };
    assert_eq!(fault.path, "Patient.gender");
    let said = fault.wrong.said().to_string();
    assert!(said.contains("(not one of the codes R4 requires)") && !said.contains("Bí mật"));
    let deep = Finding {
        path: "Patient.name[0].given[12]".to_owned(),
        wrong: Wrong::Empty,
    };
    assert_eq!(deep.anywhere(), "Patient.name.given");
}

#[test]
fn a_profile_can_close_a_choice_restrict_where_references_point_and_take_patterns() {
    let url = "http://x.example/obs";
    let definition = json!([{
        "url": url, "type": "Observation", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
        "differential": {"element": [
            {"id": "Observation.code", "patternCodeableConcept": {"coding": [{"code": "a"}]}},
            {"id": "Observation.subject", "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}]},
            {"id": "Observation.effective[x]", "type": [{"code": "Period"}]},
            {"id": "Observation.value[x]", "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "closed"}},
            {"id": "Observation.value[x]:valueQuantity", "type": [{"code": "Quantity"}]},
        ]},
    }]);
    let claims = [("Observation".to_owned(), vec![url.to_owned()])].into();
    let structure = Structure::read(&definition.to_string(), claims).unwrap();
    let missed = |change: fn(&mut Value)| {
        let mut observation = json!({
            "resourceType": "Observation", "status": "final",
            "code": {"coding": [{"code": "b"}, {"code": "a", "system": "s"}], "text": "x"},
            "subject": {"reference": "urn:key:Patient|1"},
            "effectivePeriod": {"start": "2026"},
            "valueQuantity": {"value": 1},
        });
        change(&mut observation);
        let checked = structure.check(&read(&observation.to_string()));
        assert_eq!(checked.faults, []);
        let (_, missed) = checked.missed.unwrap_or_default();
        missed
            .into_iter()
            .map(|found| (found.path, found.wrong))
            .collect::<Vec<_>>()
    };
    assert_eq!(missed(|_| ()), []);
    assert_eq!(
        missed(|o| o["code"] = json!({"text": "a"})),
        only("Observation.code", Wrong::NotFixed)
    );
    let group = missed(|o| o["subject"] = json!({"reference": "urn:key:Group|1"}));
    assert_eq!(group, only("Observation.subject", Wrong::Target));
    let moment = |o: &mut Value| {
        o.as_object_mut().unwrap().remove("effectivePeriod");
        o["effectiveDateTime"] = json!("2026");
    };
    assert_eq!(
        missed(moment),
        only("Observation.effectiveDateTime", Wrong::TypeNotAllowed)
    );
    let text = |o: &mut Value| {
        o.as_object_mut().unwrap().remove("valueQuantity");
        o["valueString"] = json!("1");
    };
    assert_eq!(missed(text), only("Observation.valueString", Wrong::NoSlice));
}

#[test]
fn a_required_binding_is_kept_as_far_as_the_set_tells_the_codes() {
    let url = "http://x.example/cond";
    let bound = |set: &str| json!({"strength": "required", "valueSet": format!("http://x.example/{set}|1.0")});
    let set = |name: &str, include: Value| json!({"resourceType": "ValueSet", "url": format!("http://x.example/{name}"), "compose": {"include": include}});
    let definition = json!([
        set("sites", json!([{"system": "s", "concept": [{"code": "a"}, {"code": "b"}]}, {"system": "all"}])),
        set("filtered", json!([{"system": "f", "filter": [{"property": "concept", "op": "is-a", "value": "1"}]}])),
        set("of-others", json!([{"system": "s", "valueSet": ["http://x.example/sites"]}])),
        {
            "url": url, "type": "Condition", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Condition",
            "differential": {"element": [
                {"id": "Condition.bodySite", "binding": bound("sites")},
                {"id": "Condition.severity", "binding": bound("filtered")},
                {"id": "Condition.code", "binding": bound("of-others")},
                {"id": "Condition.category", "slicing": {"discriminator": [{"type": "pattern", "path": "$this"}], "rules": "open"}},
                {"id": "Condition.category:site", "min": 1, "max": "1", "binding": bound("sites")},
                {"id": "Condition.evidence.code", "binding": bound("nowhere")},
                {"id": "Condition.onset[x]", "binding": bound("sites")},
                {"id": "Condition.stage.type", "binding": {"strength": "extensible", "valueSet": "http://x.example/sites"}},
            ]},
        },
    ]);
    let claims = [("Condition".to_owned(), vec![url.to_owned()])].into();
    let structure = Structure::read(&definition.to_string(), claims).unwrap();
    let missed = |change: Value| {
        let mut condition = json!({
            "resourceType": "Condition", "subject": {"reference": "urn:key:Patient|1"},
            "category": [{"coding": [{"system": "s", "code": "b"}]}, {"coding": [{"system": "x", "code": "b"}]}],
        });
        for (name, value) in change.as_object().unwrap() {
            condition[name] = value.clone();
        }
        let (_, missed) = structure
            .check(&read(&condition.to_string()))
            .missed
            .unwrap_or_default();
        missed
            .into_iter()
            .map(|found| (found.path, found.wrong))
            .collect::<Vec<_>>()
    };
    let concept = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    for kept in [
        json!({}),
        json!({"bodySite": [concept("s", "a"), concept("all", "whatever")]}),
        json!({"bodySite": [{"coding": [{"system": "x", "code": "a"}, {"system": "s", "code": "a"}]}]}),
        json!({"severity": concept("f", "77")}),
        json!({"code": concept("x", "y")}),
        json!({"evidence": [{"code": [concept("x", "y")]}]}),
        // Of no type that has a code.
        json!({"onsetString": "as a child"}),
        json!({"stage": [{"type": concept("x", "y"), "summary": {"text": "z"}}]}),
    ] {
        assert_eq!(missed(kept.clone()), [], "{kept}");
    }
    for site in [concept("s", "c"), concept("x", "a"), json!({"text": "a"})] {
        let found = missed(json!({"bodySite": [site]}));
        assert_eq!(found, only("Condition.bodySite[0]", Wrong::NotOfSet));
    }
    let found = missed(json!({"severity": concept("s", "a")}));
    assert_eq!(found, only("Condition.severity", Wrong::NotOfSet));
    // By its codes alone a slice is told from the others.
    let found = missed(json!({"category": [concept("x", "b")]}));
    assert_eq!(found, only("Condition.category:site", Wrong::TooFew(1)));
    let found = missed(json!({"category": [concept("s", "a"), concept("s", "b")]}));
    assert_eq!(found, only("Condition.category:site", Wrong::TooMany(1)));
}

#[test]
fn the_ministrys_reasons_for_a_service_are_coded_by_icd_10_or_snomed() {
    let moh = moh();
    let reason = |system: &str| {
        let request = json!({
            "resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": {"reference": "urn:key:Patient|1"},
            "reasonCode": [{"coding": [{"system": system, "code": "J18.9"}]}],
        });
        let (_, missed) = moh.check(&read(&request.to_string())).missed.unwrap_or_default();
        missed.iter().any(|found| found.wrong == Wrong::NotOfSet)
    };
    assert!(!reason("http://hl7.org/fhir/sid/icd-10"));
    assert!(reason("http://example.org/icd-10"));
}
