//! A visit as its tables: every field, in the official order, empty ones as empty elements. Here are XML1 to XML5.

use super::alone;
use super::calendar::Day;
use super::catalogue::Service;
use super::papers;
use super::people::Card;
use super::programmes;
use super::referral;
use super::story::{HEAD, More, Story};
use super::table::{Style, Table, at, price};
use super::visit::{Course, Money};

/// The documents, each complete with its declaration and without a byte-order mark.
pub(super) fn write(course: &Course, style: Style) -> Vec<(&'static str, String)> {
    match course.story() {
        Story::CheckIn => return vec![("XML0", alone::check_in(course, style))],
        Story::Board => {
            return vec![
                ("XML0", alone::check_in(course, style)),
                ("XML12", alone::assessment(course, style)),
            ];
        }
        _ => {}
    }
    let mut tables = vec![("XML1", summary(course, style))];
    if !course.drugs.is_empty() {
        tables.push(("XML2", drugs(course, style)));
    }
    tables.push(("XML3", services(course, style)));
    if !course.results.is_empty() {
        tables.push(("XML4", results(course, style)));
    }
    tables.push(("XML5", notes(course, style)));
    if let Some(more) = &course.more {
        tables.extend(further(course, more, style));
    }
    tables
}

/// XML6 to XML15, those that the visit calls for.
fn further<'a>(course: &'a Course, more: &'a More, style: Style) -> impl Iterator<Item = (&'static str, String)> + 'a {
    type Writer = fn(&Course, &More, Style) -> String;
    let stayed = course.admitted.is_some();
    let off_work = course.off_work().is_some() && !stayed;
    let writers: [(&'static str, bool, Writer); 9] = [
        ("XML6", course.case.code.starts_with("B2"), programmes::hiv),
        ("XML7", stayed, papers::discharge),
        ("XML8", stayed, papers::summary),
        ("XML9", more.story == Story::Birth, papers::birth),
        ("XML10", more.story == Story::Rest && off_work, papers::maternity_rest),
        ("XML11", more.story != Story::Rest && off_work, papers::sick_leave),
        ("XML13", more.to.is_some(), referral::referral),
        ("XML14", more.appointment, referral::appointment),
        (
            "XML15",
            matches!(more.story, Story::Tuberculosis { .. }),
            programmes::tuberculosis,
        ),
    ];
    let called_for = writers.into_iter().filter(|(_, called_for, _)| *called_for);
    called_for.map(move |(name, _, write)| (name, write(course, more, style)))
}

