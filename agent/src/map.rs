//! Choose the plugin, run it over the records, check what came back and what the rules say of the tables, seal the batch.
//!
//! What stays true: records in = records mapped + refused + set aside, for every file; the same export and the same plugin
//! give the same records, byte for byte. Batches for the plugin are cut by content, never by time.

use std::collections::BTreeMap;
use std::sync::Arc;

use vhr_core::bundle;
use vhr_core::id::{ExportId, PluginRef};
use vhr_core::record::{Head, Issue, Record, VisitKey};
use vhr_core::rules::Rules;
use vhr_core::time::Timestamp;

use crate::check;
use crate::digest::Keyed;
use crate::frame::{self, Cut, FileFault, Opened, Survey};
use crate::plugin::{self, Answer, Context, Outcome, Payload, Plugin, SourceRecord};
use crate::signature::{Judge, Signatures};
use crate::spool::batch::{SetAside, TwinKey};
use crate::spool::{self, Index, RecordRow, Spool, Written};

pub mod claim;
mod department;
mod fhir;
pub mod profiles;
mod twin;

/// Records given to the plugin at once.
const BATCH: usize = 64;
/// And at most so many bytes of them.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Why an export could not be mapped at all: never its content's fault, so it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The copy or the batch.
    #[error("the batch could not be made")]
    Spool(#[from] spool::Error),
    /// The copy could not be read to its end.
    #[error("the copy of the export could not be read")]
    Read(#[source] std::io::Error),
    /// The plugin wants another kind of input.
    #[error(
        "plugin {id} đọc định dạng mà bản này chưa cắt được, chỉ có qd3176 với view json \
         (takes a format that this version does not cut into records; only qd3176 with view json)"
    )]
    Format {
        /// The plugin's id.
        id: String,
    },
}

/// Maps exports.
#[derive(Debug)]
pub struct Mapper {
    /// The site's `MACSKCB`.
    pub facility: String,
    /// The profile sets that endpoints ask for, by name.
    pub profiles: BTreeMap<String, profiles::Set>,
    /// Makes what the index may hold.
    pub keyed: Keyed,
    /// Limits on what is read.
    pub limits: frame::Limits,
    /// What is checked before a claim is sent.
    pub rules: Arc<Rules>,
    /// What is asked of signatures.
    pub signatures: Signatures,
}

/// What is known of a file before its records are read.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What kind of file it is.
    pub survey: &'a Survey,
    /// How its signature stands.
    pub judge: &'a Judge,
}

/// A record that was framed and waits for the plugin.
struct Framed {
    cut: Cut,
    opened: Opened,
}

/// What one record came to.
#[derive(Debug)]
pub enum Made {
    /// Mapped.
    Record(Box<Record>, Vec<bundle::Share>, Option<TwinKey>),
    /// The plugin says no, or what it gave is of no use.
    Refused(SetAside),
    /// It could not be read.
    SetAside(SetAside),
}

impl Mapper {
    /// Maps a received export into its sealed batch; `sealed` is told of each record in it, in order. Blocks: call it on a
    /// thread of its own.
    ///
    /// # Errors
    /// Only for what is not the content's fault.
    pub fn run(
        &self,
        spool: &Spool,
        export: ExportId,
        plugin: &Plugin,
        mut sealed: impl FnMut(&Head),
    ) -> Result<Index, Error> {
        let mut batch = spool.new_batch(export)?;
        let mut index = Index::default();
        let mut failure = None;
        let survey = match self.survey(spool, export) {
            Ok(survey) => survey,
            Err(FileFault::Read(e)) => return Err(Error::Read(e)),
            Err(FileFault::Refused(fault)) => {
                index.file = Some(set_aside(0, "", fault));
                batch.finish(&index)?;
                return Ok(index);
            }
        };
        if !survey.complete {
            index.file = Some(unfinished());
        }
        let (head, bytes) = spool.export(export)?;
        let received_at = head.received_at.to_rfc3339();
        let anew = || Ok(spool.export(export).map_err(std::io::Error::other)?.1);
        let judge = self
            .signatures
            .judge(&survey, anew, head.received_at)
            .map_err(Error::Read)?;
        let known = Known {
            survey: &survey,
            judge: &judge,
        };
        self.each(export, bytes, known, plugin, &received_at, |made| {
            if failure.is_some() {
                return;
            }
            index.found += 1;
            match made {
                Made::Refused(why) => index.refused.push(why),
                Made::SetAside(why) => index.set_aside.push(why),
                Made::Record(record, shares, twin) => {
                    let (id, body) = record.seal();
                    match batch.add(&body) {
                        Ok((offset, length)) => {
                            index.mapped.push(RecordRow {
                                twin,
                                ..self.row(&record, &shares, id, offset, length, body.len())
                            });
                            sealed(&record.head);
                        }
                        Err(e) => failure = Some(e),
                    }
                }
            }
        })?;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        batch.finish(&index)?;
        Ok(index)
    }

