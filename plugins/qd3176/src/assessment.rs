//! XML12: what a medical assessment board found, who had asked for it, and what it tells of the person.
//!
//! The table has no key of the visit. Beside other tables it counts only where it names nobody else than the visit does.

use vhr_plugin_sdk::resource;

use crate::fhir::wording;
use crate::finding::{Finding, Performer, Value};
use crate::papers::{self, Paper};
use crate::person::Issued;
use crate::source::{ASSESSMENT, Draft, Line, Source, same_name};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for line in source.lines(ASSESSMENT) {
        if !is_ours(source, line) {
            draft.issues.warning(
                "QD3176-PERSON",
                &line.path("HO_TEN"),
                "Họ tên khác với người bệnh của hồ sơ; bỏ qua dòng này",
                "names somebody else than the visit does; the row is left out",
            );
            continue;
        }
        let request = request(source, draft, line);
        let met = draft.date_time(line, "NGAY_HOP");
        let chair = line.get("NGUOI_CHU_TRI");
        Finding::new(line, "GIAM_DINH", "Giám định y khoa")
            .category("exam", "Exam")
            .when(met)
            .based_on(request)
            .performer(chair.map(|name| Performer::Named(name.to_owned())))
            .value(line.get("KET_QUA_KHAM").map(Value::Text))
            .codes("CHUC_VU")
            .codes("MA_DOI_TUONG")
            .codes("KHAM_GIAM_DINH")
            .codes("DANG_HUONG_CHE_DO")
            .measured(draft, "TYLE_TTCT_CU", "%", "%")
            .measured(draft, "TYLE_TTCT_MOI", "%", "%")
            .measured(draft, "TONG_TYLE_TTCT", "%", "%")
            .codes("DANG_KHUYETTAT")
            .codes("MUC_DO_KHUYETTAT")
            .text("DE_NGHI")
            .text("DUOC_XACDINH")
            .put(source, draft);
        let paper = Paper {
            numbers: &["SO_BIEN_BAN", "SO_VAN_BAN_CAN_CU"],
            made: "NGAY_CHUNG_TU",
            author: ("", "NGUOI_CHU_TRI"),
            ..Paper::default()
        };
        papers::put(source, draft, line, &paper);
    }
}

/// Who sent the person to the board, and when.
fn request<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) -> Option<String> {
    let (number, code, name) = (
        line.get("SO_GIAY_GIOI_THIEU"),
        line.get("MA_DONVI"),
        line.get("GIOI_THIEU_CUA"),
    );
    let asked = draft.date_time(line, "NGAY_DE_NGHI");
    if number.or(code).or(name).is_none() && asked.is_none() {
        return None;
    }
    let json = resource("ServiceRequest", |o| {
        o.array("identifier", |a| papers::number(a, "Số giấy giới thiệu", number));
        o.text("status", "completed");
        o.text("intent", "order");
        wording(o, "code", "Giám định y khoa");
        o.reference("subject", "Patient", source.patient);
        o.moment("authoredOn", asked);
        if code.or(name).is_some() {
            o.object("requester", |o| {
                o.text("type", "Organization");
                o.object("identifier", |o| o.maybe("value", code));
                o.maybe("display", name);
            });
        }
    });
    let key = line.key();
    draft.put("ServiceRequest", key.clone(), json);
    Some(key)
}

/// The citizen id that the assessment knows more of, and what it knows.
pub(crate) fn citizen_id<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> Option<(&'a str, Issued<'a>)> {
    let line = ours(source).find(|line| line.get("SO_CCCD").is_some())?;
    let issued = Issued {
        day: draft.date_time(line, "NGAY_CAP_CCCD"),
        by: line.get("NOI_CAP_CCCD"),
    };
    Some((line.get("SO_CCCD")?, issued))
}

pub(crate) fn social_insurance<'a>(source: &Source<'a>) -> Option<&'a str> {
    ours(source).find_map(|line| line.get("MA_BHXH"))
}

pub(crate) fn phone<'a>(source: &Source<'a>) -> Option<&'a str> {
    ours(source).find_map(|line| line.get("DIEN_THOAI"))
}

fn ours<'a>(source: &Source<'a>) -> impl Iterator<Item = Line<'a>> {
    source.lines(ASSESSMENT).filter(|line| is_ours(source, *line))
}

fn is_ours(source: &Source<'_>, line: Line<'_>) -> bool {
    let known = source.told("HO_TEN").get("HO_TEN");
    match (known, line.get("HO_TEN")) {
        (Some(known), Some(named)) => same_name(known, named),
        _ => true,
    }
}
