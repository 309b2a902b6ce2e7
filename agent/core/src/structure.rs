//! Whether a resource is what FHIR R4, and a profile over it, allow.
//!
//! R4 comes with the agent (`configs/fhir`), profiles with a profile set (`configs/profiles`). A resource that is no R4 is not sent. One
//! that does not keep a profile is sent without claiming it: `meta.profile` stands only where the check of that profile finds nothing.
//! Checked are elements, how often they may stand, types and the form of values, required codes of R4, the types of references; of
//! profiles also fixed values, patterns, slices, the profiles of the types within, and required bindings to value sets that the set
//! brings (a code that only a terminology server could tell from the others is taken). Other bindings are not, nor invariants.
//!
//! What stays true: a finding names an element and never holds a value.

use std::collections::BTreeMap;

use crate::said;
use crate::say::Said;
use crate::tree::{Node, Tree};

use base::Base;
use profile::Profiles;

mod base;
mod codes;
mod path;
mod primitive;
mod profile;
mod rule;
#[cfg(test)]
mod tests;
mod walk;

/// No more is told of one resource.
const FINDINGS: usize = 20;

/// What resources of one profile set are checked by.
#[derive(Debug)]
pub struct Structure {
    base: &'static Base,
    profiles: Profiles,
    claims: BTreeMap<String, Vec<String>>,
}

/// Why a profile set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definitions are no JSON array of `StructureDefinition`s.
    #[error("the definitions do not read as a JSON array of StructureDefinitions")]
    NotJson(#[from] serde_json::Error),
    /// A definition without what is needed of it.
    #[error(
        "definition {0}: no `url`, `type`, `baseDefinition` or `differential.element` with `id`s; or a ValueSet without `url`"
    )]
    Incomplete(usize),
    /// A profile is to be claimed that nobody defined.
    #[error("`claims` names the profile {profile} for {kind}, and the definitions have none of that url and type")]
    Undefined {
        /// Type of resource.
        kind: String,
        /// Canonical url.
        profile: String,
    },
    /// A profile rests on one that is not there.
    #[error("the profile {profile} rests on {base}, which the definitions do not have")]
    NoBase {
        /// Canonical url.
        profile: String,
        /// Canonical url.
        base: String,
    },
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `Patient.name[0].text`
    pub path: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What can be wrong with an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// R4 has no such element here.
    Unknown,
    /// The text is no resource of a type that is sent.
    NotTaken,
    /// It must be there.
    Missing,
    /// A list where one value belongs.
    List,
    /// One value where a list belongs.
    NoList,
    /// An object, a list or a value without content.
    Empty,
    /// Members of several types of one choice.
    SeveralTypes,
    /// Not written as this type.
    NotA(&'static str),
    /// Not one of the codes that R4 requires.
    Code,
    /// A reference to a type that may not be there.
    Target,
    /// A reference to nothing in the resource.
    Dangling,
    /// Less often than this.
    TooFew(u32),
    /// More often than this.
    TooMany(u32),
    /// The profile fixes another value.
    NotFixed,
    /// Not of the value set that the profile binds it to.
    NotOfSet,
    /// Of a type the profile does not take here.
    TypeNotAllowed,
    /// In none of the slices of a list that has no others.
    NoSlice,
    /// A profile is claimed that is not of this set.
    Claim,
}

impl Finding {
    /// The path without places in lists: where it is in all resources of its type.
    pub fn anywhere(&self) -> String {
        let mut parts = self.path.split('[');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |path, part| {
            path + part.split_once(']').map_or(part, |(_, behind)| behind)
        })
    }
}

