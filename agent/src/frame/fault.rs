//! Why a file or a record could not be read, in words for the person who made the export.
//!
//! Vietnamese first, English second; what happened and what to do; never a value, since these texts leave the site.

use std::io;

/// Nothing can be had from this file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The file itself is fine as far as we know: trying again may help.
    #[error("reading the export file")]
    Read(#[from] io::Error),
    /// The file is not what it should be.
    #[error(transparent)]
    Refused(Fault),
}

/// Why one record has to be set aside; its neighbours are not touched by it.
pub type RecordFault = Fault;

/// What is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {vi} / {en}")]
pub struct Fault {
    /// Stable name, such as `FRAME-BASE64`.
    pub code: &'static str,
    /// The table (`XML2`) it happened in, where it is known.
    pub table: Option<String>,
    /// Line in the export file, from 1; for a table in base64 the line its content starts on.
    pub line: Option<u64>,
    /// For people, Vietnamese.
    pub vi: String,
    /// For people, English.
    pub en: String,
}

/// Everything that can be wrong: code, Vietnamese, English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    Empty,
    NotXml,
    Root,
    TwoRoots,
    NoRecord,
    FileDtd,
    NoEnd,
    NoStart,
    CutShort,
    TooLarge,
    Text,
    NoTable,
    TableName,
    Doubled,
    Base64,
    TableText,
    TableSize,
    Xml,
    Dtd,
    Entity,
    Depth,
    Fields,
    Value,
    Control,
    Stray,
    Nested,
}

impl Bad {
    /// The fault for people; `line` is a line of the export file.
    pub(super) fn fault(self, line: Option<u64>) -> Fault {
        let (code, vi, en) = self.words();
        Fault {
            code,
            table: None,
            line,
            vi: vi.to_owned(),
            en: en.to_owned(),
        }
    }

    /// The fault of a table; `inner` is the line within the table's own document, where that is not the file itself.
    pub(super) fn in_table(self, table: Option<String>, line: u64, inner: Option<u64>) -> Fault {
        let (code, vi, en) = self.words();
        let (mut vi, mut en) = (vi.to_owned(), en.to_owned());
        if let Some(inner) = inner {
            vi.push_str(&format!(" (Dòng {inner} trong nội dung của bảng.)"));
            en.push_str(&format!(" (Line {inner} within the table's content.)"));
        }
        Fault {
            code,
            table,
            line: Some(line),
            vi,
            en,
        }
    }

