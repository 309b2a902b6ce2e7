//! Second look at a document: the canonical bytes of all that its signatures refer to, in one pass.

use std::io::Read;

use sha2::{Digest, Sha256};

use super::canon::{Canon, Method, Sink};
use super::read::{Apex, Seen};
use super::scope::Scope;
use super::walk::{Node, Stop, walk};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Per signature and place of the reference in it; none: its `SignedInfo`.
    found: Vec<(usize, Option<usize>, Vec<u8>)>,
    /// Records that stand within nothing that is referred to.
    pub(super) uncovered: u32,
    /// A reference covers the whole document.
    pub(super) whole: bool,
    /// The local names of the elements referred to, outside of signatures.
    pub(super) parts: Vec<String>,
    /// Per signature.
    pub(super) signing_time_is_signed: Vec<bool>,
}

impl Passed {
    /// The canonical `SignedInfo` of a signature.
    pub(super) fn signed_info(&self, signature: usize) -> Option<&[u8]> {
        self.of(signature, None)
    }

    /// The digest of what a reference points at.
    pub(super) fn digest(&self, signature: usize, reference: usize) -> Option<&[u8]> {
        self.of(signature, Some(reference))
    }

    fn of(&self, signature: usize, reference: Option<usize>) -> Option<&[u8]> {
        let mut found = self.found.iter();
        found
            .find(|(s, r, _)| (*s, *r) == (signature, reference))
            .map(|(.., bytes)| bytes.as_slice())
    }
}

/// Something that is to be written canonically.
struct Target {
    signature: usize,
    reference: Option<usize>,
    apex: Apex,
    /// The signature that leaves itself out.
    without: Option<u32>,
    comments: bool,
    canon: Canon,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    /// Within, since this depth.
    Within(usize),
    /// In the signature that leaves itself out, since this depth; and the apex since that.
    LeftOut(usize, usize),
    Behind,
}

pub(super) fn pass(input: impl Read, seen: &Seen) -> Result<Passed, Stop> {
    let mut targets = targets(seen);
    let mut passed = Passed {
        signing_time_is_signed: vec![false; seen.signatures.len()],
        ..Passed::default()
    };
    let mut in_signature = None;
    walk(input, &mut |node, scope| {
        if let Node::Start(element) = &node {
            if in_signature.is_none() && seen.signatures.iter().any(|s| s.number == element.number) {
                in_signature = Some(scope.depth);
            }
            for target in &mut targets {
                target.reach(element.number, scope.depth);
                if target.begins_at(element.number) && target.reference.is_some() && in_signature.is_none() {
                    passed.parts.push(element.local.to_owned());
                }
            }
            let within = |target: &&Target| target.reference.is_some() && matches!(target.stage, Stage::Within(_));
            if matches!(element.local, "HOSO" | "TRANG_THAI_KCB") && !targets.iter().any(|target| within(&target)) {
                passed.uncovered += 1;
            }
            for (number, signature) in seen.signatures.iter().enumerate() {
                if signature
                    .signed_at
                    .as_ref()
                    .is_some_and(|(at, _)| *at == element.number)
                {
                    let mut own = targets.iter().filter(within);
                    passed.signing_time_is_signed[number] = own.any(|target| target.signature == number);
                }
            }
        }
        targets.iter_mut().for_each(|target| target.write(&node, scope));
        if matches!(node, Node::End(_)) && in_signature == Some(scope.depth) {
            in_signature = None;
        }
        Ok(())
    })?;
    passed.whole = targets.iter().any(|target| target.apex == Apex::Document);
    let done = targets.into_iter().filter(|target| target.stage != Stage::Before);
    passed.found = done
        .map(|target| (target.signature, target.reference, target.canon.finish()))
        .collect();
    Ok(passed)
}

/// All that the signatures refer to, so far as that can be told, and what they sign.
fn targets(seen: &Seen) -> Vec<Target> {
    let mut targets = Vec::new();
    for (number, signature) in seen.signatures.iter().enumerate() {
        if let (Some(signed_info), Some((method, comments))) = (signature.signed_info, &signature.method) {
            targets.push(Target {
                signature: number,
                reference: None,
                apex: Apex::Element(signed_info),
                without: None,
                comments: *comments,
                canon: Canon::new(method.clone(), Sink::Bytes(Vec::new())),
                stage: Stage::Before,
            });
        }
        for (place, reference) in signature.references.iter().enumerate() {
            let Ok(apex) = seen.apex(reference) else { continue };
            let method = reference.method.clone().unwrap_or(Method::Inclusive);
            targets.push(Target {
                signature: number,
                reference: Some(place),
                apex,
                without: reference.enveloped.then_some(signature.number),
                comments: false,
                canon: Canon::new(method, Sink::Digest(Sha256::new())),
                stage: if apex == Apex::Document {
                    Stage::Within(0)
                } else {
                    Stage::Before
                },
            });
        }
    }
    targets
}

impl Target {
    fn begins_at(&self, number: u32) -> bool {
        self.apex == Apex::Element(number)
    }

    /// A start tag was reached.
    fn reach(&mut self, number: u32, depth: usize) {
        match self.stage {
            Stage::Before if self.begins_at(number) => self.stage = Stage::Within(depth),
            Stage::Within(apex) if self.without == Some(number) => self.stage = Stage::LeftOut(depth, apex),
            _ => {}
        }
    }

    fn write(&mut self, node: &Node<'_>, scope: &Scope) {
        match (self.stage, node) {
            (Stage::Within(_), Node::Start(element)) => self.canon.start(element, scope),
            (Stage::Within(apex), Node::End(name)) => {
                self.canon.end(name);
                if apex == scope.depth {
                    self.stage = Stage::Behind;
                }
            }
            (Stage::Within(_), Node::Text(text)) => self.canon.text(text),
            (Stage::Within(_), Node::Instruction { target, data }) => self.canon.instruction(target, data),
            (Stage::Within(_), Node::Comment(text)) if self.comments => self.canon.comment(text),
            (Stage::LeftOut(left_out, apex), Node::End(_)) if left_out == scope.depth => {
                self.stage = Stage::Within(apex);
            }
            _ => {}
        }
    }
}
