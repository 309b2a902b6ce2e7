//! The report as sheets of cells: what every form of it shows, so that all of them say the same.

use std::collections::BTreeMap;

use vhr_core::config::Site;
use vhr_core::figures::{Book, By, Department, Figures, Sent, Share};
use vhr_core::said;
use vhr_core::say::Said;

use super::definitions;
use super::gather::Gathered;
use crate::endpoint;

/// So many of the rules most often broken are told.
const RULES: usize = 10;

/// A report, whatever it is written as.
pub(super) struct Report {
    pub(super) title: Said,
    /// What has to be known before any figure is read.
    pub(super) notes: Vec<Said>,
    pub(super) sheets: Vec<Sheet>,
    /// What each figure means.
    pub(super) definitions: Vec<Said>,
}

/// A table of it.
pub(super) struct Sheet {
    /// For programs, and the first cell of each row in CSV.
    pub(super) key: &'static str,
    pub(super) title: Said,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// What stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Count(u64),
    /// More (or less) than before.
    Change(i64),
    Share(Share),
    /// Tenths of a percentage point more than before; none where one of the two is none.
    Points(Option<i64>),
}

/// All of the report, for a site at a time.
pub(super) fn report(site: &Site, now: &str, gathered: &Gathered) -> Report {
    let book = &gathered.book;
    let (first, last, before) = (book.period.first(), book.period.last(), book.period.before());
    let (before_first, before_last) = (before.first(), before.last());
    let sum = book.sum();
    let (facility, name) = (&site.facility, &site.name);
    let mut notes = vec![
        said!("Cơ sở {facility} {name}", "Facility {facility} {name}"),
        said!("Lập lúc {now}", "Made at {now}"),
        said!(
            "Kỳ trước: {before_first} đến {before_last}",
            "The period before: {before_first} to {before_last}"
        ),
    ];
    let forgotten = sum.forgotten() + book.before.forgotten();
    if forgotten > 0 {
        notes.push(said!(
            "Không còn biết nhắc nhở và khoa của {forgotten} hồ sơ: bản lưu đã xóa theo thời hạn (keep) hoặc không đọc được. Số hồ sơ \
             và biên nhận vẫn đủ.",
            "Remarks and departments of {forgotten} records are not known any more: what was kept of them was let go (keep) or does not \
             read. Their counts and receipts still are."
        ));
    }
    match &gathered.known_since {
        Some(since) if *since > before_first => notes.push(said!(
            "Nhật ký chỉ biết từ ngày {since}: trước đó không còn biết gì, hoặc chưa có gì.",
            "The journal tells from {since} on: nothing before is known any more, or nothing was there."
        )),
        Some(_) => {}
        None => notes.push(said!("Nhật ký chưa ghi tệp nào.", "The journal tells of no file.")),
    }
    if gathered.damaged > 0 {
        let damaged = gathered.damaged;
        notes.push(said!(
            "{damaged} đoạn nhật ký không đọc được, số liệu có thể thiếu: xem `queue verify`.",
            "{damaged} stretches of the journal do not read, so figures may be too low: see `queue verify`."
        ));
    }
    Report {
        title: said!(
            "Báo cáo gửi dữ liệu từ {first} đến {last}",
            "Report of what was sent, {first} to {last}"
        ),
        notes,
        sheets: vec![
            totals(&sum, &book.before),
            endpoints(book, &sum),
            days(book),
            departments(book),
            reasons(book),
            rules(book, &sum),
        ],
        definitions: definitions::all(),
    }
}

