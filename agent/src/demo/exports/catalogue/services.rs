//! Services and supplies, and the results the laboratory prints of them.

use super::{Index, Service, Value};

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

pub(in super::super) const SERVICES: &[Service] = &[
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
    service!(
        "N07.06.0040",
        "",
        "Lưới điều trị thoát vị Mẫu",
        11,
        "Miếng",
        1250000,
        1180000,
        "",
        &[]
    ),
    service!("VC.79998", "", "Vận chuyển người bệnh", 12, "Km", 6800, 6800, "", &[]),
    service!(
        "03.3327.0459",
        "47.01",
        "Phẫu thuật nội soi cắt ruột thừa",
        8,
        "Lần",
        2818700,
        2657600,
        "",
        &[]
    ),
    service!(
        "13.0033.0614",
        "73.59",
        "Đỡ đẻ thường ngôi chỏm",
        18,
        "Lần",
        786000,
        736000,
        "",
        &[]
    ),
    service!("08.0005.0230", "99.92", "Điện châm", 18, "Lần", 78400, 71400, "", &[]),
    service!(
        "24.0017.1714",
        "",
        "AFB trực tiếp nhuộm Ziehl-Neelsen",
        1,
        "Lần",
        74200,
        70300,
        "VS.1.79999.001",
        &[index(
            "AFB",
            "AFB đờm",
            "",
            Value::Words(&["Âm tính", "1+", "2+", "3+"])
        )]
    ),
    service!(
        "24.0179.1719",
        "",
        "HIV đo tải lượng Real-time PCR",
        1,
        "Lần",
        760600,
        742400,
        "VS.1.79999.002",
        &[index(
            "HIV-VL",
            "Tải lượng HIV",
            "bản sao/mL",
            Value::Words(&["<20", "<50", "178", "1250"])
        )]
    ),
    service!(
        "18.0020.0001",
        "",
        "Siêu âm thai (thai, nhau thai, nước ối)",
        2,
        "Lần",
        58600,
        49300,
        "SA.2.79999.001",
        &[index(
            "",
            "Siêu âm thai",
            "",
            Value::Reading {
                description: "Một thai trong tử cung, ngôi đầu; nhau bám mặt trước, ối trung bình.",
                conclusions: &["Thai sống, phát triển tương ứng tuổi thai", "Thai sống, dọa sinh non"],
            }
        )]
    ),
];
