//! A visit as the five tables XML1..XML5: every field, in the official order, empty ones as empty elements.

use quick_xml::escape::partial_escape;

use super::calendar::Minute;
use super::people::Card;
use super::visit::{Course, Money};

/// How a hospital's system writes its tables; none of it changes what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    /// Free text in CDATA sections rather than with escapes.
    pub(super) cdata: bool,
    pub(super) crlf: bool,
}

/// The five documents, each complete with its declaration and without a byte-order mark.
pub(super) fn write(course: &Course, style: Style) -> Vec<(&'static str, String)> {
    let mut tables = vec![("XML1", summary(course, style))];
    if !course.drugs.is_empty() {
        tables.push(("XML2", drugs(course, style)));
    }
    tables.push(("XML3", services(course, style)));
    if !course.results.is_empty() {
        tables.push(("XML4", results(course, style)));
    }
    tables.push(("XML5", notes(course, style)));
    tables
}

fn summary(course: &Course, style: Style) -> String {
    let Course { person, case, .. } = course;
    let inpatient = course.admitted.is_some();
    let cards = |of: fn(&Card) -> String| person.cards.iter().map(of).collect::<Vec<_>>().join(";");
    let all = || {
        course
            .drugs
            .iter()
            .map(|line| &line.money)
            .chain(course.services.iter().map(|line| &line.money))
    };
    let total = Money::total(all());
    let drugs = Money::total(course.drugs.iter().map(|line| &line.money));
    let supplies = Money::total(
        course
            .services
            .iter()
            .filter(|l| l.service.group == 10)
            .map(|line| &line.money),
    );
    let paid = course.paid.compact();
    let entitled = match person.cards.last() {
        None => "9",
        Some(card) if card.registered_at == course.facility => "1.1",
        Some(_) => "1.2",
    };
    let codes = || {
        course
            .services
            .iter()
            .map(|l| l.service.icd9)
            .filter(|code| !code.is_empty())
            .collect::<Vec<_>>()
    };
    let mut t = Table::open(style, &["TONG_HOP"], course);
    t.put("MA_LK", &course.key);
    t.put("STT", "1");
    t.put("MA_BN", &person.code);
    t.free("HO_TEN", &person.name);
    t.put("SO_CCCD", &person.citizen_id);
    t.put("NGAY_SINH", &person.birth());
    t.put("GIOI_TINH", if person.female { "2" } else { "1" });
    t.put("NHOM_MAU", person.blood);
    t.put("MA_QUOCTICH", "000");
    t.put("MA_DANTOC", "01");
    t.put("MA_NGHE_NGHIEP", person.job);
    t.free("DIA_CHI", &person.street);
    t.put("MATINH_CU_TRU", person.province);
    t.put("MAHUYEN_CU_TRU", "");
    t.put("MAXA_CU_TRU", person.commune);
    t.put("DIEN_THOAI", &person.phone);
    t.put("MA_THE_BHYT", &cards(|card| card.number.clone()));
    t.put("MA_DKBD", &cards(|card| card.registered_at.clone()));
    t.put("GT_THE_TU", &cards(|card| card.from.compact()));
    t.put("GT_THE_DEN", &cards(|card| card.to.compact()));
    t.put("NGAY_MIEN_CCT", "");
    t.free("LY_DO_VV", case.reason);
    t.free(
        "LY_DO_VNT",
        if inpatient {
            "Cần theo dõi và điều trị nội trú"
        } else {
            ""
        },
    );
    t.put("MA_LY_DO_VNT", "");
    t.free("CHAN_DOAN_VAO", &format!("{} - {}", case.code, case.name));
    t.free("CHAN_DOAN_RV", &format!("{} - {}", case.code, case.name));
    t.put("MA_BENH_CHINH", case.code);
    t.put("MA_BENH_KT", &case.others.join(";"));
    t.put("MA_BENH_YHCT", "");
    t.put("MA_PTTT_QT", &codes().join(";"));
    t.put("MA_DOITUONG_KCB", entitled);
    t.put("MA_NOI_DI", "");
    t.put("MA_NOI_DEN", "");
    t.put("MA_TAI_NAN", if case.code.starts_with('S') { "8" } else { "" });
    t.put("NGAY_VAO", &course.arrived.compact());
    t.put("NGAY_VAO_NOI_TRU", &at(course.admitted));
    t.put("NGAY_RA", &course.left.compact());
    t.put("GIAY_CHUYEN_TUYEN", "");
    t.put("SO_NGAY_DTRI", &course.days.to_string());
    t.free(
        "PP_DIEU_TRI",
        if inpatient {
            "Nội khoa, theo dõi tại khoa"
        } else {
            "Nội khoa, thuốc về nhà"
        },
    );
    t.put("KET_QUA_DTRI", if course.index.is_multiple_of(3) { "1" } else { "2" });
    t.put("MA_LOAI_RV", "1");
    t.free("GHI_CHU", "Uống thuốc theo đơn & tái khám khi có dấu hiệu bất thường");
    t.put("NGAY_TTOAN", &paid);
    t.money("T_THUOC", drugs.hospital);
    t.money("T_VTYT", supplies.hospital);
    t.money("T_TONGCHI_BV", total.hospital);
    t.money("T_TONGCHI_BH", total.insurance);
    t.money("T_BNTT", total.patient);
    t.money("T_BNCCT", total.copay);
    t.money("T_BHTT", total.fund);
    t.money("T_NGUONKHAC", 0);
    t.money("T_BHTT_GDV", total.fund);
    t.put("NAM_QT", &paid[..4]);
    t.put("THANG_QT", &paid[4..6]);
    t.put("MA_LOAI_KCB", if inpatient { "03" } else { "01" });
    t.put("MA_KHOA", if inpatient { "K01;K02" } else { "K01" });
    t.put("MA_CSKCB", &course.facility);
    t.put("MA_KHUVUC", "");
    t.put(
        "CAN_NANG",
        &format!("{}.{}0", person.weight_hectograms / 10, person.weight_hectograms % 10),
    );
    t.put("CAN_NANG_CON", "");
    t.put("NAM_NAM_LIEN_TUC", "");
    t.put(
        "NGAY_TAI_KHAM",
        &if inpatient {
            course.left.day().plus(14).compact()
        } else {
            String::new()
        },
    );
    t.put("MA_HSBA", &format!("HS{:08}", course.index));
    t.put("MA_TTDV", "7999990001");
    t.put("DU_PHONG", "");
    t.close()
}

