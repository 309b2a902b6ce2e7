//! `map`: dry run. What would be made of these files? Nothing is stored or sent.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vhr_core::id::ExportId;
use vhr_core::record::{ClaimForm, Signature};
use vhr_core::time::Timestamp;

use super::output::print;
use super::run::read_config;
use crate::digest::Keyed;
use crate::frame::{self, FileFault};
use crate::map::{Known, Made, Mapper, can_feed, profiles};
use crate::plugin::{Host, Plugin};
use crate::report::{Exit, Failure, chain};
use crate::signature::Signatures;
use crate::spool::batch::SetAside;
use crate::{check, clock};

/// Of `map`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Tệp .wasm, hoặc id trong thư mục plugin / a .wasm file, or an id in the plugin folder of the configuration
    #[arg(long)]
    plugin: String,
    /// MACSKCB
    #[arg(long)]
    facility: Option<String>,
    /// Bộ hồ sơ FHIR / the profile set
    #[arg(long, default_value = "r4")]
    profile: String,
    /// Tệp cấu hình, khi --plugin là id / the configuration, where --plugin is an id
    #[arg(long, value_name = "FILE", env = "VHR_CONFIG")]
    config: Option<PathBuf>,
    /// Xét chữ ký như nhận tệp vào lúc này, RFC 3339; mặc định: bây giờ / look at signatures as if received then; default now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// Một dòng JSON mỗi hồ sơ / one line of JSON per record
    #[arg(long)]
    json: bool,
    /// Tệp HIS xuất / exports
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = options.config.as_deref().map(read_config).transpose()?;
    let dir = config.as_ref().and_then(|config| config.plugins.dir.clone());
    let plugin = plugin(&options.plugin, dir.as_deref())?;
    can_feed(&plugin).map_err(Failure::data)?;
    let facility = options
        .facility
        .clone()
        .or_else(|| config.as_ref().map(|config| config.site.facility.clone()));
    let facility_name = config.as_ref().map(|config| config.site.name.as_str());
    let set = profiles::read(&options.profile, facility_name, dir.as_deref()).map_err(Failure::configured)?;
    let own = config.as_ref().map(|config| config.rules.clone()).unwrap_or_default();
    let rules = check::rules(&own).map_err(Failure::configured)?;
    let mapper = Mapper {
        facility: facility.unwrap_or_default(),
        profiles: BTreeMap::from([(options.profile.clone(), set)]),
        // Nothing is indexed in a dry run.
        keyed: Keyed::new(b"dry run"),
        limits: frame::Limits::default(),
        rules: Arc::new(rules),
        signatures: match &config {
            Some(config) => Signatures::new(config).map_err(Failure::configured)?,
            None => Signatures::default(),
        },
    };
    let mut all_mapped = true;
    for path in &options.files {
        all_mapped &= map_file(options, &mapper, &plugin, path)?;
    }
    Ok(if all_mapped { Exit::Well } else { Exit::Data })
}

/// Says whether every record of the file was mapped, FHIR and all.
fn map_file(options: &Options, mapper: &Mapper, plugin: &Plugin, path: &Path) -> Result<bool, Failure> {
    let unreadable = |e| Failure::usage(format!("không đọc được (cannot read) {}: {e}", path.display()));
    let name = path.display().to_string();
    let survey = match frame::survey(File::open(path).map_err(unreadable)?, &mapper.limits) {
        Ok(survey) => survey,
        Err(FileFault::Read(e)) => return Err(unreadable(e)),
        Err(FileFault::Refused(fault)) => {
            let aside = SetAside {
                seq: 0,
                locator: String::new(),
                code: fault.code.into(),
                vi: fault.vi,
                en: fault.en,
                department: None,
            };
            tell(options, &name, "set-aside", &aside)?;
            return Ok(false);
        }
    };
    let export = digest(path).map_err(unreadable)?;
    let mut all_mapped = true;
    let mut trouble = None;
    let at = options.at.unwrap_or_else(clock::now);
    let judge = mapper.signatures.judge(&survey, || File::open(path), at);
    let known = Known {
        survey: &survey,
        judge: &judge.map_err(unreadable)?,
    };
    let bytes = File::open(path).map_err(unreadable)?;
    let read = mapper.each(export, bytes, known, plugin, "1970-01-01T00:00:00Z", |made| {
        all_mapped &= matches!(&made, Made::Record(record, ..) if record.head.no_bundle.is_empty());
        let told = match made {
            Made::Record(record, ..) => mapped(options, &name, &record, at),
            Made::Refused(why) => tell(options, &name, "refused", &why),
            Made::SetAside(why) => tell(options, &name, "set-aside", &why),
        };
        trouble = trouble.take().or(told.err());
    });
    read.map_err(|e| Failure::usage(chain(&e)))?;
    trouble.map_or(Ok(all_mapped), Err)
}

