//! Endpoints: secrets, addresses, schedules, and who we say we are.

use super::super::*;
use super::{GOOD, good_with, spoilt};
use crate::time::Timestamp;

#[test]
fn a_secret_in_the_clear_is_refused_and_not_repeated() {
    for clear in [
        r#""s3cret""#,
        "12345678",
        r#"["s3cret"]"#,
        r#"{ credential = "s3cret!" }"#,
    ] {
        let (places, found) = spoilt(r#"{ credential = "bhxh" }"#, clear);
        assert_eq!(places.len(), 1, "{clear}");
        assert!(places[0].starts_with("19 endpoint[2].password"), "{places:?}");
        assert!(
            !found[0].to_string().contains("s3cret") && !found[0].to_string().contains("1234"),
            "{}",
            found[0]
        );
    }
    let (_, found) = spoilt(r#"{ credential = "bhxh" }"#, r#""s3cret""#);
    assert!(found[0].hint.en.contains("{ credential = "), "{}", found[0]);
}

#[test]
fn a_secret_has_exactly_one_place() {
    for (wrong, key) in [
        ("{}", "19 endpoint[2].password"),
        (r#"{ env = "A", file = "/b" }"#, "19 endpoint[2].password"),
        (r#"{ file = "secret" }"#, "19 endpoint[2].password.file"),
        (r#"{ env = "A B" }"#, "19 endpoint[2].password.env"),
        (r#"{ env = "A", vault = "x" }"#, "19 endpoint[2].password.vault"),
        (r#"{ env = "A", dpapi = '/a' }"#, "19 endpoint[2].password.dpapi"),
    ] {
        assert_eq!(spoilt(r#"{ credential = "bhxh" }"#, wrong).0, [key], "{wrong}");
    }
    let config = good_with(r#"{ credential = "bhxh" }"#, r#"{ env = "VHR_BHXH" }"#);
    let Kind::Bhxh { password, .. } = &config.endpoints[1].kind else {
        panic!("{config:?}")
    };
    assert_eq!(password, &SecretSource::Env("VHR_BHXH".to_owned()));
}

#[test]
fn a_schedule_that_cannot_be_read_shows_the_six_fields() {
    let (places, found) = spoilt("kind = \"fhir\"", "kind = \"fhir\"\nschedule = \"20:00\"");
    assert_eq!(places, ["13 endpoint[1].schedule"]);
    assert!(
        found[0].hint.vi.contains("giây phút giờ ngày tháng thứ"),
        "{}",
        found[0]
    );
}

#[test]
fn schedules_are_on_the_clocks_of_the_site() {
    let text = GOOD
        .replace("[storage]", "timezone = \"Europe/Berlin\"\n[storage]")
        .replace(
            "kind = \"fhir\"",
            "kind = \"fhir\"\nschedule = \"0 0 20 * * *\"\nspread = \"0s\"",
        );
    let config = parse(&text, "site.toml").unwrap();
    let noon = Timestamp::parse_rfc3339("2026-08-01T12:00:00Z").unwrap();
    assert_eq!(
        config.endpoints[0].schedule.next_window(noon).to_rfc3339(),
        "2026-08-01T18:00:00Z"
    );
}

#[test]
fn the_windows_of_different_sites_are_spread_and_those_of_one_site_stay() {
    let window = |facility: &str, more: &str| {
        let schedule = format!("kind = \"fhir\"\nschedule = \"0 0 20 * * *\"{more}");
        let text = GOOD
            .replace("79999\"", &format!("{facility}\""))
            .replace("kind = \"fhir\"", &schedule);
        let config = parse(&text, "site.toml").unwrap();
        let noon = Timestamp::parse_rfc3339("2026-08-01T05:00:00Z").unwrap();
        let eight = Timestamp::parse_rfc3339("2026-08-01T13:00:00Z").unwrap();
        config.endpoints[0].schedule.next_window(noon).since(eight).as_secs()
    };
    let mut sites: Vec<u64> = (0..50).map(|site| window(&format!("{}", 79000 + site), "")).collect();
    assert!(
        sites.iter().all(|later| *later < 600) && sites.iter().any(|later| *later >= 300),
        "{sites:?}"
    );
    sites.sort_unstable();
    sites.dedup();
    assert!(sites.len() > 30, "{sites:?}");
    assert_eq!(window("79999", ""), window("79999", ""));
    let wide = (0..50).map(|site| window(&format!("{}", 79000 + site), "\nspread = \"1h\""));
    assert!(wide.max() > Some(1800));
    assert_eq!(window("79999", "\nspread = \"0s\""), 0);
}

#[test]
fn what_goes_at_once_cannot_be_spread() {
    let (places, found) = spoilt("kind = \"fhir\"", "kind = \"fhir\"\nspread = \"15m\"");
    assert_eq!(places, ["13 endpoint[1].spread"]);
    assert!(found[0].hint.vi.contains("schedule"), "{}", found[0]);
}

#[test]
fn an_address_with_a_password_is_refused_without_repeating_it() {
    let (places, found) = spoilt("https://vhr.example.vn", "https://bv:s3cret@vhr.example.vn");
    assert_eq!(places, ["13 endpoint[1].url"]);
    assert!(!found[0].to_string().contains("s3cret"));
}

#[test]
fn every_way_to_show_who_we_are_is_read() {
    let auth = |text: &str| {
        let config = good_with("kind = \"fhir\"", &format!("kind = \"fhir\"\nauth = {text}"));
        let Kind::Fhir { auth, .. } = config.endpoints[0].kind.clone() else {
            panic!("{config:?}")
        };
        auth
    };
    let (secret, url) = (
        SecretSource::Env("S".to_owned()),
        Url::parse("https://login.example.vn/token", false).unwrap(),
    );
    assert_eq!(auth(r#"{ kind = "none" }"#), Auth::None);
    assert_eq!(
        auth(r#"{ kind = "basic", username = "bv", password = { env = "S" } }"#),
        Auth::Basic {
            username: "bv".to_owned(),
            password: secret.clone()
        }
    );
    assert_eq!(
        auth(r#"{ kind = "bearer", token = { env = "S" } }"#),
        Auth::Bearer { token: secret.clone() }
    );
    let smart = r#"{ kind = "smart-backend", token_url = "https://login.example.vn/token", client_id = "bv",
        private_key = { env = "S" }, key_id = "1", algorithm = "RS384", scope = "system/*.cruds" }"#;
    assert_eq!(
        auth(smart),
        Auth::SmartBackend {
            token_url: url,
            client_id: "bv".to_owned(),
            private_key: secret,
            key_id: "1".to_owned(),
            algorithm: Algorithm::Rs384,
            scope: "system/*.cruds".to_owned(),
        }
    );
}

#[test]
fn all_that_is_missing_to_show_who_we_are_is_said_at_once() {
    let (places, _) = spoilt(
        "kind = \"fhir\"",
        "kind = \"fhir\"\nauth = { kind = \"smart-backend\", token = 1 }",
    );
    let keys = ["token_url", "client_id", "private_key", "key_id", "scope", "token"];
    assert_eq!(places, keys.map(|key| format!("13 endpoint[1].auth.{key}")));
}

#[test]
fn whether_claim_files_have_to_be_signed_is_asked_of_the_gateway_alone() {
    let standing = |line: &str| good_with("kind = \"bhxh\"", &format!("kind = \"bhxh\"\n{line}")).endpoints[1].signed();
    for (line, signed) in [
        ("", Signed::Any),
        ("signed = \"any\"", Signed::Any),
        ("signed = \"warn\"", Signed::Warn),
        ("signed = \"only\"", Signed::Only),
    ] {
        assert_eq!(standing(line), signed, "{line}");
    }
    for (wrong, hint) in [("signed = true", "text"), ("signed = \"yes\"", "only")] {
        let (places, found) = spoilt("kind = \"bhxh\"", &format!("kind = \"bhxh\"\n{wrong}"));
        assert_eq!(places, ["17 endpoint[2].signed"], "{wrong}");
        assert!(found[0].to_string().contains(hint), "{}", found[0]);
    }
    let (places, _) = spoilt("kind = \"fhir\"", "kind = \"fhir\"\nsigned = \"only\"");
    assert_eq!(places, ["13 endpoint[1].signed"]);
}

#[test]
fn issuers_of_signing_certificates_are_named_by_a_local_file() {
    assert_eq!(good_with("[[source]]", "[[source]]").signature, Signature::default());
    let config = good_with(
        "[[source]]",
        "[signature]\nroots = \"/etc/vhr-agent/issuers.pem\"\n[[source]]",
    );
    assert_eq!(
        config.signature.roots,
        Some(PathBuf::from("/etc/vhr-agent/issuers.pem"))
    );
    for (wrong, place) in [
        ("roots = \"issuers.pem\"", "7 signature.roots"),
        ("root = \"/a\"", "7 signature.root"),
    ] {
        let (places, _) = spoilt("[[source]]", &format!("[signature]\n{wrong}\n[[source]]"));
        assert_eq!(places, [place], "{wrong}");
    }
}

#[test]
fn behind_each_gateway_is_a_line_for_check_ins_that_goes_at_once() {
    let nightly = "{ credential = \"bhxh\" }\nschedule = \"0 0 20 * * *\"\ncheck_in_path = \"/api/qd130/other\"";
    let config = good_with(r#"{ credential = "bhxh" }"#, nightly);
    let lines = config.lines();
    let gateway = &config.endpoints[1];
    let line = gateway.check_ins().unwrap();
    assert_eq!(lines, [config.endpoints[0].clone(), gateway.clone(), line.clone()]);
    assert_eq!(config.endpoints[0].check_ins(), None);
    assert_eq!(line.name, format!("{}.check-in", gateway.name));
    assert_eq!(config.line(&line.name), Some(line.clone()));
    assert_eq!(line.schedule, Schedule::Immediate);
    assert_ne!(
        (gateway.schedule.clone(), gateway.seed),
        (line.schedule.clone(), line.seed)
    );
    let Kind::Bhxh {
        check_in_path, lane, ..
    } = &line.kind
    else {
        panic!("{line:?}")
    };
    assert_eq!(
        (check_in_path.as_deref(), *lane),
        (Some("/api/qd130/other"), Lane::CheckIns)
    );
    assert!(matches!(gateway.kind, Kind::Bhxh { lane: Lane::Claims, .. }));
    for wrong in ["api", "/a b", "https://other.example.vn/", "//x", "/a?b=1"] {
        let more = format!("{{ credential = \"bhxh\" }}\ncheck_in_path = \"{wrong}\"");
        assert_eq!(
            spoilt(r#"{ credential = "bhxh" }"#, &more).0,
            ["20 endpoint[2].check_in_path"],
            "{wrong}"
        );
    }
    assert_eq!(
        spoilt("kind = \"fhir\"", "kind = \"fhir\"\ncheck_in_path = \"/a\"").0,
        ["13 endpoint[1].check_in_path"]
    );
}
