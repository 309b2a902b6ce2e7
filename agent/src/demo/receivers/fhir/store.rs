//! What the FHIR stand-in holds, and the transaction that changes it: all of a Bundle or nothing.
//!
//! A transaction is read and checked first ([`Entry`]), then every entry gets its place and every reference its target,
//! and only then is anything written; so there is nothing to roll back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::form_field;
use super::rules::{self, Reference};

/// Why a transaction was not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    /// FHIRPath from the Bundle.
    pub(super) at: String,
    pub(super) text: String,
}

/// One checked entry of a transaction.
#[derive(Debug)]
pub(super) struct Entry {
    full_url: Option<String>,
    kind: &'static str,
    action: Action,
    identifiers: Vec<Arc<str>>,
    references: Vec<Reference>,
    resource: Value,
}

/// Searches are `system|value`.
#[derive(Debug)]
enum Action {
    Create,
    CreateUnless(String),
    Update(String),
    UpdateWhere(String),
}

#[derive(Debug, Default)]
pub(super) struct Store {
    shelves: HashMap<&'static str, Shelf>,
    last_id: u64,
    pub(super) transactions: u64,
    keep: bool,
    /// Encounters with one of these identifier values are refused, with this status.
    pub(super) unwelcome: HashMap<String, u16>,
}

#[derive(Debug, Default)]
struct Shelf {
    by_id: HashMap<String, Stored>,
    /// Nearly always one id each, among hundreds of thousands: kept tight.
    by_identifier: HashMap<Arc<str>, Vec<String>>,
}

#[derive(Debug)]
struct Stored {
    version: u32,
    identifiers: Vec<Arc<str>>,
    resource: Option<Box<Value>>,
}

/// Where an entry goes.
struct Place {
    id: String,
    change: Change,
}

#[derive(PartialEq)]
enum Change {
    Create,
    Update,
    /// A conditional create found it there already.
    None,
}

/// Checks everything about a Bundle that can be checked without the store.
pub(super) fn entries(mut bundle: Value) -> Result<Vec<Entry>, Refused> {
    if bundle["resourceType"] != "Bundle" || bundle["type"] != "transaction" {
        return Err(Refused {
            status: 400,
            at: "Bundle.type".into(),
            text: "not a transaction Bundle".into(),
        });
    }
    let entries = match bundle["entry"].take() {
        Value::Array(entries) => entries,
        _ => {
            return Err(Refused {
                status: 400,
                at: "Bundle.entry".into(),
                text: "no entries".into(),
            });
        }
    };
    let mut full_urls = HashSet::new();
    let read = entries.into_iter().enumerate().map(|(nth, raw)| {
        let entry = entry(nth, raw)?;
        match &entry.full_url {
            Some(url) if !full_urls.insert(url.clone()) => refuse(nth, "fullUrl", "is there twice"),
            _ => Ok(entry),
        }
    });
    read.collect()
}

