//! The whole way of a file, in this process: the national plugin in the sandbox, both receivers on loopback.

mod begin;
mod no_bundle;
mod spoiled;

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vhr_core::control::{Reply, Request};

use super::*;

use crate::demo::exports::{self, Visit};
use crate::demo::receivers::{Fhir, FhirOptions, Gateway, GatewayOptions, start_fhir, start_gateway};
use crate::plugin::build;

/// The national plugin, built once per test process.
static PLUGINS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/qd3176");
    build::build(&sources, Some(folder.path())).unwrap();
    folder
});

struct World {
    folder: tempfile::TempDir,
    /// The configuration.
    text: String,
    gateway: Gateway,
    fhir: Fhir,
    agent: Arc<Agent>,
}

impl World {
    async fn new(rules: &str) -> Self {
        Self::with(rules, "").await
    }

    /// With more lines in the configuration, and for the FHIR endpoint.
    async fn with(more: &str, of_fhir: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string().replace('\\', "/");
        let gateway = start_gateway(None, GatewayOptions::default()).await.unwrap();
        let fhir = start_fhir(None, FhirOptions::default()).await.unwrap();
        fs::create_dir(at("exports")).unwrap();
        let account = GatewayOptions::default();
        fs::write(at("password"), &account.password).unwrap();
        let text = format!(
            "[site]\nfacility = \"79999\"\nname = \"Bệnh viện Ví Dụ\"\n[storage]\ndir = \"{}\"\n[plugins]\ndir = \"{}\"\n{more}\n\
             [[source]]\nname = \"his\"\npath = \"{}\"\nplugin = \"vn.qd3176\"\n\
             [[endpoint]]\nname = \"vhr\"\nkind = \"fhir\"\nurl = \"{}\"\n{of_fhir}\n\
             [[endpoint]]\nname = \"insurance\"\nkind = \"bhxh\"\nurl = \"{}\"\nusername = \"{}\"\npassword = {{ file = \"{}\" }}\n",
            at("state"),
            PLUGINS.path().display().to_string().replace('\\', "/"),
            at("exports"),
            fhir.url(),
            gateway.url(),
            account.username,
            at("password"),
        );
        Self {
            agent: agent(&text),
            folder,
            text,
            gateway,
            fhir,
        }
    }

    /// Stopped and started anew.
    fn restarted(self) -> Self {
        let Self { agent: old, text, .. } = self;
        drop(old);
        Self {
            agent: agent(&text),
            text,
            ..self
        }
    }

    /// Puts a file of these visits into the folder, and lets all that is there go.
    async fn export(&self, name: &str, visits: &[Visit]) {
        let hosos = visits.iter().map(|visit| {
            let files = visit.tables.iter().map(|table| {
                let content = STANDARD.encode(&table.xml);
                format!(
                    "<FILEHOSO><LOAIHOSO>{}</LOAIHOSO><NOIDUNGFILE>{content}</NOIDUNGFILE></FILEHOSO>",
                    table.name
                )
            });
            format!("<HOSO>{}</HOSO>", files.collect::<String>())
        });
        // No two files are the same, whatever is in them.
        let day = 1 + fs::read_dir(self.folder.path().join("exports")).unwrap().count();
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><GIAMDINHHS><THONGTINDONVI><MACSKCB>79999</MACSKCB></THONGTINDONVI>\
             <THONGTINHOSO><NGAYLAP>202601{day:02}</NGAYLAP><SOLUONGHOSO>{}</SOLUONGHOSO><DANHSACHHOSO>{}</DANHSACHHOSO></THONGTINHOSO>\
             <CHUKYDONVI/></GIAMDINHHS>",
            visits.len(),
            hosos.collect::<String>(),
        );
        let path = self.folder.path().join("exports").join(name);
        fs::write(&path, text).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(600)).unwrap();
        let (_never, stop) = signal::channel(false);
        once(&self.agent, true, stop).await.unwrap();
    }

    fn claims(&self) -> Vec<String> {
        self.gateway
            .accepted()
            .into_iter()
            .map(|accepted| accepted.key)
            .collect()
    }

    fn is_in_fhir(&self, visit: &Visit) -> bool {
        self.fhir.encounters().contains_key(&visit.key)
    }

    async fn parked(&self) -> Vec<String> {
        let request = Request::List {
            state: Some("parked".into()),
            endpoint: None,
            limit: 100,
        };
        match crate::desk::answer(&self.agent.desk(), request).await {
            Reply::Items { items, .. } => items.into_iter().map(|item| item.text).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn agent(text: &str) -> Arc<Agent> {
    let config = config::parse(text, "test.toml").unwrap_or_else(|problems| panic!("{problems:#?}"));
    build(config).unwrap()
}

/// The same visit with a quantity of drugs that is no number.
fn broken(visit: &Visit) -> Visit {
    let mut visit = visit.clone();
    let drugs = visit.tables.iter_mut().find(|table| table.name == "XML2").unwrap();
    drugs.xml = drugs.xml.replacen("<SO_LUONG>", "<SO_LUONG>x", 1);
    visit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_breaks_a_rule_goes_to_fhir_and_its_claim_waits_until_it_is_corrected() {
    let world = World::new("").await;
    let visits: Vec<Visit> = exports::many(11, 2).collect();
    let [good, bad] = visits.as_slice() else {
        panic!("two were asked for")
    };
    world.export("first.xml", &[broken(bad), good.clone()]).await;
    assert_eq!(world.claims(), [good.key.as_str()]);
    assert!(world.is_in_fhir(good) && world.is_in_fhir(bad));
    let parked = world.parked().await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert!(
        parked[0].contains("[XML2-SO_LUONG-AMOUNT] XML2[1]/SO_LUONG") && parked[0].starts_with("Chưa gửi"),
        "{parked:?}"
    );

    world.export("second.xml", std::slice::from_ref(bad)).await;
    assert_eq!(world.claims(), [good.key.as_str(), bad.key.as_str()]);
    assert_eq!(world.parked().await, Vec::<String>::new());
}

/// The same visit, exported under another number.
fn under_another_number(visit: &Visit) -> Visit {
    let key = format!("{}-2", visit.key);
    let mut again = visit.clone();
    for table in &mut again.tables {
        table.xml = table.xml.replace(&visit.key, &key);
    }
    Visit { key, ..again }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_under_two_numbers_in_one_file_is_one_claim_unless_the_site_switched_that_off() {
    let visit = exports::many(12, 1).next().unwrap();
    let again = under_another_number(&visit);
    for (rules, claims) in [("", 1), ("[rules]\noff = [\"CLAIM-TWICE\"]", 2)] {
        let world = World::new(rules).await;
        world.export("first.xml", &[visit.clone(), again.clone()]).await;
        assert_eq!(world.claims(), [visit.key.clone(), again.key.clone()][..claims]);
        assert!(world.is_in_fhir(&visit) && world.is_in_fhir(&again));
        let parked = world.parked().await;
        assert_eq!(parked.len(), 2 - claims, "{parked:?}");
        assert!(parked.iter().all(|why| why.starts_with("Mã 61: trùng")), "{parked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_the_site_switched_off_holds_nothing_back() {
    let world = World::new("[rules]\noff = [\"XML2-SO_LUONG-*\"]").await;
    let visit = exports::many(11, 1).next().unwrap();
    world.export("first.xml", &[broken(&visit)]).await;
    assert_eq!(
        (world.claims(), world.parked().await),
        (vec![visit.key.clone()], vec![])
    );
}
