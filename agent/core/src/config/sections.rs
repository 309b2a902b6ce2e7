//! `[site]`, `[storage]`, `[plugins]`, `[rules]` and every `[[source]]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;

use super::reader::{Table, Value};
use super::{After, Plugins, Rules, SecretSource, Signature, Site, Source, Storage, values};
use crate::said;
use crate::say::Language;
use crate::time::LONGEST;

/// The zone of all of Vietnam.
pub(super) const DEFAULT_ZONE: Tz = Tz::Asia__Ho_Chi_Minh;

/// No site needs more sources or endpoints; a generated file with thousands is a mistake.
const MOST: usize = 64;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn site(mut table: Table<'_>) -> Option<Site> {
    let facility = table.required("facility", r#"facility = "79999""#, values::facility);
    let name = table.required("name", r#"name = "Bệnh viện Ví Dụ""#, values::line);
    let timezone = table.optional("timezone", values::zone);
    let language = table.optional("language", |value| {
        value.choice(&[("vi", Language::Vi), ("en", Language::En)])
    });
    table.end();
    Some(Site {
        facility: facility?,
        name: name?,
        timezone: timezone.unwrap_or(DEFAULT_ZONE),
        language: language.unwrap_or_default(),
    })
}

pub(super) fn storage(mut table: Table<'_>) -> Option<Storage> {
    let dir = table.required("dir", r#"dir = "/var/lib/vhr-agent""#, values::local_path);
    let key = table.optional("key", values::storage_key);
    let keep = table.optional("keep", |value| values::duration(value, Duration::ZERO, LONGEST));
    let escrow = table.optional("escrow", |value| value.list(values::recipient));
    let receipts = table.optional("receipts", |value| values::duration(value, Duration::ZERO, LONGEST));
    table.end();
    let dir = dir?;
    Some(Storage {
        receipts: receipts.unwrap_or(LONGEST),
        key: key.unwrap_or_else(|| SecretSource::File(dir.join("storage.key"))),
        keep: keep.unwrap_or(30 * DAY),
        escrow: escrow.unwrap_or_default(),
        dir,
    })
}

pub(super) fn plugins(mut table: Table<'_>) -> Option<Plugins> {
    let dir = table.optional("dir", values::local_path);
    table.end();
    Some(Plugins { dir })
}

pub(super) fn rules(mut table: Table<'_>) -> Option<Rules> {
    let dir = table.optional("dir", values::local_path);
    let off = table.optional("off", |value| value.list(values::line));
    table.end();
    Some(Rules {
        dir,
        off: off.unwrap_or_default(),
    })
}

pub(super) fn signature(mut table: Table<'_>) -> Option<Signature> {
    let roots = table.optional("roots", values::local_path);
    table.end();
    Some(Signature { roots })
}

/// All sources; `own` is the folder of the agent's own files, which must not be watched.
pub(super) fn sources(sections: Vec<Value<'_>>, own: Option<&Path>) -> Option<Vec<Source>> {
    let mut watched: Vec<Source> = Vec::new();
    each_named(sections, |section, earlier| {
        let source = source(section.table()?, earlier, own)?;
        let twice = |other: &&Source| {
            other.path == source.path && other.include.iter().any(|pattern| source.include.contains(pattern))
        };
        if let Some(other) = watched.iter().find(twice) {
            let other = &other.name;
            return section.wrong(
                said!(
                    "nguồn `{other}` đã lấy chính các tệp này",
                    "the source `{other}` takes these very files"
                ),
                said!(
                    "đổi path hoặc include, hoặc xóa một nguồn",
                    "change path or include, or remove one of them"
                ),
            );
        }
        watched.push(source.clone());
        Some(source)
    })
}

fn source(mut table: Table<'_>, earlier: &mut Vec<String>, own: Option<&Path>) -> Option<Source> {
    let name = table.required("name", r#"name = "his""#, |value| unique_name(value, earlier));
    let path = table.required("path", r#"path = "/srv/his/export""#, |value| watched_path(value, own));
    let include = table.optional("include", patterns);
    let plugin = table.required("plugin", r#"plugin = "vn.qd3176""#, values::identifier);
    let settle = table.optional("settle", |value| {
        values::duration(value, Duration::from_millis(10), HOUR)
    });
    let done_marker = table.optional("done_marker", values::marker);
    if table.has("settle") && table.has("done_marker") {
        table.wrong::<()>(
            said!(
                "settle và done_marker loại trừ nhau",
                "settle and done_marker exclude each other"
            ),
            said!(
                "giữ done_marker nếu HIS ghi tệp đánh dấu, nếu không thì giữ settle",
                "keep done_marker if the HIS writes marker files, otherwise settle"
            ),
        );
    }
    let rescan = table.optional("rescan", |value| values::duration(value, SECOND, DAY));
    let after = table.optional("after", |value| {
        value.choice(&[
            ("leave", After::Leave),
            ("archive", After::Archive),
            ("delete", After::Delete),
        ])
    });
    table.end();
    Some(Source {
        name: name?,
        path: path?,
        include: include.unwrap_or_else(|| vec!["*.xml".to_owned()]),
        plugin: plugin?,
        settle: settle.unwrap_or(2 * SECOND),
        done_marker,
        rescan: rescan.unwrap_or(30 * SECOND),
        after: after.unwrap_or_default(),
    })
}

/// Reads every section of a kind. Each may see, and adds to, the names that came before.
pub(super) fn each_named<'d, T>(
    sections: Vec<Value<'d>>,
    mut read: impl FnMut(&Value<'d>, &mut Vec<String>) -> Option<T>,
) -> Option<Vec<T>> {
    if let Some(section) = sections.get(MOST) {
        return section.wrong(
            said!("quá nhiều mục cùng loại", "too many sections of this kind"),
            said!("tối đa {MOST}", "at most {MOST}"),
        );
    }
    let mut names = Vec::new();
    let read_all: Vec<Option<T>> = sections.iter().map(|section| read(section, &mut names)).collect();
    read_all.into_iter().collect()
}

/// A name that none of the earlier ones is.
pub(super) fn unique_name(value: &Value<'_>, earlier: &mut Vec<String>) -> Option<String> {
    let name = values::name(value)?;
    if earlier.contains(&name) {
        return value.wrong(
            said!("tên này đã được dùng ở trên", "this name is already used above"),
            said!("đặt tên khác", "choose another name"),
        );
    }
    earlier.push(name.clone());
    Some(name)
}

fn patterns(value: &Value<'_>) -> Option<Vec<String>> {
    let patterns = value.list(values::pattern)?;
    if patterns.is_empty() {
        return value.wrong(
            said!("danh sách rỗng: không tệp nào được lấy", "an empty list takes no file"),
            said!(r#"ví dụ: ["*.xml"]"#, r#"for example: ["*.xml"]"#),
        );
    }
    Some(patterns)
}

fn watched_path(value: &Value<'_>, own: Option<&Path>) -> Option<PathBuf> {
    let path = values::path(value)?;
    if own.is_some_and(|own| values::overlap(own, &path)) {
        return value.wrong(
            said!(
                "thư mục này và thư mục riêng của chương trình (storage.dir) nằm trong nhau",
                "this folder and the agent's own (storage.dir) lie in each other"
            ),
            said!("chọn hai thư mục tách biệt", "choose two separate folders"),
        );
    }
    Some(path)
}
