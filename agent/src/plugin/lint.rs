//! What can be said about a plugin file before any of it is compiled or run.
//!
//! What stays true: a file that passes imports only contract v1, exports its `transform` and carries a good manifest.

use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};
use wasmtime::Engine;

use super::manifest::{self, Manifest};

/// A larger plugin file is refused unread. A Python plugin has some 18 MiB, a Rust one far below one.
pub(super) const MAX_BYTES: u64 = 32 << 20;

/// What a plugin file says about itself.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its embedded `plugin.toml`.
    pub manifest: Manifest,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Names it imports, as written.
    pub imports: Vec<String>,
    /// Names it exports, as written.
    pub exports: Vec<String>,
}

/// Why a file is not a plugin this agent would run.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error(
        "tệp dài {size} byte, quá giới hạn 32 MiB cho một plugin (the file has {size} bytes; a plugin may have 32 MiB)"
    )]
    TooLarge { size: u64 },
    #[error(
        "tệp này đã được dịch sẵn ra mã máy; agent chỉ nhận plugin .wasm nguyên gốc \
         (this file is precompiled machine code; give the agent the .wasm it was made from)"
    )]
    Precompiled,
    #[error(
        "đây là mô-đun WebAssembly lõi, không phải component; hãy dùng `vhr-agent plugin build` \
         (this is a core WebAssembly module, not a component; build it with `vhr-agent plugin build`)"
    )]
    CoreModule,
    #[error("tệp này không phải WebAssembly hợp lệ (this file is not valid WebAssembly)")]
    Invalid(#[from] wasmparser::BinaryReaderError),
    #[error("plugin xin những gì agent không cho (the plugin imports what the agent does not offer): {}{}", .names.join(", "), hint(.names))]
    Imports { names: Vec<String> },
    #[error(
        "plugin không xuất `vhr:mapper/transform@1` (the plugin does not export `vhr:mapper/transform@1`); \
         nó xuất (it exports): [{}]", .exports.join(", ")
    )]
    NoTransform { exports: Vec<String> },
    #[error(
        "plugin không mang theo plugin.toml; hãy dùng `vhr-agent plugin build` \
         (the plugin carries no plugin.toml; build it with `vhr-agent plugin build`)"
    )]
    NoManifest,
    #[error("plugin mang theo một plugin.toml không dùng được (the plugin carries a plugin.toml of no use)")]
    Manifest(#[from] manifest::Error),
}

/// Reads a plugin file without compiling or running any of it.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Error> {
    let size = bytes.len() as u64;
    if size > MAX_BYTES {
        return Err(Error::TooLarge { size });
    }
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(Error::Precompiled);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(Error::CoreModule);
    }
    Validator::new_with_features(features()).validate_all(bytes)?;

    let outside = outside(bytes)?;
    let refused: Vec<_> = outside.imports.iter().filter(|name| !offered(name)).cloned().collect();
    if !refused.is_empty() {
        return Err(Error::Imports { names: refused });
    }
    if !outside.exports.iter().any(|name| is_ours(name, &["transform"])) {
        return Err(Error::NoTransform {
            exports: outside.exports,
        });
    }
    let manifest = match outside.manifests[..] {
        [text] => Manifest::parse(&String::from_utf8_lossy(text))?,
        // With two, different readers could take different ones for the truth.
        _ => return Err(Error::NoManifest),
    };
    Ok(Inspection {
        manifest,
        sha256: format!("{:x}", Sha256::digest(bytes)),
        size,
        imports: outside.imports,
        exports: outside.exports,
    })
}

/// The outermost component only: what is nested inside gets nothing but what the outermost was given.
#[derive(Default)]
struct Outside<'a> {
    imports: Vec<String>,
    exports: Vec<String>,
    manifests: Vec<&'a [u8]>,
}

fn outside(bytes: &[u8]) -> Result<Outside<'_>, Error> {
    let mut outside = Outside::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => {
                return Err(Error::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The end of the outermost is the end of the file.
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    outside.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    outside.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == manifest::SECTION => {
                outside.manifests.push(section.data());
            }
            _ => {}
        }
    }
    Ok(outside)
}

fn offered(import: &str) -> bool {
    is_ours(import, &["types", "host", "terminology"])
}

/// `vhr:mapper/<one of these>@1.x.y`.
fn is_ours(name: &str, interfaces: &[&str]) -> bool {
    let parts = name.strip_prefix("vhr:mapper/").and_then(|rest| rest.split_once("@1."));
    parts.is_some_and(|(interface, minor_patch)| {
        let numbers: Vec<_> = minor_patch.split('.').map(str::parse::<u32>).collect();
        interfaces.contains(&interface) && numbers.len() == 2 && numbers.iter().all(Result::is_ok)
    })
}

fn hint(imports: &[String]) -> &'static str {
    if imports.iter().any(|name| name.starts_with("wasi:")) {
        "\nbiên dịch cho wasm32-wasip2? hãy dùng `vhr-agent plugin build` \
         (built for wasm32-wasip2? build with `vhr-agent plugin build`)"
    } else {
        ""
    }
}

/// The part of WebAssembly plugins may use. Multiple memories stay on: components composed of several need them.
pub(super) fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::TAIL_CALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_version_1_of_the_contract_is_ours() {
        assert!(offered("vhr:mapper/host@1.0.0"));
        assert!(offered("vhr:mapper/types@1.12.3"));
        for name in [
            "vhr:mapper/host",
            "vhr:mapper/host@2.0.0",
            "vhr:mapper/host@1.0",
            "vhr:mapper/host@1.0.0.0",
            "vhr:mapper/hosts@1.0.0",
            "vhr:mapper/transform@1.0.0",
            "evil:mapper/host@1.0.0",
            "wasi:cli/run@1.0.0",
        ] {
            assert!(!offered(name), "{name}");
        }
    }
}
