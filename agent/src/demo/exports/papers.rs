//! The papers of a visit: discharge (XML7), summary of the record (XML8), birth certificate (XML9), rest in a pregnancy
//! (XML10), sick leave (XML11).

use super::calendar::Day;
use super::story::{HEAD, More, Story};
use super::table::{Style, Table};
use super::visit::Course;

pub(super) fn discharge(course: &Course, more: &More, style: Style) -> String {
    let (father, mother) = more.parents();
    let lost = course.story() == Story::Loss;
    let mut t = Table::open(style, &["CHI_TIEU_DU_LIEU_GIAY_RA_VIEN"], course);
    t.put("MA_LK", &course.key);
    t.put("SO_LUU_TRU", &format!("LT{:08}", course.index));
    t.put("MA_YTE", &course.person.code);
    t.put("MA_KHOA_RV", course.department());
    t.put("NGAY_VAO", &course.arrived.compact());
    t.put("NGAY_RA", &course.left.compact());
    t.put("MA_DINH_CHI_THAI", if lost { "1" } else { "" });
    t.free("NGUYENNHAN_DINHCHI", if lost { LOSS } else { "" });
    t.put(
        "THOIGIAN_DINHCHI",
        &if lost {
            course.delivery().compact()
        } else {
            String::new()
        },
    );
    t.put("TUOI_THAI", if lost { "9" } else { "" });
    t.free("CHAN_DOAN_RV", &course.diagnosis());
    t.free("PP_DIEUTRI", course.treatment());
    t.free("GHI_CHU", ADVICE);
    t.put("MA_TTDV", HEAD);
    t.put("MA_BS", &course.doctor);
    t.free("TEN_BS", &more.doctor);
    t.put("NGAY_CT", &course.left.day().compact());
    t.put("MA_CHA", &parent_number(more, 1));
    t.put("MA_ME", &parent_number(more, 2));
    t.put("MA_THE_TAM", &more.temporary_card());
    t.free("HO_TEN_CHA", father);
    t.free("HO_TEN_ME", mother);
    let (days, from, to) = off_work(course);
    t.put("SO_NGAY_NGHI", &days);
    t.put("NGOAITRU_TUNGAY", &from);
    t.put("NGOAITRU_DENNGAY", &to);
    t.put("DU_PHONG", "");
    t.close()
}

pub(super) fn summary(course: &Course, more: &More, style: Style) -> String {
    let (father, mother) = more.parents();
    let birth = course.story() == Story::Birth;
    let died = birth && one_twin_died(more);
    let only = |yes: bool, text: &str| if yes { text.to_owned() } else { String::new() };
    let day = course.delivery().day();
    let mut t = Table::open(style, &["CHI_TIEU_DU_LIEU_TOM_TAT_HO_SO_BENH_AN"], course);
    t.put("MA_LK", &course.key);
    t.put("MA_LOAI_KCB", course.kind());
    t.free("HO_TEN_CHA", father);
    t.free("HO_TEN_ME", mother);
    t.free("NGUOI_GIAM_HO", if more.years >= 70 { &more.mother } else { mother });
    t.free("DON_VI", more.employer());
    t.put("NGAY_VAO", &course.arrived.compact());
    t.put("NGAY_RA", &course.left.compact());
    t.free("CHAN_DOAN_VAO", &course.diagnosis());
    t.free("CHAN_DOAN_RV", &course.diagnosis());
    t.free("QT_BENHLY", &course.illness());
    t.free("TOMTAT_KQ", &course.results_in_words());
    t.free("PP_DIEUTRI", course.treatment());
    t.put("NGAY_SINHCON", &only(birth, &day.compact()));
    t.put("NGAY_CONCHET", &only(died, &day.compact()));
    t.put("SO_CONCHET", &only(died, "1"));
    t.put("KET_QUA_DTRI", course.result());
    t.free("GHI_CHU", ADVICE);
    t.put("MA_TTDV", HEAD);
    t.put("NGAY_CT", &course.left.day().compact());
    t.put("MA_THE_TAM", &more.temporary_card());
    t.put("DU_PHONG", "");
    t.close()
}

