//! The department that answers for a visit, for counting.
//!
//! What stays true: nothing but a plain, short code comes out of here, so that what was typed into the wrong field is told nowhere.

use crate::frame::Opened;

/// No code is longer.
const LONGEST: usize = 20;

/// Of the departments that the visit went through, the last: the one that closed it.
pub(super) fn of(opened: &Opened) -> Option<String> {
    last(opened.rows("XML1").find_map(|row| row.get("MA_KHOA"))?)
}

fn last(codes: &str) -> Option<String> {
    let code = codes.rsplit(';').map(str::trim).find(|code| !code.is_empty())?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (code.len() <= LONGEST && code.bytes().all(plain)).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_department_answers_for_a_visit_and_what_is_no_plain_code_is_none() {
        for (codes, department) in [
            ("K01", Some("K01")),
            ("K01;K02.1", Some("K02.1")),
            ("K01; K02 ;", Some("K02")),
            ("Nguyễn Văn A", None),
            ("K01;Van A", None),
            ("K0123456789012345678901", None),
            (" ; ", None),
        ] {
            assert_eq!(last(codes).as_deref(), department, "{codes}");
        }
    }
}
