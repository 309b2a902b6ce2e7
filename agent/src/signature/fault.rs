//! Why a signature does not hold, for people.

use vhr_core::said;
use vhr_core::say::Said;

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The file is not well-formed, or could be read in two ways.
    Form(&'static str),
    /// Bytes that are not UTF-8 (or UTF-16 with a byte-order mark), or characters that XML has no place for.
    Characters,
    /// A DTD.
    Doctype,
    /// An entity that is none of XML's own five.
    Entity,
    /// The file, or something in it, is larger or deeper than is checked.
    TooLarge,
    /// More signatures, references or certificates than are checked.
    TooMany,
    /// `CHUKYDONVI` holds no XML signature.
    NoSignature,
    /// A part of the signature is missing, or there twice.
    Incomplete(&'static str),
    /// An algorithm that is not allowed.
    Algorithm(String),
    /// An algorithm that is not safe any more.
    Weak(&'static str),
    /// It refers to something that is not there, there twice, or outside the file.
    Reference,
    /// There is data inside the signature.
    Wrapped,
    /// The records in the document are not those the cutter finds.
    Records,
    /// What was signed was changed.
    Digest,
    /// The signature was not made with the certificate's key over this.
    Value,
    /// There is no certificate.
    NoCertificate,
    /// A certificate does not read.
    Certificate,
    /// The certificate's key is not RSA.
    Key,
    /// It covers other parts of the file, but not the records.
    Uncovered,
    /// The certificate had expired.
    Expired,
    /// The certificate was not valid yet.
    NotYet,
    /// The certificate leads to none of the configured issuers.
    Untrusted,
}

impl Fault {
    /// The same in words.
    pub fn said(&self) -> Said {
        match self {
            Self::Form(what) => said!(
                "tệp không đúng chuẩn XML nên không kiểm được chữ ký: {what}",
                "the file is not strict XML, its signature cannot be checked: {what}"
            ),
            Self::Characters => said!(
                "tệp có ký tự không đọc được theo UTF-8",
                "the file holds characters that are not UTF-8"
            ),
            Self::Doctype => said!(
                "tệp có DTD, không được phép",
                "the file has a DTD, which is not allowed"
            ),
            Self::Entity => said!(
                "tệp dùng thực thể XML không được phép",
                "the file uses an entity that is not allowed"
            ),
            Self::TooLarge => said!(
                "tệp quá lớn hoặc lồng quá sâu để kiểm chữ ký",
                "the file is too large or too deep for its signature to be checked"
            ),
            Self::TooMany => said!(
                "tệp có quá nhiều chữ ký, tham chiếu hoặc chứng thư số",
                "the file has too many signatures, references or certificates"
            ),
            Self::NoSignature => said!("CHUKYDONVI không chứa chữ ký XML", "CHUKYDONVI holds no XML signature"),
            Self::Incomplete(what) => said!(
                "chữ ký thiếu hoặc lặp {what}",
                "{what} is missing in the signature, or there twice"
            ),
            Self::Algorithm(name) => said!(
                "thuật toán không được phép: {name}; cần RSA-SHA256, SHA-256 và C14N",
                "algorithm not allowed: {name}; RSA-SHA256, SHA-256 and C14N are"
            ),
            Self::Weak(name) => said!(
                "thuật toán yếu, không được chấp nhận: {name}; cần RSA-SHA256 và SHA-256, khóa từ 2048 bit",
                "weak algorithm, not accepted: {name}; RSA-SHA256 and SHA-256 with a key of 2048 bits or more are"
            ),
            Self::Reference => said!(
                "chữ ký trỏ tới phần không có, có hai lần, hoặc ở ngoài tệp",
                "the signature refers to a part that is not there, there twice, or outside the file"
            ),
            Self::Wrapped => said!(
                "có dữ liệu nằm trong chữ ký, nơi không được ký",
                "there is data inside the signature, where it is not signed"
            ),
            Self::Records => said!(
                "số hồ sơ đọc được khác số hồ sơ được ký",
                "the records that are read are not those that are signed"
            ),
            Self::Digest => said!(
                "nội dung đã bị thay đổi sau khi ký",
                "the content was changed after it was signed"
            ),
            Self::Value => said!(
                "chữ ký không khớp với chứng thư số",
                "the signature does not match the certificate"
            ),
            Self::NoCertificate => said!(
                "chữ ký không kèm chứng thư số (X509Certificate)",
                "there is no certificate (X509Certificate) with the signature"
            ),
            Self::Certificate => said!("không đọc được chứng thư số", "the certificate does not read"),
            Self::Key => said!(
                "khóa của chứng thư số không phải RSA",
                "the certificate's key is not RSA"
            ),
            Self::Uncovered => said!(
                "chữ ký đúng nhưng không bao gồm hồ sơ",
                "the signature holds, but does not cover the records"
            ),
            Self::Expired => said!(
                "chứng thư số đã hết hạn khi ký",
                "the certificate had expired when it was signed"
            ),
            Self::NotYet => said!(
                "chứng thư số chưa có hiệu lực khi ký",
                "the certificate was not valid yet when it was signed"
            ),
            Self::Untrusted => said!(
                "chứng thư số không do đơn vị cấp nào đã cấu hình cấp ([signature] roots)",
                "the certificate was issued by none of the configured issuers ([signature] roots)"
            ),
        }
    }
}
