//! Single values of the configuration: names, paths, durations, addresses, where secrets are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;

use super::SecretSource;
use super::reader::Value;
use super::url::Url;
use crate::said;
use crate::say::Said;
use crate::schedule::Schedule;
use crate::time::{LONGEST, parse_duration, show_duration};

/// A name of ours: short, and safe in a file name or a log line.
pub(super) fn name(value: &Value<'_>) -> Option<String> {
    word(
        value,
        32,
        |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
        "a-z 0-9 -",
    )
}

/// The path of a function at an endpoint: `/api/qd130/checkInKcbQd3176`.
pub(super) fn url_path(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if text.starts_with('/') && text.len() <= 200 && text.bytes().all(plain) && !text.contains("//") {
        return Some(text.to_owned());
    }
    value.wrong(
        said!("đường dẫn không hợp lệ", "this is no path"),
        said!(
            r#"bắt đầu bằng /, chỉ chữ không dấu, chữ số và / . _ -; ví dụ: "/api/qd130/checkInKcbQd3176""#,
            r#"it begins with / and has letters, digits and / . _ - only; for example: "/api/qd130/checkInKcbQd3176""#
        ),
    )
}

/// A name made elsewhere: a plugin, a profile, a credential.
pub(super) fn identifier(value: &Value<'_>) -> Option<String> {
    word(
        value,
        64,
        |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte),
        "A-Z a-z 0-9 . _ -",
    )
}

fn word(value: &Value<'_>, longest: usize, allowed: fn(u8) -> bool, characters: &str) -> Option<String> {
    let text = value.text()?;
    if (1..=longest).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.') {
        return Some(text.to_owned());
    }
    value.wrong(
        said!("tên này không dùng được", "this name cannot be used"),
        said!(
            "1 đến {longest} ký tự trong số: {characters} (không bắt đầu bằng dấu chấm)",
            "1 to {longest} characters out of: {characters} (no dot first)"
        ),
    )
}

/// The code of a facility.
pub(super) fn facility(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(text.to_owned());
    }
    value.wrong(
        said!(
            "mã cơ sở (MACSKCB) phải có đúng 5 chữ số hoặc chữ cái",
            "a facility code (MACSKCB) is 5 digits or letters"
        ),
        said!(r#"ví dụ: "79999""#, r#"for example: "79999""#),
    )
}

/// Free text on one line.
pub(super) fn line(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if !text.trim().is_empty() && text.chars().count() <= 200 && !text.contains(char::is_control) {
        return Some(text.to_owned());
    }
    value.wrong(
        said!(
            "ở đây cần một dòng chữ, không được để trống",
            "one line of text is expected here, not empty"
        ),
        said!(
            "1 đến 200 ký tự, không xuống dòng",
            "1 to 200 characters without a line break"
        ),
    )
}

/// A time zone by its IANA name.
pub(super) fn zone(value: &Value<'_>) -> Option<Tz> {
    value.text()?.parse().ok().or_else(|| {
        value.wrong(
            said!("không biết múi giờ này", "this time zone is not known"),
            said!(
                r#"ghi theo tên IANA: "Asia/Ho_Chi_Minh""#,
                r#"write its IANA name: "Asia/Ho_Chi_Minh""#
            ),
        )
    })
}

/// A duration of at least `shortest`.
pub(super) fn duration(value: &Value<'_>, shortest: Duration, longest: Duration) -> Option<Duration> {
    let Some(duration) = parse_duration(value.text()?) else {
        return value.wrong(
            said!("không đọc được khoảng thời gian này", "this duration cannot be read"),
            said!(
                r#"một số và một đơn vị (ms, s, m, h, d), không quá {}: "30s", "15m", "30d""#,
                r#"one number and one unit (ms, s, m, h, d), at most {}: "30s", "15m", "30d""#,
                show_duration(LONGEST)
            ),
        );
    };
    if (shortest..=longest).contains(&duration) {
        return Some(duration);
    }
    let (shortest, longest) = (show_duration(shortest), show_duration(longest));
    value.wrong(
        said!(
            "khoảng thời gian này quá ngắn hoặc quá dài",
            "this duration is too short or too long"
        ),
        said!("từ {shortest} đến {longest}", "from {shortest} to {longest}"),
    )
}

/// When deliveries may leave, on the clocks of this zone.
pub(super) fn schedule(value: &Value<'_>, zone: Tz) -> Option<Schedule> {
    Schedule::parse(value.text()?, zone).map_or_else(
        |what| {
            value.wrong(
                what,
                said!(
                    r#""immediate", hoặc 6 trường: giây phút giờ ngày tháng thứ; "0 0 20 * * *" là 20:00 mỗi ngày, "0 30 5 * * MON-FRI" là 05:30 thứ Hai đến thứ Sáu"#,
                    r#""immediate", or 6 fields: second minute hour day month weekday; "0 0 20 * * *" is 20:00 every day, "0 30 5 * * MON-FRI" is 05:30 Monday to Friday"#
                ),
            )
        },
        Some,
    )
}

