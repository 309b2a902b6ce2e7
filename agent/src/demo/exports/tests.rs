//! The invented hospital held against the published tables, and every special file against its description.

use std::collections::{BTreeSet, HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;

mod all_tables;

/// The official fields and their order.
const FIELDS: &[(&str, &str)] = &[
    (
        "XML1",
        "MA_LK STT MA_BN HO_TEN SO_CCCD NGAY_SINH GIOI_TINH NHOM_MAU MA_QUOCTICH MA_DANTOC MA_NGHE_NGHIEP DIA_CHI \
         MATINH_CU_TRU MAHUYEN_CU_TRU MAXA_CU_TRU DIEN_THOAI MA_THE_BHYT MA_DKBD GT_THE_TU GT_THE_DEN NGAY_MIEN_CCT \
         LY_DO_VV LY_DO_VNT MA_LY_DO_VNT CHAN_DOAN_VAO CHAN_DOAN_RV MA_BENH_CHINH MA_BENH_KT MA_BENH_YHCT MA_PTTT_QT \
         MA_DOITUONG_KCB MA_NOI_DI MA_NOI_DEN MA_TAI_NAN NGAY_VAO NGAY_VAO_NOI_TRU NGAY_RA GIAY_CHUYEN_TUYEN \
         SO_NGAY_DTRI PP_DIEU_TRI KET_QUA_DTRI MA_LOAI_RV GHI_CHU NGAY_TTOAN T_THUOC T_VTYT T_TONGCHI_BV T_TONGCHI_BH \
         T_BNTT T_BNCCT T_BHTT T_NGUONKHAC T_BHTT_GDV NAM_QT THANG_QT MA_LOAI_KCB MA_KHOA MA_CSKCB MA_KHUVUC CAN_NANG \
         CAN_NANG_CON NAM_NAM_LIEN_TUC NGAY_TAI_KHAM MA_HSBA MA_TTDV DU_PHONG",
    ),
    (
        "XML2",
        "MA_LK STT MA_THUOC MA_PP_CHEBIEN MA_CSKCB_THUOC MA_NHOM TEN_THUOC DON_VI_TINH HAM_LUONG DUONG_DUNG \
         DANG_BAO_CHE LIEU_DUNG CACH_DUNG SO_DANG_KY TT_THAU PHAM_VI TYLE_TT_BH SO_LUONG DON_GIA THANH_TIEN_BV \
         THANH_TIEN_BH T_NGUONKHAC_NSNN T_NGUONKHAC_VTNN T_NGUONKHAC_VTTN T_NGUONKHAC_CL T_NGUONKHAC MUC_HUONG T_BNTT \
         T_BNCCT T_BHTT MA_KHOA MA_BAC_SI MA_DICH_VU NGAY_YL NGAY_TH_YL MA_PTTT NGUON_CTRA VET_THUONG_TP DU_PHONG",
    ),
    (
        "XML3",
        "MA_LK STT MA_DICH_VU MA_PTTT_QT MA_VAT_TU MA_NHOM GOI_VTYT TEN_VAT_TU TEN_DICH_VU MA_XANG_DAU DON_VI_TINH \
         PHAM_VI SO_LUONG DON_GIA_BV DON_GIA_BH TT_THAU TYLE_TT_DV TYLE_TT_BH THANH_TIEN_BV THANH_TIEN_BH T_TRANTT \
         MUC_HUONG T_NGUONKHAC_NSNN T_NGUONKHAC_VTNN T_NGUONKHAC_VTTN T_NGUONKHAC_CL T_NGUONKHAC T_BNTT T_BNCCT T_BHTT \
         MA_KHOA MA_GIUONG MA_BAC_SI NGUOI_THUC_HIEN MA_BENH MA_BENH_YHCT NGAY_YL NGAY_TH_YL NGAY_KQ MA_PTTT \
         VET_THUONG_TP PP_VO_CAM VI_TRI_TH_DVKT MA_MAY MA_HIEU_SP TAI_SU_DUNG DU_PHONG",
    ),
    (
        "XML4",
        "MA_LK STT MA_DICH_VU MA_CHI_SO TEN_CHI_SO GIA_TRI DON_VI_DO MO_TA KET_LUAN NGAY_KQ MA_BS_DOC_KQ DU_PHONG",
    ),
    (
        "XML5",
        "MA_LK STT DIEN_BIEN_LS GIAI_DOAN_BENH HOI_CHAN PHAU_THUAT THOI_DIEM_DBLS NGUOI_THUC_HIEN DU_PHONG",
    ),
];

type Row = Vec<(String, String)>;

/// The innermost elements with their text, in rows; a row begins with `MA_LK`. Fails on XML that is not well-formed.
fn rows(xml: &str) -> Result<Vec<Row>, String> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let (mut rows, mut open, mut text): (Vec<Row>, Vec<String>, String) = (Vec::new(), Vec::new(), String::new());
    let mut leaf = false;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                open.push(String::from_utf8(start.name().as_ref().to_vec()).unwrap());
                text.clear();
                leaf = true;
            }
            Event::Text(part) => text.push_str(&part.decode().unwrap()),
            Event::CData(part) => text.push_str(&part.decode().unwrap()),
            Event::GeneralRef(part) => text.push_str(match part.decode().unwrap().as_ref() {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                other => return Err(format!("entity {other}")),
            }),
            Event::End(_) => {
                let name = open.pop().ok_or("one end too many")?;
                if leaf {
                    if name == "MA_LK" {
                        rows.push(Vec::new());
                    }
                    rows.last_mut()
                        .ok_or("a field before MA_LK")?
                        .push((name, text.clone()));
                }
                leaf = false;
            }
            Event::DocType(_) => return Err("DOCTYPE".to_owned()),
            Event::Eof => {
                return if open.is_empty() {
                    Ok(rows)
                } else {
                    Err(format!("{open:?} left open"))
                };
            }
            _ => {}
        }
    }
}

