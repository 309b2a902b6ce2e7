//! Profile sets: which identifier systems, profiles and fixed codings are written. Data; a further set needs no code.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Value, json};
use vhr_core::structure::{self, Structure};

/// The sets that come with the agent.
const SHIPPED: &[(&str, Texts)] = &[
    (
        "r4",
        Texts {
            written: Cow::Borrowed(include_str!("../../../configs/profiles/r4.json")),
            claims: Cow::Borrowed("{}"),
            definitions: Cow::Borrowed("[]"),
        },
    ),
    (
        "moh-ehealth-1.0",
        Texts {
            written: Cow::Borrowed(include_str!("../../../configs/profiles/moh-ehealth-1.0.json")),
            claims: Cow::Borrowed(include_str!("../../../configs/profiles/moh-ehealth-1.0.claims.json")),
            definitions: Cow::Borrowed(include_str!(
                "../../../configs/profiles/moh-ehealth-1.0.definitions.json"
            )),
        },
    ),
];
/// Of a file of a set.
const MAX: u64 = 16 * 1024 * 1024;

/// A profile set.
#[derive(Debug)]
pub struct Set {
    /// What a plugin gets as `config-json`.
    pub config_json: String,
    /// What its resources are checked by.
    pub structure: Structure,
}

/// The files of a set.
#[derive(Clone)]
struct Texts {
    /// What a plugin is to write.
    written: Cow<'static, str>,
    /// What its resources are to claim.
    claims: Cow<'static, str>,
    /// What that means.
    definitions: Cow<'static, str>,
}

/// Why there is no such set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither shipped nor beside the plugins.
    #[error(
        "there is no profile set {name:?}; the agent comes with {}, others are read from <plugins>/profiles/<name>.json",
        shipped()
    )]
    Unknown {
        /// As configured.
        name: String,
    },
    /// It is no JSON.
    #[error("profile set {name:?} does not read as JSON")]
    NotJson {
        /// As configured.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Its definitions cannot be used.
    #[error("the definitions of profile set {name:?} cannot be used")]
    Definitions {
        /// As configured.
        name: String,
        /// Why.
        source: structure::Error,
    },
}

/// The names of the shipped sets.
pub fn shipped() -> String {
    SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Reads a profile set; `facility_name` goes to the plugin with it, for people.
///
/// # Errors
/// When there is no such set, or it cannot be used.
pub fn read(name: &str, facility_name: Option<&str>, plugins: Option<&Path>) -> Result<Set, Error> {
    let texts = texts(name, plugins).ok_or_else(|| Error::Unknown { name: name.to_owned() })?;
    let not_json = |source| Error::NotJson {
        name: name.to_owned(),
        source,
    };
    let profile: Value = serde_json::from_str(&texts.written).map_err(not_json)?;
    let claims = serde_json::from_str(&texts.claims).map_err(not_json)?;
    let structure = Structure::read(&texts.definitions, claims).map_err(|source| Error::Definitions {
        name: name.to_owned(),
        source,
    })?;
    let settings = facility_name.map_or_else(|| json!({}), |name| json!({"facility_name": name}));
    Ok(Set {
        config_json: json!({"profile": profile, "settings": settings}).to_string(),
        structure,
    })
}

/// The texts of a set; a further one need not define or claim anything.
fn texts(name: &str, plugins: Option<&Path>) -> Option<Texts> {
    if let Some((_, texts)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Some(texts.clone());
    }
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) && !name.starts_with('.');
    let folder = plugins.filter(|_| is_plain)?.join("profiles");
    let text = |suffix: &str, none: Option<&'static str>| {
        let path = folder.join(format!("{name}{suffix}"));
        match (fs::metadata(&path), none) {
            (Ok(file), _) if file.len() <= MAX => fs::read_to_string(path).ok().map(Cow::Owned),
            (Err(e), Some(none)) if e.kind() == ErrorKind::NotFound => Some(Cow::Borrowed(none)),
            _ => None,
        }
    };
    Some(Texts {
        written: text(".json", None)?,
        claims: text(".claims.json", Some("{}"))?,
        definitions: text(".definitions.json", Some("[]"))?,
    })
}

#[cfg(test)]
mod tests {
    use vhr_core::tree::Tree;

    use super::*;

    #[test]
    fn every_shipped_set_reads() {
        for (name, _) in SHIPPED {
            let set = read(name, None, None).unwrap();
            assert!(set.config_json.contains("\"profile\":{"));
        }
    }

    #[test]
    fn a_further_set_is_files_beside_the_plugins_and_nothing_else_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |file: &str| folder.path().join(file);
        let omi = || read("omi-0.6", None, Some(folder.path()));
        fs::create_dir(path("profiles")).unwrap();
        fs::write(path("profiles/omi-0.6.json"), r#"{"name":"omi"}"#).unwrap();
        fs::write(path("secret.json"), "{}").unwrap();
        assert!(omi().is_ok());
        fs::write(path("profiles/omi-0.6.claims.json"), r#"{"Patient":["urn:p"]}"#).unwrap();
        assert!(matches!(omi(), Err(Error::Definitions { .. })));
        let definitions = r#"[{"url":"urn:p","type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
            "differential":{"element":[{"id":"Patient.birthDate","min":1}]}}]"#;
        fs::write(path("profiles/omi-0.6.definitions.json"), definitions).unwrap();
        let set = omi().unwrap();
        assert!(set.config_json.contains("omi"));
        let check = |json: &str| set.structure.check(&Tree::read(json).unwrap());
        assert_eq!(
            check(r#"{"resourceType":"Patient","birthDate":"2026"}"#).claim,
            Some("urn:p")
        );
        assert!(check(r#"{"resourceType":"Patient"}"#).missed.is_some());
        assert!(read("../secret", None, Some(folder.path())).is_err());
        assert!(read("none", None, Some(folder.path())).is_err());
    }
}
