//! Whole configurations, right and spoilt: every kind of mistake, and where it is said to be.

mod endpoints;
mod examples;

use proptest::prelude::*;

use super::*;

/// A correct configuration, line by line, to be spoilt.
const GOOD: &str = r#"[site]
facility = "79999"
name = "Bệnh viện Ví Dụ"
[storage]
dir = "/var/lib/vhr-agent"
[[source]]
name = "his"
path = "/srv/his/export"
plugin = "vn.qd3176"
[[endpoint]]
name = "vhr"
kind = "fhir"
url = "https://vhr.example.vn/fhir"
[[endpoint]]
name = "insurance"
kind = "bhxh"
url = "https://egw.example.vn"
username = "79999_BV"
password = { credential = "bhxh" }
"#;

fn problems(text: &str) -> Vec<Problem> {
    parse(text, "site.toml").expect_err("a mistake was put in")
}

/// The problems of the good configuration after a change, as `line key`, and the change itself.
fn spoilt(from: &str, to: &str) -> (Vec<String>, Vec<Problem>) {
    assert!(GOOD.contains(from), "{from:?} is not in the good configuration");
    let problems = problems(&GOOD.replacen(from, to, 1));
    (
        problems
            .iter()
            .map(|problem| format!("{} {}", problem.line, problem.key))
            .collect(),
        problems,
    )
}