fn get<'a>(row: &'a Row, name: &str) -> &'a str {
    &row.iter()
        .find(|(field, _)| field == name)
        .unwrap_or_else(|| panic!("no {name}"))
        .1
}

fn table(visit: &Visit, name: &str) -> Vec<Row> {
    visit
        .tables
        .iter()
        .find(|table| table.name == name)
        .map_or_else(Vec::new, |table| rows(&table.xml).unwrap())
}

/// An amount in thousandths: enough for prices and quantities.
fn amount(row: &Row, name: &str) -> i64 {
    let text = get(row, name);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().unwrap() * 1000 + format!("{part:0<3}").parse::<i64>().unwrap()
}

/// The text of a file and its tables, record by record, as (name, content).
fn opened(bytes: &[u8]) -> (String, Vec<Vec<(String, String)>>) {
    let text = if bytes.starts_with(&[0xFF, 0xFE]) {
        let units: Vec<u16> = bytes[2..]
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).unwrap()
    } else {
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let between = |text: &str, from: &str, to: &str| {
        let rest = text.split_once(from).map_or("", |(_, rest)| rest).to_owned();
        rest.split_once(to)
            .map_or(rest.clone(), |(inside, _)| inside.to_owned())
    };
    let records = text.split("<HOSO>").skip(1).map(|record| {
        let files = record.split("<FILEHOSO>").skip(1);
        files
            .map(|f| {
                (
                    between(f, "<LOAIHOSO>", "<"),
                    between(f, "<NOIDUNGFILE>", "</NOIDUNGFILE>"),
                )
            })
            .collect()
    });
    let records = records.collect();
    (text, records)
}

