//! The configuration of a site: TOML text becomes a checked [`Config`], or all its problems at once.
//!
//! Whoever holds a [`Config`] need not check it again: names are unique, addresses are encrypted or on this machine,
//! durations and counts lie within their limits. Secrets are never in it, only where to find them. Nothing here opens a
//! file: whether a folder or a credential is really there is for others to find out.

mod endpoints;
mod problem;
mod reader;
mod sections;
#[cfg(test)]
mod tests;
mod url;
mod values;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use toml::de::DeTable;

use crate::delivery::InDoubt;
use crate::record::Head;
use crate::said;
use crate::say::{Language, Said};
use crate::schedule::Schedule;
use crate::spread;

pub use problem::Problem;
pub use url::Url;

use reader::{Document, Table};

/// The largest configuration that is read: far more than the largest hospital needs.
pub const LARGEST: usize = 1024 * 1024;

/// Everything a site decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who and where we are.
    pub site: Site,
    /// Where the agent keeps its own files.
    pub storage: Storage,
    /// Where plugins lie.
    pub plugins: Plugins,
    /// The rules before sending.
    pub rules: Rules,
    /// What is asked of signatures.
    pub signature: Signature,
    /// The folders that are watched; at least one.
    pub sources: Vec<Source>,
    /// Where records are delivered; at least one.
    pub endpoints: Vec<Endpoint>,
}

/// `[site]`
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The facility's code (MACSKCB), five letters or digits.
    pub facility: String,
    /// The facility's name, for people.
    pub name: String,
    /// The zone of times of day, in schedules and in messages.
    pub timezone: Tz,
    /// The language of messages for people.
    pub language: Language,
}

/// `[storage]`
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// Absolute, on a local disk.
    pub dir: PathBuf,
    /// The key that seals what is stored; by default the file `storage.key` in `dir`.
    pub key: SecretSource,
    /// How long an export is kept after its last delivery has ended.
    pub keep: Duration,
    /// Whom the keyring is kept encrypted for in `keyring.age`: recipients of `age`. By default nobody.
    pub escrow: Vec<String>,
    /// How long its receipts are kept after that.
    pub receipts: Duration,
}

/// `[plugins]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plugins {
    /// Absolute, on a local disk.
    pub dir: Option<PathBuf>,
}

/// `[rules]`: the rules before sending, beside the national ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Absolute, on a local disk: the site's own packs, which take the place of national rules with the same ids.
    pub dir: Option<PathBuf>,
    /// Ids that are switched off; with `*` at the end, all that begin so.
    pub off: Vec<String>,
}

/// `[signature]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    /// Who may issue the certificates that claim files are signed with, as PEM; otherwise no issuer is checked.
    pub roots: Option<PathBuf>,
}

/// `[[source]]`: one watched folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Unique among sources.
    pub name: String,
    /// Absolute; may be on a share.
    pub path: PathBuf,
    /// Patterns of file names, with `*` and `?`.
    pub include: Vec<String>,
    /// The id of the plugin that maps these files.
    pub plugin: String,
    /// Unchanged for this long means complete; of no meaning where there is a `done_marker`.
    pub settle: Duration,
    /// A file `a.xml` is complete once `a.xml<done_marker>` lies beside it.
    pub done_marker: Option<String>,
    /// How often the whole folder is looked through, whatever events say.
    pub rescan: Duration,
    /// What becomes of a file once it is accepted.
    pub after: After,
}

impl Source {
    /// Whether a file of this name is an export; case does not matter, a done marker is none.
    pub fn includes(&self, file_name: &str) -> bool {
        let name = file_name.to_lowercase();
        let is_marker = self
            .done_marker
            .as_ref()
            .is_some_and(|marker| name.ends_with(&marker.to_lowercase()));
        !is_marker
            && self
                .include
                .iter()
                .any(|pattern| values::matches(&pattern.to_lowercase(), &name))
    }
}

/// What becomes of a source file once it is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// It stays where it is.
    #[default]
    Leave,
    /// It is moved aside.
    Archive,
    /// It is removed.
    Delete,
}

