//! What the invented hospital knows: diseases, drugs, services, and the results its laboratory prints.
//!
//! ICD-10 codes are the real ones; drug, service, registration and tender codes only look like the real ones.

mod drugs;
mod more;
mod services;

pub(super) use drugs::DRUGS;
pub(super) use more::{BIRTH, HERBAL, HIV, LOSS, REST, SURGERY, TUBERCULOSIS};
pub(super) use services::SERVICES;

/// A reason to come, and what usually follows from it. Numbers are positions in `DRUGS` and `SERVICES`.
pub(super) struct Case {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) others: &'static [&'static str],
    pub(super) reason: &'static str,
    pub(super) note: &'static str,
    pub(super) drugs: &'static [usize],
    pub(super) services: &'static [usize],
    pub(super) may_be_admitted: bool,
}

pub(super) struct Drug {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) strength: &'static str,
    pub(super) unit: &'static str,
    pub(super) route: &'static str,
    pub(super) form: &'static str,
    /// Hundredths of a đồng.
    pub(super) price: i64,
    pub(super) covered: bool,
    /// `MA_PP_CHEBIEN`, how a traditional drug is prepared.
    pub(super) prepared: &'static str,
    /// `MA_CSKCB_THUOC`, where it was handed over from.
    pub(super) handed_from: &'static str,
    /// `MA_DICH_VU` of the service it is used up in.
    pub(super) within: &'static str,
}

pub(super) struct Service {
    pub(super) code: &'static str,
    /// ICD-9-CM, for procedures.
    pub(super) icd9: &'static str,
    pub(super) name: &'static str,
    /// `MA_NHOM`: 1 laboratory, 2 imaging, 3 function test, 8 surgery, 10 supply, 11 supply in a package, 12 transport, 13 exam, 15 bed, 18 procedure.
    pub(super) group: u8,
    pub(super) unit: &'static str,
    pub(super) price_hospital: i64,
    pub(super) price_insurance: i64,
    pub(super) device: &'static str,
    pub(super) results: &'static [Index],
}

/// One line of a result.
pub(super) struct Index {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) value: Value,
}

pub(super) enum Value {
    /// Between the two, in steps of one tenth to the given power.
    Number {
        low: i64,
        high: i64,
        decimals: usize,
    },
    Words(&'static [&'static str]),
    /// No value: a description and a conclusion in words.
    Reading {
        description: &'static str,
        conclusions: &'static [&'static str],
    },
}

pub(super) const EXAM: usize = 0;
pub(super) const BED: usize = 1;
pub(super) const SUPPLIES: [usize; 2] = [2, 3];
/// What a surgeon leaves in the body, and the way to the next hospital.
pub(super) const IMPLANT: usize = 15;
pub(super) const TRANSPORT: usize = 16;

pub(super) const CASES: &[Case] = &[
    Case {
        code: "J06.9",
        name: "Nhiễm trùng đường hô hấp trên cấp tính không đặc hiệu",
        others: &["R50.9"],
        reason: "Sốt, ho, đau họng",
        note: "Họng đỏ, phổi không ran. Sốt < 38,5 độ, ăn uống được.",
        drugs: &[0, 1, 5],
        services: &[4],
        may_be_admitted: false,
    },
    Case {
        code: "I10",
        name: "Bệnh lý tăng huyết áp",
        others: &["E78.2", "K21.9"],
        reason: "Tái khám tăng huyết áp",
        note: "Huyết áp 150/90 mmHg, tim đều, không phù.",
        drugs: &[2, 6, 10],
        services: &[11, 5],
        may_be_admitted: false,
    },
    Case {
        code: "E11.9",
        name: "Bệnh đái tháo đường không phụ thuộc insuline (chưa có biến chứng)",
        others: &["I10", "E78.2"],
        reason: "Tái khám đái tháo đường",
        note: "Tỉnh, tiếp xúc tốt. BMI > 25; bàn chân không loét.",
        drugs: &[3, 6],
        services: &[5, 14],
        may_be_admitted: false,
    },
    Case {
        code: "J18.9",
        name: "Viêm phổi, không đặc hiệu",
        others: &["J45.9", "R06.0"],
        reason: "Sốt cao, ho đàm, khó thở",
        note: "Phổi ran ẩm đáy phải, SpO2 94%, thở 26 lần/phút.",
        drugs: &[7, 8, 0],
        services: &[4, 6, 9, 12],
        may_be_admitted: true,
    },
    Case {
        code: "A09.0",
        name: "Viêm dạ dày - ruột và đại tràng khác do nhiễm trùng",
        others: &["E86"],
        reason: "Tiêu chảy, nôn ói",
        note: "Môi khô, bụng mềm, ấn đau quanh rốn; đi ngoài > 6 lần/ngày.",
        drugs: &[9, 8],
        services: &[4, 10],
        may_be_admitted: true,
    },
    Case {
        code: "K29.7",
        name: "Viêm dạ dày, không đặc hiệu",
        others: &[],
        reason: "Đau thượng vị",
        note: "Bụng mềm, ấn đau thượng vị, không đề kháng.",
        drugs: &[4, 10],
        services: &[10, 7],
        may_be_admitted: false,
    },
    Case {
        code: "N39.0",
        name: "Nhiễm khuẩn hệ tiết niệu, vị trí không xác định",
        others: &["R30.0"],
        reason: "Tiểu buốt, tiểu rắt",
        note: "Cầu bàng quang (-), chạm thận (-), ấn đau hạ vị.",
        drugs: &[1, 0],
        services: &[8, 10],
        may_be_admitted: true,
    },
    Case {
        code: "S61.0",
        name: "Vết thương ngón tay không kèm tổn thương móng",
        others: &["W25"],
        reason: "Vết thương ngón tay do mảnh kính",
        note: "Vết thương 3cm ngón II tay trái, chảy máu ít, vận động được.",
        drugs: &[1, 0],
        services: &[13],
        may_be_admitted: false,
    },
];