    /// What kind of file an export in the spool is.
    fn survey(&self, spool: &Spool, export: ExportId) -> Result<Survey, FileFault> {
        match spool.export(export) {
            Ok((_, bytes)) => frame::survey(bytes, &self.limits),
            Err(e) => Err(FileFault::Read(std::io::Error::other(e))),
        }
    }

    /// Every record of a file, in order: framed, mapped, checked.
    ///
    /// # Errors
    /// When the file cannot be read to its end.
    pub fn each(
        &self,
        export: ExportId,
        bytes: impl std::io::Read,
        known: Known<'_>,
        plugin: &Plugin,
        received_at: &str,
        mut made: impl FnMut(Made),
    ) -> Result<(), Error> {
        let mut waiting: Vec<Result<Framed, SetAside>> = Vec::with_capacity(BATCH);
        let mut size = 0;
        let mut flush = |waiting: &mut Vec<Result<Framed, SetAside>>| {
            self.batch(export, known, plugin, received_at, std::mem::take(waiting), &mut made);
        };
        for cut in frame::records(bytes, &self.limits) {
            let cut = match cut {
                Ok(cut) => cut,
                Err(FileFault::Read(e)) => return Err(Error::Read(e)),
                // The survey read the same bytes and found records: what else is wrong concerns the end of the file.
                Err(FileFault::Refused(fault)) => {
                    tracing::warn!(export = export.short(), code = fault.code, "the file ends in disorder");
                    break;
                }
            };
            size += cut.hoso.len();
            waiting.push(match frame::open(&cut, &self.limits) {
                Ok(opened) => Ok(Framed { cut, opened }),
                Err(fault) => Err(set_aside(cut.seq, &cut.locator, fault)),
            });
            if waiting.len() >= BATCH || size >= BATCH_BYTES {
                flush(&mut waiting);
                size = 0;
            }
        }
        flush(&mut waiting);
        Ok(())
    }

    fn batch(
        &self,
        export: ExportId,
        known: Known<'_>,
        plugin: &Plugin,
        received_at: &str,
        waiting: Vec<Result<Framed, SetAside>>,
        made: &mut impl FnMut(Made),
    ) {
        let records: Vec<SourceRecord> = waiting.iter().flatten().map(source_record).collect();
        let mut answers: BTreeMap<&str, std::vec::IntoIter<Answer>> = BTreeMap::new();
        if !records.is_empty() {
            for (profile, set) in &self.profiles {
                let context = Context {
                    config_json: set.config_json.clone(),
                    received_at: received_at.to_owned(),
                    facility: self.facility.clone(),
                    profile: profile.clone(),
                    ext: Vec::new(),
                };
                let mapped = plugin.map(&context, &records);
                // What a plugin writes may hold patient data: only its level and length are told.
                for line in &mapped.logs {
                    tracing::debug!(plugin = plugin.manifest().id, level = ?line.level, bytes = line.text.len(), "plugin line");
                }
                answers.insert(profile, mapped.answers.into_iter());
            }
        }
        for framed in waiting {
            made(match framed {
                Err(why) => Made::SetAside(why),
                Ok(framed) => {
                    let outcomes = answers
                        .iter_mut()
                        .filter_map(|(profile, of)| Some((*profile, of.next()?.outcome)));
                    self.make(export, known, plugin, &framed, outcomes.collect())
                }
            });
        }
    }