/// `[[endpoint]]`: one place records are delivered to.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Unique among endpoints.
    pub name: String,
    /// What is spoken there.
    pub kind: Kind,
    /// The base address, without a slash at its end.
    pub url: Url,
    /// When deliveries may leave.
    pub schedule: Schedule,
    /// Of this facility and endpoint: spreads what all sites would do in the same instant.
    pub seed: u64,
    /// Classes of records that must not leave by this endpoint.
    pub exclude: Vec<String>,
    /// What to do where it is not known whether a delivery arrived.
    pub in_doubt: InDoubt,
    /// Own certificates, if any.
    pub tls: Tls,
    /// How many requests may be under way at once, 1 to 64.
    pub in_flight: u32,
    /// How long one request may take.
    pub timeout: Duration,
    /// The proxy requests go through.
    pub proxy: Option<Url>,
}

/// What is spoken at an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A FHIR R4 server.
    Fhir {
        /// Which identifier systems, profiles and fixed codings are written.
        profile: String,
        /// How we show who we are.
        auth: Auth,
    },
    /// The insurance gateway.
    Bhxh {
        /// The account at the gateway.
        username: String,
        /// Its password.
        password: SecretSource,
        /// Which path is called.
        standard: Standard,
        /// Whether claim files have to be signed.
        signed: Signed,
        /// The path for check-ins, where it is another than the standard's.
        check_in_path: Option<String>,
        /// What goes there by this line.
        lane: Lane,
    },
}

/// How we show a FHIR server who we are.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Auth {
    /// Not at all, or only by a certificate.
    #[default]
    None,
    /// HTTP Basic.
    Basic {
        /// The account.
        username: String,
        /// Its password.
        password: SecretSource,
    },
    /// A fixed token.
    Bearer {
        /// The token.
        token: SecretSource,
    },
    /// OAuth 2 client credentials.
    OAuth2Client {
        /// Where tokens are issued.
        token_url: Url,
        /// Our name there.
        client_id: String,
        /// Our password there.
        client_secret: SecretSource,
        /// What we ask for.
        scope: Option<String>,
    },
    /// SMART Backend Services: a signed assertion instead of a password.
    SmartBackend {
        /// Where tokens are issued.
        token_url: Url,
        /// Our name there.
        client_id: String,
        /// The key that signs.
        private_key: SecretSource,
        /// Its name in the key set registered there.
        key_id: String,
        /// How it signs.
        algorithm: Algorithm,
        /// What we ask for.
        scope: String,
    },
}

/// How a SMART Backend Services assertion is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-384.
    #[default]
    Es384,
    /// RSA with SHA-384.
    Rs384,
}

/// The decision whose tables the insurance gateway is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standard {
    /// QĐ 130.
    Qd130,
    /// QĐ 4750.
    Qd4750,
    /// QĐ 3176.
    #[default]
    Qd3176,
}

/// What goes to a gateway by one of its lines: each has its own schedule, its own tries and its own versions of a visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// Claims, as the endpoint is scheduled.
    #[default]
    Claims,
    /// Check-ins, at once.
    CheckIns,
}

/// Whether the claim files that go to an endpoint have to be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signed {
    /// No.
    #[default]
    Any,
    /// They go, and it is told.
    Warn,
    /// Only what carries a signature that holds is sent.
    Only,
}

/// `tls = { … }`: certificates, as files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// Whom to trust instead of the system's authorities.
    pub ca: Option<PathBuf>,
    /// Our own certificate; never without `key`.
    pub cert: Option<PathBuf>,
    /// Its private key; never without `cert`.
    pub key: Option<PathBuf>,
}

/// Where a secret is found. The secret itself never stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A credential the service manager hands over.
    Credential(String),
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A file that only this Windows machine can open (DPAPI); for the storage key alone.
    Dpapi(PathBuf),
}

impl Signed {
    /// Why this record's claim file is not sent to such an endpoint, if it is not.
    pub fn withholds(self, head: &Head) -> Option<Said> {
        let why = (self == Self::Only).then(|| head.unsigned()).flatten()?;
        let (vi, en) = (&why.vi, &why.en);
        Some(said!(
            "Nơi này chỉ nhận tệp đã ký, mà {vi}. Hãy ký rồi xuất lại; nếu vẫn muốn gửi thì đổi signed của nơi nhận trong cấu hình, rồi `queue retry`.",
            "Only what is signed is sent there, and {en}. Sign it and export it again; to send it all the same change the endpoint's signed in the configuration, then `queue retry`."
        ))
    }
}