fn mapped(options: &Options, file: &str, record: &vhr_core::record::Record, at: Timestamp) -> Result<(), Failure> {
    let head = &record.head;
    let bundle: Value = record
        .bundles
        .get(&options.profile)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    // The claim would be sent all the same; for whoever makes the plugin it is not done.
    let no_bundle = head.no_bundle.get(&options.profile);
    let outcome = no_bundle.map_or("mapped", |_| "no-bundle");
    if options.json {
        return line(&json!({
            "file": file, "locator": head.locator, "key": head.key.visit, "outcome": outcome, "bundle": bundle,
            "claim": head.claim, "signature": head.signature.as_ref().map(|signature| standing(signature, at)),
            "issues": head.issues,
        }));
    }
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in bundle["entry"].as_array().into_iter().flatten() {
        *kinds
            .entry(entry["resource"]["resourceType"].as_str().unwrap_or_default())
            .or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let claim = match &head.claim {
        ClaimForm::AsReceived => "as received".to_owned(),
        ClaimForm::Envelope { why } => why.clone(),
        ClaimForm::SignedSeveral => "signed, several visits: cannot be sent".to_owned(),
        ClaimForm::CheckIn { why: None } => "check-in, as received".to_owned(),
        ClaimForm::CheckIn { why: Some(why) } => format!("check-in, {why}"),
        ClaimForm::None => "none".to_owned(),
    };
    print(&format!(
        "{file} {}: {outcome}\n  FHIR: {}\n  claim: {claim}\n  {}\n",
        head.locator,
        no_bundle.map_or_else(|| kinds.join(", "), ToString::to_string),
        shown(head.signature.as_ref(), at)
    ))?;
    head.issues.iter().try_for_each(|issue| {
        print(&format!(
            "  {} {} {}: {}\n",
            issue.severity, issue.code, issue.source, issue.message
        ))
    })
}

/// How a signature stands, for programs.
fn standing(signature: &Signature, at: Timestamp) -> Value {
    let mut told = json!(signature);
    told["holds"] = signature.fault.is_none().into();
    told["days_left"] = signature
        .certificate
        .as_ref()
        .map(|certificate| certificate.days_left(at))
        .into();
    told
}

/// The same for people.
fn shown(signature: Option<&Signature>, at: Timestamp) -> String {
    let Some(signature) = signature else {
        return "chữ ký (signature): không có (none)".to_owned();
    };
    let holds = match &signature.fault {
        None => "đúng (holds)".to_owned(),
        Some(fault) => format!("KHÔNG có giá trị (does NOT hold): {fault}"),
    };
    let mut lines = vec![format!("chữ ký (signature): {holds}")];
    if let Some(certificate) = &signature.certificate {
        lines.push(format!("chứng thư số (certificate): {}", certificate.subject));
        lines.push(format!(
            "cấp bởi (issued by): {}, số (number) {}",
            certificate.issuer, certificate.serial
        ));
        let (day, days) = (certificate.last_day(), certificate.days_left(at));
        lines.push(format!("hạn dùng (valid to): {day}, còn (left): {days} ngày (days)"));
    }
    if signature.fault.is_none() {
        lines.push(match &signature.covers[..] {
            [] => "ký trên (covers): toàn bộ tệp (the whole file)".to_owned(),
            parts => format!("ký trên (covers): {}", parts.join(", ")),
        });
        lines.push(if signature.issuer_checked {
            "đơn vị cấp đã được kiểm (issued by one of [signature] roots)".to_owned()
        } else {
            "chưa kiểm đơn vị cấp (certificate not checked against an issuer)".to_owned()
        });
    }
    lines.join("\n    ")
}

fn tell(options: &Options, file: &str, outcome: &str, why: &SetAside) -> Result<(), Failure> {
    if options.json {
        let message = if why.vi == why.en {
            why.vi.clone()
        } else {
            format!("{} / {}", why.vi, why.en)
        };
        let issue = json!({"severity": "error", "code": why.code, "source": why.locator, "message": message});
        return line(&json!({
            "file": file, "locator": why.locator, "key": null, "outcome": outcome, "bundle": null, "claim": null,
            "issues": [issue],
        }));
    }
    print(&format!(
        "{file} {}: {outcome}\n  {}: {}\n  {}\n",
        why.locator, why.code, why.vi, why.en
    ))
}

fn line(value: &Value) -> Result<(), Failure> {
    print(&format!("{value}\n"))
}

fn plugin(name: &str, dir: Option<&Path>) -> Result<Plugin, Failure> {
    let host = Host::new().map_err(Failure::configured)?;
    if Path::new(name).extension().is_some_and(|extension| extension == "wasm") {
        return host.load_file(Path::new(name)).map_err(Failure::data);
    }
    let found = dir
        .and_then(|dir| crate::pipeline::newest_plugin(dir, name).transpose())
        .transpose();
    match found.map_err(Failure::configured)? {
        Some(path) => host.load_file(&path).map_err(Failure::data),
        None => Err(
            Failure::usage(format!("không thấy plugin (there is no plugin) {name:?}"))
                .hint("--plugin FILE.wasm, hoặc (or) --plugin ID --config FILE"),
        ),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "2026-11-01T08:00:00+07:00".to_owned())
}

fn digest(path: &Path) -> std::io::Result<ExportId> {
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(ExportId::from_bytes(digest.finalize().into()))
}

#[cfg(test)]
mod tests {
    use vhr_core::record::Certificate;

    use super::*;

    fn at(text: &str) -> Timestamp {
        time(text).unwrap()
    }

    fn signature(fault: Option<vhr_core::say::Said>) -> Signature {
        Signature {
            fault,
            certificate: Some(Certificate {
                subject: "CN=BV Ví Dụ".into(),
                issuer: "CN=Invented Root".into(),
                serial: "0a".into(),
                not_before: at("2026-01-01T00:00:00Z"),
                not_after: at("2027-01-01T00:00:00Z"),
            }),
            covers: vec![],
            signed_at: None,
            issuer_checked: false,
        }
    }

    #[test]
    fn people_and_programs_are_told_whose_signature_it_is_and_how_many_days_are_left() {
        let now = at("2026-12-20T08:00:00+07:00");
        let text = shown(Some(&signature(None)), now);
        for words in [
            "đúng",
            "CN=BV Ví Dụ",
            "CN=Invented Root",
            "2027-01-01",
            "còn (left): 11 ngày",
            "toàn bộ",
            "not checked",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let told = standing(&signature(None), now);
        assert_eq!((&told["holds"], &told["days_left"]), (&json!(true), &json!(11)));
        assert_eq!(told["certificate"]["subject"], "CN=BV Ví Dụ");
        let broken = signature(Some(vhr_core::said!("sai", "wrong")));
        assert!(shown(Some(&broken), now).contains("KHÔNG có giá trị (does NOT hold): sai (wrong)"));
        assert_eq!(standing(&broken, now)["holds"], false);
        assert!(shown(None, now).contains("không có"));
    }
}