    #[rustfmt::skip] // one row per fault reads best as a table
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Empty => ("FRAME-EMPTY",
                "Tệp rỗng, không có dữ liệu XML. Hãy xuất lại tệp từ HIS.",
                "The file is empty, it has no XML data. Export it again from the HIS."),
            Self::NotXml => ("FRAME-NOT-XML",
                "Nội dung tệp không phải XML. Hãy kiểm tra thư mục xuất và xuất lại tệp từ HIS.",
                "The content of the file is not XML. Check the export folder and export the file again from the HIS."),
            Self::Root => ("FRAME-ROOT",
                "Thẻ gốc không phải GIAMDINHHS, tệp này không phải tệp hồ sơ QĐ 3176. Hãy xuất đúng loại tệp.",
                "The root element is not GIAMDINHHS, so this is not a QĐ 3176 record file. Export the right kind of file."),
            Self::TwoRoots => ("FRAME-TWO-ROOTS",
                "Tệp có nhiều hơn một thẻ gốc GIAMDINHHS, có lẽ nhiều tệp đã bị ghép lại. Hãy xuất từng tệp riêng.",
                "The file has more than one GIAMDINHHS root, several files were probably joined. Export them one by one."),
            Self::NoRecord => ("FRAME-NO-HOSO",
                "Tệp không có hồ sơ nào (không có thẻ HOSO). Hãy kiểm tra điều kiện xuất và xuất lại.",
                "The file holds no record (no HOSO element). Check what was selected for export and export again."),
            Self::FileDtd => ("FRAME-DTD",
                "Tệp có khai báo DOCTYPE, không được chấp nhận vì lý do an toàn. Hãy xuất lại tệp không có DOCTYPE.",
                "The file has a DOCTYPE declaration, which is refused for safety. Export it without a DOCTYPE."),
            Self::NoEnd => ("FRAME-NO-END",
                "Hồ sơ thiếu thẻ kết thúc HOSO. Hãy xuất lại hồ sơ này.",
                "The record has no HOSO end tag. Export this record again."),
            Self::NoStart => ("FRAME-NO-START",
                "Thẻ mở HOSO của hồ sơ bị thiếu hoặc bị hỏng. Hãy xuất lại hồ sơ này.",
                "The HOSO start tag of the record is missing or damaged. Export this record again."),
            Self::CutShort => ("FRAME-CUT-SHORT",
                "Tệp kết thúc giữa chừng trong hồ sơ này. Hãy xuất lại tệp và chép đủ.",
                "The file ends in the middle of this record. Export the file again and copy it whole."),
            Self::TooLarge => ("FRAME-TOO-LARGE",
                "Hồ sơ vượt quá dung lượng cho phép. Hãy kiểm tra hồ sơ này trong HIS.",
                "The record is larger than allowed. Check this record in the HIS."),
            Self::Text => ("FRAME-TEXT",
                "Hồ sơ có byte không phải UTF-8. Hãy xuất lại với bảng mã UTF-8.",
                "The record has bytes that are not UTF-8. Export it again in UTF-8."),
            Self::NoTable => ("FRAME-NO-TABLE",
                "Hồ sơ không có bảng nào (không có thẻ FILEHOSO). Hãy xuất lại hồ sơ này.",
                "The record has no table (no FILEHOSO element). Export this record again."),
            Self::TableName => ("FRAME-LOAIHOSO",
                "Một bảng không có tên (LOAIHOSO trống hoặc thiếu). Hãy xuất lại hồ sơ này.",
                "A table has no name (LOAIHOSO is empty or missing). Export this record again."),
            Self::Doubled => ("FRAME-DOUBLED",
                "Một FILEHOSO có nhiều hơn một LOAIHOSO hoặc NOIDUNGFILE. Hãy xuất lại hồ sơ này.",
                "A FILEHOSO has more than one LOAIHOSO or NOIDUNGFILE. Export this record again."),
            Self::Base64 => ("FRAME-BASE64",
                "Nội dung bảng (NOIDUNGFILE) không phải base64 hợp lệ. Hãy xuất lại hồ sơ này.",
                "The content of the table (NOIDUNGFILE) is not valid base64. Export this record again."),
            Self::TableText => ("FRAME-TABLE-TEXT",
                "Nội dung bảng sau khi giải mã có byte không phải UTF-8. Hãy xuất lại với bảng mã UTF-8.",
                "The decoded content of the table has bytes that are not UTF-8. Export it again in UTF-8."),
            Self::TableSize => ("FRAME-TABLE-SIZE",
                "Nội dung bảng vượt quá dung lượng cho phép. Hãy kiểm tra hồ sơ này trong HIS.",
                "The content of the table is larger than allowed. Check this record in the HIS."),
            Self::Xml => ("FRAME-XML",
                "XML sai cú pháp (thẻ không khớp, bị cắt, hoặc ký tự & < chưa được mã hóa). Hãy xuất lại hồ sơ này.",
                "The XML is malformed (tags do not match, it is cut off, or & or < is not escaped). Export this record again."),
            Self::Dtd => ("FRAME-DTD",
                "Có khai báo DOCTYPE trong hồ sơ, không được chấp nhận vì lý do an toàn. Hãy xuất lại không có DOCTYPE.",
                "There is a DOCTYPE declaration in the record, which is refused for safety. Export it without a DOCTYPE."),
            Self::Entity => ("FRAME-ENTITY",
                "Có tham chiếu ký tự không xác định (chỉ dùng &amp; &lt; &gt; &quot; &apos; hoặc mã số). Hãy xuất lại hồ sơ này.",
                "There is an unknown entity (only &amp; &lt; &gt; &quot; &apos; and numbers may be used). Export this record again."),
            Self::Depth => ("FRAME-DEPTH",
                "Các thẻ lồng nhau quá sâu. Hãy kiểm tra hồ sơ này trong HIS.",
                "The elements are nested too deep. Check this record in the HIS."),
            Self::Fields => ("FRAME-FIELDS",
                "Hồ sơ có quá nhiều trường dữ liệu. Hãy kiểm tra hồ sơ này trong HIS.",
                "The record has too many fields. Check this record in the HIS."),
            Self::Value => ("FRAME-VALUE",
                "Một trường dữ liệu quá dài. Hãy kiểm tra hồ sơ này trong HIS.",
                "The text of one field is too long. Check this record in the HIS."),
            Self::Control => ("FRAME-CONTROL",
                "Có ký tự điều khiển mà XML không cho phép (thường do dán từ Word). Hãy xóa ký tự đó trong HIS và xuất lại.",
                "There is a control character that XML forbids (often pasted from Word). Remove it in the HIS and export again."),
            Self::Stray => ("FRAME-STRAY",
                "Có văn bản nằm ngoài các trường dữ liệu. Hãy xuất lại hồ sơ này.",
                "There is text outside of the fields. Export this record again."),
            Self::Nested => ("FRAME-NESTED",
                "Một trường dữ liệu có thẻ khác bên trong, hoặc các trường và danh sách bị trộn lẫn. Hãy xuất lại hồ sơ này.",
                "A field has other elements in it, or fields and lists are mixed. Export this record again."),
        }
    }
}
