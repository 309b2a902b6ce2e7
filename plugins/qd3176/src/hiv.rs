//! XML6, HIV care: the episode, the regimens, tests, what is said of the person at this visit, and what is done.

use vhr_plugin_sdk::{list, resource};

use crate::fhir::{national_body, period};
use crate::finding::{Finding, Performer, Value};
use crate::source::{Draft, ENCOUNTER, Line, Source};
use crate::treatment::{Episode, Regimen};
use crate::tuberculosis;

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for line in source.lines("XML6") {
        let episode = Episode {
            key: ["HIV-", source.patient].concat(),
            about: "Chăm sóc và điều trị HIV/AIDS",
            start: None,
            end: None,
            at: line.get("MA_CSKCB"),
        };
        episode.put(source, draft);
        history(source, draft, line);
        let mut regimen = Regimen::new(line, "ARV", "MA_PHAC_DO_DIEU_TRI", "Phác đồ ARV hiện tại");
        regimen.start = draft.date_time(line, "NGAY_CHUYEN_PHAC_DO");
        regimen.step = line.get("MA_BAC_PHAC_DO").map(|code| ("MA_BAC_PHAC_DO", code));
        regimen.reason = line
            .get("LY_DO_CHUYEN_PHAC_DO")
            .map(|code| ("LY_DO_CHUYEN_PHAC_DO", code));
        regimen.days = draft.decimal(line, "SO_NGAY_CAP_THUOC_ARV");
        regimen.put(source, draft);
        Finding::new(line, "TINH_TRANG", "Tình trạng chăm sóc HIV/AIDS khi đến khám")
            .when(source.admitted)
            .codes("MA_LOAI_BN")
            .codes("MA_LYDO_DTRI")
            .codes("GIAI_DOAN_LAM_SANG")
            .codes("NHOM_DOI_TUONG")
            .codes("MA_TINH_TRANG_DK")
            .date(draft, "NGAY_NHAN_TT_MANG_THAI")
            .put(source, draft);
        tests(source, draft, line);
        let screened = Finding::new(line, "LAO", "Tình trạng lao").codes("SANG_LOC_LAO");
        tuberculosis::treatment(source, draft, line, screened, "KQ_DTRI_LAO", line.get("MA_CSKCB"));
        care(source, draft, line);
    }
}

/// What XML6 and XML15 both tell: when HIV was confirmed, and since when two drugs are taken.
pub(crate) fn history<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let confirmed = draft.date_time(line, "NGAYKD_HIV");
    Finding::new(line, "HIV", "Khẳng định nhiễm HIV")
        .loinc("55277-8", "HIV status")
        .category("laboratory", "Laboratory")
        .when(confirmed)
        .performer(line.get("NOI_XN_KD").map(Performer::Facility))
        .value(confirmed.map(|_| Value::Words("Đã khẳng định nhiễm HIV")))
        .text("NOI_LAY_MAU_XN")
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

fn tests<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let code = |field| line.get(field).map(|code| Value::Code(field, code));
    Finding::new(line, "TAI_LUONG_VR", "Tải lượng vi rút HIV")
        .category("laboratory", "Laboratory")
        .when(draft.date_time(line, "NGAY_XN_TLVR"))
        .value(code("KQ_XNTL_VR"))
        .codes("MA_LYDO_XNTL_VR")
        .date(draft, "NGAY_KQ_XN_TLVR")
        .put(source, draft);
    Finding::new(line, "PCR", "Xét nghiệm PCR HIV")
        .category("laboratory", "Laboratory")
        .when(draft.date_time(line, "NGAY_XN_PCR"))
        .value(code("MA_KQ_XN_PCR"))
        .number(draft, "LAN_XN_PCR")
        .date(draft, "NGAY_KQ_XN_PCR")
        .put(source, draft);
}

/// What is done about it.
fn care<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let start = draft.date_time(line, "NGAY_BAT_DAU_XU_TRI");
    let end = draft.date_time(line, "NGAY_KET_THUC_XU_TRI");
    let end = draft.ordered(line, "NGAY_KET_THUC_XU_TRI", start, end);
    let codes = line.get("MA_XU_TRI");
    if codes.is_none() && start.is_none() && end.is_none() {
        return;
    }
    let json = resource("CarePlan", |o| {
        o.text("status", if source.is_over(end) { "completed" } else { "active" });
        o.text("intent", "plan");
        o.text("title", "Xử trí HIV/AIDS");
        o.reference("subject", "Patient", source.patient);
        o.reference("encounter", "Encounter", ENCOUNTER);
        period(o, "period", start, end);
        o.array("activity", |a| {
            for code in list(codes) {
                a.object(|o| {
                    o.object("detail", |o| {
                        o.object("code", |o| national_body(o, source, "MA_XU_TRI", "Xử trí", code));
                        o.text("status", "unknown");
                    });
                });
            }
        });
    });
    draft.put("CarePlan", [&line.key(), "-XU_TRI"].concat(), json);
}
