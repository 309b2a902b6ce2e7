//! One hospital: a temporary folder with exports, state and configuration, and the two receivers.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use vhr_agent::demo::exports::ExportFile;
use vhr_agent::demo::receivers::{Ca, Fhir, FhirOptions, Gateway, GatewayOptions, start_fhir, start_gateway};

use super::agent::{Done, Service, build_plugin};
use super::files;

/// What is logged where what has arrived is to be said, too.
pub(crate) const TELLING: &str = "info,vhr_agent::deliver=debug";

/// How this hospital differs from the usual one: lines of the configuration, and the receivers' options.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The state folder, below the hospital's.
    pub(crate) state: &'static str,
    /// More lines about the state folder.
    pub(crate) storage: &'static str,
    /// When a file counts as complete.
    pub(crate) settle: &'static str,
    /// More lines for the source.
    pub(crate) source: &'static str,
    /// More lines for the FHIR endpoint; none: there is no such endpoint.
    pub(crate) fhir: Option<String>,
    /// More lines for the gateway; none: there is no such endpoint.
    pub(crate) gateway: Option<String>,
    /// Where the FHIR endpoint is, if not at the stand-in.
    pub(crate) fhir_url: Option<String>,
    /// Where the gateway is, if not at the stand-in.
    pub(crate) gateway_url: Option<String>,
    /// The FHIR stand-in.
    pub(crate) fhir_options: FhirOptions,
    /// The gateway stand-in.
    pub(crate) gateway_options: GatewayOptions,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            state: "state",
            storage: "",
            settle: r#"settle = "100ms""#,
            source: "",
            fhir: Some(String::new()),
            gateway: Some(String::new()),
            fhir_url: None,
            gateway_url: None,
            fhir_options: FhirOptions {
                keep: true,
                ..FhirOptions::default()
            },
            gateway_options: GatewayOptions::default(),
        }
    }
}

/// The hospital.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
    /// Both receivers live on it.
    _runtime: Runtime,
    /// The insurance gateway.
    pub(crate) gateway: Gateway,
    /// The national record.
    pub(crate) fhir: Fhir,
}

impl World {
    /// As usual.
    pub(crate) fn new() -> Self {
        Self::with(Wish::default())
    }

