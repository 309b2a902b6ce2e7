//! Canonical XML 1.0 and Exclusive Canonical XML 1.0 of one element, or of the whole document, as its nodes pass by.
//!
//! Only whole subtrees are written, less the signature itself: that is all a claim file's signature may refer to. So what an
//! element around the present one declared was always written, and only the outermost has to be told what it inherits.

use memchr::memchr;
use sha2::{Digest, Sha256};

use super::scope::{Element, Scope};

/// How namespaces are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Method {
    /// As they are declared, and at the outermost element all that are in scope.
    Inclusive,
    /// Where they are used; those prefixes as they are declared.
    Exclusive(Vec<String>),
}

/// Where the canonical bytes go.
#[derive(Debug)]
pub(super) enum Sink {
    Digest(Sha256),
    Bytes(Vec<u8>),
}

/// Written in pieces of about this size.
const PIECE: usize = 16 * 1024;
/// What is kept as bytes is small.
const BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Canon {
    method: Method,
    sink: Sink,
    out: Vec<u8>,
    /// Elements inside each other that were begun here.
    depth: usize,
    /// For [`Method::Exclusive`]: what was written, and how deep.
    written: Vec<(usize, String, String)>,
    /// The root is behind us.
    ended: bool,
}

impl Canon {
    pub(super) fn new(method: Method, sink: Sink) -> Self {
        Self {
            method,
            sink,
            out: Vec::with_capacity(2 * PIECE),
            depth: 0,
            written: Vec::new(),
            ended: false,
        }
    }

    pub(super) fn start(&mut self, element: &Element<'_>, scope: &Scope) {
        let outermost = self.depth == 0;
        self.depth += 1;
        self.out.push(b'<');
        self.put(element.name);
        match &self.method {
            Method::Inclusive if outermost => scope.all().iter().for_each(|binding| self.namespace(binding)),
            Method::Inclusive => scope.declared().for_each(|binding| self.namespace(&binding)),
            Method::Exclusive(listed) => {
                let mut used: Vec<&str> = element.attributes.iter().map(|a| a.prefix()).collect();
                used.retain(|prefix| !prefix.is_empty());
                used.push(element.prefix);
                // Those were written before, unless they changed here.
                if outermost || scope.declared().next().is_some() {
                    used.extend(listed.iter().map(String::as_str));
                }
                used.sort_unstable();
                used.dedup();
                used.retain(|prefix| *prefix != "xml");
                let anew: Vec<(String, String)> = used
                    .into_iter()
                    .map(|prefix| (prefix, scope.space(prefix)))
                    .filter(|(prefix, space)| self.last_written(prefix) != *space)
                    .map(|(prefix, space)| (prefix.to_owned(), space.to_owned()))
                    .collect();
                for (prefix, space) in anew {
                    self.namespace(&(&prefix, &space));
                    self.written.push((self.depth, prefix, space));
                }
            }
        }
        let inherited = match self.method {
            Method::Inclusive if outermost => scope.inherited(),
            _ => Vec::new(),
        };
        if inherited.is_empty() {
            element
                .attributes
                .iter()
                .for_each(|a| self.attribute(&a.name, &a.value));
        } else {
            let own = |name: &str| element.attributes.iter().any(|a| a.name == name);
            let inherited = inherited.into_iter().filter(|a| !own(&a.name));
            let mut all: Vec<_> = element.attributes.iter().chain(inherited).collect();
            all.sort_unstable();
            all.iter().for_each(|a| self.attribute(&a.name, &a.value));
        }
        self.out.push(b'>');
        self.flush();
    }

    pub(super) fn end(&mut self, name: &str) {
        while self.written.last().is_some_and(|(depth, ..)| *depth == self.depth) {
            self.written.pop();
        }
        self.depth = self.depth.saturating_sub(1);
        self.ended |= self.depth == 0;
        self.out.extend_from_slice(b"</");
        self.put(name);
        self.out.push(b'>');
        self.flush();
    }

    pub(super) fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        // A table's base64 is long and has nothing to escape.
        if bytes.len() > PIECE && [b'&', b'<', b'>', b'\r'].iter().all(|b| memchr(*b, bytes).is_none()) {
            self.flush_all();
            self.sink.take(bytes);
            return;
        }
        self.escaped(text, |b| match b {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
        self.flush();
    }

    pub(super) fn instruction(&mut self, target: &str, data: &str) {
        self.between(|canon| {
            canon.put("<?");
            canon.put(target);
            if !data.is_empty() {
                canon.out.push(b' ');
                canon.put(data);
            }
            canon.put("?>");
        });
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.between(|canon| {
            canon.put("<!--");
            canon.put(text);
            canon.put("-->");
        });
    }

    /// What was written.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let piece = std::mem::take(&mut self.out);
        self.sink.take(&piece);
        match self.sink {
            Sink::Digest(digest) => digest.finalize().to_vec(),
            Sink::Bytes(bytes) => bytes,
        }
    }

