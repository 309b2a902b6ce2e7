//! Any column of values: what is plain is never touched, and what was written in an encoding that is found says again what it said.

use vhr_core::spoiled::{self, Encoding, Spoiled};

use crate::bytes::Bytes;

/// Bytes of the encodings, as Latin-1 has them, and words.
pub const WORDS: &[&str] = &[
    "\n",
    "Nguy\u{D4}n",
    "V\u{A8}n",
    "Nguye\u{E3}n",
    "Va\u{EA}n",
    "Nguy\u{EA}\u{DE}n",
    "Nguy\u{AD}n",
    "Ã¡",
    "á»…",
    "e\u{302}\u{303}",
    "m²",
    "µg",
    "°C",
];

/// What is encoded.
const SAID: &[&str] = &[
    "Nguyễn",
    "Văn",
    "Hưởng",
    "Đặng",
    "Thị",
    "Ngọc",
    "Huỳnh",
    "Bình",
    "viêm",
    "dạ",
    "dày",
    "tăng",
    "huyết",
    "áp",
    "đau",
    "đầu",
    "sốt",
    "ho",
    "khó",
    "thở",
    "người",
    "bệnh",
    "tỉnh",
    "tiếp",
    "xúc",
    "được",
    "uống",
    "thuốc",
    "ngày",
    "lần",
    "mỗi",
    "viên",
    "sau",
    "ăn",
    "khám",
    "lại",
    "khi",
    "có",
    "dấu",
    "hiệu",
    "bất",
    "thường",
    "gãy",
    "xương",
    "cổ",
    "tay",
    "phải",
    "nghỉ",
    "ngơi",
    "theo",
    "dõi",
    "nhịp",
    "tim",
    "phổi",
    "trong",
    "bụng",
    "mềm",
    "chưa",
];

const ENCODINGS: [Encoding; 6] = [
    Encoding::Tcvn3,
    Encoding::Vni,
    Encoding::Windows1258,
    Encoding::Viscii,
    Encoding::Mojibake,
    Encoding::Decomposed,
];

/// Choices of words for each encoding, and columns of them.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (at, encoding) in ENCODINGS.into_iter().enumerate() {
        let choices: Vec<u8> = (0..SAID.len() as u8).collect();
        let text = said(&mut Bytes::new(&choices));
        seeds.push([&[at as u8][..], &choices].concat());
        let column: Vec<String> = text.iter().filter_map(|value| spoil(encoding, value)).collect();
        seeds.push([&[255], column.join("\n").as_bytes()].concat());
    }
    seeds
}

/// Which encoding and words of ours, or any column.
pub fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    match ENCODINGS.get(usize::from(*first)) {
        Some(encoding) => comes_back(*encoding, &said(&mut Bytes::new(rest))),
        None => {
            let text = String::from_utf8_lossy(rest);
            let column: Vec<&str> = text.lines().collect();
            if let Some(spoiled) = spoiled::detect(column.iter().copied()) {
                column.iter().for_each(|value| stands(spoiled, value));
            }
        }
    }
}

/// Values of a few words each.
fn said(choices: &mut Bytes<'_>) -> Vec<String> {
    let mut values = Vec::new();
    while !choices.is_empty() {
        let words: Vec<&str> = (0..4).map(|_| SAID[choices.below(SAID.len())]).collect();
        values.push(words.join(" "));
    }
    values
}

/// As a HIS would have written it, and a reader of Latin-1 or UTF-8 read it.
fn spoil(encoding: Encoding, text: &str) -> Option<String> {
    let bytes = encoding.encode(text)?;
    Some(match encoding {
        Encoding::Mojibake | Encoding::Decomposed => String::from_utf8(bytes).expect("text"),
        _ => bytes.into_iter().map(char::from).collect(),
    })
}

fn comes_back(encoding: Encoding, said: &[String]) {
    let Some(column) = said
        .iter()
        .map(|value| spoil(encoding, value))
        .collect::<Option<Vec<String>>>()
    else {
        panic!("every word of ours can be written in {}", encoding.code());
    };
    let Some(found) = spoiled::detect(column.iter().map(String::as_str)) else {
        return;
    };
    column.iter().for_each(|value| stands(found, value));
    // A few words may be good in several ways; where a column is, it was found.
    if found.encoding() != encoding {
        assert!(
            said.len() < 8,
            "{} was taken for {}: {said:?}",
            encoding.code(),
            found.encoding().code()
        );
        return;
    }
    for (value, meant) in column.iter().zip(said) {
        let read = found.repair(value);
        // Capitals in TCVN3 are guessed.
        assert_eq!(read.to_lowercase(), meant.to_lowercase(), "{}", encoding.code());
    }
}

/// What is plain stays, and no line is lost or made.
fn stands(spoiled: Spoiled, value: &str) {
    let read = spoiled.repair(value);
    if value.is_ascii() {
        assert_eq!(read, value);
    }
    assert!(read.len() <= 4 * value.len() + 16, "{} of {}", read.len(), value.len());
    assert_eq!(read.matches('\n').count(), value.matches('\n').count());
}
