//! Resources written out canonically: no blanks, keys sorted, of a key given twice the last, numbers as serde_json keeps
//! them, references resolved.
//!
//! What stays true: what comes out is what serde_json's `Value` gives (the tests compare the two).

use std::borrow::Cow;
use std::collections::HashMap;

use uuid::Uuid;

use crate::tree::{Kind, Node};

/// How references name resources before they have ids: `urn:key:<Type>|<key>`.
pub(crate) const KEY_URL: &str = "urn:key:";

/// One resource being written.
struct Writer<'w, 't> {
    text: &'w mut String,
    links: &'w HashMap<String, Uuid>,
    /// Members of the objects that are being written, those of the innermost last.
    members: Vec<Node<'t>>,
    /// The types of the references that resolve to nothing, in the order of the text.
    dangling: Vec<String>,
}

/// What the agent has to say in a resource.
pub(super) struct Own<'p> {
    /// One more item of its list of identifiers, canonical and in pieces.
    pub(super) identifier: Option<[&'p str; 5]>,
    /// The profile it claims, where it has no `meta`.
    pub(super) profile: Option<&'p str>,
}

/// Writes pieces of JSON as they are.
pub(super) fn write(text: &mut String, pieces: &[&str]) {
    pieces.iter().for_each(|piece| text.push_str(piece));
}

/// Writes a resource; its own members are no references: FHIR has those inside of fields. Gives back the types of the
/// references that resolve to nothing.
pub(super) fn resource(
    text: &mut String,
    links: &HashMap<String, Uuid>,
    resource: Node<'_>,
    mut own: Own<'_>,
) -> Vec<String> {
    let mut writer = Writer {
        text,
        links,
        members: Vec::new(),
        dangling: Vec::new(),
    };
    writer.text.push('{');
    writer.members_of(resource, |this, member| {
        let key = member.key();
        if key > "identifier" {
            this.identifier(None, &mut own);
        }
        if key > "meta" {
            this.meta(&mut own);
        }
        if key == "identifier" && *member.kind() == Kind::List {
            this.identifier(Some(member), &mut own);
        } else {
            // What is no list of identifiers takes none more.
            own.identifier = own.identifier.filter(|_| key != "identifier");
            own.profile = own.profile.filter(|_| key != "meta");
            this.key(member);
            this.value(member, false);
        }
    });
    writer.identifier(None, &mut own);
    writer.meta(&mut own);
    writer.end('}');
    writer.dangling
}

impl<'t> Writer<'_, 't> {
    /// Writes the identifiers that the resource has, and the one that the agent gives it.
    fn identifier(&mut self, given: Option<Node<'t>>, own: &mut Own<'_>) {
        let added = own.identifier.take();
        if given.is_none() && added.is_none() {
            return;
        }
        self.text.push_str("\"identifier\":[");
        for item in given.into_iter().flat_map(Node::within) {
            self.value(item, false);
            self.text.push(',');
        }
        if let Some(added) = added {
            write(self.text, &added);
        }
        self.end(']');
        self.text.push(',');
    }

    fn meta(&mut self, own: &mut Own<'_>) {
        if let Some(profile) = own.profile.take() {
            self.text.push_str("\"meta\":{\"profile\":[");
            self.string(profile, false);
            self.text.push_str("]},");
        }
    }

    /// Hands over the members of an object, in the order of their keys; of those with one key, the last. What is written of
    /// each, if anything, ends with a comma.
    fn members_of(&mut self, object: Node<'t>, mut each: impl FnMut(&mut Self, Node<'t>)) {
        let first = self.members.len();
        self.members.extend(object.within());
        let members = &mut self.members[first..];
        if !members.is_sorted_by(|a, b| a.by_key(*b).is_lt()) {
            members.sort_by(|a, b| a.by_key(*b));
        }
        for at in first..self.members.len() {
            let member = self.members[at];
            let next = self.members.get(at + 1);
            if next.is_some_and(|next| next.by_key(member).is_eq()) {
                continue;
            }
            each(self, member);
            if !self.text.ends_with(['{', ',']) {
                self.text.push(',');
            }
        }
        self.members.truncate(first);
    }

    fn value(&mut self, node: Node<'t>, refers: bool) {
        match node.kind() {
            Kind::Null => self.text.push_str("null"),
            Kind::Bool(true) => self.text.push_str("true"),
            Kind::Bool(false) => self.text.push_str("false"),
            Kind::Number(number) => self.text.push_str(number.as_str()),
            Kind::Text(text) if refers && text.starts_with(KEY_URL) => self.reference(text),
            // It was borrowed because it stands without escapes: it needs none going out either.
            Kind::Text(text) => self.string(text, matches!(text, Cow::Borrowed(_))),
            Kind::List => {
                self.text.push('[');
                for item in node.within() {
                    self.value(item, false);
                    self.text.push(',');
                }
                self.end(']');
            }
            Kind::Object => {
                self.text.push('{');
                self.members_of(node, |this, member| {
                    this.key(member);
                    this.value(member, member.key() == "reference");
                });
                self.end('}');
            }
        }
    }

    /// Ends a list or an object, behind whose last item a comma stands.
    fn end(&mut self, end: char) {
        if self.text.ends_with(',') {
            self.text.pop();
        }
        self.text.push(end);
    }

    fn key(&mut self, member: Node<'t>) {
        self.string(member.key(), member.has_plain_key());
        self.text.push(':');
    }

    /// A text; one that is plain has nothing to escape.
    fn string(&mut self, text: &str, plain: bool) {
        if plain {
            write(self.text, &["\"", text, "\""]);
        } else {
            self.text
                .push_str(&serde_json::to_string(text).expect("a text is JSON"));
        }
    }

    fn reference(&mut self, to: &str) {
        match self.links.get(to) {
            Some(uuid) => {
                let mut buffer = Uuid::encode_buffer();
                write(self.text, &["\"", uuid.urn().encode_lower(&mut buffer), "\""]);
            }
            None => {
                let kind = to[KEY_URL.len()..].split('|').next().unwrap_or_default();
                self.dangling.push(super::shown(kind).to_owned());
                self.text.push_str("null");
            }
        }
    }
}
