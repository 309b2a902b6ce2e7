//! The treatment of tuberculosis: XML15, and what XML6 says of it. An episode and a regimen where somebody is treated,
//! and the classes of the disease.

use crate::finding::{Finding, Performer, Value};
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
        hiv_of_old(source, draft, line);
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
        let key = [&line.key(), "-LAO"].concat();
        let episode = Episode {
            key,
            about: "Điều trị lao",
            kind: None,
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

/// The days of HIV that both tables have: when it was confirmed, and since when two drugs are taken.
pub(crate) fn hiv_of_old<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let confirmed = draft.date_time(line, "NGAYKD_HIV");
    Finding::new(line, "HIV", "Khẳng định nhiễm HIV")
        .category("laboratory", "Laboratory")
        .when(confirmed)
        .performer(line.get("NOI_XN_KD").map(Performer::Facility))
        .value(confirmed.map(|_| Value::Text("Đã khẳng định nhiễm HIV")))
        .text("NOI_LAY_MAU_XN")
        .text("NOI_XN_KD")
        .put(source, draft);
    let mut cotrimoxazole = Regimen::new(line, "CTX", "", "Cotrimoxazole");
    cotrimoxazole.start = draft.date_time(line, "NGAY_BAT_DAU_DT_CTX");
    cotrimoxazole.put(source, draft);
    let mut first = Regimen::new(line, "ARV-BD", "MA_PHAC_DO_DIEU_TRI_BD", "Phác đồ ARV ban đầu");
    first.start = draft.date_time(line, "BDDT_ARV");
    first.begun_at = line.get("NOI_BDDT_ARV");
    first.step = line.get("MA_BAC_PHAC_DO_BD").map(|code| ("MA_BAC_PHAC_DO_BD", code));
    first.put(source, draft);
}
