//! What goes without a claim: the check-in (XML0), and with it what an assessment board found (XML12).

use super::papers::{ISSUED, ISSUER};
use super::table::{Style, Table, at};
use super::visit::Course;

pub(super) fn check_in(course: &Course, style: Style) -> String {
    let Course { person, .. } = course;
    let card = person.cards.last();
    let inpatient = course.admitted.is_some();
    // The first thing that costs something: an exam, a drug of a standing prescription, or a supply.
    let drug = course.drugs.first().filter(|_| course.index % 7 == 1);
    let supply = course.services.iter().find(|line| line.service.group == 10);
    let supply = supply.filter(|_| drug.is_none() && course.index % 2 == 1);
    let exam = course.services.first().filter(|_| drug.is_none() && supply.is_none());
    let lists = ["CHI_TIEU_TRANG_THAI_KCB", "DSACH_TRANG_THAI_KCB"];
    let mut t = Table::open(style, &lists, course);
    t.row("TRANG_THAI_KCB", course, 0);
    t.put("MA_BN", &person.code);
    t.free("HO_TEN", &person.name);
    t.put("SO_CCCD", &person.citizen_id);
    t.put("NGAY_SINH", &person.birth());
    t.put("GIOI_TINH", if person.female { "2" } else { "1" });
    t.put("MA_THE_BHYT", card.map_or("", |card| &card.number));
    t.put("MA_DKBD", card.map_or("", |card| &card.registered_at));
    t.put("GT_THE_TU", &card.map(|card| card.from.compact()).unwrap_or_default());
    t.put("GT_THE_DEN", &card.map(|card| card.to.compact()).unwrap_or_default());
    t.put("MA_DOITUONG_KCB", course.entitlement());
    t.put("NGAY_VAO", &course.arrived.compact());
    t.put("NGAY_VAO_NOI_TRU", &at(course.admitted));
    t.free(
        "LY_DO_VNT",
        if inpatient {
            "Cần theo dõi và điều trị nội trú"
        } else {
            ""
        },
    );
    t.put("MA_LY_DO_VNT", if inpatient { "1" } else { "" });
    t.put("MA_LOAI_KCB", course.kind());
    t.put("MA_CSKCB", &course.facility);
    t.put("MA_DICH_VU", exam.map_or("", |line| line.service.code));
    t.free("TEN_DICH_VU", exam.map_or("", |line| line.service.name));
    t.put("MA_THUOC", drug.map_or("", |line| line.drug.code));
    t.free("TEN_THUOC", drug.map_or("", |line| line.drug.name));
    t.put("MA_VAT_TU", supply.map_or("", |line| line.service.code));
    t.free("TEN_VAT_TU", supply.map_or("", |line| line.service.name));
    t.put("NGAY_YL", &course.arrived.plus(5).compact());
    t.put("DU_PHONG", "");
    t.end_row("TRANG_THAI_KCB");
    t.close()
}

pub(super) fn assessment(course: &Course, style: Style) -> String {
    let Course { person, .. } = course;
    let (turn, paper) = course.more(|more| (more.turn, more.paper));
    let day = course.arrived.day();
    let again = turn.is_multiple_of(2);
    let (before, now) = (if again { 21 } else { 0 }, 5 + turn % 40);
    let mut t = Table::open(style, &["CHI_TIEU_GIAM_DINH_YKHOA", "DSACH_GIAM_DINH_YKHOA"], course);
    t.begin("GIAM_DINH_YKHOA");
    t.free("NGUOI_CHU_TRI", course.more(|more| more.doctor.as_str()));
    t.put("CHUC_VU", "1");
    t.put("NGAY_HOP", &day.compact());
    t.free("HO_TEN", &person.name);
    t.put("NGAY_SINH", &person.born.compact());
    t.put("SO_CCCD", &person.citizen_id);
    t.put("NGAY_CAP_CCCD", ISSUED);
    t.free("NOI_CAP_CCCD", ISSUER);
    t.free("DIA_CHI", &person.street);
    t.put("MATINH_CU_TRU", person.province);
    t.put("MAHUYEN_CU_TRU", course.district());
    t.put("MAXA_CU_TRU", person.commune);
    t.put("MA_BHXH", &course.social_number());
    t.put("MA_THE_BHYT", person.cards.last().map_or("", |card| &card.number));
    t.free("NGHE_NGHIEP", "Công nhân cơ khí");
    t.put("DIEN_THOAI", &person.phone);
    t.put("MA_DOI_TUONG", if again { "TNLD" } else { "BNN" });
    t.put("KHAM_GIAM_DINH", if again { "2" } else { "1" });
    t.put("SO_BIEN_BAN", &format!("{paper:05}/GĐYK"));
    t.put("TYLE_TTCT_CU", &if again { before.to_string() } else { String::new() });
    t.put("DANG_HUONG_CHE_DO", if again { "1;3" } else { "0" });
    t.put("NGAY_CHUNG_TU", &day.compact());
    t.put("SO_GIAY_GIOI_THIEU", &format!("{paper:05}/GGT"));
    t.put("NGAY_DE_NGHI", &day.plus(-20).compact());
    t.put("MA_DONVI", "DV-MAU-01");
    t.free("GIOI_THIEU_CUA", "Công ty TNHH Mẫu & Cộng sự");
    t.free(
        "KET_QUA_KHAM",
        "Cứng khớp ngón II tay trái, gấp < 60 độ; thính lực bình thường.",
    );
    t.put("SO_VAN_BAN_CAN_CU", "22/2019/TT-BYT");
    t.put("TYLE_TTCT_MOI", &now.to_string());
    t.put("TONG_TYLE_TTCT", &(before + now).to_string());
    t.put("DANG_KHUYETTAT", if again { "1" } else { "" });
    t.put("MUC_DO_KHUYETTAT", if again { "3" } else { "" });
    t.free("DE_NGHI", "Hưởng trợ cấp theo quy định; khám lại sau 24 tháng");
    t.free("DUOC_XACDINH", "Tự phục vụ được trong sinh hoạt hằng ngày");
    t.put("DU_PHONG", "");
    t.end_row("GIAM_DINH_YKHOA");
    t.close()
}
