//! Random damage: never a panic, never a lost neighbour, never a value in a message.

use super::*;

/// Records of every form in turn, so that what one of them opens another might close.
fn record(n: usize) -> String {
    let key = format!("LK{n:03}");
    let inline = summary(&key).split_once('\n').unwrap().1.to_owned();
    match n % 5 {
        0 => visit(&key),
        1 => hoso(&[raw("XML1", &inline), raw("XML2", &drugs(&key))]),
        2 => hoso(&[
            raw("XML1", &inline.replace(SECRET, &format!("<![CDATA[{SECRET}]]>"))),
            "<!-- hết -->".to_owned(),
        ]),
        3 => hoso(&[raw("XML1", &format!("<![CDATA[{}]]>", summary(&key))), raw("XML9", "")]),
        _ => hoso(&[
            raw("XML1", &inline.replace('<', "&lt;")),
            table("XML2", &drugs(&key)),
            "<!-- - -->".to_owned(),
        ]),
    }
}

fn views(bytes: &[u8]) -> Vec<String> {
    let limits = Limits::default();
    let opened = cuts(bytes).into_iter().map(|cut| open(&cut, &limits));
    opened
        .map(|opened| match opened {
            Ok(opened) => opened.view_json(),
            Err(fault) => {
                let text = fault.to_string();
                assert!(!SECRET.split(' ').any(|word| text.contains(word)), "{text}");
                fault.code.to_owned()
            }
        })
        .collect()
}

fn hurt(record: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    const SNIPPETS: [&str; 14] = [
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<HOSO>",
        "</HOSO>",
        "<",
        ">",
        "&",
        "\0",
        "</FILEHOSO>",
        "<?",
        "</DANHSACHHOSO>",
        "<!DOCTYPE a>",
    ];
    let end = memchr::memmem::find(record, b"</HOSO>").unwrap() + "</HOSO>".len();
    let at = rng.usize(1..end);
    match rng.u8(..4) {
        0 => record[at] ^= 1 << rng.u8(..8),
        1 => _ = record.drain(at..rng.usize(at..=end.min(at + 40))),
        2 => record[at] = rng.u8(..),
        _ => _ = record.splice(at..at, rng.choice(SNIPPETS).unwrap().bytes()),
    }
}

#[test]
fn damage_to_one_record_never_reaches_its_neighbours() {
    let mut rng = fastrand::Rng::with_seed(3176);
    let whole: Vec<String> = (0..10).map(record).collect();
    let expected = views(file(&whole).as_bytes());
    assert!(expected.iter().all(|view| view.contains(SECRET)));
    for round in 0..4000 {
        let victim = rng.usize(..whole.len());
        let mut broken: Vec<Vec<u8>> = whole.iter().map(|record| record.clone().into_bytes()).collect();
        hurt(&mut broken[victim], &mut rng);
        let bytes = [HEAD.as_bytes(), &broken.concat(), FOOT.as_bytes()].concat();
        // An opened DOCTYPE that stands outside any record by then refuses the file: nothing is mapped wrongly.
        if let Err(FileFault::Refused(fault)) = survey(&bytes[..], &Limits::default()) {
            assert_eq!(fault.code, "FRAME-DTD", "round {round}");
            continue;
        }
        let found = views(&bytes);
        let after = expected.len() - victim - 1;
        assert!(
            found.len() > victim + after,
            "round {round}: a record is missing {}",
            String::from_utf8_lossy(&broken[victim])
        );
        assert_eq!(found[..victim], expected[..victim], "round {round}, before {victim}");
        assert_eq!(
            found[found.len() - after..],
            expected[victim + 1..],
            "round {round}, after {victim}"
        );
    }
}

#[test]
fn a_file_cut_anywhere_keeps_the_records_before_the_cut() {
    let whole: Vec<String> = (0..5).map(record).collect();
    let file = file(&whole);
    let expected = views(file.as_bytes());
    let ends: Vec<usize> = file.match_indices("</HOSO>").map(|(at, tag)| at + tag.len()).collect();
    for cut in HEAD.len() + "<HOSO>".len()..file.len() {
        let found = views(&file.as_bytes()[..cut]);
        let kept = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(found[..kept], expected[..kept], "cut at {cut}");
        assert!(found.len() <= kept + 1, "cut at {cut}");
    }
}

#[test]
fn both_passes_agree_on_any_damage() {
    let mut rng = fastrand::Rng::with_seed(130);
    let limits = Limits {
        record_bytes: 900,
        ..Limits::default()
    };
    let whole = file(&(0..5).map(record).collect::<Vec<_>>()).into_bytes();
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..30) {
            let at = rng.usize(..bytes.len());
            bytes[at] = if rng.bool() {
                rng.u8(..)
            } else {
                *rng.choice(b"<>!-[]/?&;\"'\0 HOS").unwrap()
            };
        }
        let counted = survey(&bytes[..], &limits)
            .map(|survey| survey.records)
            .map_err(|e| e.to_string());
        let found: Result<Vec<_>, _> = records(&bytes[..], &limits).collect();
        if let Ok(cuts) = &found {
            cuts.iter()
                .for_each(|cut| _ = open(cut, &limits).map(|opened| (opened.view_json(), opened.digest())));
        }
        assert_eq!(counted, found.map(|cuts| cuts.len() as u32).map_err(|e| e.to_string()));
    }
}