    /// As wished.
    pub(crate) fn with(wish: Wish) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("vhr-e2e-")
            .tempdir()
            .expect("there is a temporary folder");
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("there is a runtime");
        let ca = Ca::new().expect("a throw-away authority");
        let (gateway, fhir) = runtime.block_on(async {
            (
                start_gateway(Some(&ca), wish.gateway_options.clone())
                    .await
                    .expect("loopback is there"),
                start_fhir(Some(&ca), wish.fhir_options.clone())
                    .await
                    .expect("loopback is there"),
            )
        });
        let world = Self {
            folder,
            _runtime: runtime,
            gateway,
            fhir,
        };
        for name in ["exports", "plugins", "tmp"] {
            fs::create_dir(world.path(name)).expect("the folder is new");
        }
        let plugin = build_plugin();
        fs::copy(plugin, world.path("plugins").join("vn.qd3176.wasm")).expect("the plugin can be copied");
        fs::write(world.path("ca.pem"), ca.pem()).expect("the folder can be written");
        fs::write(world.path("gateway-password"), &wish.gateway_options.password).expect("the folder can be written");
        world.configure(&wish);
        world
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, wish: &Wish) {
        let at = |name: &str| self.path(name).display().to_string().replace('\\', "/");
        let mut text = format!(
            "[site]\nfacility = \"79999\"\nname = \"Bệnh viện Ví Dụ\"\n[storage]\ndir = \"{}\"\n{}\n[plugins]\ndir = \"{}\"\n\
             [[source]]\nname = \"his\"\npath = \"{}\"\nplugin = \"vn.qd3176\"\nrescan = \"1s\"\n{}\n{}\n",
            at(wish.state),
            wish.storage,
            at("plugins"),
            at("exports"),
            wish.settle,
            wish.source,
        );
        let ca = at("ca.pem");
        let tls = |url: &str| {
            if url.starts_with("https:") {
                format!("tls = {{ ca = \"{ca}\" }}\n")
            } else {
                String::new()
            }
        };
        if let Some(more) = &wish.fhir {
            let url = wish.fhir_url.clone().unwrap_or_else(|| self.fhir.url());
            text += &format!(
                "[[endpoint]]\nname = \"vhr\"\nkind = \"fhir\"\nurl = \"{url}\"\n{}{more}\n",
                tls(&url)
            );
        }
        if let Some(more) = &wish.gateway {
            let url = wish.gateway_url.clone().unwrap_or_else(|| self.gateway.url());
            let (user, password) = (&wish.gateway_options.username, at("gateway-password"));
            text += &format!(
                "[[endpoint]]\nname = \"insurance\"\nkind = \"bhxh\"\nurl = \"{url}\"\nusername = \"{user}\"\n\
                 password = {{ file = \"{password}\" }}\n{}{more}\n",
                tls(&url)
            );
        }
        fs::write(self.config(), text).expect("the folder can be written");
    }

    /// Something in the hospital's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("vhr-agent.toml")
    }

    /// The watched folder.
    pub(crate) fn exports(&self) -> PathBuf {
        self.path("exports")
    }

    /// Puts a whole file into the watched folder.
    pub(crate) fn drop_in(&self, name: &str, bytes: &[u8]) -> PathBuf {
        files::drop_in(&self.exports(), name, bytes)
    }

    /// Puts these files into the watched folder.
    pub(crate) fn drop_all(&self, exports: &[ExportFile]) {
        for file in exports {
            self.drop_in(&file.name, &file.bytes);
        }
    }

    /// Starts the program with these arguments and the configuration.
    pub(crate) fn start(&self, arguments: &[&str]) -> Service {
        self.start_in(&[("VHR_LOG", OsStr::new("info"))], arguments)
    }

    /// Starts the program so that it also says what has arrived.
    pub(crate) fn start_telling(&self, arguments: &[&str]) -> Service {
        self.start_in(&[("VHR_LOG", OsStr::new(TELLING))], arguments)
    }

    /// Starts the program with these arguments and the configuration, and this in its environment.
    pub(crate) fn start_in(&self, environment: &[(&str, &OsStr)], arguments: &[&str]) -> Service {
        let config = self.config().display().to_string();
        let mut all = arguments.to_vec();
        all.extend(["--config", &config]);
        Service::start_in(environment, &all, &self.path("tmp"))
    }

    /// Runs the program with these arguments and the configuration to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.start(arguments).finish()
    }

    /// One pass.
    #[track_caller]
    pub(crate) fn once(&self) -> Done {
        self.run(&["run", "--once"])
    }

    /// The service, up and running.
    #[track_caller]
    pub(crate) fn service(&self) -> Service {
        self.start(&["run"]).running()
    }

    /// What the queue lists in this state.
    #[track_caller]
    pub(crate) fn listed(&self, state: &str) -> Vec<serde_json::Value> {
        let done = self
            .run(&["queue", "ls", "--json", "--limit", "10000", "--state", state])
            .with(0);
        done.json().as_array().cloned().expect("a list")
    }

    /// The receipts: one row of cells each, by the names of the columns in their order.
    #[track_caller]
    pub(crate) fn receipts(&self) -> Vec<Vec<String>> {
        let done = self.run(&["receipts"]).with(0);
        let rows = done.out.lines().skip(1);
        rows.map(|row| row.split(',').map(str::to_owned).collect()).collect()
    }

    /// The visits that the gateway's ledger holds, and how often each, sorted.
    pub(crate) fn claims(&self) -> Vec<(String, usize)> {
        let mut counts = BTreeMap::new();
        for accepted in self.gateway.accepted() {
            *counts.entry(accepted.key).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// The visits that the FHIR server holds, with the version of each Encounter of theirs.
    pub(crate) fn encounters(&self) -> BTreeMap<String, Vec<u32>> {
        let mut encounters = self.fhir.encounters();
        // An Encounter has other identifiers too; `MA_LK` is the one that begins with the facility.
        encounters.retain(|identifier, _| identifier.starts_with("79999_"));
        encounters
    }

    /// All these visits are at both receivers, once: one Encounter of version 1 and one claim each, and nothing else.
    #[track_caller]
    pub(crate) fn all_arrived_once(&self, keys: &[String]) {
        let mut keys = keys.to_vec();
        keys.sort();
        let encounters = self.encounters();
        assert_eq!(self.fhir.resources()["Encounter"], keys.len());
        assert_eq!(encounters.keys().cloned().collect::<Vec<_>>(), keys);
        assert!(encounters.values().all(|versions| *versions == [1]), "{encounters:?}");
        let once: Vec<_> = keys.into_iter().map(|key| (key, 1)).collect();
        assert_eq!(self.claims(), once);
    }
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        }
        found.push(path);
    }
    found
}
