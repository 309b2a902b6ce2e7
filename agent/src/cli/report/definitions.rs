//! What each figure of the report means: printed in it, so that nobody has to guess.

use vhr_core::said;
use vhr_core::say::Said;

/// In the order in which the figures come.
pub(super) fn all() -> Vec<Said> {
    vec![
        said!(
            "Mọi số tính theo ngày nhận tệp (giờ của cơ sở), theo tình trạng lúc lập báo cáo. Một hồ sơ là một lượt khám trong một tệp; \
             bản sau của cùng lượt là một hồ sơ nữa.",
            "All is counted by the day on which its file was accepted (the site's time), as it stands when the report is made. A record is \
             one visit in one file; another version of the visit is another record."
        ),
        said!(
            "Tìm thấy: hồ sơ có trong tệp, kể cả để riêng. Tệp không đọc được thì không biết có bao nhiêu hồ sơ.",
            "Seen: records found in files, with those set aside. How many a file holds that does not read at all is not known."
        ),
        said!(
            "Nhận: chuyển đổi được và vào hàng đợi. Đã biết: nội dung đã có, không gửi lại.",
            "Accepted: mapped and queued. Known already: the content is there, nothing is sent again."
        ),
        said!(
            "Phải gửi: lượt gửi đến nơi nhận ấy, trừ hồ sơ đã biết, hồ sơ không được gửi đến đó, và bản đã có bản mới hơn trước khi gửi.",
            "Due: deliveries to that endpoint; not what is known already, may not go there, or was superseded before it left."
        ),
        said!(
            "Đã gửi: có biên nhận. Hồ sơ được gửi lại thì tính theo biên nhận đầu.",
            "Sent: with a receipt. What was sent once more counts by its first."
        ),
        said!(
            "Từ chối: nơi nhận trả về (refused); bị giữ lại: quy tắc, trùng, chữ ký, plugin tạo FHIR sai (rules, twice, unsigned, \
             signed-several, no-bundle); vướng: chưa rõ đã đến chưa, lỗi lặp lại, quá lớn, hỏng (in-doubt, keeps-failing, too-large, \
             damaged); thôi gửi: người quyết định (dropped).",
            "Refused there: by the receiver; held by us: rules, the same twice, signatures, FHIR that a plugin made wrong; stuck: in doubt, \
             keeps failing, too large, damaged; given up: by a person."
        ),
        said!(
            "Mã trả lời: maKetQua của cổng hoặc mã HTTP khi nơi nhận từ chối; nghĩa là lời của chương trình, không phải của nơi nhận. Bản cũ \
             không ghi mã.",
            "Answer: the gateway's maKetQua or the HTTP status of a refusal; what it means is said in our words, not the receiver's. Older \
             versions wrote none down."
        ),
        said!(
            "Đủ = nhận / tìm thấy; với mỗi nơi nhận = đã gửi / phải gửi. Sạch = không có cảnh báo và không có lỗi / hồ sơ nhận còn đọc được.",
            "Complete = accepted of seen; for each endpoint = sent of due. Clean = without warning and error, of the accepted records that \
             can still be read."
        ),
        said!(
            "Sống = có biên nhận trong 24 giờ kể từ lúc ra viện, trên số phải gửi mà biết lúc ra viện.",
            "Live = with a receipt within 24 hours of the visit's end, of those due whose end is known."
        ),
        said!(
            "Thay đổi: so với số ngày bằng thế ngay trước đó; của tỷ lệ tính bằng điểm phần trăm. Tỷ lệ làm tròn xuống.",
            "Change: against as many days right before; of shares in percentage points. Shares are cut off, never rounded up."
        ),
        said!(
            "Khoa: mã cuối trong MA_KHOA của XML1, tức khoa kết thúc hồ sơ.",
            "Department: the last code in MA_KHOA of XML1, which closed the visit."
        ),
        said!(
            "Quy tắc: mỗi hồ sơ tính một lần cho mỗi quy tắc. Lời của plugin không in ở đây.",
            "Rules: a record counts once for each rule. Words of plugins are not printed here."
        ),
    ]
}
