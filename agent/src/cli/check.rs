//! `check`: the configuration, the plugins, the keys, the folders. The same checks that `run` makes, without running.

use vhr_core::config::{Config, SecretSource};

use super::{ConfigOption, output, run::read_config};
use crate::check::rules;
use crate::endpoint::Wire;
use crate::keys::escrow::Recipients;
use crate::map::profiles;
use crate::report::{Exit, Failure, chain};
use crate::signature::Signatures;
use crate::{pipeline, secret};

pub(super) fn run(options: &ConfigOption) -> Result<Exit, Failure> {
    let config = read_config(&options.config)?;
    let problems = problems(&config);
    if !problems.is_empty() {
        let text = format!(
            "{} lỗi ({} problems):\n  {}",
            problems.len(),
            problems.len(),
            problems.join("\n  ")
        );
        return Err(Failure::configuration(text));
    }
    output::print(&format!(
        "tốt (well): {} — {} nguồn (sources), {} nơi nhận (endpoints)\n",
        config.site.facility,
        config.sources.len(),
        config.endpoints.len()
    ))?;
    Ok(Exit::Well)
}

/// All that is wrong outside the file itself, one line each.
fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    // A key in a file is made at the first start, where this system can.
    let made_later = match &config.storage.key {
        SecretSource::File(path) => !path.exists(),
        SecretSource::Dpapi(path) => cfg!(windows) && !path.exists(),
        SecretSource::Credential(_) | SecretSource::Env(_) => false,
    };
    if !made_later && let Err(e) = secret::read(&config.storage.key) {
        problems.push(format!("[storage] key: {}", chain(&e)));
    }
    if !config.storage.escrow.is_empty()
        && let Err(e) = Recipients::parse(&config.storage.escrow)
    {
        problems.push(format!("[storage] escrow: {}", chain(&e)));
    }
    let parent = config.storage.dir.ancestors().find(|folder| folder.exists());
    if parent.is_none_or(|folder| !folder.is_dir()) {
        problems.push(format!(
            "[storage] dir: {} cannot be made",
            config.storage.dir.display()
        ));
    }
    if let Err(e) = pipeline::load_plugins(config) {
        problems.push(chain(&e));
    }
    if let Err(e) = rules(&config.rules) {
        problems.extend(e.problems);
    }
    for name in config.profiles() {
        if let Err(e) = profiles::read(name, None, config.plugins.dir.as_deref()) {
            problems.push(chain(&e));
        }
    }
    if let Err(e) = Signatures::new(config) {
        problems.push(chain(&e));
    }
    for source in &config.sources {
        if let Err(e) = std::fs::read_dir(&source.path) {
            problems.push(format!(
                "source {}: không mở được thư mục (cannot open the folder) {}: {e}",
                source.name,
                source.path.display()
            ));
        }
    }
    problems.extend(config.endpoints.iter().flat_map(Wire::problems).map(|e| chain(&e)));
    problems
}