/// Where requests go; the `base` of other addresses or one as it stands.
pub(super) fn address(value: &Value<'_>, base: bool) -> Option<Url> {
    Url::parse(value.text()?, base).map_or_else(
        |what| {
            value.wrong(
                what,
                said!(
                    r#"ví dụ: "https://vhr.example.vn/fhir""#,
                    r#"for example: "https://vhr.example.vn/fhir""#
                ),
            )
        },
        Some,
    )
}

/// What requests go through.
pub(super) fn proxy(value: &Value<'_>) -> Option<Url> {
    Url::parse_proxy(value.text()?).map_or_else(
        |what| {
            value.wrong(
                what,
                said!(
                    r#"ví dụ: "http://proxy.bv.local:3128""#,
                    r#"for example: "http://proxy.bv.local:3128""#
                ),
            )
        },
        Some,
    )
}

/// An absolute path, of this system or another: a configuration may be checked elsewhere than where it is used.
pub(super) fn path(value: &Value<'_>) -> Option<PathBuf> {
    let text = value.text()?;
    if text.contains(char::is_control) {
        return value.wrong(
            said!("đường dẫn có ký tự điều khiển", "the path contains control characters"),
            said!(
                r"trong ngoặc kép, \t là dấu tab; hãy dùng nháy đơn: 'C:\HIS\export'",
                r"in double quotes \t is a tab; use single quotes: 'C:\HIS\export'"
            ),
        );
    }
    if text.starts_with('/') || on_drive(text) || on_share(text) {
        return Some(PathBuf::from(text));
    }
    value.wrong(
        said!(
            "đường dẫn phải đầy đủ, tính từ gốc",
            "a path is written in full, from the root"
        ),
        said!(
            r#""/srv/his/export", 'C:\HIS\export' hoặc '\\server\share\export' (trong nháy đơn)"#,
            r#""/srv/his/export", 'C:\HIS\export' or '\\server\share\export' (in single quotes)"#
        ),
    )
}

/// An absolute path that is not plainly on another machine.
pub(super) fn local_path(value: &Value<'_>) -> Option<PathBuf> {
    let text = value.text()?;
    if on_share(text) || text.starts_with("//") {
        return value.wrong(
            said!(
                "thư mục này phải nằm trên đĩa của máy này",
                "this folder has to be on a disk of this machine"
            ),
            said!(
                "chọn một đường dẫn không phải thư mục chia sẻ qua mạng",
                "choose a path that is not a network share"
            ),
        );
    }
    path(value)
}

fn on_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

fn on_share(text: &str) -> bool {
    let mut names = text.strip_prefix(r"\\").into_iter().flat_map(|rest| rest.split('\\'));
    let mut is_name = || names.next().is_some_and(|name| !name.is_empty());
    is_name() && is_name()
}