fn totals(sum: &Figures, before: &Figures) -> Sheet {
    let count = |label: Said, part: fn(&Figures) -> u64| {
        let (now, then) = (part(sum), part(before));
        let change = i64::try_from(now).unwrap_or(i64::MAX) - i64::try_from(then).unwrap_or(i64::MAX);
        vec![label.into(), Cell::Count(now), Cell::Count(then), Cell::Change(change)]
    };
    let share = |label: Said, part: fn(&Figures) -> Share| compared(label.into(), part(sum), part(before));
    Sheet {
        key: "totals",
        title: said!("Tổng hợp", "Totals"),
        head: head([
            said!("chỉ tiêu", "figure"),
            said!("kỳ này", "this period"),
            said!("kỳ trước", "before"),
            said!("thay đổi", "change"),
        ]),
        rows: vec![
            count(said!("tệp", "files"), |of| of.files),
            count(
                said!("tệp hỏng hoặc thiếu phần cuối", "files set aside"),
                |of| of.files_set_aside,
            ),
            count(said!("hồ sơ tìm thấy", "seen"), |of| of.seen),
            count(said!("hồ sơ nhận", "accepted"), |of| of.accepted),
            count(said!("trong đó đã biết, không gửi lại", "known already"), |of| of.known),
            count(said!("không chuyển đổi được", "refused"), |of| of.refused),
            count(said!("không đọc được, để riêng", "set aside"), |of| {
                of.set_aside
            }),
            share(said!("đủ: nhận / tìm thấy", "complete"), Figures::complete),
            count(said!("hồ sơ sạch", "clean records"), |of| of.clean),
            share(said!("sạch: sạch / còn đọc được", "clean"), Figures::clean),
            count(
                said!("không còn biết nhắc nhở", "not known any more"),
                Figures::forgotten,
            ),
        ],
    }
}

fn endpoints(book: &Book, sum: &Figures) -> Sheet {
    let rows = book.endpoints().into_iter().map(|endpoint| {
        let of = |figures: &Figures| figures.endpoints.get(&endpoint).copied().unwrap_or_default();
        let (now, before) = (of(sum), of(&book.before));
        let mut row: Vec<Cell> = vec![Cell::Text(endpoint.clone())];
        let counts = [
            now.due(),
            now.delivered,
            now.open,
            now.refused,
            now.held,
            now.stuck,
            now.dropped,
            now.superseded,
        ];
        row.extend(counts.map(Cell::Count));
        row.extend(shares(now.arrived(), before.arrived()));
        row.push(Cell::Count(now.timed));
        row.push(Cell::Count(now.live));
        row.extend(shares(now.live(), before.live()));
        row
    });
    Sheet {
        key: "endpoints",
        title: said!("Theo nơi nhận", "By endpoint"),
        head: head([
            said!("nơi nhận", "endpoint"),
            said!("phải gửi", "due"),
            said!("đã gửi", "sent"),
            said!("đang chờ", "waiting"),
            said!("nơi nhận từ chối", "refused there"),
            said!("bị giữ lại", "held by us"),
            said!("vướng", "stuck"),
            said!("thôi gửi", "given up"),
            said!("có bản mới hơn", "superseded"),
            said!("đủ: đã gửi / phải gửi", "sent of due"),
            said!("kỳ trước", "before"),
            said!("thay đổi", "change"),
            said!("biết lúc ra viện", "end known"),
            said!("gửi trong 24 giờ", "within 24 h"),
            said!("sống: trong 24 giờ / biết lúc ra viện", "live"),
            said!("sống kỳ trước", "live before"),
            said!("thay đổi", "change"),
        ]),
        rows: rows.collect(),
    }
}

fn days(book: &Book) -> Sheet {
    let endpoints = book.endpoints();
    let mut columns = head([
        said!("ngày", "day"),
        said!("tìm thấy", "seen"),
        said!("nhận", "accepted"),
        said!("đủ", "complete"),
        said!("sạch", "clean"),
    ]);
    columns.extend(endpoints.iter().flat_map(|endpoint| {
        let (due, sent, share) = (
            said!("phải gửi", "due"),
            said!("đã gửi", "sent"),
            said!("đủ", "sent of due"),
        );
        [due, sent, share].map(|label| format!("{endpoint}: {label}"))
    }));
    let rows = book.days.iter().map(|(day, figures)| {
        let mut row = vec![
            Cell::Text(day.clone()),
            Cell::Count(figures.seen),
            Cell::Count(figures.accepted),
            Cell::Share(figures.complete()),
            Cell::Share(figures.clean()),
        ];
        row.extend(sent(&endpoints, &figures.endpoints, |sent| {
            [
                Cell::Count(sent.due()),
                Cell::Count(sent.delivered),
                Cell::Share(sent.arrived()),
            ]
        }));
        row
    });
    Sheet {
        key: "days",
        title: said!("Theo ngày", "By day"),
        rows: rows.collect(),
        head: columns,
    }
}

