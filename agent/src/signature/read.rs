//! First look at a document: which signatures it has, what they say of themselves, and where what they refer to stands.
//!
//! Nothing is verified here. What a signature says is taken only from elements of its own namespace in their own places;
//! anything in it that the cutter of records could take for data is a fault.

use std::collections::HashMap;

use super::canon::Method;
use super::scope::Element;
use super::walk::Node;
use super::{Fault, algorithm};

pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// More signatures, or references in one, than a claim file has use for: each costs a pass of its own.
const SIGNATURES: usize = 4;
const REFERENCES: usize = 8;
const CERTIFICATES: usize = 8;
/// Elements that have an `Id`.
const IDS: usize = 50_000;
/// A longer `Id` is not referred to.
const ID: usize = 256;
/// The text of one element of a signature.
const TEXT: usize = 64 * 1024;

/// What the cutter of records looks for, by local name.
const RECORDS: [&str; 9] = [
    "HOSO",
    "FILEHOSO",
    "GIAMDINHHS",
    "DANHSACHHOSO",
    "THONGTINHOSO",
    "MACSKCB",
    "NGAYLAP",
    "SOLUONGHOSO",
    "CHUKYDONVI",
];

/// A document at first look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) signatures: Vec<Signature>,
    /// How many `HOSO` there are.
    pub(super) records: u32,
    /// By `Id`: the element's number, or none where several have it.
    ids: HashMap<String, Option<u32>>,
    /// Elements inside each other, from the start of the signature we are in.
    path: Vec<&'static str>,
    text: String,
}

/// What a signature says of itself.
#[derive(Debug, Default)]
pub(super) struct Signature {
    /// Of its elements among all of the document.
    pub(super) number: u32,
    pub(super) signed_info: Option<u32>,
    /// The canonical form of what is signed, and whether it keeps comments.
    pub(super) method: Option<(Method, bool)>,
    /// The one there is was named.
    pub(super) algorithm: bool,
    pub(super) references: Vec<Reference>,
    pub(super) value: Option<String>,
    pub(super) certificates: Vec<String>,
    /// Where a `SigningTime` stands in it, and what it says.
    pub(super) signed_at: Option<(u32, String)>,
    pub(super) fault: Option<Fault>,
}

/// What a signature refers to.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) uri: Option<String>,
    pub(super) enveloped: bool,
    pub(super) method: Option<Method>,
    /// The one there is was named.
    pub(super) algorithm: bool,
    pub(super) digest: Option<String>,
}

/// What a reference points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apex {
    Document,
    Element(u32),
}

impl Seen {
    pub(super) fn node(&mut self, node: Node<'_>) -> Result<(), Fault> {
        match node {
            Node::Start(element) => self.start(&element),
            Node::End(_) => {
                self.end();
                Ok(())
            }
            Node::Text(text) if !self.path.is_empty() => {
                if self.text.len() + text.len() > TEXT {
                    return Err(Fault::TooLarge);
                }
                self.text.push_str(text);
                Ok(())
            }
            Node::Text(_) | Node::Instruction { .. } | Node::Comment(_) => Ok(()),
        }
    }

    /// Where a reference points, where that can be told.
    pub(super) fn apex(&self, reference: &Reference) -> Result<Apex, Fault> {
        match reference.uri.as_deref() {
            Some("") => Ok(Apex::Document),
            Some(uri) => {
                let id = uri.strip_prefix('#').ok_or(Fault::Reference)?;
                let number = self.ids.get(id).copied().flatten();
                number.map(Apex::Element).ok_or(Fault::Reference)
            }
            None => Err(Fault::Reference),
        }
    }

    fn start(&mut self, element: &Element<'_>) -> Result<(), Fault> {
        for attribute in element.attributes {
            if matches!(attribute.name.as_str(), "Id" | "ID" | "id" | "xml:id") {
                self.id(&attribute.value, element.number)?;
            }
        }
        let step = step(element);
        if self.path.is_empty() {
            self.records = self.records.saturating_add(u32::from(element.local == "HOSO"));
            if step == "Signature" {
                if self.signatures.len() >= SIGNATURES {
                    return Err(Fault::TooMany);
                }
                self.signatures.push(Signature {
                    number: element.number,
                    ..Signature::default()
                });
                self.path.push(step);
            }
            return Ok(());
        }
        if RECORDS.contains(&element.local) {
            return Err(Fault::Wrapped);
        }
        self.path.push(step);
        self.text.clear();
        if let Some(signature) = self.signatures.last_mut() {
            let taken = signature.take(&self.path, element);
            signature.fault = signature.fault.take().or(taken.err());
        }
        Ok(())
    }

    fn id(&mut self, id: &str, number: u32) -> Result<(), Fault> {
        if id.len() > ID {
            return Ok(());
        }
        if let Some(known) = self.ids.get_mut(id) {
            *known = known.filter(|known| *known == number);
        } else if self.ids.len() < IDS {
            self.ids.insert(id.to_owned(), Some(number));
        } else {
            return Err(Fault::TooLarge);
        }
        Ok(())
    }

