//! `key`: the keys that everything in the state folder is sealed under. What changes them wants the folder to itself; `ls`
//! and `escrow` only read them, whether the service runs or not.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use vhr_core::config::{Config, SecretSource};
use vhr_core::time::Timestamp;

use super::output::{plain, print, table};
use super::{ConfigOption, run::read_config};
use crate::keys::escrow::{self, Recipients};
use crate::report::{Exit, Failure, chain};
use crate::spool::sync_folder;
use crate::state::key;
use crate::{clock, secret, state};

/// Of `key`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOption,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Có những khóa nào, ai giữ bản gửi giữ / which keys there are, and who keeps the escrow
    Ls,
    /// Thêm khóa chủ mới cho dữ liệu từ nay; dịch vụ phải dừng / a new master key for what comes; the service has to be stopped
    Rotate,
    /// Thay khóa lưu trữ; dịch vụ phải dừng / replace the storage key; the service has to be stopped
    Rewrap {
        /// Khóa mới ở đâu: file:ĐƯỜNG_DẪN, env:BIẾN, credential:TÊN; bỏ trống: tự tạo / where the new key is; without: a fresh one
        #[arg(long, value_name = "PLACE", value_parser = place)]
        new: Option<SecretSource>,
    },
    /// Ghi keyring mã hóa cho người giữ khóa ngoại tuyến (age) / the keyring, encrypted for who keeps a key offline (age)
    Escrow {
        /// Khóa công khai age1…; bỏ trống: [storage] escrow / recipients; without: those of the configuration
        #[arg(long, value_name = "AGE1…")]
        to: Vec<String>,
        /// Tệp sẽ ghi, phải chưa có / the file, which must not be there yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Lấy lại keyring từ bản gửi giữ; dịch vụ phải dừng / put the keyring back from the escrow; the service has to be stopped
    Recover {
        /// Bản gửi giữ / the escrow
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Tệp khóa bí mật do age-keygen tạo / the identity file that age-keygen made
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
        /// Thay cả khi keyring hiện có còn mở được, hay bản gửi giữ đã cũ / even if the present one opens, or the escrow is old
        #[arg(long)]
        force: bool,
    },
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    match &options.verb {
        Verb::Ls => ls(&config),
        Verb::Rotate => rotate(&config),
        Verb::Rewrap { new } => rewrap(&config, new.as_ref()),
        Verb::Escrow { to, out } => give_away(&config, to, out),
        Verb::Recover { from, identity, force } => recover(&config, from, identity, *force),
    }
}

fn ls(config: &Config) -> Result<Exit, Failure> {
    let when = |at: Timestamp| at.in_zone(config.site.timezone);
    let storage = &config.storage;
    let opened = state::open_keys(storage);
    let mut text = format!("khóa lưu trữ (storage key): {}\n", plain(&shown(&storage.key)));
    let beside = storage.dir.join("storage.key");
    if !matches!(&storage.key, SecretSource::File(path) | SecretSource::Dpapi(path) if *path == beside)
        && beside.exists()
    {
        text += &format!(
            "  ! {} vẫn nằm cạnh dữ liệu: nếu không còn dùng, hãy xóa nó và .copy (still lies beside the data: remove it and \
             its copy if it is of no use any more)\n",
            plain(&beside.display().to_string())
        );
    }
    match &opened {
        Ok(keys) => {
            let newest = keys.newest();
            let rows = keys.list().into_iter().map(|(id, at)| {
                let use_now = if id == newest {
                    "đang dùng (in use)"
                } else {
                    "chỉ để đọc (reads only)"
                };
                vec![id.to_string(), when(at), use_now.to_owned()]
            });
            text += &format!(
                "\n{}",
                table(
                    &["khóa chủ (master key)", "tạo lúc (made at)", ""],
                    &rows.collect::<Vec<_>>()
                )
            );
        }
        Err(e) => text += &format!("\nkhông mở được (does not open): {}\n", chain(e)),
    }
    if !storage.escrow.is_empty() {
        text += "\nngười giữ theo cấu hình (recipients of the configuration):\n";
        text.extend(storage.escrow.iter().map(|recipient| format!("  {recipient}\n")));
    }
    let written = escrow::written(&storage.dir);
    let stale = |escrow: &escrow::Written| opened.as_ref().is_ok_and(|keys| !escrow.has_all_of(keys));
    if written.is_empty() {
        text += "\nchưa có bản gửi giữ nào: `vhr-agent key escrow` (no escrow was ever written)\n";
    } else {
        let rows = written.iter().map(|escrow| {
            let state = if stale(escrow) {
                "CŨ (OLD): thiếu khóa mới"
            } else {
                "đủ (complete)"
            };
            vec![
                escrow.file.clone(),
                when(escrow.at),
                state.to_owned(),
                escrow.recipients.join(" "),
            ]
        });
        let head = ["bản gửi giữ (escrow)", "ghi lúc (written)", "", "cho (for)"];
        text += &format!("\n{}", table(&head, &rows.collect::<Vec<_>>()));
    }
    print(&text)?;
    Ok(if opened.is_ok() { Exit::Well } else { Exit::NeedsAPerson })
}

