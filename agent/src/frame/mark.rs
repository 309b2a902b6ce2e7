//! What a `<` begins, told from the bytes right behind it: the whole vocabulary of the outer layer.

/// What a `<` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Open(Name),
    Close(Name),
    Section(usize),
    Doctype,
    Instruction,
    Junk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Root,
    List,
    Hoso,
    File,
    Facility,
    MadeOn,
    Count,
    Seal,
    Signature,
    CheckIn,
    Other,
}

/// What opens and closes the sections that hide tags.
pub(super) const SECTIONS: [(&[u8], &[u8]); 2] = [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>")];
pub(super) const CDATA: usize = 1;
/// Enough to recognise any name that matters, prefix included.
pub(super) const MARK: usize = 96;
/// Enough for a start tag or a header field.
pub(super) const TAG: usize = 4096;

pub(super) fn mark(bytes: &[u8]) -> Mark {
    let (close, name) = match *bytes {
        [b'<', b'!', ..] => {
            return match SECTIONS.iter().position(|(open, _)| bytes.starts_with(open)) {
                Some(kind) => Mark::Section(kind),
                None if bytes
                    .get(2..9)
                    .is_some_and(|word| word.eq_ignore_ascii_case(b"DOCTYPE")) =>
                {
                    Mark::Doctype
                }
                None => Mark::Junk,
            };
        }
        [b'<', b'?', ..] => return Mark::Instruction,
        [b'<', b'/', ref name @ ..] => (true, name),
        [b'<', ref name @ ..] => (false, name),
        _ => return Mark::Junk,
    };
    if !name
        .first()
        .is_some_and(|&b| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80)
    {
        return Mark::Junk;
    }
    let name = &name[..name.len().min(MARK - 8)];
    let mut from = 0;
    let mut to = name.len();
    for (i, &b) in name.iter().enumerate() {
        match b {
            b':' => from = i + 1,
            b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n' | b'<' => {
                to = i;
                break;
            }
            _ => {}
        }
    }
    let name = match &name[from..to] {
        b"HOSO" => Name::Hoso,
        b"FILEHOSO" => Name::File,
        b"GIAMDINHHS" => Name::Root,
        b"DANHSACHHOSO" | b"THONGTINHOSO" => Name::List,
        b"MACSKCB" => Name::Facility,
        b"NGAYLAP" => Name::MadeOn,
        b"SOLUONGHOSO" => Name::Count,
        b"CHUKYDONVI" => Name::Seal,
        b"Signature" => Name::Signature,
        b"CHI_TIEU_TRANG_THAI_KCB" => Name::CheckIn,
        _ => Name::Other,
    };
    if close { Mark::Close(name) } else { Mark::Open(name) }
}

/// Marks that can stand in no record: one whose end tag is missing has ended here.
pub(super) fn ends_damaged(mark: Mark) -> bool {
    matches!(
        mark,
        Mark::Open(Name::Hoso | Name::Root) | Mark::Close(Name::Root | Name::List)
    )
}

/// Where the tag these bytes start with ends; a `<` ends it too, since no tag may contain one.
pub(super) fn tag_end(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (i, &b) in bytes.iter().enumerate().take(TAG).skip(1) {
        match (b, quote) {
            (b'<', _) => return Some(i),
            (b'>', None) => return Some(i + 1),
            (b'"' | b'\'', None) => quote = Some(b),
            (b, Some(open)) if b == open => quote = None,
            _ => {}
        }
    }
    None
}

/// The `xmlns` attributes of a start tag, each with a blank before it.
pub(super) fn namespaces(tag: &[u8]) -> String {
    let Some(content) = std::str::from_utf8(tag)
        .ok()
        .and_then(|tag| tag.strip_prefix('<')?.strip_suffix('>'))
    else {
        return String::new();
    };
    let name = content.find(|c: char| c.is_ascii_whitespace()).unwrap_or(content.len());
    let start = quick_xml::events::BytesStart::from_content(content, name);
    let attributes = start.attributes().filter_map(Result::ok);
    let wanted = attributes.filter(|a| a.key.as_ref() == b"xmlns" || a.key.as_ref().starts_with(b"xmlns:"));
    wanted.fold(String::new(), |mut all, attribute| {
        let name = String::from_utf8_lossy(attribute.key.as_ref());
        let value = String::from_utf8_lossy(&attribute.value).replace('"', "&quot;");
        all.push_str(&format!(" {name}=\"{value}\""));
        all
    })
}
