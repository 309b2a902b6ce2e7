//! The papers of a stay: discharge paper (XML7), summary of the record (XML8), and the certificates of maternity rest
//! (XML10) and sick leave (XML11). What they say beyond the visit: leaves of absence, the end of a pregnancy, children
//! born, and numbers of the person.

use vhr_plugin_sdk::Decimal;

use crate::finding::{Finding, Value, flag};
use crate::papers::{self, Paper};
use crate::source::{Draft, Line, Source};

const CARD: &str = "Mã thẻ bảo hiểm y tế tạm thời";
const INSURED: &str = "Mã số bảo hiểm xã hội";

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for line in source.lines("XML7") {
        let leave = Leave {
            about: "Nghỉ ngoại trú sau khi ra viện",
            days: "SO_NGAY_NGHI",
            from: "NGOAITRU_TUNGAY",
            to: "NGOAITRU_DENNGAY",
        };
        leave.put(source, draft, line);
        pregnancy(source, draft, line);
        paper(source, draft, line, &["SO_LUU_TRU"], ("MA_BS", "TEN_BS"));
    }
    for line in source.lines("XML8") {
        Finding::new(line, "SINH_CON", "Sinh con")
            .when(line.moment("NGAY_CT"))
            .date(draft, "NGAY_SINHCON")
            .date(draft, "NGAY_CONCHET")
            .number(draft, "SO_CONCHET")
            .put(source, draft);
        paper(source, draft, line, &[], ("", ""));
    }
    for line in source.lines("XML10") {
        let leave = Leave {
            about: "Nghỉ dưỡng thai",
            days: "SO_NGAY",
            from: "TU_NGAY",
            to: "DEN_NGAY",
        };
        leave.put(source, draft, line);
        paper(source, draft, line, &["SO_SERI", "SO_CT"], ("MA_BS", "TEN_BS"));
    }
    for line in source.lines("XML11") {
        let leave = Leave {
            about: "Nghỉ việc hưởng bảo hiểm xã hội",
            days: "SO_NGAY_NGHI",
            from: "TU_NGAY",
            to: "DEN_NGAY",
        };
        leave.put(source, draft, line);
        pregnancy(source, draft, line);
        paper(
            source,
            draft,
            line,
            &["SO_CT", "SO_SERI", "SO_KCB", "MAU_SO"],
            ("MA_BS", ""),
        );
    }
}

fn paper<'a>(
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    line: Line<'a>,
    numbers: &[&'static str],
    author: (&str, &str),
) {
    // On a child's paper the social insurance number is the one of the parent who stays at home.
    let parent = line.get("MA_BHXH").filter(|_| is_of_a_child(line));
    let related = [
        ("Coverage", CARD, line.get("MA_THE_TAM")),
        ("RelatedPerson", INSURED, parent),
    ];
    let paper = Paper {
        numbers,
        made: "NGAY_CT",
        author,
        related: &related,
        ..Paper::default()
    };
    papers::put(source, draft, line, &paper);
}

/// The fields of a leave of absence.
struct Leave {
    about: &'static str,
    days: &'static str,
    from: &'static str,
    to: &'static str,
}

impl Leave {
    fn put<'a>(&self, source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
        let (from, to) = (draft.date_time(line, self.from), draft.date_time(line, self.to));
        let to = draft.ordered(line, self.to, from, to);
        let during = from.or(to).map(|_| Value::During(from, to));
        // A leave of no days is a form left empty.
        let days = draft
            .decimal(line, self.days)
            .filter(|_| line.get(self.days) != Some("0"));
        Finding::new(line, "NGHI", self.about)
            .when(line.moment("NGAY_CT"))
            .value(during)
            .part(
                line.name_of(self.days),
                days.map(|days| Value::Measured(days, "ngày", "d")),
            )
            .put(source, draft);
    }
}

/// The end of a pregnancy before its time.
fn pregnancy<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let ended = flag(draft, line, "MA_DINH_CHI_THAI");
    let when = draft.date_time(line, "THOIGIAN_DINHCHI");
    let weeks = weeks(draft, line);
    if ended != Some(true) && when.is_none() && weeks.is_none() && line.get("NGUYENNHAN_DINHCHI").is_none() {
        return;
    }
    Finding::new(line, "DINH_CHI_THAI", "Đình chỉ thai nghén")
        .when(when)
        .value(ended.map(Value::Flag))
        .text("NGUYENNHAN_DINHCHI")
        .part(
            line.name_of("TUOI_THAI"),
            weeks.map(|weeks| Value::Measured(weeks, "tuần", "wk")),
        )
        .put(source, draft);
}

fn weeks<'a>(draft: &mut Draft<'a>, line: Line<'a>) -> Option<Decimal<'a>> {
    draft
        .decimal(line, "TUOI_THAI")
        .filter(|_| line.get("TUOI_THAI") != Some("0"))
}

/// The number of the person at the social insurance, where a paper of the person's own has it.
pub(crate) fn social_insurance<'a>(source: &Source<'a>) -> Option<&'a str> {
    let own = source.lines("XML11").filter(|line| !is_of_a_child(*line));
    own.filter_map(|line| line.get("MA_BHXH")).next()
}

/// The medical code on the discharge paper, which should be the patient's number and may not be.
pub(crate) fn medical_code<'a>(source: &Source<'a>) -> Option<&'a str> {
    source.lines("XML7").find_map(|line| line.get("MA_YTE"))
}

/// The number under which the record is kept.
pub(crate) fn archive_number<'a>(source: &Source<'a>) -> Option<&'a str> {
    source.lines("XML7").find_map(|line| line.get("SO_LUU_TRU"))
}

/// Where the person works, each place once.
pub(crate) fn employers<'a>(source: &Source<'a>) -> Vec<&'a str> {
    let papers = ["XML8", "XML10", "XML11"]
        .into_iter()
        .flat_map(|table| source.lines(table));
    let mut found = papers
        .filter(|line| !is_of_a_child(*line))
        .filter_map(|line| line.get("DON_VI"))
        .collect::<Vec<_>>();
    found.sort_unstable();
    found.dedup();
    found
}

/// A paper that names parents or a guardian is one of a child.
fn is_of_a_child(line: Line<'_>) -> bool {
    ["HO_TEN_CHA", "HO_TEN_ME", "NGUOI_GIAM_HO"]
        .iter()
        .any(|field| line.get(field).is_some())
}
