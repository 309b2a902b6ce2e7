//! Form bodies (application/x-www-form-urlencoded), small ones and those that carry a file.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A form body (application/x-www-form-urlencoded). Everything but letters and digits is escaped: `+` above all, of which
/// base64 is full.
pub(super) fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        escape(&mut body, value);
    }
    body
}

/// The form with the file in base64 as the value of its last field. Piece by piece: a file may be large.
pub(super) fn with_file(mut body: String, file: &[u8]) -> String {
    const PIECE: usize = 3 * 4096; // of three, so that no padding stands within
    body.reserve(file.len() / 3 * 4 + file.len() / 16 + 64);
    let mut piece = String::with_capacity(PIECE / 3 * 4);
    for bytes in file.chunks(PIECE) {
        piece.clear();
        STANDARD.encode_string(bytes, &mut piece);
        escape(&mut body, &piece);
    }
    body
}

fn escape(body: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            body.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(body, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_keeps_its_plus_and_a_file_is_written_in_pieces_as_if_in_one() {
        assert_eq!(form([("a", "x+/="), ("b", "1 ế")]), "a=x%2B%2F%3D&b=1%20%E1%BA%BF");
        let file: Vec<u8> = (0..100_000_u32).map(|n| ((n * 31) >> 3) as u8).collect();
        let whole = form([("a", "1"), ("file", &STANDARD.encode(&file))]);
        assert_eq!(with_file(form([("a", "1"), ("file", "")]), &file), whole);
    }
}