    /// One record from the plugin's answers for each profile.
    fn make(
        &self,
        export: ExportId,
        known: Known<'_>,
        plugin: &Plugin,
        framed: &Framed,
        outcomes: Vec<(&str, Outcome)>,
    ) -> Made {
        let Known { survey, judge } = known;
        let (seq, locator) = (framed.cut.seq, &framed.cut.locator);
        let department = department::of(&framed.opened);
        let refused = |issues: Vec<Issue>| {
            Made::Refused(SetAside {
                department: department.clone(),
                ..refusal(seq, locator, &issues)
            })
        };
        let plugin = plugin_ref(plugin);
        let (mut bundles, mut no_bundle) = (BTreeMap::new(), BTreeMap::new());
        let mut shares = Vec::new();
        let mut visit = None;
        let mut remarks = Vec::new();
        for (profile, outcome) in outcomes {
            let mapped = match outcome {
                Outcome::Mapped(mapped) => mapped,
                Outcome::Rejected(issues) => return refused(issues.into_iter().map(issue).collect()),
                Outcome::Skipped(why) => return refused(vec![issue(why)]),
            };
            let key = VisitKey {
                facility: mapped.visit.facility.clone(),
                visit: mapped.visit.key.clone(),
            };
            if key.facility.is_empty() || key.visit.is_empty() {
                return refused(vec![ours(
                    "HOST-KEY",
                    "plugin không cho biết mã cơ sở hoặc mã lượt khám / the plugin names no facility or no visit",
                )]);
            }
            let structure = &self.profiles[profile].structure;
            match fhir::bundle(structure, &key, &plugin, mapped.resources) {
                Ok((bundle, missed)) => {
                    bundles.insert(profile.to_owned(), bundle.json);
                    shares.extend(bundle.shares);
                    remarks.extend(missed);
                }
                // Keeps it from the endpoints of this profile; its claim goes on.
                Err(none) => {
                    no_bundle.insert(profile.to_owned(), none.why);
                    remarks.extend(none.issues);
                }
            }
            visit.get_or_insert((key, mapped.visit, mapped.claim, mapped.issues));
        }
        let Some((key, visit, claim, issues)) = visit else {
            return refused(vec![ours(
                "HOST-PROFILE",
                "không có bộ hồ sơ FHIR nào được cấu hình / no profile set is configured",
            )]);
        };
        let written = claim::written(&framed.opened, &claim);
        let (form, envelope) = match claim::form(survey, &framed.cut, &framed.opened, &key.facility, claim) {
            Ok(form) => form,
            Err(why) => return refused(vec![ours("HOST-CLAIM", why)]),
        };
        shares.sort();
        shares.dedup();
        let checked = check::check(&self.rules, &framed.opened);
        let visit_ended = visit.ended.as_deref().and_then(Timestamp::parse_rfc3339);
        let signed = survey.signed || framed.opened.signed;
        let mut head = Head {
            export,
            seq,
            locator: locator.clone(),
            key,
            ended: visit.ended,
            classes: visit.classes,
            content: hex(&framed.opened.digest()),
            written: written.as_ref().map(hex),
            plugin,
            signed,
            signature: judge.signature(signed, visit_ended),
            claim: form,
            issues: issues
                .into_iter()
                .map(issue)
                .chain(remarks)
                .chain(checked.issues)
                .chain(unknown_tables(&framed.opened))
                .chain(framed.opened.repairs.iter().map(Issue::from))
                .chain(doubled_fields(&framed.opened))
                .collect(),
            held: checked.held,
            no_bundle,
            department: department.clone(),
        };
        judge.remark(&mut head);
        Made::Record(
            Box::new(Record {
                head,
                bundles,
                envelope,
            }),
            shares,
            twin::of(&self.keyed, &framed.opened),
        )
    }

    fn row(
        &self,
        record: &Record,
        shares: &[bundle::Share],
        id: vhr_core::id::RecordId,
        offset: u64,
        length: u32,
        size: usize,
    ) -> RecordRow {
        let key = &record.head.key;
        let share = |share: &bundle::Share| {
            let digest = self.keyed.digest("share", &[share.condition.as_bytes()]);
            let number = u64::from_le_bytes(digest[..8].try_into().expect("eight of sixteen bytes"));
            number & !1 | u64::from(share.changes)
        };
        RecordRow {
            record: id,
            seq: record.head.seq,
            offset,
            length,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            visit: self.keyed.visit(&key.facility, &key.visit),
            content: self.keyed.digest("content", &[record.head.content.as_bytes()]),
            written: record.head.written.as_ref().map_or(Written::AsRead, |written| {
                Written::Spoiled(self.keyed.digest("written", &[written.as_bytes()]))
            }),
            signed: record.head.signed,
            shares: shares.iter().map(share).collect(),
            twin: None,
        }
    }
}