fn good_with(from: &str, to: &str) -> Config {
    assert!(GOOD.contains(from), "{from:?} is not in the good configuration");
    parse(&GOOD.replacen(from, to, 1), "site.toml").unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn every_mistake_is_reported_at_once_by_line() {
    let text = GOOD
        .replace("79999\"", "7999\"")
        .replace("dir = \"/var", "dir = \"var")
        .replace("plugin = \"vn.qd3176\"\n", "")
        .replace("kind = \"fhir\"", "kind = \"fihr\"")
        .replace("https://egw", "http://egw");
    let places: Vec<String> = problems(&text)
        .iter()
        .map(|p| format!("{} {}", p.line, p.key))
        .collect();
    assert_eq!(
        places,
        [
            "2 site.facility",
            "5 storage.dir",
            "6 source[1].plugin",
            "11 endpoint[1].kind",
            "16 endpoint[2].url"
        ]
    );
}

#[test]
fn a_syntax_mistake_is_one_problem_with_its_line_and_repeats_no_value() {
    let found = problems(&GOOD.replace(r#"{ credential = "bhxh" }"#, "s3cret word"));
    assert_eq!((found.len(), found[0].line), (1, 19));
    assert!(!found[0].to_string().contains("s3cret"), "{}", found[0]);
    let windows = problems(&GOOD.replace("/srv/his/export", r"C:\HIS\export"));
    assert!(
        windows[0].line == 8 && windows[0].hint.en.contains("single quotes"),
        "{windows:?}"
    );
}

#[test]
fn an_empty_file_lacks_all_that_is_needed() {
    let keys: Vec<String> = problems("").into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["site", "storage", "source", "endpoint"]);
}

#[test]
fn no_source_or_endpoint_at_all_is_refused() {
    for (text, key) in [("source = []\n", "source"), ("endpoint = []\n", "endpoint")] {
        assert!(
            problems(text)
                .iter()
                .any(|problem| problem.key == key && problem.what.en.contains("at least one"))
        );
    }
}

#[test]
fn problems_are_told_in_the_order_of_the_file_whatever_comes_first_in_it() {
    let site = GOOD.find("[storage]").unwrap();
    let turned = format!("{}{}", &GOOD[site..], &GOOD[..site])
        .replace("79999\"", "7999\"")
        .replace("https://vhr", "http://vhr");
    let keys: Vec<String> = problems(&turned).into_iter().map(|p| p.key).collect();
    assert_eq!(keys, ["endpoint[1].url", "site.facility"]);
}

#[test]
fn a_windows_path_whose_backslash_became_a_tab_is_explained() {
    let (places, found) = spoilt("/srv/his/export", r"C:\temp");
    assert_eq!(places, ["8 source[1].path"]);
    assert!(found[0].hint.en.contains("single quotes"), "{}", found[0]);
}

#[test]
fn an_unknown_key_is_a_mistake_and_the_near_one_is_proposed() {
    let (places, found) = spoilt("kind = \"fhir\"", "kind = \"fhir\"\nscheduel = \"immediate\"");
    assert_eq!(places, ["13 endpoint[1].scheduel"]);
    assert_eq!(found[0].hint.en, "did you mean `schedule`?");
}

#[test]
fn an_unknown_section_is_said_to_be_unknown_to_this_version() {
    let (places, found) = spoilt("[storage]", "[update]\nurl = \"https://example.vn\"\n[storage]");
    assert_eq!(places, ["4 update"]);
    assert!(found[0].what.en.contains("this version"), "{}", found[0]);
}

#[test]
fn a_section_that_repeats_needs_double_brackets() {
    let (places, found) = spoilt("[[source]]", "[source]");
    assert_eq!(
        (places, found[0].hint.en.as_str()),
        (vec!["6 source".to_owned()], "write [[source]]")
    );
}

#[test]
fn names_are_unique_among_their_kind() {
    let (places, found) = spoilt("name = \"insurance\"", "name = \"vhr\"");
    assert_eq!(places, ["15 endpoint[2].name"]);
    assert!(found[0].what.en.contains("already used"));
    good_with("name = \"insurance\"", "name = \"his\"");
}

#[test]
fn values_of_the_wrong_kind_are_mistakes() {
    for (from, to, key) in [
        ("name = \"his\"", "name = 7", "7 source[1].name"),
        ("name = \"his\"", "name = \"Của HIS\"", "7 source[1].name"),
        (
            "name = \"his\"",
            "name = \"his\"\ninclude = \"*.xml\"",
            "8 source[1].include",
        ),
        ("name = \"his\"", "name = \"his\"\ninclude = []", "8 source[1].include"),
        (
            "name = \"his\"",
            "name = \"his\"\ninclude = [\"*.xml\", \"a/*.xml\"]",
            "8 source[1].include[2]",
        ),
        (
            "name = \"his\"",
            "name = \"his\"\nafter = \"move\"",
            "8 source[1].after",
        ),
        (
            "name = \"his\"",
            "name = \"his\"\nsettle = \"2 s\"",
            "8 source[1].settle",
        ),
        (
            "name = \"his\"",
            "name = \"his\"\nrescan = \"500ms\"",
            "8 source[1].rescan",
        ),
        (
            "name = \"his\"",
            "name = \"his\"\ndone_marker = \"*\"",
            "8 source[1].done_marker",
        ),
        (
            "name = \"his\"",
            "name = \"his\"\nsettle = \"2s\"\ndone_marker = \".done\"",
            "6 source[1]",
        ),
        ("\"vn.qd3176\"", "\"..\"", "9 source[1].plugin"),
        ("\"vn.qd3176\"", "\"../qd3176\"", "9 source[1].plugin"),
        ("/srv/his/export", "export", "8 source[1].path"),
        ("/srv/his/export", r"/srv/\temp", "8 source[1].path"),
        ("/srv/his/export", "/var/lib/vhr-agent/in", "8 source[1].path"),
        ("[storage]", "timezone = \"Hanoi\"\n[storage]", "4 site.timezone"),
        ("[storage]", "language = \"fr\"\n[storage]", "4 site.language"),
        ("\"/var/lib/vhr-agent\"", r"'\\server\share'", "5 storage.dir"),
        (
            "\"/var/lib/vhr-agent\"",
            "\"/var/lib/vhr-agent\"\nkeep = \"forever\"",
            "6 storage.keep",
        ),
        (
            "\"/var/lib/vhr-agent\"",
            "\"/var/lib/vhr-agent\"\nescrow = [\"age1short\"]",
            "6 storage.escrow[1]",
        ),
        (
            "\"/var/lib/vhr-agent\"",
            "\"/var/lib/vhr-agent\"\nescrow = [\"AGE-SECRET-KEY-1QQQQ\"]",
            "6 storage.escrow[1]",
        ),
        (
            "\"/var/lib/vhr-agent\"",
            "\"/var/lib/vhr-agent\"\nkey = { dpapi = 'storage.key' }",
            "6 storage.key.dpapi",
        ),
        (
            "[[source]]",
            "[plugins]\ndir = '//server/share'\n[[source]]",
            "7 plugins.dir",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nin_flight = 0",
            "13 endpoint[1].in_flight",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nin_flight = 65",
            "13 endpoint[1].in_flight",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nin_flight = \"4\"",
            "13 endpoint[1].in_flight",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nin_doubt = \"retry\"",
            "13 endpoint[1].in_doubt",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\ntimeout = \"0s\"",
            "13 endpoint[1].timeout",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\ntls = { cert = \"/a.pem\" }",
            "13 endpoint[1].tls",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nproxy = \"http://u:p@proxy:3128\"",
            "13 endpoint[1].proxy",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nexclude = [\"HIV\"]",
            "13 endpoint[1].exclude[1]",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nauth = \"none\"",
            "13 endpoint[1].auth",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nauth = { kind = \"digest\" }",
            "13 endpoint[1].auth.kind",
        ),
        (
            "kind = \"fhir\"",
            "kind = \"fhir\"\nstandard = \"3176\"",
            "13 endpoint[1].standard",
        ),
        (
            "kind = \"bhxh\"",
            "kind = \"bhxh\"\nprofile = \"r4\"",
            "17 endpoint[2].profile",
        ),
        (
            "kind = \"bhxh\"",
            "kind = \"bhxh\"\nstandard = \"917\"",
            "17 endpoint[2].standard",
        ),
        ("kind = \"bhxh\"\n", "", "14 endpoint[2].kind"),
        ("username = \"79999_BV\"\n", "", "14 endpoint[2].username"),
    ] {
        assert_eq!(spoilt(from, to).0, [key], "{to}");
    }
}

#[test]
fn two_sources_that_take_the_same_files_are_refused() {
    let again = "[[source]]\nname = \"his2\"\npath = \"/srv/his/export\"\nplugin = \"vn.qd3176\"\n[[endpoint]]";
    assert_eq!(spoilt("[[endpoint]]", again).0, ["10 source[2]"]);
    good_with(
        "[[endpoint]]",
        &again.replace("plugin", "include = [\"*.csv\"]\nplugin"),
    );
}

#[test]
fn more_sections_than_any_site_needs_are_refused() {
    let source = |n| format!("[[source]]\nname = \"s{n}\"\npath = \"/srv/{n}\"\nplugin = \"p\"\n");
    let with = |count| format!("{GOOD}{}", (1..count).map(source).collect::<String>());
    assert_eq!(parse(&with(64), "site.toml").unwrap().sources.len(), 64);
    let found = problems(&with(65));
    assert!(found.len() == 1 && found[0].key == "source[65]", "{found:?}");
}

#[test]
fn a_key_is_shown_short_and_without_control_characters() {
    let key = format!("\"\\u001b{}\"", "k".repeat(60));
    let (places, _) = spoilt("[storage]", &format!("{key} = 1\n[storage]"));
    assert_eq!(places, [format!("4 site.?{}", "k".repeat(39))]);
}

#[test]
fn a_file_that_is_far_too_large_is_not_read() {
    let found = problems(&format!("{GOOD}#{}", "x".repeat(LARGEST)));
    assert!(found.len() == 1 && found[0].what.en.contains("1 MiB"), "{found:?}");
}

#[test]
fn a_file_saved_with_a_byte_order_mark_and_windows_line_ends_is_read() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert!(parse(&text, "site.toml").is_ok());
    assert_eq!(problems(&text.replace("\"vn.qd3176\"", "7"))[0].line, 9);
}

#[test]
fn a_source_takes_the_names_it_includes_but_no_marker() {
    let config = good_with(
        "plugin =",
        "include = [\"79999_*.XML\", \"*\"]\ndone_marker = \".Done\"\nplugin =",
    );
    let mut source = config.sources[0].clone();
    assert!(source.includes("79999_1.xml") && source.includes("khác.txt"));
    assert!(!source.includes("79999_1.xml.done"));
    source.include.truncate(1);
    assert!(source.includes("79999_1.xml") && !source.includes("khác.txt"));
}

proptest! {
    #[test]
    fn reading_a_configuration_never_panics(text in "\\PC*", lines in prop::collection::vec(line(), 0..12)) {
        let _ = (parse(&text, "f"), parse(&lines.join("\n"), "f"));
    }

    #[test]
    fn a_configuration_with_one_line_spoilt_never_panics_and_a_wrong_one_names_a_line(at in 0..19_usize, line in line()) {
        let mut lines: Vec<&str> = GOOD.lines().collect();
        lines[at] = &line;
        if let Err(problems) = parse(&lines.join("\n"), "f") {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| (1..=30).contains(&problem.line)));
        }
    }
}

/// Something that looks like a line of a configuration.
fn line() -> impl Strategy<Value = String> {
    let key = "(site|storage|source|endpoint|facility|dir|path|url|schedule|auth|password|kind|[a-z._\"]{1,6})";
    let value = r#"("[^"\\]{0,12}"|-?[0-9]{1,20}|\[("a",?)*\]|\{ [a-z]{1,8} = "x" \}|true|1979-05-27|\PC{0,8})"#;
    let pair = (key, value).prop_map(|(key, value)| format!("{key} = {value}"));
    prop_oneof![
        pair,
        key.prop_map(|key| format!("[{key}]")),
        key.prop_map(|key| format!("[[{key}]]"))
    ]
}