    fn end(&mut self) {
        if self.path.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        if let Some(signature) = self.signatures.last_mut() {
            let taken = signature.take_text(&self.path, text);
            signature.fault = signature.fault.take().or(taken.err());
        }
        self.path.pop();
    }
}

impl Signature {
    /// Takes what a start tag says; the path ends with it.
    fn take(&mut self, path: &[&str], element: &Element<'_>) -> Result<(), Fault> {
        let algorithm = || element.attribute("Algorithm").unwrap_or_default();
        match path[1..] {
            ["SignedInfo"] => return once(&mut self.signed_info, element.number, "SignedInfo"),
            ["SignedInfo", "CanonicalizationMethod"] => {
                let method = algorithm::canonical(algorithm())?;
                return once(&mut self.method, method, "CanonicalizationMethod");
            }
            ["SignedInfo", "CanonicalizationMethod", "InclusiveNamespaces"] => {
                if let Some((method, _)) = &mut self.method {
                    list(method, element);
                }
            }
            ["SignedInfo", "SignatureMethod"] => {
                algorithm::signature(algorithm())?;
                self.algorithm = true;
            }
            ["SignedInfo", "Reference"] => {
                if self.references.len() >= REFERENCES {
                    return Err(Fault::TooMany);
                }
                self.references.push(Reference {
                    uri: element.attribute("URI").map(str::to_owned),
                    ..Reference::default()
                });
            }
            ["SignedInfo", "Reference", ref within @ ..] => {
                let reference = self.references.last_mut().ok_or(Fault::Incomplete("Reference"))?;
                match *within {
                    ["Transforms", "Transform"] if reference.method.is_some() => {
                        return Err(Fault::Algorithm(algorithm::shown(algorithm())));
                    }
                    ["Transforms", "Transform"] if algorithm() == algorithm::ENVELOPED => reference.enveloped = true,
                    // What a reference within the document gives has no comments, whatever is asked for.
                    ["Transforms", "Transform"] => reference.method = Some(algorithm::canonical(algorithm())?.0),
                    ["Transforms", "Transform", "InclusiveNamespaces"] => {
                        if let Some(method) = &mut reference.method {
                            list(method, element);
                        }
                    }
                    ["DigestMethod"] => {
                        algorithm::digest(algorithm())?;
                        reference.algorithm = true;
                    }
                    _ => {}
                }
            }
            [.., "SigningTime"] => self.signed_at = Some((element.number, String::new())),
            _ => {}
        }
        Ok(())
    }

    /// Takes what stood in the element that ends the path.
    fn take_text(&mut self, path: &[&str], text: String) -> Result<(), Fault> {
        match path[1..] {
            ["SignedInfo", "Reference", "DigestValue"] => {
                let reference = self.references.last_mut().ok_or(Fault::Incomplete("Reference"))?;
                return once(&mut reference.digest, text, "DigestValue");
            }
            ["SignatureValue"] => return once(&mut self.value, text, "SignatureValue"),
            ["KeyInfo", "X509Data", "X509Certificate"] => {
                if self.certificates.len() >= CERTIFICATES {
                    return Err(Fault::TooMany);
                }
                self.certificates.push(text);
            }
            [.., "SigningTime"] => {
                if let Some((_, time)) = &mut self.signed_at {
                    *time = text;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Takes what may be there only once.
fn once<T>(place: &mut Option<T>, value: T, name: &'static str) -> Result<(), Fault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::Incomplete(name)),
    }
}

/// An element's place in a signature: its name where that means something.
fn step(element: &Element<'_>) -> &'static str {
    const OWN: [&str; 13] = [
        "Signature",
        "SignedInfo",
        "CanonicalizationMethod",
        "SignatureMethod",
        "Reference",
        "Transforms",
        "Transform",
        "DigestMethod",
        "DigestValue",
        "SignatureValue",
        "KeyInfo",
        "X509Data",
        "X509Certificate",
    ];
    match (element.space, element.local) {
        // XAdES, and those who made up a place of their own for it.
        (_, "SigningTime") => "SigningTime",
        (EXCLUSIVE, "InclusiveNamespaces") => "InclusiveNamespaces",
        (DSIG, local) => OWN.into_iter().find(|known| *known == local).unwrap_or_default(),
        _ => "",
    }
}

/// Takes the prefixes that an exclusive form writes as they are declared.
fn list(method: &mut Method, element: &Element<'_>) {
    if let Method::Exclusive(listed) = method {
        let prefixes = element.attribute("PrefixList").unwrap_or_default();
        let prefixes = prefixes.split_ascii_whitespace().take(64);
        *listed = prefixes
            .map(|prefix| if prefix == "#default" { "" } else { prefix }.to_owned())
            .collect();
    }
}
