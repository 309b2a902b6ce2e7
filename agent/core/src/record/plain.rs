//! Claim files with their tables as they are inside: base64 hides from the compressor how much of it is said over and over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

const BEGIN: &[u8] = b"<NOIDUNGFILE>";
const END: u8 = b'<';

/// The file as pieces, by turns as they are and to be written in base64, each behind its length.
pub(super) fn pack(file: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(file.len());
    let (mut written, mut at) = (0, 0);
    while let Some(begin) = memmem::find(&file[at..], BEGIN) {
        let from = at + begin + BEGIN.len();
        let to = memchr::memchr(END, &file[from..]).map_or(file.len(), |end| from + end);
        at = to;
        // Only what is written in base64 in the one way there is comes back as it was.
        if let Ok(plain) = STANDARD.decode(&file[from..to]) {
            put(&mut packed, &file[written..from]);
            put(&mut packed, &plain);
            written = to;
        }
    }
    put(&mut packed, &file[written..]);
    packed
}

/// The file that was packed; none: these are not its pieces.
pub(super) fn unpack(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut file = Vec::with_capacity(packed.len() / 3 * 4);
    let mut plain = false;
    while !packed.is_empty() {
        let (length, rest) = packed.split_first_chunk()?;
        let (piece, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        if plain {
            let from = file.len();
            file.resize(from + base64::encoded_len(piece.len(), true)?, 0);
            STANDARD.encode_slice(piece, &mut file[from..]).ok()?;
        } else {
            file.extend_from_slice(piece);
        }
        (packed, plain) = (rest, !plain);
    }
    Some(file)
}

fn put(packed: &mut Vec<u8>, piece: &[u8]) {
    let length = u32::try_from(piece.len()).expect("a claim is far below 4 GiB: records are limited when framed");
    packed.extend_from_slice(&length.to_le_bytes());
    packed.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tables_in_base64_are_kept_plain_and_come_back_byte_for_byte() {
        let table = |text: &str| format!("<NOIDUNGFILE>{text}</NOIDUNGFILE>");
        let inside = "<TONG_HOP><MA_LK>LK1</MA_LK></TONG_HOP>";
        let encoded = STANDARD.encode(inside);
        let blank = format!(" {encoded}");
        let pieces = [
            table(&encoded),
            table("a"),
            table(""),
            // The bits behind the last byte are not those of an encoder.
            table("QUJ="),
            table(&blank),
            table(inside),
            table(&encoded),
            "<NOIDUNGFILE>QUJD".to_owned(),
        ];
        let file = pieces.concat();
        let packed = pack(file.as_bytes());
        assert_eq!(memmem::find_iter(&packed, inside).count(), 3);
        assert_eq!(unpack(&packed).unwrap(), file.as_bytes());
    }

    proptest! {
        #[test]
        fn whatever_it_is_comes_back(file in "(<NOIDUNGFILE>|[A-D]{0,9}|=|</|[é<>]){0,20}") {
            prop_assert_eq!(unpack(&pack(file.as_bytes())).unwrap(), file.as_bytes());
        }

        #[test]
        fn what_was_never_packed_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = unpack(&bytes);
        }
    }
}
