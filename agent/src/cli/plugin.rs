//! `plugin`: for those who write plugins.

use std::path::PathBuf;

use super::output::print;
use crate::plugin::{self, build};
use crate::report::{Exit, Failure};

/// Of `plugin`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Biên dịch một crate Rust thành plugin / compile a Rust crate into a plugin; the path on stdout
    Build {
        /// Thư mục có Cargo.toml và plugin.toml / the folder with Cargo.toml and plugin.toml
        dir: PathBuf,
        /// Ghi vào thư mục này / write it into this folder (default: DIR/target/plugin)
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Xem plugin mà không chạy / what a plugin says of itself, without running it
    Inspect {
        /// Tệp .wasm / the .wasm file
        file: PathBuf,
    },
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    match &options.verb {
        Verb::Build { dir, out } => {
            let built = build::build(dir, out.as_deref()).map_err(Failure::data)?;
            print(&format!("{}\n", built.path.display()))?;
        }
        Verb::Inspect { file } => {
            let bytes =
                std::fs::read(file).map_err(|e| Failure::usage(format!("could not read {}: {e}", file.display())))?;
            let about = plugin::inspect(&bytes).map_err(Failure::data)?;
            let manifest = &about.manifest;
            print(&format!(
                "id        {}\nversion   {}\ncontract  {}\nvendor    {}\nlicence   {}\nsha256    {}\nsize      {} bytes\nimports   {}\nexports   {}\n",
                manifest.id,
                manifest.version,
                manifest.contract,
                manifest.vendor,
                manifest.licence,
                about.sha256,
                about.size,
                about.imports.join(", "),
                about.exports.join(", "),
            ))?;
        }
    }
    Ok(Exit::Well)
}