fn drugs(course: &Course, style: Style) -> String {
    let mut t = Table::open(style, &["CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC"], course);
    for (nth, line) in course.drugs.iter().enumerate() {
        let drug = line.drug;
        t.row("CHI_TIET_THUOC", course, nth);
        t.put("MA_THUOC", drug.code);
        t.put("MA_PP_CHEBIEN", "");
        t.put("MA_CSKCB_THUOC", "");
        t.put("MA_NHOM", if drug.covered { "4" } else { "5" });
        t.free("TEN_THUOC", drug.name);
        t.put("DON_VI_TINH", drug.unit);
        t.free("HAM_LUONG", drug.strength);
        t.put("DUONG_DUNG", drug.route);
        t.free("DANG_BAO_CHE", drug.form);
        t.free("LIEU_DUNG", &line.dose);
        t.free(
            "CACH_DUNG",
            if drug.route == "1.01" {
                "Uống sau ăn"
            } else {
                "Theo y lệnh"
            },
        );
        t.put("SO_DANG_KY", &format!("VD-{}-25", drug.code.replace('.', "")));
        t.put("TT_THAU", "QĐ-999;G1;N2;2025");
        t.scope(line.money);
        t.put("TYLE_TT_BH", &line.money.covered_ratio.to_string());
        t.put("SO_LUONG", &line.quantity.to_string());
        t.put("DON_GIA", &price(drug.price));
        t.money("THANH_TIEN_BV", line.money.hospital);
        t.money("THANH_TIEN_BH", line.money.insurance);
        t.other_sources();
        t.put("MUC_HUONG", &course.benefit.unwrap_or(0).to_string());
        t.paid_by(line.money);
        t.put("MA_KHOA", course.department());
        t.put("MA_BAC_SI", &course.doctor);
        t.put("MA_DICH_VU", "");
        t.put("NGAY_YL", &line.ordered.compact());
        t.put("NGAY_TH_YL", &line.given.compact());
        t.put("MA_PTTT", "1");
        t.put("NGUON_CTRA", if line.money.covered_ratio > 0 { "1" } else { "4" });
        t.put("VET_THUONG_TP", "");
        t.put("DU_PHONG", "");
        t.end_row("CHI_TIET_THUOC");
    }
    t.close()
}

