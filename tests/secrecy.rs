//! Where patients' data and secrets must never be: canaries are planted wherever such data enters, and then looked for in
//! every file below the state folder, in names, in all that is logged, and in what the service tells of itself.

use std::fs;
use std::io::Read;
use std::path::Path;

use memchr::memmem;
use vhr_agent::demo::exports::{ExportFile, Oddity};
use vhr_agent::demo::receivers::{Answer, GatewayOptions};

use crate::harness::{Service, Wish, World, age, eventually, files_below, odd, one_visit, whole_keys};

/// People, ids and passwords that are nowhere else. All carry a word that no escaping changes.
const NAME: &str = "Hoàng Yến Oanh Kanary";
const PASSWORD: &str = "mật khẩu Kanary 7f3a";
const REASON: &str = "đã gọi cho bà Kanary";
/// By the field of the export that it is put into, everywhere in the file.
const PLANTED: [(&str, &str); 12] = [
    ("MA_LK", "KANARYLK0401"),
    ("MA_BN", "KANARYBN77"),
    ("HO_TEN", NAME),
    ("SO_CCCD", "001199887766"),
    ("DIA_CHI", "ngõ 17 Kanary, Hàng Lụa"),
    ("DIEN_THOAI", "0912345987"),
    ("MA_THE_BHYT", "HC4010099887766"),
    ("LY_DO_VV", "đau bụng Kanary"),
    ("PP_DIEU_TRI", "điều trị Kanary"),
    ("GHI_CHU", "ghi chú riêng Kanary"),
    ("TEN_THUOC", "Thuốc Kanarycin"),
    ("TEN_DICH_VU", "Siêu âm Kanary"),
];