impl Wrong {
    /// For people; no values.
    pub fn said(&self) -> Said {
        match self {
            Self::Unknown => said!("FHIR R4 không có phần tử này", "FHIR R4 has no such element"),
            Self::NotTaken => said!("không phải resource gửi được", "no resource of a type that is sent"),
            Self::Missing => said!("thiếu", "missing"),
            Self::List => said!("chỉ được một giá trị", "a list where one value belongs"),
            Self::NoList => said!("phải là danh sách", "one value where a list belongs"),
            Self::Empty => said!("rỗng", "empty"),
            Self::SeveralTypes => said!("có nhiều kiểu cùng lúc", "of several types at once"),
            Self::NotA(kind) => said!("không đúng dạng {kind}", "not written as {kind}"),
            Self::Code => said!("mã ngoài danh mục bắt buộc của R4", "not one of the codes R4 requires"),
            Self::Target => said!("tham chiếu sai loại", "refers to a type that may not be there"),
            Self::Dangling => said!("tham chiếu không có đích", "refers to nothing"),
            Self::TooFew(least) => said!("phải có ít nhất {least}", "at least {least} must be there"),
            Self::TooMany(0) => said!("profile cấm", "prohibited by the profile"),
            Self::TooMany(most) => said!("tối đa {most}", "at most {most} may be there"),
            Self::NotFixed => said!("khác giá trị profile cố định", "not what the profile fixes"),
            Self::NotOfSet => said!(
                "mã ngoài danh mục bắt buộc của profile",
                "not one of the codes the profile requires"
            ),
            Self::TypeNotAllowed => said!("profile không nhận kiểu này", "of a type the profile does not take"),
            Self::NoSlice => said!(
                "không thuộc nhóm nào của profile",
                "in none of the slices of the profile"
            ),
            Self::Claim => said!(
                "khai một profile ngoài bộ đã chọn",
                "claims a profile that is not of this set"
            ),
        }
    }
}

/// What a resource was found to be.
#[derive(Debug, Default, PartialEq)]
pub struct Checked<'s> {
    /// Why it is no R4, or not what it says it is; then it is not sent.
    pub faults: Vec<Finding>,
    /// The profile it may claim.
    pub claim: Option<&'s str>,
    /// The one profile that was meant for it, and why it does not keep that. Where there are several, to keep none is no news.
    pub missed: Option<(&'s str, Vec<Finding>)>,
}

impl Structure {
    /// From the definitions of a profile set (a JSON array of `StructureDefinition`s with differentials, and of `ValueSet`s), and the
    /// profiles that resources of each type are to claim, most special first.
    ///
    /// # Errors
    /// When definitions cannot be used, or a profile is to be claimed that they do not have.
    pub fn read(definitions: &str, claims: BTreeMap<String, Vec<String>>) -> Result<Self, Error> {
        let profiles = Profiles::read(definitions)?;
        for (kind, urls) in &claims {
            for profile in urls {
                if profiles.kind(profile) != Some(kind) {
                    return Err(Error::Undefined {
                        kind: kind.clone(),
                        profile: profile.clone(),
                    });
                }
            }
        }
        Ok(Self {
            base: Base::r4(),
            profiles,
            claims,
        })
    }

    /// Plain R4, without profiles.
    pub fn r4() -> Self {
        Self {
            base: Base::r4(),
            profiles: Profiles::default(),
            claims: BTreeMap::new(),
        }
    }

    /// Checks one resource as a plugin gives it: without `id`, its references to others as `urn:key:<Type>|<key>`.
    pub fn check(&self, resource: &Tree<'_>) -> Checked<'_> {
        let tree = resource.root();
        let mut faults = walk::resource(self.base, tree);
        let mut checked = Checked::default();
        if faults.is_empty() {
            let root = tree.get("resourceType").and_then(Node::text).unwrap_or_default();
            let own = tree.get("meta").and_then(|meta| meta.get("profile"));
            for claimed in own.into_iter().flat_map(Node::items).filter_map(Node::text) {
                if self.profiles.kind(claimed) == Some(root) {
                    faults.extend(self.profiles.check(claimed, tree));
                } else {
                    faults.push(Finding {
                        path: format!("{root}.meta.profile"),
                        wrong: Wrong::Claim,
                    });
                }
            }
            if tree.get("meta").is_none() {
                let meant = self.claims.get(root).map_or(&[][..], Vec::as_slice);
                for profile in meant {
                    let missed = self.profiles.check(profile, tree);
                    if missed.is_empty() {
                        checked.claim = Some(profile);
                        break;
                    }
                    checked.missed = (meant.len() == 1).then_some((profile, missed));
                }
            }
        }
        faults.truncate(FINDINGS);
        checked.faults = faults;
        checked
    }
}
