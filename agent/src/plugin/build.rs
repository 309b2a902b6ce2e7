//! `plugin build`: from a plugin's crate to the one file that is installed.
//!
//! What stays true: the file carries its own `plugin.toml`, has passed the same checks the agent makes before running
//! it, and appears under its name only when it is whole. The same crate gives the same file on every machine with the
//! same compiler: flags and paths of the machine are kept out.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::lint::{self, Inspection};
use super::manifest::{self, Manifest};

/// The only target that brings no imports of its own: with a WASI target the component would ask for clocks and files.
const TARGET: &str = "wasm32-unknown-unknown";

/// A plugin file just written.
#[derive(Clone, Debug)]
pub struct Built {
    /// Where it is: `<id>-<version>.wasm`.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Why no plugin was built.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("không đọc được {} (cannot read it): mỗi plugin cần plugin.toml và Cargo.toml (a plugin needs both)", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}", .path.display())]
    Manifest { path: PathBuf, source: manifest::Error },
    #[error(
        "không chạy được {}: cần cài Rust (rustup.rs), hoặc đặt biến CARGO \
         (cannot run it; install Rust from rustup.rs, or set CARGO)", .program.display()
    )]
    NoCargo { program: PathBuf, source: io::Error },
    #[error(
        "thiếu đích biên dịch {TARGET} và không tự cài được; hãy chạy `rustup target add {TARGET}` \
         (the compile target is missing and could not be added; run `rustup target add {TARGET}`, or install \
         your distribution's package of the Rust standard library for it)"
    )]
    NoTarget,
    #[error("cargo báo lỗi, xem ở trên (cargo failed, see above)")]
    Cargo,
    #[error(
        "crate không cho ra tệp .wasm nào; Cargo.toml cần [lib] crate-type = [\"cdylib\"] \
         (the crate gave no .wasm file; its Cargo.toml needs [lib] crate-type = [\"cdylib\"])"
    )]
    NoArtifact,
    #[error(
        "không đóng gói được thành component; crate có dùng SDK của plugin không? (cannot make it a component; does the crate use the plugin SDK?)"
    )]
    Component(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("plugin vừa dựng không qua được kiểm tra (the plugin just built does not pass the checks)")]
    Lint(#[from] lint::Error),
    #[error("không ghi được vào {} (cannot write there)", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Builds the plugin crate in `dir` and writes the plugin into `out`, or `dir/target/plugin`.
///
/// Compiles with the Rust toolchain of this machine; what cargo has to say goes to stderr.
pub fn build(dir: &Path, out: Option<&Path>) -> Result<Built, Error> {
    let about = dir.join("plugin.toml");
    let text = fs::read_to_string(&about).map_err(|source| Error::Read {
        path: about.clone(),
        source,
    })?;
    // Before the minutes of compiling.
    Manifest::parse(&text).map_err(|source| Error::Manifest { path: about, source })?;

    ensure_target(dir)?;
    let module_path = compile(dir)?;
    let module = fs::read(&module_path).map_err(|source| Error::Read {
        path: module_path,
        source,
    })?;
    let mut component = encode(&module).map_err(Error::Component)?;
    append_section(&mut component, manifest::SECTION, text.as_bytes());
    let Inspection { manifest, sha256, .. } = lint::inspect(&component)?;

    let folder = out.map_or_else(|| dir.join("target").join("plugin"), Path::to_owned);
    let path = folder.join(format!("{}-{}.wasm", manifest.id, manifest.version));
    write_whole(&folder, &path, &component).map_err(|source| Error::Write {
        path: path.clone(),
        source,
    })?;
    Ok(Built { path, manifest, sha256 })
}

/// Runs cargo and gives back the core module it made.
fn compile(dir: &Path) -> Result<PathBuf, Error> {
    let crate_file = dir.join("Cargo.toml");
    let crate_file = crate_file.canonicalize().map_err(|source| Error::Read {
        path: crate_file,
        source,
    })?;
    let program = program("CARGO", "cargo");
    let mut child = command(&program, dir)
        .args([
            "build",
            "--release",
            "--lib",
            "--message-format=json-render-diagnostics",
        ])
        .args(["--target", TARGET])
        // Whatever the workspace around it says, a plugin is built for speed, small, and without unwinding.
        .args(["--config", "profile.release.opt-level=3"])
        .args(["--config", "profile.release.lto=\"fat\""])
        .args(["--config", "profile.release.codegen-units=1"])
        .args(["--config", "profile.release.panic=\"abort\""])
        .args(["--config", "profile.release.strip=\"symbols\""])
        .args(["--config", "profile.release.debug=false"])
        .args(["--config", &format!("target.{TARGET}.rustflags={}", rustflags())])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| Error::NoCargo {
            program: program.into(),
            source,
        })?;

    let mut module = None;
    let messages = child.stdout.take().expect("stdout is piped, three lines above");
    for line in BufReader::new(messages).lines().map_while(Result::ok) {
        // Lines of other kinds have other fields; none of them is of interest.
        if let Ok(artifact) = serde_json::from_str::<Artifact>(&line)
            && artifact
                .manifest_path
                .canonicalize()
                .is_ok_and(|path| path == crate_file)
        {
            let is_wasm = |file: &PathBuf| file.extension().is_some_and(|e| e == "wasm");
            module = artifact.filenames.into_iter().find(is_wasm).or(module);
        }
    }
    match child.wait() {
        Ok(status) if status.success() => module.ok_or(Error::NoArtifact),
        _ => Err(Error::Cargo),
    }
}

