//! Profile sets: which identifier systems, profiles and fixed codings are written. Data; a further set needs no code.

use std::path::Path;

/// The sets that come with the agent.
const SHIPPED: &[(&str, &str)] = &[
    ("r4", include_str!("../../../configs/profiles/r4.json")),
    (
        "moh-ehealth-1.0",
        include_str!("../../../configs/profiles/moh-ehealth-1.0.json"),
    ),
];
/// A set is a page of JSON.
const MAX: u64 = 4 * 1024 * 1024;

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
}

/// The names of the shipped sets.
pub fn shipped() -> String {
    SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// What a plugin gets as `config-json` for this set: the set, and the facility's name for people.
///
/// # Errors
/// When there is no such set, or it is no JSON.
pub fn config_json(name: &str, facility_name: Option<&str>, plugins: Option<&Path>) -> Result<String, Error> {
    let unknown = || Error::Unknown { name: name.to_owned() };
    let text = match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        Some((_, text)) => (*text).to_owned(),
        None if name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) && !name.starts_with('.') => {
            let path = plugins
                .ok_or_else(unknown)?
                .join("profiles")
                .join(format!("{name}.json"));
            let size = std::fs::metadata(&path).map_err(|_| unknown())?.len();
            if size > MAX {
                return Err(unknown());
            }
            std::fs::read_to_string(path).map_err(|_| unknown())?
        }
        None => return Err(unknown()),
    };
    let profile: serde_json::Value = serde_json::from_str(&text).map_err(|source| Error::NotJson {
        name: name.to_owned(),
        source,
    })?;
    let settings = facility_name.map_or_else(
        || serde_json::json!({}),
        |name| serde_json::json!({"facility_name": name}),
    );
    Ok(serde_json::json!({"profile": profile, "settings": settings}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_set_reads() {
        for (name, _) in SHIPPED {
            assert!(config_json(name, None, None).unwrap().contains("\"profile\":{"));
        }
    }

    #[test]
    fn a_further_set_is_a_file_beside_the_plugins_and_nothing_else_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        std::fs::write(folder.path().join("profiles/omi-0.6.json"), r#"{"name":"omi"}"#).unwrap();
        std::fs::write(folder.path().join("secret.json"), "{}").unwrap();
        assert!(
            config_json("omi-0.6", None, Some(folder.path()))
                .unwrap()
                .contains("omi")
        );
        assert!(config_json("../secret", None, Some(folder.path())).is_err());
        assert!(config_json("none", None, Some(folder.path())).is_err());
    }
}