fn departments(book: &Book) -> Sheet {
    let endpoints = book.endpoints();
    let mut columns = head([
        said!("khoa", "department"),
        said!("nhận", "accepted"),
        said!("sạch", "clean records"),
        said!("tỷ lệ sạch", "clean"),
        said!("không dùng được", "refused or set aside"),
    ]);
    columns.extend(endpoints.iter().flat_map(|endpoint| {
        let labels = [
            said!("phải gửi", "due"),
            said!("đã gửi", "sent"),
            said!("nơi nhận từ chối", "refused there"),
            said!("bị giữ lại", "held by us"),
        ];
        labels.map(|label| format!("{endpoint}: {label}"))
    }));
    let rows = book.departments.iter().map(|(department, of)| {
        let clean = Share {
            part: of.clean,
            of: of.looked_at,
        };
        let mut row = vec![
            Cell::Text(named(department)),
            Cell::Count(of.accepted),
            Cell::Count(of.clean),
            Cell::Share(clean),
            Cell::Count(of.aside),
        ];
        row.extend(sent(&endpoints, &of.endpoints, |sent| {
            [sent.due(), sent.delivered, sent.refused, sent.held].map(Cell::Count)
        }));
        row
    });
    Sheet {
        key: "departments",
        title: said!("Theo khoa", "By department"),
        rows: rows.collect(),
        head: columns,
    }
}

fn reasons(book: &Book) -> Sheet {
    let rows = book.reasons.iter().map(|(reason, records)| {
        vec![
            by(reason.by).into(),
            Cell::Text(if reason.code.is_empty() {
                said!("không còn biết", "not known any more").to_string()
            } else {
                reason.code.clone()
            }),
            Cell::Text(reason.endpoint.clone()),
            Cell::Text(named(&reason.department)),
            Cell::Count(*records),
            Cell::Text(reason.answer.map(|code| code.to_string()).unwrap_or_default()),
            Cell::Text(
                reason
                    .answer
                    .map(endpoint::of_code)
                    .map(|said| said.to_string())
                    .unwrap_or_default(),
            ),
        ]
    });
    Sheet {
        key: "reasons",
        title: said!("Vì sao không đến nơi", "Why it did not arrive"),
        head: head([
            said!("ai", "by"),
            said!("mã lý do", "reason"),
            said!("nơi nhận", "endpoint"),
            said!("khoa", "department"),
            said!("hồ sơ", "records"),
            said!("mã trả lời", "answer"),
            said!("nghĩa của mã", "what it means"),
        ]),
        rows: rows.collect(),
    }
}

fn rules(book: &Book, sum: &Figures) -> Sheet {
    let rows = book.most_broken(RULES).into_iter().map(|(code, broken)| {
        let share = Share {
            part: broken.records,
            of: sum.looked_at,
        };
        let severity = if broken.is_error {
            said!("lỗi", "error")
        } else {
            said!("cảnh báo", "warning")
        };
        vec![
            Cell::Text(code.to_owned()),
            severity.into(),
            Cell::Count(broken.records),
            Cell::Share(share),
            Cell::Text(broken.text.clone()),
        ]
    });
    Sheet {
        key: "rules",
        title: said!("Mười quy tắc hay sai nhất", "The ten rules most often broken"),
        head: head([
            said!("quy tắc", "rule"),
            said!("mức", "severity"),
            said!("hồ sơ", "records"),
            said!("tỷ lệ", "share"),
            said!("nội dung, lần gặp đầu", "what it says, as first met"),
        ]),
        rows: rows.collect(),
    }
}

