//! What the invented hospital knows: diseases, drugs, services, and the results its laboratory prints.
//!
//! ICD-10 codes are the real ones; drug, service, registration and tender codes only look like the real ones.

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
}

pub(super) struct Service {
    pub(super) code: &'static str,
    /// ICD-9-CM, for procedures.
    pub(super) icd9: &'static str,
    pub(super) name: &'static str,
    /// `MA_NHOM`: 1 laboratory, 2 imaging, 3 function test, 8 surgery, 10 supply, 13 exam, 15 bed, 18 procedure.
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

const fn number(low: i64, high: i64, decimals: usize) -> Value {
    Value::Number { low, high, decimals }
}

const fn index(code: &'static str, name: &'static str, unit: &'static str, value: Value) -> Index {
    Index {
        code,
        name,
        unit,
        value,
    }
}

pub(super) const EXAM: usize = 0;
pub(super) const BED: usize = 1;
pub(super) const SUPPLIES: [usize; 2] = [2, 3];

macro_rules! service {
    ($code:literal, $icd9:literal, $name:literal, $group:literal, $unit:literal, $hospital:literal, $insurance:literal, $device:literal, $results:expr) => {
        Service {
            code: $code,
            icd9: $icd9,
            name: $name,
            group: $group,
            unit: $unit,
            price_hospital: $hospital * 100,
            price_insurance: $insurance * 100,
            device: $device,
            results: $results,
        }
    };
}

pub(super) const SERVICES: &[Service] = &[
    service!("02.1897", "", "Khám Nội", 13, "Lần", 50600, 50600, "", &[]),
    service!(
        "K02.1911",
        "",
        "Giường Nội khoa loại 2 Hạng II - Khoa Nội tổng hợp",
        15,
        "Ngày",
        247200,
        212600,
        "",
        &[]
    ),
    service!(
        "N03.02.0701",
        "",
        "Bơm tiêm nhựa liền kim 5ml",
        10,
        "Cái",
        735,
        735,
        "",
        &[]
    ),
    service!(
        "N03.05.0102",
        "",
        "Bộ dây truyền dịch có kim",
        10,
        "Bộ",
        5250,
        5250,
        "",
        &[]
    ),
    service!(
        "22.0120.1370",
        "",
        "Tổng phân tích tế bào máu ngoại vi (bằng máy đếm tổng trở)",
        1,
        "Lần",
        49700,
        43500,
        "HH.3.79999.001",
        &[
            index("WBC", "Số lượng bạch cầu (WBC)", "10^9/L", number(38, 145, 1)),
            index("RBC", "Số lượng hồng cầu (RBC)", "10^12/L", number(350, 580, 2)),
            index("HGB", "Hemoglobin <máu toàn phần>", "g/L", number(95, 168, 0)),
            index("PLT", "Số lượng tiểu cầu (PLT)", "10^9/L", number(140, 420, 0)),
        ]
    ),
    service!(
        "23.0075.1494",
        "",
        "Định lượng Glucose [Máu]",
        1,
        "Lần",
        22400,
        22400,
        "SH.2.79999.004",
        &[index("GLU", "Glucose", "mmol/L", number(39, 148, 1)),]
    ),
    service!(
        "23.0228.1483",
        "",
        "Định lượng CRP (C-Reactive Protein) [Máu]",
        1,
        "Lần",
        56100,
        56100,
        "SH.2.79999.004",
        &[index(
            "CRP",
            "CRP định lượng",
            "mg/L",
            Value::Words(&["<0.1", "<0.5", "12.4", "48", "3,2"])
        ),]
    ),
    service!(
        "24.0117.1646",
        "",
        "HBsAg test nhanh",
        1,
        "Lần",
        58600,
        55400,
        "",
        &[index(
            "HBSAG",
            "HBsAg (S/CO < 1.0 là âm tính)",
            "",
            Value::Words(&["Âm tính", "Âm tính", "Âm tính", "Dương tính"])
        ),]
    ),
    service!(
        "23.0206.1596",
        "",
        "Tổng phân tích nước tiểu (bằng máy tự động)",
        1,
        "Lần",
        28600,
        28600,
        "NT.1.79999.002",
        &[
            index(
                "PRO",
                "Protein niệu",
                "g/L",
                Value::Words(&["Âm tính", "Vết", "0.3", ">=3"])
            ),
            index(
                "LEU",
                "Bạch cầu niệu",
                "cells/µL",
                Value::Words(&["Âm tính", "25", "75", "500"])
            ),
            index("SG", "Tỷ trọng", "", number(1005, 1030, 3)),
        ]
    ),
    service!(
        "18.0119.0028",
        "",
        "Chụp X-quang ngực thẳng",
        2,
        "Lần",
        73300,
        68300,
        "XQ.1.79999.003",
        &[index(
            "",
            "Chụp X-quang ngực thẳng",
            "",
            Value::Reading {
                description: "Tim không to, chỉ số tim/ngực < 0,5. Phế trường hai bên sáng đều; góc sườn hoành nhọn.",
                conclusions: &["Chưa thấy hình ảnh bất thường", "Theo dõi viêm đáy phổi phải"],
            }
        ),]
    ),
    service!(
        "18.0015.0001",
        "",
        "Siêu âm ổ bụng (gan mật, tuỵ, lách, thận, bàng quang)",
        2,
        "Lần",
        58600,
        49300,
        "SA.2.79999.001",
        &[index(
            "",
            "Siêu âm ổ bụng",
            "",
            Value::Reading {
                description: "Gan không to, nhu mô đều & bờ đều. Túi mật không sỏi. Hai thận không ứ nước, không sỏi.",
                conclusions: &["Hình ảnh siêu âm bình thường", "Gan nhiễm mỡ độ I"],
            }
        ),]
    ),
    service!(
        "02.0085.1778",
        "",
        "Điện tim thường",
        3,
        "Lần",
        39900,
        35400,
        "DT.1.79999.002",
        &[index(
            "",
            "Điện tim thường",
            "",
            Value::Reading {
                description: "Nhịp xoang đều, tần số 78 lần/phút, trục trung gian.",
                conclusions: &["Điện tâm đồ trong giới hạn bình thường", "Tăng gánh thất trái"],
            }
        ),]
    ),
    service!(
        "02.0032.0898",
        "93.94",
        "Khí dung thuốc giãn phế quản",
        18,
        "Lần",
        27500,
        25100,
        "",
        &[]
    ),
    service!(
        "03.3827.0216",
        "86.59",
        "Khâu vết thương phần mềm dài dưới 10cm",
        18,
        "Lần",
        194700,
        178000,
        "",
        &[]
    ),
    service!(
        "23.0083.1523",
        "",
        "Định lượng HbA1c [Máu]",
        1,
        "Lần",
        105300,
        105300,
        "SH.2.79999.004",
        &[index("HBA1C", "HbA1c", "%", number(52, 118, 1)),]
    ),
];

const fn drug(code: &'static str, name: &'static str, strength: &'static str, price: i64) -> Drug {
    Drug {
        code,
        name,
        strength,
        unit: "Viên",
        route: "1.01",
        form: "Viên nén",
        price,
        covered: true,
    }
}

pub(super) const DRUGS: &[Drug] = &[
    drug("40.48", "Paracetamol 500 Mẫu", "500mg", 23_000),
    drug("40.155", "Amoxicilin Mẫu 500", "500mg", 88_250),
    drug("40.30.501", "Amlodipin Mẫu 5", "5mg", 14_500),
    drug("40.807", "Metformin Mẫu 850", "850mg", 31_150),
    drug("40.677", "Omeprazol Mẫu 20", "20mg", 15_400),
    drug("40.87", "Loratadin Mẫu 10", "10mg", 19_900),
    drug("40.549", "Atorvastatin Mẫu 20", "20mg", 42_000),
    Drug {
        unit: "Lọ",
        route: "2.10",
        form: "Thuốc bột pha tiêm",
        ..drug("40.163", "Ceftriaxon Mẫu 1g", "1g", 685_000)
    },
    Drug {
        unit: "Chai",
        route: "2.15",
        form: "Dung dịch tiêm truyền",
        ..drug("40.1021", "Natri clorid 0,9% Mẫu", "0,9% x 500ml", 724_500)
    },
    Drug {
        unit: "Gói",
        form: "Thuốc bột uống",
        ..drug("40.714", "Oresol Mẫu & Kẽm", "4,1g", 156_000)
    },
    Drug {
        covered: false,
        form: "Viên nang mềm",
        ..drug("40.1060", "Vitamin tổng hợp Mẫu", "Vitamin C 500mg; B1 < 15mg", 210_000)
    },
];

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