fn entry(nth: usize, mut raw: Value) -> Result<Entry, Refused> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let full_url = text(&raw["fullUrl"]);
    if let Some(uuid) = full_url.as_deref().and_then(|url| url.strip_prefix("urn:uuid:"))
        && !is_uuid(uuid)
    {
        return refuse(nth, "fullUrl", "is not a lower-case UUID");
    }
    let (method, url) = (
        text(&raw["request"]["method"]),
        text(&raw["request"]["url"]).unwrap_or_default(),
    );
    let (path, query) = url
        .split_once('?')
        .map_or((url.as_str(), None), |(path, query)| (path, Some(query)));
    let (name, id) = path.split_once('/').map_or((path, None), |(name, id)| (name, Some(id)));
    let Some(kind) = rules::known_type(name) else {
        return refuse(nth, "request.url", "names an unknown type");
    };
    let condition = text(&raw["request"]["ifNoneExist"]);
    let action = match (method.as_deref(), id, query, condition) {
        (Some("POST"), None, None, None) => Action::Create,
        (Some("POST"), None, None, Some(condition)) => {
            Action::CreateUnless(search(&condition).map_err(|text| refused(nth, "request.ifNoneExist", text))?)
        }
        (Some("PUT"), Some(id), None, None) if is_id(id) => Action::Update(id.to_owned()),
        (Some("PUT"), None, Some(query), None) => {
            Action::UpdateWhere(search(query).map_err(|text| refused(nth, "request.url", text))?)
        }
        _ => {
            return refuse(
                nth,
                "request",
                "is none of POST Type, PUT Type/id and PUT Type?identifier=",
            );
        }
    };
    let resource = raw["resource"].take();
    if resource["resourceType"] != kind {
        return refuse(nth, "resource.resourceType", "is not the type in request.url");
    }
    let references = rules::check(kind, &resource).map_err(|fault| {
        let at = if fault.at.is_empty() {
            "resource".to_owned()
        } else {
            format!("resource.{}", fault.at)
        };
        refused(nth, &at, &fault.text)
    })?;
    let identifiers = identifiers(&resource);
    match &action {
        // Otherwise the same request would create a second one next time.
        Action::CreateUnless(search) | Action::UpdateWhere(search)
            if !identifiers.iter().any(|one| **one == **search) =>
        {
            refuse(
                nth,
                "resource.identifier",
                "does not hold the identifier that the request searches for",
            )
        }
        Action::Update(id) if resource["id"] != id.as_str() => {
            refuse(nth, "resource.id", "is not the id in request.url")
        }
        _ => Ok(Entry {
            full_url,
            kind,
            action,
            identifiers,
            references,
            resource,
        }),
    }
}

impl Store {
    /// An empty store; `keep` keeps resources themselves, not only their identifiers.
    pub(super) fn new(keep: bool) -> Self {
        Self {
            keep,
            ..Self::default()
        }
    }

    /// Does all of it, or none of it and says why.
    pub(super) fn transact(&mut self, mut entries: Vec<Entry>) -> Result<Value, Refused> {
        let mut last_id = self.last_id;
        let places = self.places(&entries, &mut last_id)?;
        let targets = self.targets(&entries, &places)?;
        self.last_id = last_id;
        self.transactions += 1;
        let mut answers = Vec::with_capacity(entries.len());
        for (entry, place) in entries.drain(..).zip(places) {
            let (kind, id) = (entry.kind, place.id.clone());
            let status = if place.change == Change::Create {
                "201 Created"
            } else {
                "200 OK"
            };
            let version = self.put(entry, place, &targets);
            answers.push(json!({"response": {
                "status": status,
                "location": format!("{kind}/{id}/_history/{version}"),
                "etag": format!("W/\"{version}\""),
            }}));
        }
        Ok(json!({"resourceType": "Bundle", "type": "transaction-response", "entry": answers}))
    }

    /// Ids and versions of what carries this identifier, with the resource if it was kept.
    pub(super) fn find(&self, kind: &str, search: &str) -> Vec<(String, Value)> {
        self.matches(kind, search)
            .iter()
            .filter_map(|id| Some((id.clone(), self.read(kind, id)?)))
            .collect()
    }

    /// The resource, or what is remembered of it.
    pub(super) fn read(&self, kind: &str, id: &str) -> Option<Value> {
        let stored = self.shelves.get(kind)?.by_id.get(id)?;
        let mut resource = stored.resource.as_deref().cloned().unwrap_or_else(|| {
            let identifiers = stored.identifiers.iter().map(|identifier| {
                let (system, value) = identifier.rsplit_once('|').unwrap_or(("", identifier));
                json!({"system": system, "value": value})
            });
            json!({"resourceType": kind, "identifier": identifiers.collect::<Vec<_>>()})
        });
        resource["id"] = json!(id);
        resource["meta"]["versionId"] = json!(stored.version.to_string());
        Some(resource)
    }