#[test]
fn no_canary_gets_into_a_file_a_name_a_log_or_a_status() {
    let world = World::with(Wish {
        gateway_options: GatewayOptions {
            password: PASSWORD.into(),
            ..GatewayOptions::default()
        },
        ..Wish::default()
    });
    let key = PLANTED[0].1;
    let told = format!("{NAME} {}", PLANTED[3].1);
    // Everything that can go wrong and is told somewhere: refusals, doubts, damage, an account that is not let in.
    world.gateway.refuse([key.to_owned()]);
    world.fhir.script([
        Answer::Status(422, vec![], outcome(&told)),
        Answer::Status(503, vec![("Retry-After".into(), NAME.into())], told.clone()),
        Answer::Status(500, vec![], format!("<html>{told}</html>")),
    ]);
    world
        .gateway
        .script_tokens([Answer::Status(500, vec![], PASSWORD.into())]);
    let whole = planted(&odd(401, Oddity::Inline), &PLANTED);
    let text = String::from_utf8(whole.clone()).unwrap();
    // Values that are none of their kind, and a record that does not say whose it is.
    let nonsense = [
        ("MA_LK", "KANARYLK0402"),
        ("NGAY_SINH", "Kanary-sinh"),
        ("GIOI_TINH", "Kanary-gioi"),
        ("NGAY_VAO", "Kanary-vao"),
        ("SO_LUONG", "Kanary-so"),
        ("MA_BENH_CHINH", "Kanary-benh"),
    ];
    let nonsense = planted(&odd(404, Oddity::Inline), &nonsense);
    let nobody = planted(&odd(405, Oddity::Inline), &[("MA_LK", ""), ("HO_TEN", NAME)]);

    let service = traced(&world, &["run"]).running();
    // The HIS may put anything into a name.
    world.drop_in(&format!("{NAME}_{}.xml", PLANTED[3].1), &whole);
    world.drop_in(&format!("{NAME}.xml"), &whole[..whole.len() * 2 / 3]);
    world.drop_in("Kanary-sai.xml", &nonsense);
    world.drop_in("Kanary-ai.xml", &nobody);
    world.drop_in("Kanary-utf8.xml", &[b"\xff\xfe\xff", whole.as_slice()].concat());
    world.drop_in("other.xml", &one_visit(402).bytes);
    let folder = world.exports().join(format!("thư mục {NAME}.xml"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("Kanary.xml"), &whole).unwrap();
    age(&folder.join("Kanary.xml"));
    let mut statuses = Vec::new();
    eventually("all has come to an end", || {
        let status = world.run(&["status", "--json"]);
        let of = |nth: usize, key: &str| status.json()["endpoints"][nth][key].as_u64().unwrap_or(0);
        let ended = (0..2).all(|nth| of(nth, "waiting") + of(nth, "sending") == 0 && of(nth, "delivered") > 0);
        let ended = ended && status.json()["sources"][0]["accepted"] == 6;
        statuses.push(status.out);
        ended
    });
    let parked = world.listed("parked");
    assert!(parked.len() >= 2, "{parked:?}");
    let words: String = parked.iter().map(ToString::to_string).collect();
    assert!(words.contains(NAME), "a person is told what the receiver said: {words}");
    let aside = world.listed("set-aside").len() + world.listed("refused").len();
    assert!(aside >= 2, "{aside}");
    let id = parked[0]["id"].as_str().unwrap();
    world.run(&["queue", "drop", id, "--reason", REASON]).with(0);
    let first = service.terminate().with(0);

    // Once more from the start, with what the journal holds, and something new.
    let again = [("MA_LK", "KANARYLK0403"), ("HO_TEN", NAME), ("GHI_CHU", "khác Kanary")];
    world.drop_in("Kanary-nữa.xml", &planted(&odd(406, Oddity::Inline), &again));
    let second = traced(&world, &["run", "--once", "--now"]).finish();
    let mut told = vec![first.out, first.err, second.out, second.err];
    told.extend(statuses.pop());
    for verb in [
        &["status"][..],
        &["status", "--json"],
        &["check"],
        &["key", "ls"],
        &["outages"],
    ] {
        let done = traced(&world, verb).finish();
        told.extend([done.out, done.err]);
    }
    assert!(told[1].contains("accepted"), "the log does tell the story: {}", told[1]);

    let day = world.receipts()[0][0][..10].to_owned();
    let reports = ["text", "csv", "html", "xlsx"].map(|format| {
        let path = world.path("report");
        let out = path.display().to_string();
        world
            .run(&["report", "--from", &day, "--format", format, "--out", &out])
            .with(0);
        (format, fs::read(path).unwrap())
    });
    for (format, bytes) in &reports {
        let tells = memmem::find(bytes, b"vhr").is_some() && memmem::find(bytes, b"insurance").is_some();
        assert!(tells, "the {format} report is about what was done");
    }

    let mut canaries: Vec<&str> = PLANTED.iter().map(|(_, canary)| *canary).collect();
    canaries.extend([PASSWORD, REASON, "Kanary", "KANARY", "kanary"]);
    let storage_key = fs::read_to_string(world.path("state").join("storage.key")).unwrap();
    let needles = needles(&canaries);
    let key_needles = self::needles(&[storage_key.trim()]);
    assert!(
        found(text.as_bytes(), &needles).is_some(),
        "what is looked for is in the export"
    );
    let mut leaks = Vec::new();
    for text in &told {
        if let Some(needle) = found(text.as_bytes(), &needles).or(found(text.as_bytes(), &key_needles)) {
            let line = text.lines().find(|line| found(line.as_bytes(), &needles).is_some());
            leaks.push(format!("{needle} is told: {line:?}"));
        }
    }
    for (format, bytes) in &reports {
        let told = found(bytes, &needles).or(found(bytes, &key_needles));
        leaks.extend(told.map(|needle| format!("{needle} is in the {format} report")));
    }
    let mut files = 0;
    for root in ["state", "tmp"] {
        for path in files_below(&world.path(root)) {
            let inner = path.strip_prefix(world.path(root)).unwrap().display().to_string();
            leaks.extend(found(inner.as_bytes(), &needles).map(|needle| format!("{needle} is in the name {inner}")));
            if !path.is_file() {
                continue;
            }
            files += 1;
            let own = inner.starts_with("storage.key");
            leaks.extend(in_file(&path, &needles).map(|needle| format!("{needle} is in {inner}")));
            leaks.extend(
                in_file(&path, &key_needles)
                    .filter(|_| !own)
                    .map(|_| format!("the storage key is in {inner}")),
            );
        }
    }
    assert!(files > 10, "{files}");
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[test]
fn a_canary_is_found_in_every_disguise() {
    let needles = needles(&[NAME]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let utf16: Vec<u8> = NAME.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex: String = NAME.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut disguises = vec![
        NAME.as_bytes().to_vec(),
        utf16,
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        zstd::encode_all(NAME.as_bytes(), 3).unwrap(),
    ];
    disguises.extend(["", "a", "ab"].map(|before| base64(format!("{before}{NAME} và sau").as_bytes()).into_bytes()));
    for disguise in disguises {
        fs::write(&path, [b"before", &disguise[..], b"after"].concat()).unwrap();
        assert!(
            in_file(&path, &needles).is_some(),
            "{}",
            String::from_utf8_lossy(&disguise)
        );
    }
    fs::write(&path, "Hoàng Yến Oanh").unwrap();
    assert!(in_file(&path, &needles).is_none());
}

/// What a FHIR server says when it repeats what it was sent.
fn outcome(words: &str) -> String {
    format!(
        "{{\"resourceType\":\"OperationOutcome\",\"issue\":[{{\"severity\":\"error\",\"code\":\"invalid\",\"diagnostics\":\"{words}\"}}]}}"
    )
}

/// Saying all there is to say, also what libraries have to say.
fn traced(world: &World, arguments: &[&str]) -> Service {
    world.start_in(&[("VHR_LOG", std::ffi::OsStr::new("trace"))], arguments)
}

/// The file with these values in all fields of these names that it has.
#[track_caller]
fn planted(file: &ExportFile, values: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::from_utf8(file.bytes.clone()).unwrap();
    for (field, value) in values {
        let (open, close) = (format!("<{field}>"), format!("</{field}>"));
        let parts: Vec<&str> = text.split(open.as_str()).collect();
        assert!(parts.len() > 1, "{field} is not in the file");
        let rest = parts[1..].iter().map(|part| {
            let end = part.find(&close).unwrap();
            format!("{open}{value}{}", &part[end..])
        });
        text = std::iter::once(parts[0].to_owned()).chain(rest).collect();
    }
    text.into_bytes()
}

/// What each canary would look like, with its name.
fn needles(canaries: &[&str]) -> Vec<(String, memmem::Finder<'static>)> {
    let mut needles = Vec::new();
    for canary in canaries {
        let utf16: Vec<u8> = canary.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (form, bytes) in [("UTF-8", canary.as_bytes()), ("UTF-16", &utf16)] {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut disguises = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
            for before in 0..3 {
                // What stands before and behind is unknown: only the letters made of the canary's own bits remain.
                let text = base64(&[&vec![0; before][..], bytes].concat());
                let from = (before * 8).div_ceil(6);
                let inner = &text[from..(before + bytes.len()) * 8 / 6];
                disguises.push(inner.as_bytes().to_vec());
                disguises.push(inner.replace('+', "-").replace('/', "_").into_bytes());
            }
            let finders = disguises
                .into_iter()
                .map(|bytes| memmem::Finder::new(&bytes).into_owned());
            needles.extend(finders.map(|finder| (format!("{canary} ({form})"), finder)));
        }
    }
    needles
}

fn found<'a>(bytes: &[u8], needles: &'a [(String, memmem::Finder<'_>)]) -> Option<&'a str> {
    let mut all = needles.iter();
    all.find(|(_, finder)| finder.find(bytes).is_some())
        .map(|(name, _)| name.as_str())
}

/// In the file as it is, and in whatever in it was packed with zstd.
fn in_file<'a>(path: &Path, needles: &'a [(String, memmem::Finder<'_>)]) -> Option<&'a str> {
    let bytes = fs::read(path).unwrap();
    let mut packed = memmem::find_iter(&bytes, b"\x28\xb5\x2f\xfd");
    found(&bytes, needles).or_else(|| {
        packed.find_map(|at| {
            let mut plain = Vec::new();
            // Four bytes may look like a beginning and be none; what was read until then counts.
            let _ = zstd::Decoder::new(&bytes[at..]).map(|from| from.take(64 << 20).read_to_end(&mut plain));
            found(&plain, needles)
        })
    })
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = bytes.chunks(3).flat_map(|three| {
        let number = (0..3).fold(0usize, |number, nth| {
            number << 8 | usize::from(*three.get(nth).unwrap_or(&0))
        });
        (0..=three.len()).map(move |nth| char::from(LETTERS[number >> (18 - 6 * nth) & 63]))
    });
    letters.collect()
}

#[cfg(unix)]
#[test]
fn nobody_else_on_the_machine_can_look_into_the_state() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.drop_in("a.xml", &one_visit(403).bytes);
    world.once().with(0);
    let mode = fs::metadata(world.path("state")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

/// Names of fields and what is in them.
type Fields = &'static [(&'static str, &'static str)];

/// Each as one table more, by the elements around its row and the fields in it.
const TELLS_OF_HIV: [(&str, &str, Fields); 13] = [
    (
        "XML2",
        "CHITIEU_CHITIET_THUOC DSACH_CHI_TIET_THUOC CHI_TIET_THUOC",
        &[("STT", "90"), ("TEN_THUOC", "Dolutegravir 50mg")],
    ),
    (
        "XML3",
        "CHITIEU_CHITIET_DVKT_VTYT DSACH_CHI_TIET_DVKT CHI_TIET_DVKT",
        &[("STT", "90"), ("TEN_DICH_VU", "HIV khẳng định")],
    ),
    (
        "XML4",
        "CHITIEU_CHITIET_DICHVUCANLAMSANG DSACH_CHI_TIET_CLS CHI_TIET_CLS",
        &[("STT", "90"), ("TEN_CHI_SO", "HIV Ab"), ("GIA_TRI", "Dương tính")],
    ),
    (
        "XML5",
        "CHITIEU_CHITIET_DIENBIENLAMSANG DSACH_CHI_TIET_DIEN_BIEN_BENH CHI_TIET_DIEN_BIEN_BENH",
        &[("STT", "90"), ("DIEN_BIEN_LS", "Người bệnh HIV/AIDS")],
    ),
    (
        "XML6",
        "CHI_TIEU_HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS DSACH_HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS \
         HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS",
        &[],
    ),
    (
        "XML7",
        "CHI_TIEU_DU_LIEU_GIAY_RA_VIEN",
        &[("CHAN_DOAN_RV", "Lao phổi/HIV")],
    ),
    (
        "XML8",
        "CHI_TIEU_DU_LIEU_TOM_TAT_HO_SO_BENH_AN",
        &[("QT_BENHLY", "Phát hiện HIV năm 2019")],
    ),
    (
        "XML9",
        "CHI_TIEU_DU_LIEU_GIAY_CHUNG_SINH DSACH_GIAYCHUNGSINH DU_LIEU_GIAY_CHUNG_SINH",
        &[("TINH_TRANG_CON", "Phơi nhiễm HIV từ mẹ")],
    ),
    (
        "XML10",
        "CHI_TIEU_DU_LIEU_GIAY_NGHI_DUONG_THAI",
        &[("CHAN_DOAN_RV", "Thai 20 tuần, mẹ nhiễm HIV")],
    ),
    (
        "XML11",
        "CHI_TIEU_DU_LIEU_GIAY_CHUNG_NHAN_NGHI_VIEC_HUONG_BAO_HIEM_XA_HOI",
        &[("PP_DIEUTRI", "Điều trị HIV")],
    ),
    (
        "XML13",
        "CHI_TIEU_GIAYCHUYENTUYEN",
        &[("HUONG_DIEU_TRI", "Chuyển phòng khám HIV/AIDS")],
    ),
    (
        "XML14",
        "CHI_TIEU_GIAYHEN_KHAMLAI",
        &[("CHAN_DOAN_RV", "Nhiễm HIV giai đoạn I")],
    ),
    (
        "XML15",
        "CHI_TIEU_DIEUTRI_BENHLAO DSACH_CHITIET_DIEUTRI_BENHLAO CHITIET_DIEUTRI_BENHLAO",
        &[("NGAYKD_HIV", "20240101")],
    ),
];

/// A table of one row.
fn table(key: &str, around: &str, fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>"));
    let row = format!("<MA_LK>{key}</MA_LK>{}", fields.collect::<String>());
    let names: Vec<&str> = around.split_whitespace().collect();
    names
        .iter()
        .rfold(row, |inner, name| format!("<{name}>{inner}</{name}>"))
}

/// The visit of this seed with a table more; its key, and the file.
fn with_table(seed: u64, name: &str, around: &str, fields: &[(&str, &str)]) -> (String, String) {
    let file = odd(seed, Oddity::Inline);
    let key = whole_keys(std::slice::from_ref(&file)).remove(0);
    let rows = table(&key, around, fields);
    let extra = format!("<FILEHOSO><LOAIHOSO>{name}</LOAIHOSO><NOIDUNGFILE>{rows}</NOIDUNGFILE></FILEHOSO></HOSO>");
    let text = String::from_utf8(file.bytes).unwrap().replacen("</HOSO>", &extra, 1);
    assert!(text.contains(&extra));
    (key, text)
}

/// The visit of this seed with this code as the first of this field; its key, and the file.
fn with_code(seed: u64, field: &str, code: &str) -> (String, String) {
    let file = odd(seed, Oddity::Inline);
    let key = whole_keys(std::slice::from_ref(&file)).remove(0);
    let text = String::from_utf8(file.bytes).unwrap();
    let (before, behind) = text.split_once(&format!("<{field}>")).unwrap();
    let (_, behind) = behind.split_once(&format!("</{field}>")).unwrap();
    (key, format!("{before}<{field}>{code}</{field}>{behind}"))
}

/// A person who is received, with this field, and nothing else yet.
fn check_in(key: &str, told: (&str, &str)) -> String {
    let fields = [
        ("STT", "1"),
        ("MA_BN", "BN0001"),
        ("HO_TEN", "Nguyễn Thị Mẫu"),
        ("NGAY_SINH", "199503150000"),
        ("GIOI_TINH", "2"),
        ("MA_DOITUONG_KCB", "1.1"),
        ("NGAY_VAO", "202609100800"),
        told,
        ("MA_LOAI_KCB", "03"),
        ("MA_CSKCB", "79999"),
        ("MA_DICH_VU", "02.1896"),
        ("NGAY_YL", "202609100805"),
    ];
    table(
        key,
        "CHI_TIEU_TRANG_THAI_KCB DSACH_TRANG_THAI_KCB TRANG_THAI_KCB",
        &fields,
    )
}

/// None of these visits has been at the FHIR server, which got those that are `open` and nothing else.
#[track_caller]
fn never_seen(world: &World, keys: &[String], open: &[String]) {
    assert_eq!(world.encounters().keys().cloned().collect::<Vec<_>>(), open);
    for key in keys {
        let found = world.fhir.find(
            "Encounter",
            &format!("http://fhir.ehealth.gov.vn/core/sid/VisitNumber|{key}"),
        );
        assert!(found.is_empty(), "{key}");
    }
    assert_eq!(
        world.fhir.transactions(),
        open.len() as u64,
        "nothing of them was even tried"
    );
    // To the gateway they go, but for what a rule holds back.
    let held = world.listed("parked").len();
    assert_eq!(world.claims().len() + held, keys.len() + open.len());
}

/// Files that each tell of HIV in another place, and two that do not; the visits of these and of those.
fn drop_what_tells_of_hiv(world: &World) -> (Vec<String>, Vec<String>) {
    let mut keys = Vec::new();
    let mut drop_in = |name: &str, (key, text): (String, String)| {
        world.drop_in(&format!("{name}.xml"), text.as_bytes());
        keys.push(key);
    };
    for (nth, (name, around, fields)) in (700..).zip(TELLS_OF_HIV) {
        drop_in(name, with_table(nth, name, around, fields));
    }
    for (nth, code) in (730..).zip(["B20.1", "z21", "J18.9; B24"]) {
        drop_in(&format!("code{nth}"), with_code(nth, "MA_BENH_KT", code));
    }
    for (field, value) in [
        ("LY_DO_VNT", "Nhiễm HIV, sốt kéo dài"),
        ("TEN_THUOC", "Dolutegravir 50mg"),
        ("TEN_DICH_VU", "HIV đo tải lượng hệ thống tự động"),
    ] {
        let key = format!("79999_{field}");
        let text = check_in(&key, (field, value));
        drop_in(field, (key, text));
    }
    let plain = one_visit(720);
    world.drop_in("plain.xml", &plain.bytes);
    world.drop_in(
        "received.xml",
        check_in("79999_SOT0", ("LY_DO_VNT", "Sốt kéo dài")).as_bytes(),
    );
    let mut open = whole_keys(&[plain]);
    open.push("79999_SOT0".into());
    open.sort();
    (keys, open)
}

#[test]
fn an_endpoint_that_excludes_a_class_never_sees_such_a_visit_wherever_it_is_told() {
    let world = World::with(Wish {
        fhir: Some(r#"exclude = ["hiv"]"#.to_owned()),
        ..Wish::default()
    });
    let (keys, open) = drop_what_tells_of_hiv(&world);
    world.once();
    never_seen(&world, &keys, &open);

    // It is the class that keeps them away, and nothing else.
    let world = World::new();
    let (mut keys, open) = drop_what_tells_of_hiv(&world);
    world.once();
    keys.extend(open);
    keys.sort();
    assert_eq!(world.encounters().keys().cloned().collect::<Vec<_>>(), keys);
}

#[test]
fn another_class_is_excluded_as_well_and_that_one_alone() {
    let world = World::with(Wish {
        fhir: Some(r#"exclude = ["mental"]"#.to_owned()),
        ..Wish::default()
    });
    let (mut keys, mut open) = (Vec::new(), Vec::new());
    for (nth, (field, code, mental)) in (740..).zip([
        ("MA_BENH_CHINH", "F20.0", true),
        ("MA_BENH_KT", "J18.9;f32", true),
        ("MA_BENH_KT", "X61", true),
        ("MA_BENH_KT", "B20", false),
        ("MA_BENH_KT", "F11.2", false),
    ]) {
        let (key, text) = with_code(nth, field, code);
        world.drop_in(&format!("{nth}.xml"), text.as_bytes());
        if mental { &mut keys } else { &mut open }.push(key);
    }
    open.sort();
    world.once();
    never_seen(&world, &keys, &open);
}