fn services(course: &Course, style: Style) -> String {
    let mut t = Table::open(style, &["CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT"], course);
    for (nth, line) in course.services.iter().enumerate() {
        let service = line.service;
        let supply = service.group == 10;
        let only = |yes: bool, text: &'static str| if yes { text } else { "" };
        t.row("CHI_TIET_DVKT", course, nth);
        t.put("MA_DICH_VU", only(!supply, service.code));
        t.put("MA_PTTT_QT", service.icd9);
        t.put("MA_VAT_TU", only(supply, service.code));
        t.put("MA_NHOM", &service.group.to_string());
        t.put("GOI_VTYT", "");
        t.free("TEN_VAT_TU", only(supply, service.name));
        t.free("TEN_DICH_VU", only(!supply, service.name));
        t.put("MA_XANG_DAU", "");
        t.put("DON_VI_TINH", service.unit);
        t.scope(line.money);
        t.put("SO_LUONG", &line.quantity.to_string());
        t.put("DON_GIA_BV", &price(service.price_hospital));
        t.put("DON_GIA_BH", &price(service.price_insurance));
        t.put("TT_THAU", only(supply, "QĐ-999;G3;N1;2025"));
        t.put("TYLE_TT_DV", &line.service_ratio.to_string());
        t.put("TYLE_TT_BH", &line.money.covered_ratio.to_string());
        t.money("THANH_TIEN_BV", line.money.hospital);
        t.money("THANH_TIEN_BH", line.money.insurance);
        t.put("T_TRANTT", "");
        t.put("MUC_HUONG", &course.benefit.unwrap_or(0).to_string());
        t.other_sources();
        t.paid_by(line.money);
        t.put("MA_KHOA", course.department());
        t.put("MA_GIUONG", only(service.group == 15, "H012"));
        t.put("MA_BAC_SI", &course.doctor);
        t.put("NGUOI_THUC_HIEN", if supply { "" } else { &course.doctor });
        t.put("MA_BENH", course.case.code);
        t.put("MA_BENH_YHCT", "");
        t.put("NGAY_YL", &line.ordered.compact());
        t.put("NGAY_TH_YL", &line.done.compact());
        t.put("NGAY_KQ", &at(line.result));
        t.put("MA_PTTT", "1");
        t.put("VET_THUONG_TP", "");
        t.put("PP_VO_CAM", only(service.icd9 == "86.59", "3"));
        t.put("VI_TRI_TH_DVKT", "");
        t.put("MA_MAY", service.device);
        t.put("MA_HIEU_SP", "");
        t.put("TAI_SU_DUNG", "");
        t.put("DU_PHONG", "");
        t.end_row("CHI_TIET_DVKT");
    }
    t.close()
}

fn results(course: &Course, style: Style) -> String {
    let mut t = Table::open(
        style,
        &["CHITIEU_CHITIET_DICHVUCANLAMSANG", "DSACH_CHI_TIET_CLS"],
        course,
    );
    for (nth, line) in course.results.iter().enumerate() {
        t.row("CHI_TIET_CLS", course, nth);
        t.put("MA_DICH_VU", line.service.code);
        t.put("MA_CHI_SO", line.index.code);
        t.free("TEN_CHI_SO", line.index.name);
        t.free("GIA_TRI", &line.value);
        t.put("DON_VI_DO", line.index.unit);
        t.free("MO_TA", line.description);
        t.free("KET_LUAN", line.conclusion);
        t.put("NGAY_KQ", &line.at.compact());
        t.put("MA_BS_DOC_KQ", &course.doctor);
        t.put("DU_PHONG", "");
        t.end_row("CHI_TIET_CLS");
    }
    t.close()
}

