//! The national rules over every framed record, the packs of a site's own, and the structure of what a plugin makes.
//!
//! Signed or not, a record is checked as it came. What it breaks is told in its head; what holds its claim back keeps that from
//! the gateway, and from nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use vhr_core::config;
use vhr_core::record::Issue;
use vhr_core::rules::{self, File, Finding, LARGEST, Pack, Rules, Severity, Visit};
use vhr_core::say::Said;
use vhr_core::structure::Structure;
use vhr_core::tree::Tree;
use vhr_core::twin;

use crate::frame::Opened;

/// A folder of packs has no more files than this.
const FILES: usize = 200;
/// No more is remarked on the profiles of one visit.
const REMARKS: usize = 20;

/// What the rules say of one record.
#[derive(Debug, Default, PartialEq)]
pub struct Checked {
    /// Each rule that is broken.
    pub issues: Vec<Issue>,
    /// Why its claim is held back, if it is.
    pub held: Option<Said>,
}

/// What keeps the resources of a visit from being sent.
#[derive(Debug)]
pub struct Fault {
    /// For programs.
    pub code: &'static str,
    /// Which element; empty: none in particular.
    pub place: String,
    /// What is wrong with it; no values.
    pub said: Said,
}

impl From<&Fault> for Issue {
    fn from(fault: &Fault) -> Self {
        Self {
            severity: "error".into(),
            code: fault.code.into(),
            source: fault.place.clone(),
            message: both(&fault.said),
        }
    }
}

/// Why there are no rules to check by: every mistake, one text each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct Error {
    /// For people, with file and line.
    pub problems: Vec<String>,
}

/// Checks one record.
pub fn check(rules: &Rules, opened: &Opened) -> Checked {
    let mut visit = Visit::new();
    for table in opened.tables() {
        for row in opened.rows(table) {
            visit.row(table, row.fields());
        }
    }
    let findings = rules::check(rules, &visit, visit.day());
    Checked {
        held: rules::held(&findings),
        issues: findings.into_iter().map(issue).collect(),
    }
}

/// What is found in the resources of one visit, looked at one after the other.
#[derive(Debug)]
pub struct Resources<'s> {
    structure: &'s Structure,
    faults: Vec<Fault>,
    /// Faults by where they are in all resources of a type, and what is wrong.
    told: BTreeSet<(String, String)>,
    missed: BTreeMap<(&'s str, String), Said>,
}

impl<'s> Resources<'s> {
    /// Before the first.
    pub fn of(structure: &'s Structure) -> Self {
        Self {
            structure,
            faults: Vec::new(),
            told: BTreeSet::new(),
            missed: BTreeMap::new(),
        }
    }

    /// Checks one; the profile that it keeps and may claim.
    pub fn check(&mut self, resource: &Tree<'_>) -> Option<&'s str> {
        let checked = self.structure.check(resource);
        for fault in checked.faults {
            // A hundred prescriptions with the same fault are one.
            let said = fault.wrong.said();
            if self.told.insert((fault.anywhere(), said.vi.clone())) {
                self.faults.push(Fault {
                    code: "FHIR-STRUCTURE",
                    place: fault.path,
                    said,
                });
            }
        }
        let missed = checked.missed.into_iter();
        for (profile, found) in missed.flat_map(|(profile, all)| all.into_iter().map(move |one| (profile, one))) {
            // A hundred prescriptions that miss the same are one remark.
            self.missed
                .entry((profile, found.anywhere()))
                .or_insert_with(|| found.wrong.said());
        }
        checked.claim
    }

    /// What is remarked: why resources do not claim the profile that is meant for them.
    ///
    /// # Errors
    /// Where a resource is not what FHIR allows: all that is wrong, each kind of fault once.
    pub fn end(self) -> Result<Vec<Issue>, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let missed = self.missed.into_iter().take(REMARKS);
        let missed = missed.map(|((profile, path), said)| Issue {
            severity: "warning".into(),
            code: "FHIR-PROFILE".into(),
            source: path,
            message: format!("không khai {profile}: {} / does not claim it: {}", said.vi, said.en),
        });
        Ok(missed.collect())
    }
}