fn summary(course: &Course, style: Style) -> String {
    let Course { person, case, .. } = course;
    let inpatient = course.admitted.is_some();
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
            .filter(|l| matches!(l.service.group, 10 | 11))
            .map(|line| &line.money),
    );
    let paid = course.paid.compact();
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
    t.put("MAHUYEN_CU_TRU", course.district());
    t.put("MAXA_CU_TRU", person.commune);
    t.put("DIEN_THOAI", &person.phone);
    t.put("MA_THE_BHYT", &course.cards(|card| card.number.clone()));
    t.put("MA_DKBD", &course.cards(|card| card.registered_at.clone()));
    t.put("GT_THE_TU", &course.cards(|card| card.from.compact()));
    t.put("GT_THE_DEN", &course.cards(|card| card.to.compact()));
    t.put(
        "NGAY_MIEN_CCT",
        &course.exempt_since().map(Day::compact).unwrap_or_default(),
    );
    t.free("LY_DO_VV", case.reason);
    t.free(
        "LY_DO_VNT",
        if inpatient {
            "Cần theo dõi và điều trị nội trú"
        } else {
            ""
        },
    );
    t.put(
        "MA_LY_DO_VNT",
        if inpatient && course.more.is_some() { "1" } else { "" },
    );
    t.free("CHAN_DOAN_VAO", &course.diagnosis());
    t.free("CHAN_DOAN_RV", &course.diagnosis());
    t.put("MA_BENH_CHINH", case.code);
    t.put("MA_BENH_KT", &course.further_codes());
    t.put("MA_BENH_YHCT", course.story().traditional());
    t.put("MA_PTTT_QT", &codes().join(";"));
    t.put("MA_DOITUONG_KCB", course.entitlement());
    t.put("MA_NOI_DI", course.more(|more| more.from).unwrap_or_default());
    t.put("MA_NOI_DEN", course.more(|more| more.to).unwrap_or_default());
    t.put("MA_TAI_NAN", if case.code.starts_with('S') { "8" } else { "" });
    t.put("NGAY_VAO", &course.arrived.compact());
    t.put("NGAY_VAO_NOI_TRU", &at(course.admitted));
    t.put("NGAY_RA", &course.left.compact());
    t.put("GIAY_CHUYEN_TUYEN", &course.referral_it_came_with());
    t.put("SO_NGAY_DTRI", &course.days.to_string());
    t.free("PP_DIEU_TRI", course.treatment());
    t.put("KET_QUA_DTRI", course.result());
    t.put("MA_LOAI_RV", course.left_how());
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
    t.put("MA_LOAI_KCB", course.kind());
    t.put("MA_KHOA", if inpatient { "K01;K02" } else { "K01" });
    t.put("MA_CSKCB", &course.facility);
    t.put("MA_KHUVUC", course.area());
    t.put(
        "CAN_NANG",
        &format!("{}.{}0", person.weight_hectograms / 10, person.weight_hectograms % 10),
    );
    t.put(
        "CAN_NANG_CON",
        &course
            .newborn_weight()
            .map(|grams| grams.to_string())
            .unwrap_or_default(),
    );
    t.put(
        "NAM_NAM_LIEN_TUC",
        &course.exempt_since().map(Day::compact).unwrap_or_default(),
    );
    t.put(
        "NGAY_TAI_KHAM",
        &course.next_visit().map(Day::compact).unwrap_or_default(),
    );
    t.put("MA_HSBA", &format!("HS{:08}", course.index));
    t.put("MA_TTDV", HEAD);
    t.put("DU_PHONG", "");
    t.close()
}

fn drugs(course: &Course, style: Style) -> String {
    let mut t = Table::open(style, &["CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC"], course);
    for (nth, line) in course.drugs.iter().enumerate() {
        let drug = line.drug;
        t.row("CHI_TIET_THUOC", course, nth);
        t.put("MA_THUOC", drug.code);
        t.put("MA_PP_CHEBIEN", drug.prepared);
        t.put("MA_CSKCB_THUOC", drug.handed_from);
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
        t.put("MA_DICH_VU", drug.within);
        t.put("NGAY_YL", &line.ordered.compact());
        t.put("NGAY_TH_YL", &line.given.compact());
        t.put("MA_PTTT", "1");
        t.put("NGUON_CTRA", if line.money.covered_ratio > 0 { "1" } else { "4" });
        t.put("VET_THUONG_TP", course.old_wound());
        t.put("DU_PHONG", "");
        t.end_row("CHI_TIET_THUOC");
    }
    t.close()
}

