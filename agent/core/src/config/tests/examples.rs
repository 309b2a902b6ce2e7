//! The examples that are shipped are right, and say what they show.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::*;
use crate::time::Timestamp;

const MINIMAL: &str = include_str!("../../../../../configs/minimal.toml");
const STATION: &str = include_str!("../../../../../configs/station.toml");
const HOSPITAL: &str = include_str!("../../../../../configs/hospital.toml");

#[test]
fn the_minimal_example_shows_only_what_has_no_default() {
    let config = parse(MINIMAL, "minimal.toml").unwrap();
    assert_eq!(config.site.timezone, chrono_tz::Asia::Ho_Chi_Minh);
    assert_eq!(config.site.language, Language::Vi);
    assert_eq!(
        config.storage.key,
        SecretSource::File(Path::new("/var/lib/vhr-agent").join("storage.key"))
    );
    assert_eq!(config.storage.keep, Duration::from_secs(30 * 86_400));
    assert_eq!(config.plugins.dir, None);
    let source = &config.sources[0];
    assert_eq!(
        (source.settle, source.rescan),
        (Duration::from_secs(2), Duration::from_secs(30))
    );
    assert_eq!(
        (&source.include[..], &source.done_marker, source.after),
        (&["*.xml".to_owned()][..], &None, After::Leave)
    );
    let endpoint = &config.endpoints[0];
    assert_eq!(
        endpoint.kind,
        Kind::Fhir {
            profile: "r4".to_owned(),
            auth: Auth::None
        }
    );
    assert_eq!(
        (&endpoint.schedule, endpoint.in_doubt),
        (&Schedule::Immediate, InDoubt::Resend)
    );
    assert_eq!(
        (endpoint.in_flight, endpoint.timeout, &endpoint.proxy),
        (4, Duration::from_secs(60), &None)
    );
    assert_eq!((&endpoint.tls, &endpoint.exclude), (&Tls::default(), &vec![]));

    for line in MINIMAL.lines().filter(|line| line.contains(" = ")) {
        assert!(
            parse(&MINIMAL.replacen(line, "", 1), "minimal.toml").is_err(),
            "has a default: {line}"
        );
    }
}

#[test]
fn the_station_example_is_right_on_any_system() {
    let config = parse(STATION, "station.toml").unwrap();
    assert_eq!(config.storage.dir, PathBuf::from(r"C:\ProgramData\VHR Agent"));
    assert_eq!(config.sources[0].after, After::Archive);
    let Kind::Bhxh { username, standard, .. } = &config.endpoints[0].kind else {
        panic!("the gateway comes first")
    };
    assert_eq!(
        (username.as_str(), *standard, config.endpoints[0].in_doubt),
        ("79888_TYT", Standard::Qd3176, InDoubt::Ask)
    );
    assert_eq!(config.profiles(), BTreeSet::from(["moh-ehealth-1.0"]));
}

#[test]
fn the_hospital_example_says_what_it_shows() {
    let config = parse(HOSPITAL, "hospital.toml").unwrap();
    assert_eq!(config.storage.key, SecretSource::Credential("storage-key".to_owned()));
    let recipient = format!("age1{}", "q".repeat(58));
    let escrowed = HOSPITAL.replace("# escrow = [\"age1…\"]", &format!("escrow = [\"{recipient}\"]"));
    assert_eq!(parse(&escrowed, "hospital.toml").unwrap().storage.escrow, [recipient]);
    assert_eq!(config.sources[1].done_marker.as_deref(), Some(".done"));
    let ruled = HOSPITAL.replace("# dir = \"/etc/vhr-agent/rules\"", "dir = \"/etc/vhr-agent/rules\"");
    let ruled = parse(&ruled, "hospital.toml").unwrap().rules;
    assert_eq!(
        (ruled.dir.as_deref(), &ruled.off[..]),
        (Some(Path::new("/etc/vhr-agent/rules")), &[][..])
    );
    let vhr = &config.endpoints[0];
    let accepted = Timestamp::parse_rfc3339("2026-08-01T20:15:01+07:00").unwrap();
    let window = vhr.schedule.next_window(accepted).in_zone(config.site.timezone);
    // 20:00, spread over fifteen minutes.
    assert!(
        ("2026-08-02 20:00:00".."2026-08-02 20:15:00").contains(&window.as_str()),
        "{window}"
    );
    assert!(vhr.schedule.to_string().contains(" + "), "{}", vhr.schedule);
    assert_eq!(vhr.exclude, ["hiv"]);
    assert_eq!(vhr.tls.cert.as_deref(), Some(Path::new("/etc/vhr-agent/client.pem")));
    assert_eq!(
        vhr.proxy.as_ref().map(Url::as_str),
        Some("http://proxy.bv.example.vn:3128")
    );
    let Kind::Fhir {
        auth: Auth::OAuth2Client {
            client_secret, scope, ..
        },
        ..
    } = &vhr.kind
    else {
        panic!("{vhr:?}")
    };
    assert_eq!(client_secret, &SecretSource::Credential("vhr".to_owned()));
    assert_eq!(scope.as_deref(), Some("system/*.cruds"));
    assert_eq!(config.endpoints[1].in_doubt, InDoubt::Ask);
    assert_eq!(config.endpoints[1].signed(), Signed::Warn);
    let roots = HOSPITAL.replace("# [signature]\n# roots", "[signature]\nroots");
    assert!(parse(&roots, "hospital.toml").unwrap().signature.roots.is_some());
}

#[test]
fn what_an_example_calls_a_default_is_one() {
    let shown = parse(HOSPITAL, "hospital.toml").unwrap();
    let lines: Vec<&str> = HOSPITAL.lines().collect();
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains(" = ") && line.contains("mặc định"))
    {
        if line.contains("key ") || line.contains("profile") {
            continue; // Shown with another value than the default.
        }
        let without = [&lines[..at], &lines[at + 1..]].concat().join("\n");
        assert_eq!(parse(&without, "hospital.toml").as_ref(), Ok(&shown), "{line}");
    }
}
