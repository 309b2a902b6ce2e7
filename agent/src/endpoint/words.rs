//! What went wrong on the way, for the person who reads the status: what it is, what to do, and the technical words.
//!
//! No address and no query in it: they are known, and may hold what should not be told.

use std::error::Error;
use std::io;

use rustls::CertificateError as Certificate;
use vhr_core::answer::Code;
use vhr_core::said;
use vhr_core::say::Said;

use super::{Answer, bhxh};
use crate::report;

/// Whether a request certainly did not reach the endpoint.
pub(super) fn never_left(error: &reqwest::Error) -> bool {
    // In TLS 1.3 our own certificate is refused after the request was written; it is not read before that is settled.
    error.is_connect() || error.is_builder() || matches!(found(error), Some(rustls::Error::AlertReceived(_)))
}

/// For a request that certainly did not reach the endpoint.
pub(super) fn not_sent(error: reqwest::Error) -> String {
    let technical = report::chain(&error);
    let said = if error.is_dns() {
        said!(
            "không tìm được tên máy chủ: kiểm tra url, mạng và DNS của máy này",
            "the server's name is not known: check url, the network and this machine's DNS"
        )
    } else if let Some(tls) = found::<rustls::Error>(&error) {
        of_tls(tls)
    } else if technical.contains("tunnel") {
        said!(
            "proxy không cho đi qua: kiểm tra proxy trong cấu hình, hỏi người quản mạng",
            "the proxy does not let it through: check proxy in the configuration, ask whoever runs the network"
        )
    } else {
        of_network(&error)
    };
    with(&said, &technical)
}

fn of_network(error: &reqwest::Error) -> Said {
    match found::<io::Error>(error).map(io::Error::kind) {
        _ if error.is_timeout() => said!(
            "không nối được trong thời hạn: kiểm tra mạng và tường lửa",
            "no connection within the time allowed: check the network and the firewall"
        ),
        Some(io::ErrorKind::ConnectionRefused) => said!(
            "máy chủ không nhận kết nối: nơi nhận (hoặc proxy) đang tắt, sai cổng, hay tường lửa chặn",
            "the server takes no connection: the receiver (or the proxy) is down, the port is wrong, or a firewall is in between"
        ),
        _ => said!(
            "không nối được: kiểm tra mạng của máy này",
            "no connection: check this machine's network"
        ),
    }
}

fn of_tls(error: &rustls::Error) -> Said {
    match error {
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => said!(
            "chứng thư TLS của nơi nhận đã hết hạn: báo nơi nhận gia hạn; xem cả ngày giờ của máy này",
            "the receiver's TLS certificate has expired: tell the receiver; look at this machine's date too"
        ),
        rustls::Error::InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => said!(
            "chứng thư TLS của nơi nhận chưa có hiệu lực: xem ngày giờ của máy này",
            "the receiver's TLS certificate is not valid yet: look at this machine's date"
        ),
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => said!(
            "chứng thư TLS mang tên máy chủ khác: kiểm tra url, hoặc có thiết bị chen ở giữa",
            "the TLS certificate is another server's: check url, or something stands in between"
        ),
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => said!(
            "không biết ai cấp chứng thư TLS này: ghi CA của nơi nhận (hoặc của tường lửa soi TLS) vào tls.ca",
            "nobody known vouches for the TLS certificate: put the authority of the receiver (or of a firewall that looks into TLS) into tls.ca"
        ),
        rustls::Error::AlertReceived(_) => said!(
            "nơi nhận từ chối bắt tay TLS: kiểm tra tls.cert và tls.key, hỏi nơi nhận",
            "the receiver refuses the TLS handshake: check tls.cert and tls.key, ask the receiver"
        ),
        _ => said!(
            "không lập được đường TLS tin cậy: kiểm tra url và cổng, hỏi nơi nhận",
            "no trustworthy TLS connection: check url and port, ask the receiver"
        ),
    }
}

/// For a request that may have reached the endpoint, and no whole answer came.
pub(super) fn no_answer(error: reqwest::Error) -> String {
    let said = if error.is_timeout() {
        said!(
            "đã gửi nhưng không có trả lời đầy đủ trong thời hạn",
            "sent, but no whole answer came in time"
        )
    } else {
        said!(
            "đã gửi nhưng đường truyền đứt trước khi có trả lời đầy đủ",
            "sent, but the line was cut before a whole answer came"
        )
    };
    with(&said, &report::chain(&error))
}

