//! What brings people to the papers and programmes beyond the five tables of every visit.

use super::Case;

pub(in super::super) const BIRTH: &Case = &Case {
    code: "O80",
    name: "Đẻ thường một thai",
    others: &["Z37.0"],
    reason: "Thai đủ tháng, đau bụng từng cơn",
    note: "Cơn co tử cung đều, cổ tử cung mở 4cm, tim thai 142 lần/phút.",
    drugs: &[14, 15],
    services: &[22, 4, 18],
    may_be_admitted: true,
};

pub(in super::super) const REST: &Case = &Case {
    code: "O20.0",
    name: "Dọa sẩy thai",
    others: &["O21.0"],
    reason: "Có thai, đau bụng dưới, ra máu ít",
    note: "Tử cung mềm, cổ tử cung đóng, ra huyết nâu < 5ml.",
    drugs: &[18, 15],
    services: &[22],
    may_be_admitted: false,
};

pub(in super::super) const LOSS: &Case = &Case {
    code: "O03.4",
    name: "Sẩy thai tự nhiên không hoàn toàn, không biến chứng",
    others: &["D50.0"],
    reason: "Có thai, đau bụng, ra máu nhiều",
    note: "Cổ tử cung mở, ra máu đỏ & máu cục; huyết áp 110/70 mmHg.",
    drugs: &[14, 15, 1],
    services: &[4, 22],
    may_be_admitted: true,
};

pub(in super::super) const HIV: &Case = &Case {
    code: "B20.1",
    name: "Bệnh HIV dẫn đến các bệnh nhiễm khuẩn khác",
    others: &["B37.0"],
    reason: "Tái khám, nhận thuốc ARV",
    note: "Tỉnh, không sốt, miệng còn ít đốm trắng; tuân thủ thuốc tốt.",
    drugs: &[11, 12],
    services: &[21, 4],
    may_be_admitted: false,
};

pub(in super::super) const TUBERCULOSIS: &Case = &Case {
    code: "A15.0",
    name: "Lao phổi, xác nhận bằng soi đờm có hoặc không có nuôi cấy",
    others: &["R04.2"],
    reason: "Ho kéo dài > 2 tuần, sút cân",
    note: "Phổi ran nổ đỉnh phải, nhiệt độ 37,8; ho đờm lẫn máu.",
    drugs: &[13, 10],
    services: &[20, 9],
    may_be_admitted: true,
};

pub(in super::super) const SURGERY: &Case = &Case {
    code: "K35.8",
    name: "Viêm ruột thừa cấp, không đặc hiệu khác",
    others: &["K40.9"],
    reason: "Đau hố chậu phải, sốt",
    note: "Ấn đau hố chậu phải, phản ứng thành bụng (+), Mac Burney (+).",
    drugs: &[7, 8, 16],
    services: &[4, 10, 17],
    may_be_admitted: true,
};

pub(in super::super) const HERBAL: &Case = &Case {
    code: "M54.5",
    name: "Đau vùng thắt lưng",
    others: &["M47.8"],
    reason: "Đau thắt lưng, hạn chế cúi",
    note: "Ấn đau cạnh sống L4 - L5, Lasègue (-), tê nhẹ chân trái.",
    drugs: &[17, 0],
    services: &[19],
    may_be_admitted: true,
};