/// Whether one of these folders lies in the other, or is the same.
pub(super) fn overlap(one: &Path, other: &Path) -> bool {
    let plain = |path: &Path| {
        let text = path.to_string_lossy().replace('\\', "/");
        let text = if text.starts_with('/') && !text.starts_with("//") {
            text
        } else {
            text.to_lowercase()
        };
        format!("{}/", text.trim_end_matches('/'))
    };
    let (one, other) = (plain(one), plain(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// Where a secret is found. Whatever stands here in the clear is refused and not repeated.
pub(super) fn secret(value: &Value<'_>) -> Option<SecretSource> {
    place(value, &["credential", "file", "env"])
}

/// Where the storage key is found: one that we make ourselves may be bound to this Windows machine.
pub(super) fn storage_key(value: &Value<'_>) -> Option<SecretSource> {
    place(value, &["credential", "file", "env", "dpapi"])
}

fn place(value: &Value<'_>, places: &[&'static str]) -> Option<SecretSource> {
    let how = || {
        said!(
            r#"cất ở nơi khác rồi ghi nơi cất: {{ credential = "tên" }}, {{ file = "/đường/dẫn" }} hoặc {{ env = "TÊN_BIẾN" }}; nếu mật khẩu đã bị lộ, hãy đổi"#,
            r#"keep it elsewhere and write where: {{ credential = "name" }}, {{ file = "/path" }} or {{ env = "VARIABLE" }}; if it was exposed, change it"#
        )
    };
    if !value.is_table() {
        return value.wrong(
            said!(
                "mật khẩu và khóa bí mật không bao giờ được ghi thẳng vào tệp này",
                "secrets never stand in this file"
            ),
            how(),
        );
    }
    let mut table = value.table()?;
    let given = places.iter().filter(|key| table.has(key)).count();
    let mut found = None;
    for key in places {
        let place = match *key {
            "credential" => table.optional(key, identifier).map(SecretSource::Credential),
            "file" => table.optional(key, path).map(SecretSource::File),
            "dpapi" => table.optional(key, local_path).map(SecretSource::Dpapi),
            _ => table.optional(key, variable).map(SecretSource::Env),
        };
        found = found.or(place);
    }
    if given != 1 {
        table.wrong::<()>(said!("cần đúng một nơi cất", "exactly one place is needed"), how());
    }
    table.end();
    found
}

/// Whom something is encrypted for: an X25519 recipient of `age`, by its form. Its checksum is checked where it is used.
pub(super) fn recipient(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let data = text.strip_prefix("age1").unwrap_or_default();
    // 32 bytes in groups of five bits, and six characters of checksum.
    if data.len() == 58
        && data
            .bytes()
            .all(|byte| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(&byte))
    {
        return Some(text.to_owned());
    }
    value.wrong(
        said!(
            "đây không phải khóa công khai của age",
            "this is not a recipient of age"
        ),
        said!(
            "dòng `public key: age1…` mà `age-keygen` in ra (62 ký tự); khóa bí mật AGE-SECRET-KEY-… không bao giờ để ở đây",
            "the line `public key: age1…` that `age-keygen` prints (62 characters); never the secret key AGE-SECRET-KEY-…"
        ),
    )
}

fn variable(value: &Value<'_>) -> Option<String> {
    word(
        value,
        64,
        |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        "A-Z a-z 0-9 _",
    )
}

/// A pattern of file names.
pub(super) fn pattern(value: &Value<'_>) -> Option<String> {
    part_of_name(value, said!(r#"ví dụ: "*.xml""#, r#"for example: "*.xml""#), "")
}

/// What is put behind a file's name to say that it is complete.
pub(super) fn marker(value: &Value<'_>) -> Option<String> {
    part_of_name(value, said!(r#"ví dụ: ".done""#, r#"for example: ".done""#), "*?")
}

fn part_of_name(value: &Value<'_>, example: Said, forbidden: &str) -> Option<String> {
    let text = value.text()?;
    let usable = |c: char| !c.is_control() && !r"/\".contains(c) && !forbidden.contains(c);
    if (1..=100).contains(&text.len()) && text.chars().all(usable) {
        return Some(text.to_owned());
    }
    value.wrong(
        said!(
            "đây không phải là một phần của tên tệp",
            "this is not part of a file name"
        ),
        example,
    )
}

/// Whether a name matches a pattern of `*` (any text) and `?` (one character).
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stood and how far it reaches: only the last one ever needs to reach further.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, reach)) = star else {
                    return false;
                };
                star = Some((at, reach + 1));
                p = at + 1;
                n = reach + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, name) in [
            ("*.xml", "a.xml"),
            ("*.xml", ".xml"),
            ("*", ""),
            ("a?c", "abc"),
            ("*a*b", "xaab"),
            ("h?", "hồ"),
            ("", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.xml", "a.xml.done"),
            ("a?c", "ac"),
            ("?", ""),
            ("a", "ab"),
            ("*a*b", "aba"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn folders_overlap_where_one_lies_in_the_other() {
        let overlap = |one: &str, other: &str| overlap(Path::new(one), Path::new(other));
        assert!(overlap("/var/lib/vhr", "/var/lib/vhr/"));
        assert!(overlap("/var/lib/vhr", "/var/lib/vhr/in"));
        assert!(overlap("/", "/srv"));
        assert!(overlap(r"C:\VHR", r"c:/vhr\in"));
        assert!(!overlap("/var/lib/vhr", "/var/lib/vhr2"));
        assert!(!overlap("/srv/a", "/srv/A"));
    }

    #[test]
    fn drives_and_shares_are_known_by_their_text() {
        assert!(on_drive(r"C:\a") && on_drive("d:/a"));
        assert!(!on_drive("C:a") && !on_drive("1:/a") && !on_drive("C:"));
        assert!(on_share(r"\\server\share") && on_share(r"\\server\share\a"));
        assert!(!on_share(r"\\server") && !on_share(r"\\server\") && !on_share(r"\\\share") && !on_share(r"\a"));
    }

    /// The definition, without any care for time.
    fn matches_by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], _) => name.is_empty(),
            (['*', rest @ ..], _) => (0..=name.len()).any(|at| matches_by_definition(rest, &name[at..])),
            (['?', rest @ ..], [_, others @ ..]) => matches_by_definition(rest, others),
            ([c, rest @ ..], [d, others @ ..]) => c == d && matches_by_definition(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn names_match_as_defined(pattern in "[ab*?]{0,6}", name in "[ab]{0,8}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), matches_by_definition(&p, &n));
        }
    }
}