fn rotate(config: &Config) -> Result<Exit, Failure> {
    let _lock = lock(config)?;
    let keys = key::rotate(&config.storage, clock::now()).map_err(failed)?;
    print(&format!("khóa chủ mới (new master key): {}\n", keys.newest()))?;
    let written = escrow::written(&config.storage.dir);
    for escrow in written.iter().filter(|escrow| !escrow.has_all_of(&keys)) {
        eprintln!(
            "bản gửi giữ {0} chưa có khóa này, hãy ghi bản mới (the escrow {0} does not have it: write a new one)",
            plain(&escrow.file)
        );
    }
    Ok(Exit::Well)
}

fn rewrap(config: &Config, new: Option<&SecretSource>) -> Result<Exit, Failure> {
    let _lock = lock(config)?;
    let secret = new.map(secret::read).transpose();
    let secret = secret.map_err(|e| Failure::environment("--new", e))?;
    key::rewrap(&config.storage, secret, clock::now()).map_err(failed)?;
    let ours = key::StorageKey::of(&config.storage).is_ours();
    let next = match new.map(shown) {
        None => String::new(),
        Some(place) if ours => format!(
            "\n  khóa mới cũng đã ghi vào {0}; nếu chuyển [storage] key sang {1} thì xóa tệp đó và .copy (the new key was \
             written there too; remove it and its copy when [storage] key names {1})",
            shown(&config.storage.key),
            place
        ),
        Some(place) => format!(
            "\n  TRƯỚC khi chạy lại: {0} phải chứa khóa mới, hoặc đặt [storage] key = {1} (BEFORE the next start: put the new \
             key there, or point [storage] key to the new place)",
            shown(&config.storage.key),
            place
        ),
    };
    print(&format!("đã thay khóa lưu trữ (the storage key was replaced){next}\n"))?;
    Ok(Exit::Well)
}

fn give_away(config: &Config, to: &[String], out: &Path) -> Result<Exit, Failure> {
    let recipients = if to.is_empty() { &config.storage.escrow } else { to };
    let recipients = Recipients::parse(recipients).map_err(|e| Failure::usage(chain(&e)))?;
    let keys = state::open_keys(&config.storage).map_err(failed)?;
    let now = clock::now();
    let act = format!("{}", out.display());
    let bytes = escrow::seal(&keys, &recipients, now).map_err(|e| Failure::environment(&act, e))?;
    let file = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
    write_new(&file, &bytes).map_err(|e| {
        let hint = "tệp đã có sẽ không bị ghi đè; chọn tên khác (a file that is there is not overwritten: choose another name)";
        let exists = e.kind() == io::ErrorKind::AlreadyExists;
        let failure = Failure::environment(&act, e);
        if exists { failure.hint(hint) } else { failure }
    })?;
    // The escrow is written; that it could not be noted takes nothing from it.
    if let Err(e) = escrow::note(
        &config.storage.dir,
        &file.display().to_string(),
        &bytes,
        &keys,
        &recipients,
        now,
    ) {
        eprintln!("không ghi chú lại được (could not be noted): {}", chain(&e));
    }
    print(&format!("{}\n", file.display()))?;
    Ok(Exit::Well)
}

