//! The pieces that a person is made of, whoever it is: the patient, a child born in the visit, a parent.

use vhr_plugin_sdk::{Array, Moment, Object, list};

use crate::fhir::{ABSENT, coding, identifier_body, is_code, period, plain_extension};
use crate::source::{Draft, Line, Source};

/// When and by whom a document that shows who somebody is was issued.
#[derive(Clone, Copy, Default)]
pub(crate) struct Issued<'a> {
    pub(crate) day: Option<Moment>,
    pub(crate) by: Option<&'a str>,
}

/// A Patient's name, never split; `usage` where it is not the usual one.
pub(crate) fn patient_name(o: &mut Object<'_>, source: &Source<'_>, text: Option<&str>, usage: Option<&str>) {
    let requires = &source.profile.requires;
    if text.is_none() && !requires.patient_name {
        return;
    }
    o.array("name", |a| {
        a.object(|o| {
            o.maybe("use", usage.filter(|_| text.is_some()));
            match text {
                Some(name) => o.text("text", name),
                None => o.raw("_text", ABSENT),
            }
            if requires.patient_name_parts {
                o.raw("_family", ABSENT);
            }
        });
    });
}

/// A date of birth, and the moment where hour and minute are known.
pub(crate) type Birth = (Moment, Option<Moment>);

pub(crate) fn birth<'a>(draft: &mut Draft<'a>, line: Line<'a>, field: &str) -> Option<Birth> {
    let birth = Moment::birth(line.get(field)?).ok();
    if birth.is_none() {
        draft.bad_date(line, field);
    }
    birth
}

/// A Patient's birth.
pub(crate) fn write_birth(o: &mut Object<'_>, source: &Source<'_>, birth: Option<Birth>) {
    match birth {
        Some((date, moment)) => {
            o.text("birthDate", date.as_str());
            if let Some(moment) = moment {
                o.object("_birthDate", |o| {
                    o.array("extension", |a| {
                        plain_extension(a, source.profile.extensions.birth_time.as_ref(), |o| {
                            o.text("valueDateTime", moment.as_str());
                        });
                    });
                });
            }
        }
        None if source.profile.requires.patient_birth_date => o.raw("_birthDate", ABSENT),
        None => {}
    }
}

/// What the national code of a sex says. Of a Patient the set may want an answer.
pub(crate) fn gender<'a>(
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    line: Line<'a>,
    field: &str,
) -> Option<&'static str> {
    let nothing = source.profile.requires.patient_gender.then_some("unknown");
    match line.get(field) {
        Some("1") => Some("male"),
        Some("2") => Some("female"),
        Some("3") => Some("unknown"),
        Some(_) => {
            draft.unknown_code(line, field);
            nothing
        }
        None => nothing,
    }
}

/// A number of a citizen or a passport says what it is by its shape and the nationality; the first of each shape counts.
pub(crate) fn numbers<'a>(
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    a: &mut Array<'_>,
    (line, field): (Line<'a>, &str),
    nationality: Option<&str>,
    issued: impl Fn(&str) -> Issued<'a>,
) {
    let kinds = &source.profile.identifiers;
    // A foreigner's number of nine digits is no old Vietnamese one: passports have many shapes.
    let foreign = nationality.is_some_and(|code| !matches!(code, "000" | "VN"));
    let mut taken = [false; 3];
    for number in list(line.get(field)) {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (slot, kind) = match number.as_bytes() {
            [_, ..] if number.len() == 12 && digits(number) => (0, &kinds.citizen_id),
            [_, ..] if foreign && number.len() <= 20 && number.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                (2, &kinds.passport)
            }
            [_, ..] if number.len() == 9 && digits(number) => (1, &kinds.old_citizen_id),
            [letter, ..] if letter.is_ascii_alphabetic() && matches!(number.len(), 8 | 9) && digits(&number[1..]) => {
                (2, &kinds.passport)
            }
            _ => {
                draft.issues.warning(
                    "QD3176-ID-SHAPE",
                    &line.path(field),
                    "Số giấy tờ không đúng dạng CCCD, CMND hay hộ chiếu; bỏ qua",
                    "not the shape of a citizen id or passport; left out",
                );
                continue;
            }
        };
        if !std::mem::replace(&mut taken[slot], true) {
            let Issued { day, by } = issued(number);
            a.object(|o| {
                identifier_body(o, kind, number);
                period(o, "period", day, None);
                o.object("assigner", |o| o.maybe("display", by));
            });
        }
    }
}

/// Where somebody lives: words, and the national codes of province, district and commune.
pub(crate) struct Place<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) levels: [Option<&'a str>; 3],
}

pub(crate) fn address(o: &mut Object<'_>, source: &Source<'_>, place: &Place<'_>) {
    let Place { text, levels } = place;
    if text.is_none() && source.profile.requires.address_text {
        return;
    }
    let Some(extension) = &source.profile.extensions.address else {
        let [province, district, ward] = *levels;
        o.maybe("text", *text);
        // Names or codes, says FHIR; the codes are all there is.
        o.maybe("city", ward);
        o.maybe("district", district);
        o.maybe("state", province);
        return;
    };
    let urls = [&extension.province, &extension.district, &extension.ward];
    let system = source.profile.code_systems.administrative_area.as_deref();
    if levels.iter().any(|code| code.is_some_and(is_code)) {
        o.array("extension", |a| {
            a.object(|o| {
                o.array("extension", |a| {
                    for (url, code) in urls.into_iter().zip(levels) {
                        if let Some(code) = code.filter(|code| is_code(code)) {
                            a.object(|o| {
                                o.text("url", url);
                                o.object("valueCodeableConcept", |o| {
                                    o.array("coding", |a| coding(a, system, Some(code)));
                                });
                            });
                        }
                    }
                });
                o.text("url", &extension.url);
            });
        });
    }
    o.maybe("text", *text);
}