fn notes(course: &Course, style: Style) -> String {
    let lists = ["CHITIEU_CHITIET_DIENBIENLAMSANG", "DSACH_CHI_TIET_DIEN_BIEN_BENH"];
    let mut t = Table::open(style, &lists, course);
    for (nth, note) in course.notes.iter().enumerate() {
        t.row("CHI_TIET_DIEN_BIEN_BENH", course, nth);
        t.free("DIEN_BIEN_LS", &note.text);
        t.free("GIAI_DOAN_BENH", "");
        t.free("HOI_CHAN", "");
        t.free("PHAU_THUAT", "");
        t.put("THOI_DIEM_DBLS", &note.at.compact());
        t.put("NGUOI_THUC_HIEN", &course.doctor);
        t.put("DU_PHONG", "");
        t.end_row("CHI_TIET_DIEN_BIEN_BENH");
    }
    t.close()
}

impl Course {
    fn department(&self) -> &'static str {
        if self.admitted.is_some() { "K02" } else { "K01" }
    }
}

/// One document being written.
struct Table<'a> {
    out: String,
    lists: &'a [&'a str],
    style: Style,
    always_decimals: bool,
}

impl<'a> Table<'a> {
    fn open(style: Style, lists: &'a [&'a str], course: &Course) -> Self {
        let out = String::with_capacity(6 * 1024);
        let mut table = Self {
            out,
            lists,
            style,
            always_decimals: course.always_decimals,
        };
        table.line(r#"<?xml version="1.0" encoding="utf-8"?>"#);
        for list in lists {
            table.line(&format!("<{list}>"));
        }
        table
    }

    fn close(mut self) -> String {
        for list in self.lists.iter().rev() {
            self.line(&format!("</{list}>"));
        }
        self.out
    }

    /// The two fields every row begins with.
    fn row(&mut self, name: &str, course: &Course, nth: usize) {
        self.line(&format!("<{name}>"));
        self.put("MA_LK", &course.key);
        self.put("STT", &(nth + 1).to_string());
    }

    fn end_row(&mut self, name: &str) {
        self.line(&format!("</{name}>"));
    }

    fn put(&mut self, name: &str, value: &str) {
        self.element(name, &partial_escape(value));
    }

    /// A field a person typed.
    fn free(&mut self, name: &str, value: &str) {
        if self.style.cdata && !value.is_empty() {
            self.element(name, &format!("<![CDATA[{value}]]>"));
        } else {
            self.put(name, value);
        }
    }

    fn money(&mut self, name: &str, hundredths: i64) {
        let decimals = self.always_decimals || hundredths % 100 != 0;
        let whole = hundredths / 100;
        self.element(
            name,
            &if decimals {
                format!("{whole}.{:02}", hundredths % 100)
            } else {
                whole.to_string()
            },
        );
    }

    fn scope(&mut self, money: Money) {
        self.put("PHAM_VI", if money.covered_ratio > 0 { "1" } else { "2" });
    }

    fn other_sources(&mut self) {
        for name in [
            "T_NGUONKHAC_NSNN",
            "T_NGUONKHAC_VTNN",
            "T_NGUONKHAC_VTTN",
            "T_NGUONKHAC_CL",
            "T_NGUONKHAC",
        ] {
            self.money(name, 0);
        }
    }

    fn paid_by(&mut self, money: Money) {
        self.money("T_BNTT", money.patient);
        self.money("T_BNCCT", money.copay);
        self.money("T_BHTT", money.fund);
    }

    fn element(&mut self, name: &str, content: &str) {
        for part in ["<", name, ">", content, "</", name] {
            self.out.push_str(part);
        }
        self.line(">");
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push_str(if self.style.crlf { "\r\n" } else { "\n" });
    }
}

fn at(minute: Option<Minute>) -> String {
    minute.map(Minute::compact).unwrap_or_default()
}

/// A unit price: up to two decimals, none written that are zero.
fn price(hundredths: i64) -> String {
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => whole.to_string(),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}", part / 10),
        (whole, part) => format!("{whole}.{part:02}"),
    }
}