pub(super) fn birth(course: &Course, more: &More, style: Style) -> String {
    let person = &course.person;
    let caesarean = more.turn % 4 == 1;
    let yes = |yes: bool| if yes { "1" } else { "0" };
    let day = course.delivery().day();
    let mut t = Table::open(
        style,
        &["CHI_TIEU_DU_LIEU_GIAY_CHUNG_SINH", "DSACH_GIAYCHUNGSINH"],
        course,
    );
    t.begin("DU_LIEU_GIAY_CHUNG_SINH");
    t.put("MA_LK", &course.key);
    t.put("MA_BHXH_NND", &course.social_number());
    t.put("MA_THE_NND", person.cards.last().map_or("", |card| &card.number));
    t.free("HO_TEN_NND", &person.name);
    t.put("NGAYSINH_NND", &person.born.compact());
    t.put("MA_DANTOC_NND", "01");
    t.put("SO_CCCD_NND", &person.citizen_id);
    t.put("NGAYCAP_CCCD_NND", ISSUED);
    t.free("NOICAP_CCCD_NND", ISSUER);
    t.free("NOI_CU_TRU_NND", &person.street);
    t.put("MA_QUOCTICH", "000");
    t.put("MATINH_CU_TRU", person.province);
    t.put("MAHUYEN_CU_TRU", course.district());
    t.put("MAXA_CU_TRU", person.commune);
    t.free("HO_TEN_CHA", &more.father);
    t.put("MA_THE_TAM", &format!("TE1799999{:06}", more.paper));
    t.free(
        "HO_TEN_CON",
        &format!("{} An Mẫu", more.father.split(' ').next().unwrap_or_default()),
    );
    t.put("GIOI_TINH_CON", if more.turn.is_multiple_of(2) { "1" } else { "2" });
    t.put("SO_CON", if one_twin_died(more) { "2" } else { "1" });
    t.put("LAN_SINH", &(1 + more.turn % 3).to_string());
    t.put("SO_CON_SONG", &(1 + more.turn % 3).to_string());
    t.put("CAN_NANG_CON", &course.newborn_weight().unwrap_or(3_000).to_string());
    t.put("NGAY_SINH_CON", &course.delivery().compact());
    t.free("NOI_SINH_CON", "Bệnh viện Ví Dụ, Thành phố Hồ Chí Minh");
    t.free("TINH_TRANG_CON", "Khóc ngay, hồng hào; Apgar 8 & 9 điểm");
    t.put("SINHCON_PHAUTHUAT", yes(caesarean));
    t.put("SINHCON_DUOI32TUAN", yes(false));
    t.free("GHI_CHU", "Mẹ & con khỏe, đã tiêm viêm gan B mũi 1");
    t.free("NGUOI_DO_DE", &more.doctor);
    t.free("NGUOI_GHI_PHIEU", &more.doctor);
    t.put("NGAY_CT", &day.compact());
    t.put("SO", &format!("{:05}", more.paper));
    t.put("QUYEN_SO", "01/2026");
    t.put("MA_TTDV", HEAD);
    t.put("DU_PHONG", "");
    t.end_row("DU_LIEU_GIAY_CHUNG_SINH");
    t.close()
}

