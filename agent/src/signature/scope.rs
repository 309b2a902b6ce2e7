//! A start tag with its names resolved, and what it stands in: the namespaces in scope, the inherited attributes `xml:…`.

use super::Fault;

pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Namespaces in scope at once.
const BINDINGS: usize = 64;

/// A start tag.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    /// Its place among all elements of the document, from 0.
    pub(super) number: u32,
    /// As written, with its prefix.
    pub(super) name: &'a str,
    pub(super) prefix: &'a str,
    pub(super) local: &'a str,
    /// Its namespace; empty: none.
    pub(super) space: &'a str,
    /// All but the declarations of namespaces, in canonical order.
    pub(super) attributes: &'a [Attribute],
}

impl Element<'_> {
    /// The value of an attribute without a prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        all.find(|attribute| attribute.name == name)
            .map(|found| found.value.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attribute {
    pub(super) space: String,
    pub(super) local: String,
    pub(super) name: String,
    pub(super) value: String,
}

impl Attribute {
    pub(super) fn prefix(&self) -> &str {
        self.name.split_once(':').map_or("", |(prefix, _)| prefix)
    }
}

/// What the element being visited stands in, itself included.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// The root is 1.
    pub(super) depth: usize,
    bindings: Vec<Binding>,
    /// The attributes `xml:…` of the elements around.
    inherited: Vec<(usize, Attribute)>,
}

#[derive(Debug)]
struct Binding {
    depth: usize,
    prefix: String,
    space: String,
}

impl Scope {
    /// The namespace a prefix stands for here; empty: none.
    pub(super) fn space(&self, prefix: &str) -> &str {
        self.space_within(prefix, self.depth)
    }

    fn space_within(&self, prefix: &str, depth: usize) -> &str {
        let mut inner_first = self.bindings.iter().rev();
        let found = inner_first.find(|binding| binding.depth <= depth && binding.prefix == prefix);
        match found {
            Some(binding) => &binding.space,
            None if prefix == "xml" => XML,
            None => "",
        }
    }

    /// Prefix and namespace of what this very element declares anew, in canonical order.
    pub(super) fn declared(&self) -> impl Iterator<Item = (&str, &str)> {
        let here = self.bindings[self.outer()..].iter();
        here.filter(|binding| self.space_within(&binding.prefix, self.depth - 1) != binding.space)
            .map(|binding| (binding.prefix.as_str(), binding.space.as_str()))
    }

    /// Prefix and namespace of all that is in scope, in canonical order.
    pub(super) fn all(&self) -> Vec<(&str, &str)> {
        let prefixes = self.bindings.iter().map(|binding| binding.prefix.as_str());
        let mut all: Vec<_> = prefixes.map(|prefix| (prefix, self.space(prefix))).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|(_, space)| !space.is_empty());
        all
    }

    /// The attributes `xml:…` of the elements around this one, each as the innermost of them has it.
    pub(super) fn inherited(&self) -> Vec<&Attribute> {
        let mut found: Vec<&Attribute> = Vec::new();
        for (depth, attribute) in self.inherited.iter().rev() {
            if *depth < self.depth && !found.iter().any(|known| known.name == attribute.name) {
                found.push(attribute);
            }
        }
        found
    }

    /// An element begins.
    pub(super) fn enter(&mut self) {
        self.depth += 1;
    }

    /// The element declares a namespace.
    pub(super) fn declare(&mut self, prefix: &str, space: String) -> Result<(), Fault> {
        let reserved = prefix == "xmlns" || (prefix == "xml") != (space == XML);
        let twice = self.bindings[self.outer()..]
            .iter()
            .any(|binding| binding.prefix == prefix);
        if reserved || twice || (space.is_empty() && !prefix.is_empty()) {
            return Err(Fault::Form("a declaration of a namespace that does not hold"));
        }
        if self.bindings.len() >= BINDINGS {
            return Err(Fault::TooLarge);
        }
        self.bindings.push(Binding {
            depth: self.depth,
            prefix: prefix.to_owned(),
            space,
        });
        Ok(())
    }

    /// All that the element declares was told: its own attributes are looked up, and those that others inherit kept.
    pub(super) fn settle(&mut self, attributes: &mut [Attribute]) -> Result<(), Fault> {
        let outer = self.outer();
        self.bindings[outer..].sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix));
        for attribute in attributes {
            let prefix = attribute.prefix();
            if prefix.is_empty() {
                continue;
            }
            let space = self.space(prefix).to_owned();
            if space.is_empty() {
                return Err(Fault::Form("a prefix without a namespace"));
            }
            attribute.space = space;
            if attribute.space == XML {
                self.inherited.push((self.depth, attribute.clone()));
            }
        }
        Ok(())
    }

    /// How many of the bindings are from around the element.
    fn outer(&self) -> usize {
        self.bindings.partition_point(|binding| binding.depth < self.depth)
    }

    pub(super) fn leave(&mut self) {
        while self.bindings.last().is_some_and(|binding| binding.depth == self.depth) {
            self.bindings.pop();
        }
        while self.inherited.last().is_some_and(|(depth, _)| *depth == self.depth) {
            self.inherited.pop();
        }
        self.depth -= 1;
    }
}