fn services(course: &Course, style: Style) -> String {
    let mut t = Table::open(style, &["CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT"], course);
    for (nth, line) in course.services.iter().enumerate() {
        let service = line.service;
        let (supply, implant) = (matches!(service.group, 10 | 11), service.group == 11);
        let only = |yes: bool, text: &'static str| if yes { text } else { "" };
        t.row("CHI_TIET_DVKT", course, nth);
        t.put("MA_DICH_VU", only(!supply, service.code));
        t.put("MA_PTTT_QT", service.icd9);
        t.put("MA_VAT_TU", only(supply, service.code));
        t.put("MA_NHOM", &service.group.to_string());
        t.put("GOI_VTYT", only(implant, "G1"));
        t.free("TEN_VAT_TU", only(supply, service.name));
        t.free("TEN_DICH_VU", only(!supply, service.name));
        t.put("MA_XANG_DAU", only(service.group == 12, "XD01"));
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
        t.put("T_TRANTT", only(implant, CEILING));
        t.put("MUC_HUONG", &course.benefit.unwrap_or(0).to_string());
        t.other_sources();
        t.paid_by(line.money);
        t.put("MA_KHOA", course.department());
        t.put("MA_GIUONG", only(service.group == 15, "H012"));
        t.put("MA_BAC_SI", &course.doctor);
        t.put("NGUOI_THUC_HIEN", if supply { "" } else { &course.doctor });
        t.put("MA_BENH", course.case.code);
        t.put("MA_BENH_YHCT", course.story().traditional());
        t.put("NGAY_YL", &line.ordered.compact());
        t.put("NGAY_TH_YL", &line.done.compact());
        t.put("NGAY_KQ", &at(line.result));
        t.put("MA_PTTT", "1");
        t.put("VET_THUONG_TP", course.old_wound());
        t.put("PP_VO_CAM", anaesthesia(service));
        t.put("VI_TRI_TH_DVKT", only(service.group == 8, "12"));
        t.put("MA_MAY", service.device);
        t.put("MA_HIEU_SP", only(implant, "LM-0417"));
        t.put("TAI_SU_DUNG", only(implant, "1"));
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
        let of_the_day = |text: &'static str| if nth == 1 { text } else { "" };
        let story = course.story();
        t.free("GIAI_DOAN_BENH", story.stage());
        t.free("HOI_CHAN", of_the_day(story.consultation()));
        t.free("PHAU_THUAT", of_the_day(story.operation()));
        t.put("THOI_DIEM_DBLS", &note.at.compact());
        t.put("NGUOI_THUC_HIEN", &course.doctor);
        t.put("DU_PHONG", "");
        t.end_row("CHI_TIET_DIEN_BIEN_BENH");
    }
    t.close()
}

fn anaesthesia(service: &Service) -> &'static str {
    match (service.group, service.icd9) {
        (8, _) => "1",
        (_, "86.59") => "3",
        _ => "",
    }
}

/// What a patient's supplies may cost the fund at most.
const CEILING: &str = "105300000";

impl Course {
    pub(super) fn department(&self) -> &'static str {
        if self.admitted.is_some() { "K02" } else { "K01" }
    }

    /// `MA_LOAI_KCB`.
    pub(super) fn kind(&self) -> &'static str {
        if self.admitted.is_some() { "03" } else { "01" }
    }

    /// `MA_DOITUONG_KCB`.
    pub(super) fn entitlement(&self) -> &'static str {
        match self.person.cards.last() {
            None => "9",
            Some(card) if card.registered_at == self.facility => "1.1",
            Some(_) => "1.2",
        }
    }

    /// One value of each card.
    pub(super) fn cards(&self, of: fn(&Card) -> String) -> String {
        self.person.cards.iter().map(of).collect::<Vec<_>>().join(";")
    }

    /// `KET_QUA_DTRI`.
    pub(super) fn result(&self) -> &'static str {
        match self.index.is_multiple_of(3) {
            _ if self.more(|more| more.to.is_some()) => "4",
            true => "1",
            false => "2",
        }
    }

    /// `MA_LOAI_RV`.
    pub(super) fn left_how(&self) -> &'static str {
        if self.more(|more| more.to.is_some()) { "2" } else { "1" }
    }

    pub(super) fn diagnosis(&self) -> String {
        format!("{} - {}", self.case.code, self.case.name)
    }

    pub(super) fn treatment(&self) -> &'static str {
        match (self.story(), self.admitted) {
            (Story::Surgery, _) => "Phẫu thuật nội soi, kháng sinh & giảm đau",
            (_, Some(_)) => "Nội khoa, theo dõi tại khoa",
            (_, None) => "Nội khoa, thuốc về nhà",
        }
    }
}