pub(super) fn maternity_rest(course: &Course, more: &More, style: Style) -> String {
    let (days, from, to) = off_work(course);
    let mut t = Table::open(style, &["CHI_TIEU_DU_LIEU_GIAY_NGHI_DUONG_THAI"], course);
    t.put("MA_LK", &course.key);
    t.put("SO_SERI", &format!("NDT-{:06}", more.paper));
    t.put("SO_CT", &format!("{:05}/2026", more.paper));
    t.put("SO_NGAY", &days);
    t.free("DON_VI", more.employer());
    t.free("CHAN_DOAN_RV", &course.diagnosis());
    t.put("TU_NGAY", &from);
    t.put("DEN_NGAY", &to);
    t.put("MA_TTDV", HEAD);
    t.free("TEN_BS", &more.doctor);
    t.put("MA_BS", &course.doctor);
    t.put("NGAY_CT", &course.left.day().compact());
    t.put("DU_PHONG", "");
    t.close()
}

pub(super) fn sick_leave(course: &Course, more: &More, style: Style) -> String {
    let (father, mother) = more.parents();
    let (days, from, to) = off_work(course);
    let lost = course.story() == Story::Loss;
    let lists = ["CHI_TIEU_DU_LIEU_GIAY_CHUNG_NHAN_NGHI_VIEC_HUONG_BAO_HIEM_XA_HOI"];
    let mut t = Table::open(style, &lists, course);
    t.put("MA_LK", &course.key);
    t.put("SO_CT", &format!("{:05}/2026", more.paper));
    t.put("SO_SERI", &format!("NV-{:06}", more.paper));
    t.put("SO_KCB", &format!("KCB{:08}", course.index));
    t.free("DON_VI", more.employer());
    t.put("MA_BHXH", &course.social_number());
    t.put("MA_THE_BHYT", &course.cards(|card| card.number.clone()));
    t.free("CHAN_DOAN_RV", &course.diagnosis());
    t.free("PP_DIEUTRI", course.treatment());
    t.put("MA_DINH_CHI_THAI", if lost { "1" } else { "" });
    t.free("NGUYENNHAN_DINHCHI", if lost { LOSS } else { "" });
    t.put("TUOI_THAI", if lost { "9" } else { "" });
    t.put("SO_NGAY_NGHI", &days);
    t.put("TU_NGAY", &from);
    t.put("DEN_NGAY", &to);
    t.free("HO_TEN_CHA", father);
    t.free("HO_TEN_ME", mother);
    t.put("MA_TTDV", HEAD);
    t.put("MA_BS", &course.doctor);
    t.put("NGAY_CT", &course.left.day().compact());
    t.put("MA_THE_TAM", &more.temporary_card());
    t.put("MAU_SO", "CT07");
    t.put("DU_PHONG", "");
    t.close()
}

impl Course {
    /// How it went, for those who read only the paper.
    pub(super) fn illness(&self) -> String {
        format!("{}. {}", self.case.reason, self.case.note)
    }

    pub(super) fn results_in_words(&self) -> String {
        let said = self.results.iter().map(|line| {
            let value = [line.value.as_str(), line.conclusion];
            format!("{}: {}", line.index.name, value.concat())
        });
        let said: Vec<_> = said.collect();
        if said.is_empty() {
            "Không làm xét nghiệm".to_owned()
        } else {
            said.join("; ")
        }
    }
}

/// How many days, the first and the last one.
fn off_work(course: &Course) -> (String, String, String) {
    match course.off_work() {
        None => Default::default(),
        Some((from, to)) => (
            (Day::days_since(to, from) + 1).to_string(),
            from.compact(),
            to.compact(),
        ),
    }
}

fn one_twin_died(more: &More) -> bool {
    more.turn.is_multiple_of(3)
}

fn parent_number(more: &More, which: u32) -> String {
    match more.parents() {
        ("", _) => String::new(),
        _ => format!("99990{which}{:04}", more.paper),
    }
}

/// When and by whom citizen cards were issued.
pub(super) const ISSUED: &str = "20210415";
pub(super) const ISSUER: &str = "Cục Cảnh sát quản lý hành chính về trật tự xã hội";
const ADVICE: &str = "Uống thuốc theo đơn & tái khám khi có dấu hiệu bất thường";
const LOSS: &str = "Sẩy thai tự nhiên";
