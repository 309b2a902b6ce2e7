//! The treatment of tuberculosis: XML15, and what XML6 says of it. An episode and a regimen where somebody is treated,
//! and the classes of the disease.

use crate::finding::Finding;
use crate::hiv;
use crate::source::{Draft, Line, Source};
use crate::treatment::{Episode, Regimen};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for line in source.lines("XML15") {
        let facility = line.get("MA_CSKCB");
        let classes = Finding::new(line, "LAO", "Phân loại bệnh lao")
            .codes("PHANLOAI_LAO_VITRI")
            .codes("PHANLOAI_LAO_TS")
            .codes("PHANLOAI_LAO_HIV")
            .codes("PHANLOAI_LAO_VK")
            .codes("PHANLOAI_LAO_KT");
        treatment(source, draft, line, classes, "KET_QUA_DTRI_LAO", facility);
        hiv::history(source, draft, line);
    }
}

/// The treatment that a row tells of; `classes` gets its kind and result.
pub(crate) fn treatment<'a>(
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    line: Line<'a>,
    classes: Finding<'a>,
    result: &'static str,
    facility: Option<&'a str>,
) {
    let start = draft.date_time(line, "NGAYBD_DTRI_LAO");
    let end = draft.date_time(line, "NGAYKT_DTRI_LAO");
    let end = draft.ordered(line, "NGAYKT_DTRI_LAO", start, end);
    classes
        .when(source.admitted)
        .codes("LOAI_DTRI_LAO")
        .codes(result)
        .put(source, draft);
    if start.is_some() || end.is_some() || line.get("PHACDO_DTRI_LAO").is_some() {
        let since = start.map_or_else(String::new, |start| ["-", start.as_str()].concat());
        let key = ["LAO-", source.patient, &since].concat();
        let episode = Episode {
            key,
            about: "Điều trị lao",
            start,
            end,
            at: facility,
        };
        episode.put(source, draft);
    }
    let mut regimen = Regimen::new(line, "LAO", "PHACDO_DTRI_LAO", "Phác đồ điều trị lao");
    (regimen.start, regimen.end) = (start, end);
    regimen.put(source, draft);
}