    /// Writes what may stand outside the root, on a line of its own there.
    fn between(&mut self, write: impl FnOnce(&mut Self)) {
        let outside = self.depth == 0;
        if outside && self.ended {
            self.out.push(b'\n');
        }
        write(self);
        if outside && !self.ended {
            self.out.push(b'\n');
        }
        self.flush();
    }

    fn last_written(&self, prefix: &str) -> &str {
        let mut inner_first = self.written.iter().rev();
        inner_first
            .find(|(_, known, _)| known == prefix)
            .map_or("", |(_, _, space)| space)
    }

    fn namespace(&mut self, (prefix, space): &(&str, &str)) {
        match *prefix {
            "xml" => {}
            "" => self.attribute("xmlns", space),
            prefix => self.attribute(&format!("xmlns:{prefix}"), space),
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.put(name);
        self.put("=\"");
        self.escaped(value, |b| match b {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'"' => Some("&quot;"),
            b'\t' => Some("&#x9;"),
            b'\n' => Some("&#xA;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
        self.out.push(b'"');
    }

    fn escaped(&mut self, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
        let bytes = text.as_bytes();
        let mut plain = 0;
        for (at, &b) in bytes.iter().enumerate() {
            if let Some(instead) = escape(b) {
                self.out.extend_from_slice(&bytes[plain..at]);
                self.put(instead);
                plain = at + 1;
            }
        }
        self.out.extend_from_slice(&bytes[plain..]);
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn flush(&mut self) {
        if self.out.len() >= PIECE {
            self.flush_all();
        }
    }

    fn flush_all(&mut self) {
        self.sink.take(&self.out);
        self.out.clear();
    }
}

impl Sink {
    fn take(&mut self, piece: &[u8]) {
        match self {
            Self::Digest(digest) => digest.update(piece),
            // Cut short it verifies nothing.
            Self::Bytes(bytes) => bytes.extend_from_slice(&piece[..piece.len().min(BYTES.saturating_sub(bytes.len()))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::{Node, walk};
    use super::*;

    /// The canonical form of the element that has this name.
    fn canonical(document: &str, name: &str, method: Method) -> String {
        let mut canon = Canon::new(method, Sink::Bytes(Vec::new()));
        let mut within = false;
        let walked = walk(document.as_bytes(), &mut |node, scope| {
            match node {
                Node::Start(element) if within || element.name == name => {
                    within = true;
                    canon.start(&element, scope);
                }
                Node::End(ended) if within => {
                    canon.end(ended);
                    within = ended != name;
                }
                Node::Text(text) if within => canon.text(text),
                _ => {}
            }
            Ok(())
        });
        assert!(walked.is_ok());
        String::from_utf8(canon.finish()).unwrap()
    }

    const DOCUMENT: &str = "<r xmlns:a='urn:a' xmlns='urn:d' xml:lang='vi' xml:space='preserve'><m xml:lang='en' xml:id='1'>\
        <a:k xmlns:a='urn:a' xmlns:b='urn:b' z='' a:y='' xml:space='default'><l xmlns=''/><b:l xmlns:b='urn:b'/></a:k></m></r>";

    #[test]
    fn the_outermost_element_takes_what_is_in_scope_and_of_xml_attributes_the_nearest() {
        assert_eq!(
            canonical(DOCUMENT, "a:k", Method::Inclusive),
            "<a:k xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\" z=\"\" xml:id=\"1\" xml:lang=\"en\" xml:space=\"default\" \
             a:y=\"\"><l xmlns=\"\"></l><b:l></b:l></a:k>"
        );
    }

    #[test]
    fn an_exclusive_form_writes_a_namespace_where_it_is_used_or_listed() {
        let exclusive = |listed: &[&str]| {
            let listed = listed.iter().map(|prefix| (*prefix).to_owned()).collect();
            canonical(DOCUMENT, "a:k", Method::Exclusive(listed))
        };
        assert_eq!(
            exclusive(&[]),
            "<a:k xmlns:a=\"urn:a\" z=\"\" xml:space=\"default\" a:y=\"\"><l></l><b:l xmlns:b=\"urn:b\"></b:l></a:k>"
        );
        assert_eq!(
            exclusive(&["", "b", "nobody"]),
            "<a:k xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\" z=\"\" xml:space=\"default\" a:y=\"\"><l xmlns=\"\"></l>\
             <b:l></b:l></a:k>"
        );
    }

    #[test]
    fn a_listed_prefix_that_changes_within_is_written_anew_though_nothing_uses_it() {
        let document = "<r xmlns:b='urn:b'><k><l xmlns:b='urn:c'><m/></l><m/></k></r>";
        assert_eq!(
            canonical(document, "k", Method::Exclusive(vec!["b".into()])),
            "<k xmlns:b=\"urn:b\"><l xmlns:b=\"urn:c\"><m></m></l><m></m></k>"
        );
    }

    #[test]
    fn a_long_text_is_written_as_a_short_one() {
        for text in ["A".repeat(3 * PIECE), format!("{}&lt;", "A".repeat(3 * PIECE))] {
            let document = format!("<r>{text}</r>");
            assert_eq!(canonical(&document, "r", Method::Inclusive), document);
        }
    }
}
