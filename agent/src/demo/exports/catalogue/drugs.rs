//! Drugs.

use super::Drug;

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
        prepared: "",
        handed_from: "",
        within: "",
    }
}

pub(in super::super) const DRUGS: &[Drug] = &[
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
    Drug {
        handed_from: "79998",
        ..drug(
            "40.271",
            "Tenofovir + Lamivudin + Dolutegravir Mẫu",
            "300mg + 300mg + 50mg",
            612_000,
        )
    },
    drug("40.217", "Sulfamethoxazol + Trimethoprim Mẫu", "800mg + 160mg", 52_000),
    drug(
        "40.314",
        "Rifampicin + Isoniazid + Pyrazinamid + Ethambutol Mẫu",
        "150/75/400/275mg",
        265_000,
    ),
    Drug {
        unit: "Ống",
        route: "2.14",
        form: "Dung dịch tiêm",
        ..drug("40.1030", "Oxytocin Mẫu 5 IU", "5IU/1ml", 650_000)
    },
    drug("40.1064", "Sắt & acid folic Mẫu", "60mg + 0,4mg", 38_000),
    Drug {
        unit: "Lọ",
        route: "2.14",
        form: "Nhũ tương tiêm",
        within: "03.3327.0459",
        ..drug("40.15", "Propofol Mẫu 1%", "10mg/ml x 20ml", 2_510_000)
    },
    Drug {
        unit: "Gam",
        form: "Vị thuốc",
        prepared: "PP01",
        ..drug("05V.184", "Phòng phong <sao> Mẫu", "10g", 18_600)
    },
    drug("40.799", "Progesteron Mẫu 200", "200mg", 1_484_800),
];