/// Whether the agent can feed this plugin: it cuts QĐ 3176 files and shows their tables as JSON.
///
/// # Errors
/// When the plugin's manifest asks for something else.
pub fn can_feed(plugin: &Plugin) -> Result<(), Error> {
    let accepts = &plugin.manifest().accepts;
    if accepts.format == plugin::Format::Qd3176 && accepts.view == plugin::View::Json {
        return Ok(());
    }
    Err(Error::Format {
        id: plugin.manifest().id.clone(),
    })
}

/// Exactly which plugin.
pub fn plugin_ref(plugin: &Plugin) -> PluginRef {
    let manifest = plugin.manifest();
    PluginRef {
        id: manifest.id.clone(),
        version: manifest.version.clone(),
        sha256: plugin.sha256().to_owned(),
    }
}

fn source_record(framed: &Framed) -> SourceRecord {
    SourceRecord {
        seq: framed.cut.seq,
        locator: framed.cut.locator.clone(),
        payload: Payload::Json(framed.opened.view_json()),
        ext: Vec::new(),
    }
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn set_aside(seq: u32, locator: &str, fault: frame::RecordFault) -> SetAside {
    let place = [
        Some(locator.to_owned()).filter(|locator| !locator.is_empty()),
        fault.table,
        fault.line.map(|line| format!("line {line}")),
    ];
    let locator = place.into_iter().flatten().collect::<Vec<_>>().join(", ");
    SetAside {
        seq,
        locator,
        code: fault.code.to_owned(),
        vi: fault.vi,
        en: fault.en,
        department: None,
    }
}

/// A file without an end may still be written, or was cut between two records: what is there is used, and somebody is told.
/// It also keeps the source file where it is.
fn unfinished() -> SetAside {
    SetAside {
        seq: 0,
        locator: String::new(),
        code: "FRAME-UNFINISHED".to_owned(),
        vi: "Tệp không có thẻ kết thúc GIAMDINHHS: có thể thiếu hồ sơ. Hồ sơ đọc được vẫn được gửi; tệp gốc được giữ nguyên. \
             Hãy xuất lại cho đủ."
            .to_owned(),
        en: "The file has no end tag GIAMDINHHS: records may be missing. Those that are there are sent; the source file stays. \
             Export it again, whole."
            .to_owned(),
        department: None,
    }
}

/// The first error speaks for the refusal; the others follow it.
fn refusal(seq: u32, locator: &str, issues: &[Issue]) -> SetAside {
    let code = issues
        .first()
        .map_or("HOST-REFUSED", |issue| issue.code.as_str())
        .to_owned();
    let words = issues.iter().take(20).map(|issue| {
        if issue.source.is_empty() {
            issue.message.clone()
        } else {
            format!("{}: {}", issue.source, issue.message)
        }
    });
    let text = words.collect::<Vec<_>>().join("; ");
    SetAside {
        seq,
        locator: locator.to_owned(),
        code,
        vi: text.clone(),
        en: text,
        department: None,
    }
}

fn issue(issue: plugin::Issue) -> Issue {
    Issue {
        severity: issue.severity,
        code: issue.code,
        source: issue.source_path,
        message: issue.message,
    }
}

fn ours(code: &str, message: &str) -> Issue {
    Issue {
        severity: "error".into(),
        code: code.into(),
        source: String::new(),
        message: message.into(),
    }
}

/// Fields that say two things in one row.
fn doubled_fields(opened: &Opened) -> impl Iterator<Item = Issue> + '_ {
    opened.doubled.iter().map(|place| Issue {
        severity: "warning".into(),
        code: "FIELD-TWICE".into(),
        source: place.clone(),
        message: "trường này xuất hiện hai lần trong một dòng với giá trị khác nhau: FHIR lấy giá trị đầu, tệp gửi cổng giữ cả hai; sửa ở HIS / \
                  this field stands twice in one row and says two things: FHIR has the first, the claim keeps both; mend the HIS"
            .into(),
    })
}

fn unknown_tables(opened: &Opened) -> impl Iterator<Item = Issue> {
    opened.unknown.iter().map(|table| Issue {
        severity: "information".into(),
        code: "FRAME-UNKNOWN-TABLE".into(),
        source: table.clone(),
        message: "bảng không có trong QĐ 3176, chỉ chuyển tiếp / a table that QĐ 3176 does not have; only passed on"
            .into(),
    })
}