/// The message of cargo about something it has compiled.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    filenames: Vec<PathBuf>,
}

/// SIMD is exact and the same on every machine (relaxed SIMD would not be, and is off). Every call costs fuel and a look
/// at the clock in the sandbox, so more is inlined than usual: a tenth faster. Paths of this machine would make the file
/// depend on whose home it was built in.
fn rustflags() -> String {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = ["-Ctarget-feature=+simd128", "-Cllvm-args=-inline-threshold=600"]
        .map(str::to_owned)
        .to_vec();
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    serde_json::to_string(&flags).expect("a list of strings is JSON, and TOML too")
}

/// Asks the compiler whether it has the target; if not, lets rustup add it, once.
fn ensure_target(dir: &Path) -> Result<(), Error> {
    if has_target(dir) {
        return Ok(());
    }
    eprintln!("Đang cài đích biên dịch {TARGET} (adding the compile target) …");
    let added = command(&program("RUSTUP", "rustup"), dir)
        .args(["target", "add", TARGET])
        // Our own stdout carries the path of the plugin and nothing else.
        .stdout(io::stderr())
        .status();
    match added {
        Ok(status) if status.success() && has_target(dir) => Ok(()),
        _ => Err(Error::NoTarget),
    }
}

fn has_target(dir: &Path) -> bool {
    let asked = command(&program("RUSTC", "rustc"), dir)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::inherit())
        .output();
    // A compiler that cannot be asked is left to cargo, which may know another one.
    let Ok(asked) = asked else { return true };
    let folder = String::from_utf8_lossy(&asked.stdout);
    fs::read_dir(folder.trim()).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|e| e.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

fn program(variable: &str, name: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| name.into())
}

/// Runs in the plugin's folder, where its own toolchain file counts, and without flags meant for this machine.
fn command(program: &OsString, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS");
    command
}

/// The core module as a component; the types come from the section which the SDK has left in it.
pub(super) fn encode(module: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(Into::into)
}

/// A custom section: a zero, its length, the length of its name, its name, its content.
pub(super) fn append_section(component: &mut Vec<u8>, name: &str, content: &[u8]) {
    let name_length = leb128(name.len());
    component.push(0);
    component.extend(leb128(name_length.len() + name.len() + content.len()));
    component.extend(name_length);
    component.extend(name.as_bytes());
    component.extend(content);
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".plugin-")
        // Unlike a temporary file of the library's own, readable for whoever may read the folder.
        .make_in(folder, |path| File::create_new(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
