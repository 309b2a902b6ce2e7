//! Where a person goes next: to another hospital (XML13), or back here (XML14).

use super::calendar::Day;
use super::story::{HEAD, More};
use super::table::{Style, Table, at};
use super::visit::Course;

pub(super) fn referral(course: &Course, more: &More, style: Style) -> String {
    let Course { person, case, .. } = course;
    let mut t = Table::open(style, &["CHI_TIEU_GIAYCHUYENTUYEN"], course);
    t.put("MA_LK", &course.key);
    t.put("SO_HOSO", &format!("HS{:08}", course.index));
    t.put("SO_CHUYENTUYEN", &format!("{:05}", more.paper));
    t.put("GIAY_CHUYEN_TUYEN", &format!("{:05}/{}", more.paper, course.facility));
    t.put("MA_CSKCB", &course.facility);
    t.put("MA_CSKCB_DI", more.from.unwrap_or_default());
    t.put("MA_CSKCB_DEN", more.to.unwrap_or_default());
    t.free("HO_TEN", &person.name);
    t.put("NGAY_SINH", &person.birth());
    t.put("GIOI_TINH", if person.female { "2" } else { "1" });
    t.put("MA_QUOCTICH", "000");
    t.put("MA_DANTOC", "01");
    t.put("MA_NGHE_NGHIEP", person.job);
    t.free("DIA_CHI", &person.street);
    t.put("MA_THE_BHYT", &course.cards(|card| card.number.clone()));
    t.put("GT_THE_DEN", &course.cards(|card| card.to.compact()));
    t.put("NGAY_VAO", &course.arrived.compact());
    t.put("NGAY_VAO_NOI_TRU", &at(course.admitted));
    t.put("NGAY_RA", &course.left.compact());
    t.free("DAU_HIEU_LS", case.note);
    t.free("CHAN_DOAN_RV", &course.diagnosis());
    t.free("QT_BENHLY", &course.illness());
    t.free("TOMTAT_KQ", &course.results_in_words());
    t.free("PP_DIEUTRI", course.treatment());
    t.put("MA_BENH_CHINH", case.code);
    t.put("MA_BENH_KT", &course.further_codes());
    t.put("MA_BENH_YHCT", course.story().traditional());
    t.free("TINH_TRANG_CT", "Tỉnh, mạch & huyết áp ổn, SpO2 > 95%");
    t.put("MA_LOAI_RV", course.left_how());
    t.put("MA_LYDO_CT", if more.turn.is_multiple_of(2) { "1" } else { "3" });
    t.free("HUONG_DIEU_TRI", "Chuyển tuyến trên điều trị tiếp");
    t.free("PHUONGTIEN_VC", "Xe cứu thương");
    t.free("HOTEN_NGUOI_HT", &more.doctor);
    t.free("CHUCDANH_NGUOI_HT", "Điều dưỡng");
    t.put("MA_BAC_SI", &course.doctor);
    t.put("MA_TTDV", HEAD);
    t.put("DU_PHONG", "");
    t.close()
}

pub(super) fn appointment(course: &Course, more: &More, style: Style) -> String {
    let Course { person, case, .. } = course;
    let next = course.next_visit().unwrap_or(course.left.day());
    let mut t = Table::open(style, &["CHI_TIEU_GIAYHEN_KHAMLAI"], course);
    t.put("MA_LK", &course.key);
    t.put("SO_GIAYHEN_KL", &format!("{:05}/2026", more.paper));
    t.put("MA_CSKCB", &course.facility);
    t.free("HO_TEN", &person.name);
    t.put("NGAY_SINH", &person.birth());
    t.put("GIOI_TINH", if person.female { "2" } else { "1" });
    t.free("DIA_CHI", &person.street);
    t.put("MA_THE_BHYT", &course.cards(|card| card.number.clone()));
    t.put("GT_THE_DEN", &course.cards(|card| card.to.compact()));
    t.put("NGAY_VAO", &course.arrived.compact());
    t.put("NGAY_VAO_NOI_TRU", &at(course.admitted));
    t.put("NGAY_RA", &course.left.compact());
    t.put("NGAY_HEN_KL", &Day::compact(next));
    t.free("CHAN_DOAN_RV", &course.diagnosis());
    t.put("MA_BENH_CHINH", case.code);
    t.put("MA_BENH_KT", &course.further_codes());
    t.put("MA_BENH_YHCT", course.story().traditional());
    t.put("MA_DOITUONG_KCB", course.entitlement());
    t.put("MA_BAC_SI", &course.doctor);
    t.put("MA_TTDV", HEAD);
    t.put("NGAY_CT", &course.left.day().compact());
    t.put("DU_PHONG", "");
    t.close()
}