/// The rules by which a site checks: the national ones, its own packs over them, and without what it switched off.
///
/// # Errors
/// Every mistake in the packs and in the list of ids.
pub fn rules(config: &config::Rules) -> Result<Rules, Error> {
    let (mut rule_files, mut code_files) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    if let Some(dir) = &config.dir {
        read_folder(dir, &mut rule_files, &mut problems);
        let codes = dir.join("codes");
        if codes.is_dir() {
            read_folder(&codes, &mut code_files, &mut problems);
        }
    }
    let own = Pack {
        rules: rule_files.iter().map(as_file).collect(),
        codes: code_files.iter().map(as_file).collect(),
    };
    match Rules::read(&[rules::shipped(), own]) {
        Ok(mut rules) => {
            // The one rule that a record alone cannot break is not among them: the queue asks for it.
            let unknown = rules.switch_off(&config.off).into_iter();
            for unknown in unknown.filter(|off| !twin::is_meant(off)) {
                problems.push(format!(
                    "[rules] off: không có quy tắc nào là `{unknown}` (there is no rule `{unknown}`)"
                ));
            }
            if problems.is_empty() {
                return Ok(rules);
            }
        }
        Err(found) => problems.extend(found.iter().map(ToString::to_string)),
    }
    Err(Error { problems })
}

fn as_file((name, text): &(String, String)) -> File<'_> {
    File { name, text }
}

/// The CSV files of a folder, by name. What cannot be read is a problem.
fn read_folder(dir: &Path, files: &mut Vec<(String, String)>, problems: &mut Vec<String>) {
    let unreadable =
        |path: &Path, e: &io::Error| format!("[rules] dir: không đọc được (cannot read) {}: {e}", path.display());
    let listed = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = match listed {
        Ok(paths) => paths,
        Err(e) => {
            problems.push(unreadable(dir, &e));
            return;
        }
    };
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
    });
    paths.sort();
    if paths.len() > FILES {
        problems.push(format!(
            "[rules] dir: {} có hơn {FILES} tệp (more than {FILES} files)",
            dir.display()
        ));
        return;
    }
    for path in paths {
        let mut text = String::new();
        let read = fs::File::open(&path).and_then(|file| file.take(LARGEST as u64 + 1).read_to_string(&mut text));
        match read {
            Ok(_) => files.push((path.display().to_string(), text)),
            Err(e) => problems.push(unreadable(&path, &e)),
        }
    }
}

fn both(said: &Said) -> String {
    format!("{} / {}", said.vi, said.en)
}