/// For an answer longer than any of these interfaces gives.
pub(super) fn too_long(most: usize) -> String {
    with(
        &said!(
            "trả lời dài bất thường: xem lại url, hỏi nơi nhận",
            "the answer is far too long: look at url, ask the receiver"
        ),
        &format!("more than {most} bytes"),
    )
}

/// For an answer that says nothing of what was sent.
pub(super) fn of_status(answer: &Answer) -> String {
    let status = answer.status;
    let said = match status {
        401 | 403 => said!(
            "tài khoản không được vào: kiểm tra tên, mật khẩu hoặc token và quyền, hỏi nơi nhận",
            "our account is not let in: check its name, password or token and its rights, ask the receiver"
        ),
        407 => said!(
            "proxy đòi đăng nhập: hỏi người quản mạng",
            "the proxy wants a login: ask whoever runs the network"
        ),
        413 => too_large(),
        300..=399 => {
            let to = answer.location.as_deref().unwrap_or("?");
            said!(
                "nơi nhận chỉ sang địa chỉ khác ({to}); không tự đi theo vì có mật khẩu: hỏi nơi nhận, rồi sửa url",
                "the receiver points to another address ({to}), which is not followed with a password in hand: ask the receiver, then change url"
            )
        }
        408 | 425 | 429 | 503 => said!(
            "nơi nhận đang bận hoặc bảo trì; tự gửi lại sau",
            "the receiver is busy or being maintained; it is sent again later"
        ),
        500.. => said!(
            "nơi nhận báo lỗi máy chủ sau khi đã nhận yêu cầu",
            "the receiver failed after it had the request"
        ),
        _ if answer.is_html() => said!(
            "nhận về một trang web: có proxy hay trang đăng nhập mạng ở giữa, hoặc sai url",
            "a web page came back: a proxy or a network's login page in between, or a wrong url"
        ),
        _ => said!(
            "đây không phải trả lời của loại giao diện này: kiểm tra url và kind",
            "this is no answer of this interface: check url and kind"
        ),
    };
    with(&said, &format!("HTTP {status}"))
}

fn too_large() -> Said {
    said!(
        "nơi nhận không nhận tệp lớn như vậy: xuất lại, mỗi hồ sơ một tệp, hoặc nhờ nơi nhận nâng mức",
        "larger than the receiver takes: export it again, one visit per file, or ask the receiver for a higher limit"
    )
}

/// What a receiver means that refuses by this number: our words, where its own may hold anything.
pub(crate) fn of_code(code: Code) -> Said {
    match code {
        Code::MaKetQua(code) => bhxh::meaning_of(code).unwrap_or_else(|| {
            said!(
                "mã này chưa có trong bảng của chương trình: hỏi cổng",
                "a code that our table does not have: ask the gateway"
            )
        }),
        Code::Http(200..=299) => said!(
            "nơi nhận trả lời là xong nhưng báo lỗi bên trong: xem `queue show`",
            "answered as done, with an error inside: see `queue show`"
        ),
        Code::Http(404 | 410) => said!(
            "nơi nhận không có thứ được nhắc đến: xem `queue show`, hỏi nơi nhận",
            "the receiver does not have what is referred to: see `queue show`, ask the receiver"
        ),
        Code::Http(412) => said!(
            "nơi nhận có nhiều bản cùng mã định danh: nhờ nơi nhận gộp lại",
            "the receiver has several with the same identifier: ask it to merge them"
        ),
        Code::Http(413) => too_large(),
        Code::Http(_) => said!(
            "nơi nhận không nhận nội dung này: xem `queue show`, sửa rồi xuất lại, hoặc hỏi nơi nhận",
            "the receiver does not take what it says: see `queue show`, correct and export it again, or ask the receiver"
        ),
    }
}

/// What it is and what to do, then the technical words.
pub(super) fn with(said: &Said, technical: &str) -> String {
    format!("{said} [{technical}]")
}

/// The first error of this type in the chain, also within the errors of the system that carry others.
fn found<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_none()
            && let Some(found) = error.downcast_ref()
        {
            return Some(found);
        }
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