    /// How many of each type.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        self.shelves
            .iter()
            .map(|(kind, shelf)| ((*kind).to_owned(), shelf.by_id.len()))
            .collect()
    }

    /// By identifier value, the version of each Encounter that carries it.
    pub(super) fn encounters(&self) -> BTreeMap<String, Vec<u32>> {
        let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for stored in self
            .shelves
            .get("Encounter")
            .into_iter()
            .flat_map(|shelf| shelf.by_id.values())
        {
            for identifier in &stored.identifiers {
                found
                    .entry(value_of(identifier).to_owned())
                    .or_default()
                    .push(stored.version);
            }
        }
        found
    }

    fn places(&self, entries: &[Entry], last_id: &mut u64) -> Result<Vec<Place>, Refused> {
        let mut taken = HashSet::new();
        let mut searched = HashSet::new();
        let mut places = Vec::with_capacity(entries.len());
        for (nth, entry) in entries.iter().enumerate() {
            let unwelcome = |identifier: &Arc<str>| self.unwelcome.get(value_of(identifier));
            if entry.kind == "Encounter"
                && let Some(status) = entry.identifiers.iter().find_map(unwelcome)
            {
                let refused = refuse(nth, "resource", "is refused by a rule of this server");
                return refused.map_err(|refused| Refused {
                    status: *status,
                    ..refused
                });
            }
            let (found, otherwise) = match &entry.action {
                Action::Create => (None, Change::None),
                Action::Update(id) => (Some(id.clone()), Change::Update),
                Action::CreateUnless(search) => (self.the_one(nth, entry.kind, search)?, Change::None),
                Action::UpdateWhere(search) => (self.the_one(nth, entry.kind, search)?, Change::Update),
            };
            if let Action::CreateUnless(search) | Action::UpdateWhere(search) = &entry.action
                && !searched.insert((entry.kind, search))
            {
                return refuse(nth, "request", "searches for the same identifier as another entry");
            }
            let place = match found {
                Some(id) if self.holds(entry.kind, &id) => Place { id, change: otherwise },
                Some(id) => Place {
                    id,
                    change: Change::Create,
                },
                None => Place {
                    id: self.new_id(entry.kind, last_id),
                    change: Change::Create,
                },
            };
            if place.change != Change::None && !taken.insert((entry.kind, place.id.clone())) {
                return refuse(nth, "request", "writes the same resource as another entry");
            }
            places.push(place);
        }
        Ok(places)
    }

    /// The `Type/id` each fullUrl stands for, once every reference is known to lead somewhere.
    fn targets(&self, entries: &[Entry], places: &[Place]) -> Result<HashMap<String, String>, Refused> {
        let planned: HashSet<String> = entries
            .iter()
            .zip(places)
            .map(|(e, p)| format!("{}/{}", e.kind, p.id))
            .collect();
        let mut targets = HashMap::new();
        for (entry, place) in entries.iter().zip(places) {
            if let Some(url) = &entry.full_url {
                targets.insert(url.clone(), format!("{}/{}", entry.kind, place.id));
            }
        }
        for (nth, entry) in entries.iter().enumerate() {
            for reference in &entry.references {
                let at = format!("resource.{}", reference.at);
                let target = match targets.get(&reference.to) {
                    Some(target) => target.clone(),
                    None if reference.to.contains('?') => {
                        let target = self.conditional(&reference.to).map_err(|why| refused(nth, &at, why))?;
                        targets.insert(reference.to.clone(), target.clone());
                        target
                    }
                    // Another server's: nothing to be known about it here.
                    None if reference.to.starts_with("http://") || reference.to.starts_with("https://") => {
                        continue;
                    }
                    None => reference.to.split("/_history").next().unwrap_or_default().to_owned(),
                };
                let (kind, id) = target.split_once('/').unwrap_or((&target, ""));
                if !planned.contains(&target) && !self.holds(kind, id) {
                    return refuse(nth, &at, "refers to something that is neither here nor in this Bundle");
                }
                if reference.wanted.is_some_and(|wanted| wanted != kind) {
                    return refuse(nth, &at, "refers to a resource of the wrong type");
                }
            }
        }
        Ok(targets)
    }

    fn put(&mut self, entry: Entry, place: Place, targets: &HashMap<String, String>) -> u32 {
        let shelf = self.shelves.entry(entry.kind).or_default();
        let before = shelf.by_id.get(&place.id);
        let version = before.map_or(0, |stored| stored.version);
        if place.change == Change::None {
            return version;
        }
        for identifier in before.map(|stored| stored.identifiers.clone()).unwrap_or_default() {
            if let Some(ids) = shelf.by_identifier.get_mut(&identifier) {
                ids.retain(|id| *id != place.id);
            }
        }
        for identifier in &entry.identifiers {
            let ids = shelf.by_identifier.entry(identifier.clone());
            ids.or_insert_with(|| Vec::with_capacity(1)).push(place.id.clone());
        }
        let resource = self.keep.then(|| {
            let mut resource = entry.resource;
            point(&mut resource, targets);
            Box::new(resource)
        });
        let stored = Stored {
            version: version + 1,
            identifiers: entry.identifiers,
            resource,
        };
        shelf.by_id.insert(place.id, stored);
        version + 1
    }

    fn the_one(&self, nth: usize, kind: &str, search: &str) -> Result<Option<String>, Refused> {
        match self.matches(kind, search) {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            _ => Err(Refused {
                status: 412,
                ..refused(nth, "request", "more than one resource matches the search")
            }),
        }
    }

    fn conditional(&self, reference: &str) -> Result<String, &'static str> {
        let (kind, query) = reference.split_once('?').unwrap_or((reference, ""));
        match self.matches(kind, &search(query)?) {
            [one] => Ok(format!("{kind}/{one}")),
            _ => Err("is a search that does not find exactly one resource"),
        }
    }

    fn matches(&self, kind: &str, search: &str) -> &[String] {
        self.shelves
            .get(kind)
            .and_then(|shelf| shelf.by_identifier.get(search))
            .map_or(&[], Vec::as_slice)
    }

    fn holds(&self, kind: &str, id: &str) -> bool {
        self.shelves.get(kind).is_some_and(|shelf| shelf.by_id.contains_key(id))
    }

    fn new_id(&self, kind: &str, last_id: &mut u64) -> String {
        loop {
            *last_id += 1;
            let id = last_id.to_string();
            if !self.holds(kind, &id) {
                return id;
            }
        }
    }
}

