//! Care that goes on from visit to visit: HIV (XML6), tuberculosis (XML15).

use super::story::{More, Story};
use super::table::{Style, Table};
use super::visit::Course;

pub(super) fn hiv(course: &Course, more: &More, style: Style) -> String {
    let person = &course.person;
    let today = course.arrived.day();
    let ago = |days: i64| today.plus(-days).compact();
    let confirmed = 400 + i64::from(more.turn) * 30;
    // Every third has tuberculosis prevented, every fourth has changed drugs, a woman may be with child.
    let prevented = more.turn.is_multiple_of(3);
    let changed = more.turn.is_multiple_of(4);
    let with_child = person.female && (18..45).contains(&more.years);
    let only = |yes: bool, value: String| if yes { value } else { String::new() };
    let lists = [
        "CHI_TIEU_HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS",
        "DSACH_HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS",
    ];
    let mut t = Table::open(style, &lists, course);
    t.begin("HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS");
    t.put("MA_LK", &course.key);
    t.put("MA_THE_BHYT", &course.cards(|card| card.number.clone()));
    t.put("SO_CCCD", &person.citizen_id);
    t.put("NGAY_SINH", &person.birth());
    t.put("GIOI_TINH", if person.female { "2" } else { "1" });
    t.free("DIA_CHI", &person.street);
    t.put("MATINH_CU_TRU", person.province);
    t.put("MAHUYEN_CU_TRU", course.district());
    t.put("MAXA_CU_TRU", person.commune);
    t.put("NGAYKD_HIV", &ago(confirmed));
    t.put("NOI_LAY_MAU_XN", &course.facility);
    t.put("NOI_XN_KD", "79996");
    t.put("NOI_BDDT_ARV", &course.facility);
    t.put("BDDT_ARV", &ago(confirmed - 14));
    t.put(
        "MA_PHAC_DO_DIEU_TRI_BD",
        if changed { "TDF/3TC/EFV" } else { "TDF/3TC/DTG" },
    );
    t.put("MA_BAC_PHAC_DO_BD", "1");
    t.put("MA_LYDO_DTRI", "1");
    t.put("LOAI_DTRI_LAO", if prevented { "1" } else { "0" });
    t.put("SANG_LOC_LAO", "1");
    t.put("PHACDO_DTRI_LAO", if prevented { "2" } else { "" });
    t.put("NGAYBD_DTRI_LAO", &only(prevented, ago(190)));
    t.put("NGAYKT_DTRI_LAO", &only(prevented, ago(10)));
    t.put("KQ_DTRI_LAO", if prevented { "1" } else { "" });
    t.put("MA_LYDO_XNTL_VR", "1");
    t.put("NGAY_XN_TLVR", &ago(7));
    t.put("KQ_XNTL_VR", &(1 + more.turn % 5).to_string());
    t.put("NGAY_KQ_XN_TLVR", &ago(2));
    t.put("MA_LOAI_BN", "1");
    t.put("GIAI_DOAN_LAM_SANG", &(1 + more.turn % 4).to_string());
    t.put("NHOM_DOI_TUONG", &(1 + more.turn % 9).to_string());
    t.put("MA_TINH_TRANG_DK", "1;4");
    t.put("LAN_XN_PCR", if changed { "1" } else { "" });
    t.put("NGAY_XN_PCR", &only(changed, ago(9)));
    t.put("NGAY_KQ_XN_PCR", &only(changed, ago(3)));
    t.put("MA_KQ_XN_PCR", if changed { "1" } else { "" });
    t.put("NGAY_NHAN_TT_MANG_THAI", &only(with_child, ago(21)));
    t.put("NGAY_BAT_DAU_DT_CTX", &ago(confirmed - 7));
    t.put("MA_XU_TRI", "1;2");
    t.put("NGAY_BAT_DAU_XU_TRI", &today.compact());
    t.put("NGAY_KET_THUC_XU_TRI", &today.plus(30).compact());
    t.put("MA_PHAC_DO_DIEU_TRI", "TDF/3TC/DTG");
    t.put("MA_BAC_PHAC_DO", "1");
    t.put("SO_NGAY_CAP_THUOC_ARV", "30");
    t.put("NGAY_CHUYEN_PHAC_DO", &only(changed, ago(90)));
    t.put("LY_DO_CHUYEN_PHAC_DO", if changed { "2" } else { "" });
    t.put("MA_CSKCB", &course.facility);
    t.put("DU_PHONG", "");
    t.end_row("HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS");
    t.close()
}

pub(super) fn tuberculosis(course: &Course, more: &More, style: Style) -> String {
    let person = &course.person;
    let today = course.arrived.day();
    let ago = |days: i64| today.plus(-days).compact();
    let only = |yes: bool, value: String| if yes { value } else { String::new() };
    let with_hiv = course.story() == Story::Tuberculosis { with_hiv: true };
    let ended = more.turn.is_multiple_of(2);
    let mut t = Table::open(
        style,
        &["CHI_TIEU_DIEUTRI_BENHLAO", "DSACH_CHITIET_DIEUTRI_BENHLAO"],
        course,
    );
    t.row("CHITIET_DIEUTRI_BENHLAO", course, 0);
    t.put("MA_BN", &person.code);
    t.free("HO_TEN", &person.name);
    t.put("SO_CCCD", &person.citizen_id);
    t.put("PHANLOAI_LAO_VITRI", "1");
    t.put("PHANLOAI_LAO_TS", &(1 + more.turn % 5).to_string());
    t.put("PHANLOAI_LAO_HIV", if with_hiv { "1" } else { "2" });
    t.put("PHANLOAI_LAO_VK", "1");
    t.put("PHANLOAI_LAO_KT", "1");
    t.put("LOAI_DTRI_LAO", "2");
    t.put("NGAYBD_DTRI_LAO", &ago(if ended { 185 } else { 3 }));
    t.put("PHACDO_DTRI_LAO", "1");
    t.put("NGAYKT_DTRI_LAO", &only(ended, ago(1)));
    t.put("KET_QUA_DTRI_LAO", if ended { "1" } else { "" });
    t.put("MA_CSKCB", &course.facility);
    t.put("NGAYKD_HIV", &only(with_hiv, ago(300)));
    t.put("BDDT_ARV", &only(with_hiv, ago(280)));
    t.put("NGAY_BAT_DAU_DT_CTX", &only(with_hiv, ago(270)));
    t.put("DU_PHONG", "");
    t.end_row("CHITIET_DIEUTRI_BENHLAO");
    t.close()
}