/// The cells of each endpoint, in their order, for one row.
fn sent<const N: usize>(
    endpoints: &[String],
    of: &BTreeMap<String, Sent>,
    cells: impl Fn(Sent) -> [Cell; N],
) -> Vec<Cell> {
    let each = endpoints
        .iter()
        .map(|endpoint| of.get(endpoint).copied().unwrap_or_default());
    each.flat_map(cells).collect()
}

fn compared(label: Cell, now: Share, before: Share) -> Vec<Cell> {
    std::iter::once(label).chain(shares(now, before)).collect()
}

fn shares(now: Share, before: Share) -> [Cell; 3] {
    [Cell::Share(now), Cell::Share(before), Cell::Points(now.since(before))]
}

fn named(department: &Department) -> String {
    match department {
        Department::Code(code) => code.clone(),
        Department::Unnamed => said!("không ghi", "not told").to_string(),
        Department::Forgotten => said!("không còn biết", "not known any more").to_string(),
    }
}

fn by(by: By) -> Said {
    match by {
        By::SetAside => said!("không đọc được, để riêng", "set aside"),
        By::Mapping => said!("không chuyển đổi được", "refused"),
        By::Us => said!("chương trình giữ lại", "by us"),
        By::Receiver => said!("nơi nhận", "by the receiver"),
        By::Person => said!("người quyết định", "by a person"),
    }
}

fn head<const N: usize>(labels: [Said; N]) -> Vec<String> {
    labels.map(|label| label.to_string()).into()
}

impl From<Said> for Cell {
    fn from(said: Said) -> Self {
        Self::Text(said.to_string())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report of one sheet with one row, for those that write it.
    pub(in crate::cli::report) fn one_sheet(row: Vec<Cell>) -> Report {
        Report {
            title: said!("Báo cáo", "Report"),
            notes: vec![],
            sheets: vec![Sheet {
                key: "totals",
                title: said!("Tổng hợp", "Totals"),
                head: row.iter().map(|_| "cột <a>".to_owned()).collect(),
                rows: vec![row],
            }],
            definitions: vec![said!("Đủ & sạch", "Complete & clean")],
        }
    }

    #[test]
    fn what_is_not_known_any_more_is_told_and_not_left_out() {
        let mut book = Book::new(vhr_core::figures::Period::read("2026-11-02", "2026-11-02").unwrap());
        let counts = Figures {
            seen: 4,
            accepted: 4,
            ..Figures::default()
        };
        book.file("2026-11-02", &counts);
        book.forgotten("2026-11-02", 4);
        let gathered = Gathered {
            book,
            known_since: Some("2026-11-02".into()),
            damaged: 1,
        };
        let site = Site {
            facility: "79999".into(),
            name: "Bệnh viện Ví Dụ".into(),
            timezone: "Asia/Ho_Chi_Minh".parse().unwrap(),
            language: vhr_core::say::Language::Vi,
        };
        let report = report(&site, "2026-11-03 08:00:00", &gathered);
        let notes: Vec<&str> = report.notes.iter().map(|note| note.en.as_str()).collect();
        assert!(
            notes
                .iter()
                .any(|note| note.contains("of 4 records are not known any more")),
            "{notes:?}"
        );
        assert!(
            notes.iter().any(|note| note.contains("tells from 2026-11-02 on")),
            "{notes:?}"
        );
        assert!(notes.iter().any(|note| note.starts_with("1 stretches")), "{notes:?}");
        for sheet in &report.sheets {
            assert!(
                sheet.rows.iter().all(|row| row.len() == sheet.head.len()),
                "{}",
                sheet.key
            );
        }
        let departments = report.sheets.iter().find(|sheet| sheet.key == "departments").unwrap();
        assert_eq!(
            departments.rows[0][0],
            Cell::Text("không còn biết (not known any more)".into())
        );
        assert_eq!(departments.rows[0][1], Cell::Count(4));
    }
}