/// `system|value` from `identifier=system|value`; both parts are asked for, and nothing beside them.
pub(super) fn search(query: &str) -> Result<String, &'static str> {
    let identifier = form_field(query, "identifier").filter(|_| !query.contains('&'));
    match identifier.as_deref().and_then(|text| text.rsplit_once('|')) {
        Some((system, value)) if !system.is_empty() && !value.is_empty() => Ok(format!("{system}|{value}")),
        _ => Err("is not a search for one identifier with its system"),
    }
}

fn refuse<T>(nth: usize, at: &str, text: &str) -> Result<T, Refused> {
    Err(refused(nth, at, text))
}

fn refused(nth: usize, at: &str, text: &str) -> Refused {
    Refused {
        status: 422,
        at: format!("Bundle.entry[{nth}].{at}"),
        text: text.to_owned(),
    }
}

/// Replaces what entries of the Bundle called each other by where they are now.
fn point(value: &mut Value, targets: &HashMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| point(item, targets)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field
                    .as_str()
                    .and_then(|text| targets.get(text))
                    .filter(|_| name == "reference")
                {
                    Some(target) => *field = json!(target),
                    None => point(field, targets),
                }
            }
        }
        _ => {}
    }
}

fn identifiers(resource: &Value) -> Vec<Arc<str>> {
    // Most types have a list of them, a few (Composition) just one.
    let (many, one) = match &resource["identifier"] {
        Value::Array(items) => (items.as_slice(), None),
        Value::Object(_) => ([].as_slice(), Some(&resource["identifier"])),
        _ => ([].as_slice(), None),
    };
    let mut found: Vec<Arc<str>> = Vec::new();
    for identifier in many.iter().chain(one) {
        if let (Some(system), Some(value)) = (identifier["system"].as_str(), identifier["value"].as_str()) {
            found.push(format!("{system}|{value}").into());
        }
    }
    // Said twice, it is still one resource that a search finds.
    found.sort_unstable();
    found.dedup();
    found
}

fn value_of(identifier: &str) -> &str {
    identifier.rsplit_once('|').map_or(identifier, |(_, value)| value)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}