fn decoded(content: &str) -> Result<String, String> {
    let bytes = BASE64.decode(content).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn odd(oddity: Oddity) -> ExportFile {
    let options = Options {
        oddities: vec![oddity],
        ..Options::plain(7, oddity.visits())
    };
    let files: Vec<_> = generate(&options).collect();
    assert_eq!(files.len(), 1);
    files.into_iter().next().unwrap()
}

fn broken(breakage: Breakage) -> ExportFile {
    let options = Options {
        broken: true,
        ..Options::plain(7, 10)
    };
    generate(&options)
        .find(|file| file.kind == Kind::Broken(breakage))
        .unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let bytes = |seed| {
        generate(&Options {
            seed,
            ..Options::demo()
        })
        .map(|f| (f.name, f.bytes))
        .collect::<Vec<_>>()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    let arrivals = |seed| many(seed, 20).map(|visit| get(&table(&visit, "XML1")[0], "NGAY_VAO").to_owned());
    assert!(
        arrivals(1).ne(arrivals(2)),
        "the course of a visit follows the seed, not only its key"
    );
    let alone = many(3, 20).last().unwrap();
    assert_eq!(
        alone,
        many(3, 500).nth(19).unwrap(),
        "a visit does not change with the number of visits"
    );
}

#[test]
fn every_table_has_all_fields_in_the_official_order() {
    let mut seen = HashSet::new();
    for visit in many(11, 100) {
        for (name, fields) in FIELDS {
            for row in table(&visit, name) {
                let names: Vec<_> = row.iter().map(|(field, _)| field.as_str()).collect();
                assert_eq!(names, fields.split_whitespace().collect::<Vec<_>>(), "{name}");
                assert_eq!(get(&row, "MA_LK"), visit.key);
                seen.insert(*name);
            }
        }
    }
    assert_eq!(seen.len(), 5);
}

#[test]
fn lines_are_quantity_times_price_times_ratio_and_the_summary_is_their_sum() {
    for visit in many(12, 300) {
        let mut sums: HashMap<&str, i64> = HashMap::new();
        for name in ["XML2", "XML3"] {
            for row in table(&visit, name) {
                let (hospital, insurance) = if name == "XML2" {
                    ("DON_GIA", "DON_GIA")
                } else {
                    ("DON_GIA_BV", "DON_GIA_BH")
                };
                let service_ratio = if name == "XML2" {
                    100
                } else {
                    amount(&row, "TYLE_TT_DV") / 1000
                };
                let line = |price, ratio| amount(&row, "SO_LUONG") / 1000 * amount(&row, price) * ratio / 100;
                let close = |left: i64, right: i64| assert!((left - right).abs() <= 10, "{left} {right} {row:?}");
                close(amount(&row, "THANH_TIEN_BV"), line(hospital, service_ratio));
                let covered = amount(&row, "TYLE_TT_BH") / 1000;
                close(
                    amount(&row, "THANH_TIEN_BH"),
                    line(insurance, service_ratio) * covered / 100,
                );
                let benefit = amount(&row, "MUC_HUONG") / 1000;
                close(amount(&row, "T_BHTT"), amount(&row, "THANH_TIEN_BH") * benefit / 100);
                let shares = ["T_BNTT", "T_BNCCT", "T_BHTT"].map(|part| amount(&row, part));
                assert_eq!(shares.iter().sum::<i64>(), amount(&row, "THANH_TIEN_BV"));
                assert!(shares.iter().all(|share| *share >= 0));
                let kind = if name == "XML2" { "T_THUOC" } else { "T_VTYT" };
                if name == "XML2" || !get(&row, "MA_VAT_TU").is_empty() {
                    *sums.entry(kind).or_default() += amount(&row, "THANH_TIEN_BV");
                }
                for (total, part) in [
                    ("T_TONGCHI_BV", "THANH_TIEN_BV"),
                    ("T_TONGCHI_BH", "THANH_TIEN_BH"),
                    ("T_BNTT", "T_BNTT"),
                    ("T_BNCCT", "T_BNCCT"),
                    ("T_BHTT", "T_BHTT"),
                    ("T_NGUONKHAC", "T_NGUONKHAC"),
                ] {
                    *sums.entry(total).or_default() += amount(&row, part);
                }
            }
        }
        let summary = &table(&visit, "XML1")[0];
        for (total, sum) in sums {
            assert_eq!(amount(summary, total), sum, "{total} of {}", visit.key);
        }
    }
}

#[test]
fn times_run_from_arrival_over_orders_and_results_to_payment() {
    for visit in many(13, 300) {
        let summary = &table(&visit, "XML1")[0];
        let (arrived, left, paid) = (
            get(summary, "NGAY_VAO"),
            get(summary, "NGAY_RA"),
            get(summary, "NGAY_TTOAN"),
        );
        assert!(arrived < left && left <= paid, "{summary:?}");
        assert_eq!(
            (get(summary, "NAM_QT"), get(summary, "THANG_QT")),
            (&paid[..4], &paid[4..6])
        );
        let fields = ["NGAY_YL", "NGAY_TH_YL", "NGAY_KQ", "THOI_DIEM_DBLS"];
        for row in ["XML2", "XML3", "XML4", "XML5"]
            .iter()
            .flat_map(|name| table(&visit, name))
        {
            let mut before = arrived;
            for (_, at) in row
                .iter()
                .filter(|(name, at)| fields.contains(&name.as_str()) && !at.is_empty())
            {
                assert!(
                    before <= at.as_str() && at.as_str() <= left && at.len() == 12,
                    "{at} in {row:?}"
                );
                before = at;
            }
        }
    }
}

#[test]
fn a_typical_visit_is_about_eleven_kilobytes_of_xml() {
    let mut sizes: Vec<usize> = many(14, 400)
        .map(|visit| visit.tables.iter().map(|table| table.xml.len()).sum())
        .collect();
    sizes.sort_unstable();
    assert!((9_000..13_500).contains(&sizes[200]), "median {}", sizes[200]);
}

#[test]
fn people_are_clearly_invented_and_visits_never_share_a_key() {
    let mut keys = HashSet::new();
    let mut ids: HashMap<String, String> = HashMap::new();
    for visit in many(15, 500).chain(many(16, 500)) {
        assert!(keys.insert(visit.key.clone()), "{} twice", visit.key);
        let summary = &table(&visit, "XML1")[0];
        let (id, patient) = (get(summary, "SO_CCCD"), get(summary, "MA_BN"));
        assert!(id.is_empty() || (id.len() == 12 && id.starts_with("999")), "{id}");
        assert_eq!(get(summary, "NGAY_SINH").len(), 12);
        for card in get(summary, "MA_THE_BHYT").split(';').filter(|card| !card.is_empty()) {
            assert!(card.len() == 15 && card[3..].starts_with("799999"), "{card}");
        }
        if visit.key.contains("_000F_") && !id.is_empty() {
            assert_eq!(
                ids.entry(id.to_owned()).or_insert_with(|| patient.to_owned()),
                patient,
                "two people, one id"
            );
        }
    }
}

#[test]
fn the_invented_hospital_shows_the_whole_variety() {
    let visits: Vec<_> = many(17, 400).collect();
    let summaries: Vec<Row> = visits.iter().map(|visit| table(visit, "XML1").remove(0)).collect();
    let count = |test: &dyn Fn(&Row) -> bool| summaries.iter().filter(|row| test(row)).count();
    let cards = |row: &Row| {
        get(row, "MA_THE_BHYT")
            .split(';')
            .filter(|card| !card.is_empty())
            .count()
    };
    assert!(
        (200..390).contains(&count(&|row| get(row, "MA_LOAI_KCB") == "01")),
        "outpatients"
    );
    assert!(
        (20..150).contains(&count(&|row| get(row, "MA_LOAI_KCB") == "03")),
        "inpatients"
    );
    assert!(
        count(&|row| cards(row) == 1) > 200 && count(&|row| cards(row) == 2) > 3 && count(&|row| cards(row) == 0) > 10
    );
    assert!(
        count(&|row| get(row, "NGAY_SINH").ends_with("00000000")) > 3,
        "year-only births"
    );
    assert!(count(&|row| get(row, "SO_CCCD").is_empty()) > 2, "no papers");
    let patients: HashSet<_> = summaries.iter().map(|row| get(row, "MA_BN")).collect();
    assert!(patients.len() < 340, "some come back");
    let groups: BTreeSet<_> = visits
        .iter()
        .flat_map(|v| table(v, "XML3"))
        .map(|row| get(&row, "MA_NHOM").to_owned())
        .collect();
    assert_eq!(
        groups.iter().map(String::as_str).collect::<Vec<_>>(),
        ["1", "10", "13", "15", "18", "2", "3"]
    );
    let results: Vec<Row> = visits.iter().flat_map(|visit| table(visit, "XML4")).collect();
    for value in ["<0.1", "Âm tính"] {
        assert!(results.iter().any(|row| get(row, "GIA_TRI") == value), "{value}");
    }
    assert!(results.iter().any(|row| get(row, "GIA_TRI").parse::<f64>().is_ok()));
    assert!(results.iter().any(|row| get(row, "TEN_CHI_SO").contains('<')));
}

#[test]
fn each_oddity_is_what_it_says_and_stays_readable() {
    for oddity in Oddity::ALL {
        let file = odd(oddity);
        let (text, records) = opened(&file.bytes);
        let keys: BTreeSet<_> = file.visits.iter().map(|visit| &visit.key).collect();
        assert_eq!((records.len(), keys.len()), (file.visits.len(), oddity.visits()));
        for (record, expected) in records.iter().zip(&file.visits) {
            for (name, content) in record {
                let xml = if oddity == Oddity::Inline {
                    content.clone()
                } else {
                    let joined: String = content.split_whitespace().collect();
                    decoded(&joined).unwrap()
                };
                for row in rows(&xml).unwrap_or_else(|error| panic!("{oddity:?} {name}: {error}")) {
                    assert_eq!(Some(get(&row, "MA_LK")), expected.key.as_deref());
                }
            }
        }
        let first = decoded(&records[0][0].1).unwrap_or_default();
        let second = decoded(&records[0][1].1).unwrap_or_default();
        let is_so = match oddity {
            Oddity::ManyRecords => text.contains("<SOLUONGHOSO>3<") && records.len() == 3,
            Oddity::WrongCount => text.contains("<SOLUONGHOSO>1<") && records.len() == 2,
            Oddity::Inline => text.contains("<NOIDUNGFILE><TONG_HOP>"),
            Oddity::OtherOrder => records[0][0].0 != "XML1" && records[0].last().unwrap().0 == "XML1",
            Oddity::ByteOrderMark => {
                file.bytes.starts_with(b"\xEF\xBB\xBF<?xml")
                    && !first.starts_with('\u{feff}')
                    && second.starts_with('\u{feff}')
            }
            Oddity::Cdata => first.contains("<HO_TEN><![CDATA["),
            Oddity::Crlf => [&text, &first]
                .iter()
                .all(|text| text.matches('\n').count() == text.matches("\r\n").count() && text.contains('\n')),
            Oddity::Utf16 => file.bytes.starts_with(&[0xFF, 0xFE, b'<', 0]) && text.contains("encoding=\"utf-16\""),
            Oddity::WrappedBase64 => records[0][0].1.lines().count() > 20 && decoded(&records[0][0].1).is_err(),
            Oddity::UnknownTable => records[0].last().unwrap().0 == "XML16",
            Oddity::YearOnlyBirth => get(&rows(&first).unwrap()[0], "NGAY_SINH").ends_with("00000000"),
            Oddity::Signed => text.contains("<CHUKYDONVI><Signature ") && records.len() == 1,
            Oddity::SignedMany => text.contains("<CHUKYDONVI><Signature ") && records.len() == 2,
            Oddity::OtherClasses => ["F32.1", "A51.0"].iter().zip(&records).all(|(code, record)| {
                let summary = &rows(&decoded(&record[0].1).unwrap()).unwrap()[0];
                get(summary, "MA_BENH_KT").split(';').next() == Some(code)
            }),
            Oddity::Twins => {
                let without_key = |nth: usize| {
                    let key = file.visits[nth].key.as_deref().unwrap();
                    let tables = records[nth].iter();
                    tables
                        .map(|(_, content)| decoded(content).unwrap().replace(key, ""))
                        .collect::<Vec<_>>()
                };
                without_key(0) == without_key(1)
            }
            Oddity::NewerVersion => {
                let newer = decoded(&records[1][0].1).unwrap();
                newer != first && newer.replace("Đã thanh toán. ", "") == first
            }
            Oddity::OlderNames => {
                let referral = records[0].iter().find(|(name, _)| name == "XML13");
                let referral = decoded(&referral.unwrap().1).unwrap();
                referral.contains("<MA_NOI_DEN>79998</MA_NOI_DEN>") && !referral.contains("MA_CSKCB_D")
            }
            // What these are is asked of what the agent makes of them: `all_tables`.
            Oddity::Tcvn3
            | Oddity::Vni
            | Oddity::Viscii
            | Oddity::Windows1258
            | Oddity::Mojibake
            | Oddity::MojibakeTwice
            | Oddity::MojibakeThrice
            | Oddity::Decomposed
            | Oddity::Hiv
            | Oddity::WrongSum => file.kind == Kind::Odd(oddity),
        };
        assert!(is_so, "{oddity:?}");
    }
}

#[test]
fn each_breakage_breaks_what_it_says_and_nothing_else() {
    let readable = |record: &[(String, String)]| {
        record.iter().all(|(_, content)| {
            decoded(content).is_ok_and(|xml| rows(&xml).is_ok_and(|rows| rows.iter().all(|row| row[0].0 == "MA_LK")))
        })
    };
    for breakage in Breakage::ALL {
        let file = broken(breakage);
        let (text, records) = opened(&file.bytes);
        let fates: Vec<_> = file.visits.iter().map(|visit| visit.fate == Fate::Ok).collect();
        assert_eq!(records.len(), fates.len(), "{breakage:?}");
        match breakage {
            Breakage::BadBase64 => {
                assert_eq!(
                    records.iter().map(|record| readable(record)).collect::<Vec<_>>(),
                    [true, false, true]
                );
                let bad: Vec<_> = records[1]
                    .iter()
                    .filter(|(_, content)| decoded(content).is_err())
                    .collect();
                assert!(bad.len() == 1 && bad[0].0 == "XML2");
            }
            Breakage::BrokenTable => {
                let broken = records[0].iter().find(|(name, _)| name == "XML2").unwrap();
                assert!(rows(&decoded(&broken.1).unwrap()).is_err());
            }
            Breakage::Truncated => {
                assert!(!text.contains("</GIAMDINHHS>") && !text.trim_end().ends_with("</HOSO>"));
                assert_eq!(text.matches("</HOSO>").count(), 2);
            }
            Breakage::Doctype => {
                assert!(text.contains("<!ENTITY ma") && text.contains("<MACSKCB>&ma;</MACSKCB>"))
            }
            Breakage::Empty => assert!(file.bytes.is_empty()),
            Breakage::NoKey => {
                assert!(
                    records[0]
                        .iter()
                        .all(|(_, content)| !decoded(content).unwrap().contains("MA_LK"))
                );
                assert_eq!(file.visits[0].key, None);
            }
        }
        let expected: &[bool] = match breakage {
            Breakage::BadBase64 => &[true, false, true],
            Breakage::Truncated => &[true, true, false],
            Breakage::Empty => &[],
            _ => &[false],
        };
        assert_eq!(fates, expected, "{breakage:?}");
    }
}

#[test]
fn the_number_of_visits_asked_for_is_the_number_that_can_arrive() {
    for visits in [0, 1, 5, 40] {
        let files: Vec<_> = generate(&Options {
            visits,
            ..Options::demo()
        })
        .collect();
        let whole = files
            .iter()
            .flat_map(|file| &file.visits)
            .filter(|visit| visit.fate == Fate::Ok)
            .count();
        assert_eq!(whole, visits);
        let names: HashSet<_> = files.iter().map(|file| &file.name).collect();
        assert_eq!(names.len(), files.len());
    }
    let kinds: Vec<_> = generate(&Options::demo()).map(|file| file.kind).collect();
    assert!(Oddity::USUAL.iter().all(|odd| kinds.contains(&Kind::Odd(*odd))));
    assert!(
        Breakage::ALL
            .iter()
            .all(|broken| kinds.contains(&Kind::Broken(*broken)))
    );
}

#[test]
fn one_large_file_holds_all_visits_and_counts_them() {
    let mut bytes = Vec::new();
    write_one_file(&mut bytes, 5, 30).unwrap();
    let (text, records) = opened(&bytes);
    assert!(text.contains("<SOLUONGHOSO>30</SOLUONGHOSO>") && records.len() == 30);
    for (record, visit) in records.iter().zip(many(5, 30)) {
        assert_eq!(decoded(&record[0].1).unwrap(), visit.tables[0].xml);
    }
}