fn issue(finding: Finding) -> Issue {
    Issue {
        severity: match finding.severity {
            Severity::Block => "error",
            Severity::Warn => "warning",
        }
        .to_owned(),
        source: finding.place(),
        message: both(&finding.said),
        code: finding.rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::exports::{self, Fate, Options};
    use crate::frame::{self, Limits};
    use crate::map::profiles;

    fn opened(bytes: &[u8]) -> Vec<Opened> {
        let cuts = frame::records(bytes, &Limits::default()).map_while(Result::ok);
        cuts.filter_map(|cut| frame::open(&cut, &Limits::default()).ok())
            .collect()
    }

    /// What the generator's visits lack, as those of small systems do: the papers, and a code of every device.
    const LACKS: [&str; 4] = ["XML14-TABLE", "XML3-MA_MAY-NEED", "XML7-TABLE", "XML8-TABLE"];

    #[test]
    fn no_visit_of_the_generator_is_held_back_and_little_is_told_of_them() {
        let rules = Rules::national();
        let mut told = BTreeSet::new();
        let demo = Options {
            visits: 60,
            ..Options::demo()
        };
        let files = exports::generate(&demo).filter(|file| file.visits.iter().all(|visit| visit.fate == Fate::Ok));
        let plain = Options::plain(5, 300);
        let mut count = 0;
        for file in files.chain(exports::generate(&plain)) {
            for record in opened(&file.bytes) {
                let checked = check(&rules, &record);
                assert_eq!(checked.held, None, "{}", file.name);
                told.extend(checked.issues.into_iter().map(|issue| issue.code));
                count += 1;
            }
        }
        assert!(count > 300, "{count}");
        assert_eq!(told.iter().map(String::as_str).collect::<Vec<_>>(), LACKS);
    }

    #[test]
    fn findings_become_issues_with_their_rule_and_place_signed_or_not() {
        let rules = Rules::national();
        let xml = "<TONG_HOP><MA_LK>1</MA_LK><GIOI_TINH>7</GIOI_TINH><MA_KHUVUC>K9</MA_KHUVUC></TONG_HOP>";
        let file = format!(
            "<GIAMDINHHS><THONGTINHOSO><DANHSACHHOSO><HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>{xml}</NOIDUNGFILE>\
             </FILEHOSO></HOSO></DANHSACHHOSO></THONGTINHOSO><CHUKYDONVI><Signature/></CHUKYDONVI></GIAMDINHHS>"
        );
        let checked = check(&rules, &opened(file.as_bytes())[0]);
        let has = |severity: &str, code: &str, source: &str| {
            checked
                .issues
                .iter()
                .any(|issue| (&*issue.severity, &*issue.code, &*issue.source) == (severity, code, source))
        };
        assert!(
            has("error", "XML1-GIOI_TINH-CODE", "XML1/GIOI_TINH"),
            "{:?}",
            checked.issues
        );
        assert!(
            has("warning", "XML1-MA_KHUVUC-CODE", "XML1/MA_KHUVUC"),
            "{:?}",
            checked.issues
        );
        assert!(checked.held.is_some());
    }

    #[test]
    fn a_folder_of_packs_is_read_and_every_mistake_in_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = |off: &[&str]| config::Rules {
            dir: Some(folder.path().to_owned()),
            off: off.iter().map(|id| (*id).to_owned()).collect(),
        };
        let head = "id,severity,from,to,table,field,kind,with,when,vi,en,source\n";
        fs::create_dir(folder.path().join("codes")).unwrap();
        fs::write(folder.path().join("codes/khoa.csv"), "code,from\nK01,2020-01-01\n").unwrap();
        let row = "SITE-1,warn,,,XML1,MA_KHOA,code,list file khoa,,lạ,unknown,\n";
        fs::write(folder.path().join("own.csv"), format!("{head}{row}")).unwrap();
        assert!(rules(&config(&[])).unwrap().ids().any(|id| id == "SITE-1"));
        let unknown = rules(&config(&["XML1-NO", "SITE-*", twin::RULE])).unwrap_err().problems;
        assert!(unknown.len() == 1 && unknown[0].contains("`XML1-NO`"), "{unknown:?}");
        fs::write(
            folder.path().join("own.csv"),
            format!("{head}{}", row.replace("warn", "loud")),
        )
        .unwrap();
        fs::write(folder.path().join("worse.csv"), [0xFF]).unwrap();
        let problems = rules(&config(&[])).unwrap_err().problems;
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems.iter().any(|problem| problem.contains("own.csv:2: severity")),
            "{problems:?}"
        );
        let gone = config::Rules {
            dir: Some(folder.path().join("none")),
            off: vec![],
        };
        assert!(rules(&gone).is_err());
    }

    #[test]
    fn resources_claim_the_profile_they_keep_and_one_remark_tells_of_all_that_miss_the_same() {
        let set = profiles::read("moh-ehealth-1.0", None, None).unwrap();
        let resources = [
            r#","gender":"male","birthDate":"2000""#,
            r#","gender":"male""#,
            r#","gender":"female""#,
            r#","gender":"male","birthDate":"2000","meta":{"tag":[{"code":"x"}]}"#,
        ];
        let mut checked = Resources::of(&set.structure);
        let claimed = resources.map(|rest| {
            let json = format!(r#"{{"resourceType":"Patient","name":[{{"text":"An"}}]{rest}}}"#);
            checked.check(&Tree::read(&json).unwrap())
        });
        let missed = checked.end().unwrap();
        let profile = "http://fhir.ehealth.gov.vn/core/StructureDefinition/vn-core-patient";
        assert_eq!(claimed, [Some(profile), None, None, None]);
        let [missed] = &missed[..] else { panic!("{missed:?}") };
        assert_eq!((&*missed.code, &*missed.severity), ("FHIR-PROFILE", "warning"));
        assert_eq!(missed.source, "Patient.birthDate");
        assert!(missed.message.contains(profile));
    }

    #[test]
    fn a_resource_that_is_no_fhir_is_told_with_every_fault_each_kind_once() {
        let set = profiles::read("r4", None, None).unwrap();
        let mut checked = Resources::of(&set.structure);
        for json in [
            r#"{"resourceType":"Patient","gender":"nam","cmnd":"1"}"#,
            r#"{"resourceType":"Patient","gender":"nữ"}"#,
        ] {
            assert_eq!(checked.check(&Tree::read(json).unwrap()), None);
        }
        let faults = checked.end().unwrap_err();
        let places: Vec<_> = faults.iter().map(|fault| &*fault.place).collect();
        assert_eq!(places, ["Patient.gender", "Patient.cmnd"]);
        assert!(faults.iter().all(|fault| fault.code == "FHIR-STRUCTURE"));
    }
}
