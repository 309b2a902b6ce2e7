//! The Bundle of one profile set, from the resources that a plugin made; or why there is none.
//!
//! What stays true: what is wrong here is the plugin's fault and keeps the visit from FHIR endpoints alone; its claim, which is the
//! hospital's money, goes on. Words name the element and hold no values.

use std::fmt::Write as _;

use vhr_core::bundle::{self, Bundle, Scope};
use vhr_core::id::PluginRef;
use vhr_core::record::{Issue, VisitKey};
use vhr_core::said;
use vhr_core::say::Said;
use vhr_core::structure::Structure;

use crate::check::{self, Fault};
use crate::plugin::FhirResource;

/// So many faults stand in the reason by which a delivery waits.
const IN_REASON: usize = 3;
/// So many are told with the record.
const TOLD: usize = 20;

/// Why there is no Bundle.
#[derive(Debug)]
pub(super) struct NoBundle {
    /// What is wrong and what to do, for whoever asks why it is not sent.
    pub(super) why: Said,
    /// What is wrong, each.
    pub(super) issues: Vec<Issue>,
}

/// Checks the resources and makes their Bundle; with it comes why some of them claim no profile.
///
/// # Errors
/// Where they are no FHIR, or do not make a Bundle.
pub(super) fn bundle(
    structure: &Structure,
    visit: &VisitKey,
    plugin: &PluginRef,
    resources: Vec<FhirResource>,
) -> Result<(Bundle, Vec<Issue>), NoBundle> {
    let resources: Vec<_> = resources.into_iter().map(resource).collect();
    let mut checked = check::Resources::of(structure);
    let built = bundle::build(&visit.facility, &visit.visit, &resources, |tree| checked.check(tree));
    let missed = checked.end().map_err(|faults| no_bundle(plugin, &faults))?;
    match built {
        Ok(bundle) => Ok((bundle, missed)),
        Err(faults) => {
            let faults: Vec<Fault> = faults.iter().map(unbundled).collect();
            Err(no_bundle(plugin, &faults))
        }
    }
}

fn unbundled(fault: &bundle::Fault) -> Fault {
    Fault {
        code: "HOST-BUNDLE",
        place: String::new(),
        said: said!(
            "các resource không ghép được thành Bundle [{fault}]",
            "the resources do not make a Bundle [{fault}]"
        ),
    }
}

fn no_bundle(plugin: &PluginRef, faults: &[Fault]) -> NoBundle {
    let (mut vi, mut en) = (String::new(), String::new());
    for fault in faults.iter().take(IN_REASON) {
        let place = if fault.place.is_empty() {
            ""
        } else {
            &format!("{}: ", fault.place)
        };
        // Writing to a String cannot fail.
        let _ = write!(vi, "[{}] {place}{}; ", fault.code, fault.said.vi);
        let _ = write!(en, "[{}] {place}{}; ", fault.code, fault.said.en);
    }
    let more = faults.len().saturating_sub(IN_REASON);
    if more > 0 {
        let _ = write!(vi, "còn {more} lỗi nữa; ");
        let _ = write!(en, "{more} more; ");
    }
    let (id, version) = (&plugin.id, &plugin.version);
    NoBundle {
        why: said!(
            "Chưa gửi được FHIR vì plugin {id} {version} tạo sai: {vi}hồ sơ gửi cổng BHXH không bị ảnh hưởng. Hãy báo bên làm plugin; \
             cài bản đã sửa, khởi động lại dịch vụ, rồi xuất lại hồ sơ này từ HIS (tệp giống hệt từng byte không được đọc lại).",
            "No FHIR was sent, for what plugin {id} {version} made is wrong: {en}the claim is not affected. Tell the plugin's vendor; \
             install the mended version, restart the service, then export this visit again from the HIS (a file that is the same to the \
             byte is not read again)."
        ),
        issues: faults.iter().take(TOLD).map(Issue::from).collect(),
    }
}

fn resource(resource: FhirResource) -> bundle::Resource {
    let ext = |name: &str| {
        resource
            .ext
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    let scope = match (ext("scope").as_deref(), ext("match")) {
        (Some("facility"), _) => Scope::Facility,
        (Some("shared"), Some(identifier)) => Scope::Shared { identifier },
        _ => Scope::Visit,
    };
    bundle::Resource {
        kind: resource.resource_type,
        key: resource.key,
        scope,
        json: resource.json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::profiles;

    fn made(json: &[&str]) -> Result<(Bundle, Vec<Issue>), NoBundle> {
        let set = profiles::read("r4", None, None).unwrap();
        let head = crate::invented::head();
        let resources = json.iter().zip(1..).map(|(json, nth)| FhirResource {
            resource_type: "Patient".to_owned(),
            key: format!("p{nth}"),
            json: (*json).to_owned(),
            ext: vec![],
        });
        bundle(&set.structure, &head.key, &head.plugin, resources.collect())
    }

    #[test]
    fn the_reason_names_the_element_what_is_wrong_and_whom_to_tell_in_both_languages_and_no_value() {
        let NoBundle { why, issues } = made(&[r#"{"resourceType":"Patient","gender":"nam bịa"}"#]).unwrap_err();
        for (text, words) in [
            (
                &why.vi,
                [
                    "[FHIR-STRUCTURE] Patient.gender: mã ngoài danh mục",
                    "vn.qd3176 0.1.0",
                    "báo bên làm plugin",
                    "xuất lại",
                ],
            ),
            (
                &why.en,
                [
                    "[FHIR-STRUCTURE] Patient.gender: not one of the codes",
                    "vn.qd3176 0.1.0",
                    "Tell the plugin's vendor",
                    "export",
                ],
            ),
        ] {
            for words in words {
                assert!(text.contains(words), "{words}: {text}");
            }
            assert!(!text.contains("nam bịa"), "{text}");
        }
        let [issue] = &issues[..] else { panic!("{issues:?}") };
        assert_eq!(
            (&*issue.severity, &*issue.code, &*issue.source),
            ("error", "FHIR-STRUCTURE", "Patient.gender")
        );
    }

    #[test]
    fn what_makes_no_bundle_is_told_as_that_and_of_many_faults_the_first_few() {
        let none = made(&[]).unwrap_err();
        assert!(
            none.why.vi.contains("[HOST-BUNDLE] các resource không ghép được"),
            "{}",
            none.why
        );
        let broken = made(&["{"; 5]).unwrap_err();
        assert_eq!(broken.issues.len(), 5);
        assert!(
            broken.why.vi.contains("còn 2 lỗi nữa") && broken.why.en.contains("2 more"),
            "{}",
            broken.why
        );
        assert!(made(&[r#"{"resourceType":"Patient","gender":"male"}"#]).is_ok());
    }
}