impl Endpoint {
    /// The line by which check-ins go to a gateway: at once, whatever its schedule. No endpoint of a configuration has such a
    /// name.
    pub fn check_ins(&self) -> Option<Self> {
        let mut line = self.clone();
        match &mut line.kind {
            Kind::Bhxh { lane, .. } => *lane = Lane::CheckIns,
            Kind::Fhir { .. } => return None,
        }
        line.name = format!("{}.check-in", self.name);
        line.schedule = Schedule::Immediate;
        line.seed = spread::seed(&[&self.seed.to_string(), "check-in"]);
        Some(line)
    }

    /// Whether what goes there has to be signed.
    pub fn signed(&self) -> Signed {
        match self.kind {
            Kind::Fhir { .. } => Signed::Any,
            Kind::Bhxh { signed, .. } => signed,
        }
    }
}

impl Config {
    /// The lines deliveries go by: every endpoint, and behind each gateway the one for its check-ins.
    pub fn lines(&self) -> Vec<Endpoint> {
        let each = |endpoint: &Endpoint| [Some(endpoint.clone()), endpoint.check_ins()];
        self.endpoints.iter().flat_map(each).flatten().collect()
    }

    /// The line of this name.
    pub fn line(&self, name: &str) -> Option<Endpoint> {
        self.lines().into_iter().find(|line| line.name == name)
    }

    /// The profiles FHIR endpoints ask for.
    pub fn profiles(&self) -> BTreeSet<&str> {
        let profiles = self.endpoints.iter().filter_map(|endpoint| match &endpoint.kind {
            Kind::Fhir { profile, .. } => Some(profile.as_str()),
            Kind::Bhxh { .. } => None,
        });
        profiles.collect()
    }
}

/// Reads and checks a whole configuration. `file_name` is only shown in problems.
///
/// # Errors
/// Every problem there is, by line; a file that is not TOML at all has just one.
pub fn parse(text: &str, file_name: &str) -> Result<Config, Vec<Problem>> {
    let document = Document::new(text, file_name);
    if text.len() > LARGEST {
        document.report(
            0,
            "",
            said!("tệp cấu hình lớn hơn 1 MiB", "the configuration is larger than 1 MiB"),
            said!(
                "kiểm tra xem có chọn nhầm tệp không",
                "check whether this is the right file"
            ),
        );
        return Err(document.into_problems());
    }
    let config = match DeTable::parse(text) {
        Ok(root) => whole(Table::root(&document, root.get_ref())),
        Err(error) => {
            // Only the parser's own words: its full text would repeat the line, and with it perhaps a password.
            let why = error.message();
            document.report(
                error.span().map_or(0, |span| span.start),
                "",
                said!("sai cú pháp TOML: {why}", "not valid TOML: {why}"),
                said!(
                    r"chữ đặt trong ngoặc kép; đường dẫn Windows đặt trong nháy đơn: 'C:\HIS\export'",
                    r"text goes in double quotes; Windows paths in single quotes: 'C:\HIS\export'"
                ),
            );
            None
        }
    };
    let problems = document.into_problems();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

fn whole(mut root: Table<'_>) -> Option<Config> {
    let site = root.section("site", sections::site);
    let storage = root.section("storage", sections::storage);
    let plugins = root.optional("plugins", |value| sections::plugins(value.table()?));
    let rules = root.optional("rules", |value| sections::rules(value.table()?));
    let signature = root.optional("signature", |value| sections::signature(value.table()?));
    let own = storage.as_ref().map(|storage| storage.dir.as_path());
    let sources = root.sections("source", |values| sections::sources(values, own));
    let zone = site.as_ref().map_or(sections::DEFAULT_ZONE, |site| site.timezone);
    let facility = site.as_ref().map_or("", |site| site.facility.as_str());
    let endpoints = root.sections("endpoint", |values| endpoints::endpoints(values, facility, zone));
    root.end();
    Some(Config {
        site: site?,
        storage: storage?,
        plugins: plugins.unwrap_or_default(),
        rules: rules.unwrap_or_default(),
        signature: signature.unwrap_or_default(),
        sources: sources?,
        endpoints: endpoints?,
    })
}