fn recover(config: &Config, from: &Path, identity: &Path, force: bool) -> Result<Exit, Failure> {
    let read = |path: &Path| small(path).map_err(|e| Failure::environment(&path.display().to_string(), e));
    let (escrow, identity) = (read(from)?, read(identity)?);
    let identity = String::from_utf8_lossy(&identity);
    let keys = escrow::open(&escrow, &identity).map_err(Failure::data)?;
    state::make_private(&config.storage.dir).map_err(failed)?;
    let _lock = lock(config)?;
    let now = clock::now();
    let done = key::recover(&config.storage, &keys, force, now).map_err(failed)?;
    state::prepare(&config.storage, now).map_err(failed)?;
    let mut text = format!(
        "đã khôi phục keyring, {0} khóa chủ (the keyring is back, {0} master keys)\n",
        keys.list().len()
    );
    if done.new_key {
        text += &format!(
            "đã tạo khóa lưu trữ mới (a new storage key was made): {}\n",
            shown(&config.storage.key)
        );
    }
    for path in done.set_aside {
        text += &format!("để riêng (set aside): {}\n", path.display());
    }
    print(&text)?;
    Ok(Exit::Well)
}

/// Nobody else may work in the folder meanwhile.
fn lock(config: &Config) -> Result<state::Lock, Failure> {
    let dir = &config.storage.dir;
    if !dir.is_dir() {
        return Err(failed(state::Error::NothingYet(dir.clone())));
    }
    state::lock(dir).map_err(|e| {
        failed(e)
            .hint("dừng dịch vụ trước, rồi chạy lại lệnh này (stop the service first, then give this command again)")
    })
}

fn failed(error: state::Error) -> Failure {
    match error {
        state::Error::NotOurs | state::Error::TooShort | state::Error::SameKey | state::Error::StillOpens => {
            Failure::usage(chain(&error))
        }
        state::Error::OlderEscrow(_) => Failure::data(error),
        state::Error::Escrow(_) => Failure::configured(error),
        error => Failure::environment("key", error),
    }
}

/// A place on the command line.
fn place(text: &str) -> Result<SecretSource, String> {
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(SecretSource::File(path.into())),
        Some(("env", name)) if !name.is_empty() => Ok(SecretSource::Env(name.to_owned())),
        Some(("credential", name)) if !name.is_empty() && !name.contains(['/', '\\']) => {
            Ok(SecretSource::Credential(name.to_owned()))
        }
        // What was given may be the key itself, and is not repeated.
        _ => Err("file:PATH, env:NAME, credential:NAME".to_owned()),
    }
}

/// As it stands in the configuration.
fn shown(place: &SecretSource) -> String {
    match place {
        SecretSource::Credential(name) => format!("{{ credential = \"{name}\" }}"),
        SecretSource::File(path) => format!("{{ file = '{}' }}", path.display()),
        SecretSource::Env(name) => format!("{{ env = \"{name}\" }}"),
        SecretSource::Dpapi(path) => format!("{{ dpapi = '{}' }}", path.display()),
    }
}

/// A new file, for our account only; none is left that is not whole.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let folder = |()| path.parent().map_or(Ok(()), sync_folder).map_err(io::Error::other);
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(folder);
    if written.is_err() {
        drop(file);
        // What is wrong with the disk is told by the first error.
        let _ = fs::remove_file(path);
    }
    written
}

fn small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(escrow::LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > escrow::LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_its_kind_and_a_key_in_the_clear_is_refused_and_not_repeated() {
        assert_eq!(place("file:/a:b"), Ok(SecretSource::File("/a:b".into())));
        assert_eq!(place("env:KEY"), Ok(SecretSource::Env("KEY".into())));
        assert_eq!(place("credential:k"), Ok(SecretSource::Credential("k".into())));
        for wrong in ["5ecret", "file:", "vault:5ecret", "credential:../5ecret"] {
            assert!(!place(wrong).unwrap_err().contains("5ecret"));
        }
    }

    #[test]
    fn an_escrow_never_takes_the_place_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_new(&path, b"first").unwrap();
        assert!(write_new(&path, b"second").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }
}
