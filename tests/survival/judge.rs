//! What must be true of a state folder after it was cut, asked of the program as a person would.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use vhr_agent::demo::exports::ExportFile;

use super::told::{Promises, is_short_of, short};
use super::{Tally, Wrong};
use crate::harness::{Done, World, whole_keys};

/// Each plain file is one visit, and each visit goes to both.
const ENDPOINTS: [&str; 2] = ["vhr", "insurance"];
/// All that a delivery can be.
const STATES: [&str; 5] = ["waiting", "sending", "delivered", "parked", "superseded"];

/// What the program says of a state folder when it is asked.
#[derive(Debug, Default, Clone)]
pub(crate) struct View {
    /// By id.
    pub(crate) deliveries: BTreeMap<String, Delivery>,
    /// Each receipt as the line it is, by `<record>@<endpoint>`.
    pub(crate) receipts: BTreeMap<String, String>,
}

/// A delivery as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// `MA_LK`.
    pub(crate) key: String,
    /// The file it came in, as its kept copy tells; empty where that does not read.
    pub(crate) file: String,
    /// Where it stands.
    pub(crate) state: String,
    /// Parked for doubt.
    pub(crate) in_doubt: bool,
}

impl View {
    /// Asks for everything; a question that is not answered is told as why.
    pub(crate) fn of(world: &World) -> Result<Self, String> {
        let mut view = Self::default();
        // Cut before anything at all was on the disk: nothing is there, which is well if nothing was told.
        let first = world.run(&["queue", "ls", "--json"]);
        if first.code == Some(3) && first.err.contains("there is nothing yet") {
            return Ok(view);
        }
        for state in STATES {
            let done = asked(
                world,
                &["queue", "ls", "--json", "--limit", "100000", "--state", state],
                0,
            )?;
            let list: serde_json::Value = serde_json::from_str(&done.out).map_err(|e| format!("{e}: {}", done.out))?;
            for item in list.as_array().into_iter().flatten() {
                let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                let delivery = Delivery {
                    key: text("key").trim_start_matches("79999/").to_owned(),
                    file: text("file"),
                    state: text("state"),
                    in_doubt: item["detail"]["kind"] == "in-doubt",
                };
                view.deliveries.insert(text("id"), delivery);
            }
        }
        let done = asked(world, &["receipts"], 0)?;
        for line in done.out.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let id = match cells[..] {
                [_, endpoint, .., record, _export] => format!("{record}@{endpoint}"),
                _ => return Err(format!("a receipt that is none: {line}")),
            };
            if view.receipts.insert(id, line.to_owned()).is_some() {
                return Err(format!("two receipts for one delivery: {line}"));
            }
        }
        // It answers whatever became of the snapshot: 3 says that no service runs.
        asked(world, &["status", "--json"], 3)?;
        Ok(view)
    }

    /// The delivery of a visit to an endpoint, with its id.
    pub(crate) fn delivery(&self, key: &str, endpoint: &str) -> Option<(&str, &Delivery)> {
        let found = self
            .deliveries
            .iter()
            .find(|(id, delivery)| delivery.key == key && id.split_once('@').is_some_and(|(_, at)| at == endpoint));
        found.map(|(id, delivery)| (id.as_str(), delivery))
    }

    /// The visits that have a receipt of an endpoint.
    pub(crate) fn confirmed(&self, endpoint: &str) -> BTreeSet<String> {
        let rows = self.receipts.values().map(|line| line.split(',').collect::<Vec<_>>());
        rows.filter(|cells| cells[1] == endpoint)
            .map(|cells| cells[3].to_owned())
            .collect()
    }

    /// The visits parked in doubt, at the gateway.
    pub(crate) fn in_doubt(&self) -> BTreeSet<String> {
        let parked = self.deliveries.iter().filter(|(_, delivery)| delivery.in_doubt);
        parked.map(|(_, delivery)| delivery.key.clone()).collect()
    }
}

/// Runs a question to its end; the answer must have this exit code.
fn asked(world: &World, arguments: &[&str], code: i32) -> Result<Done, String> {
    let done = world.run(arguments);
    if done.code == Some(code) {
        Ok(done)
    } else {
        Err(format!("{arguments:?} ended with {:?}: {}", done.code, done.err))
    }
}

/// A file put into the source folder.
#[derive(Debug)]
struct Dropped {
    name: String,
    key: String,
    /// As the program names it in its log.
    export: String,
}

/// Remembers what was once seen, and counts what is not so any more.
#[derive(Debug)]
pub(crate) struct Judge {
    /// What it has found.
    pub(crate) tally: Tally,
    /// Put into the source folder.
    dropped: Vec<Dropped>,
    /// What it said.
    promises: Promises,
    /// Ids by visit and endpoint.
    ids: BTreeMap<(String, String), String>,
    receipts: BTreeMap<String, String>,
    /// How often a visit had been written at the FHIR server when its receipt was first seen: it is written no more.
    written: BTreeMap<String, Vec<u32>>,
}

impl Judge {
    pub(crate) fn new(what: &str) -> Self {
        Self {
            tally: Tally::of(what),
            dropped: Vec::new(),
            promises: Promises::default(),
            ids: BTreeMap::new(),
            receipts: BTreeMap::new(),
            written: BTreeMap::new(),
        }
    }

    /// Puts files into the source folder.
    pub(crate) fn drop_in(&mut self, world: &World, files: &[ExportFile]) {
        world.drop_all(files);
        for file in files {
            self.dropped.push(Dropped {
                name: file.name.clone(),
                key: whole_keys(std::slice::from_ref(file)).remove(0),
                export: short(&file.bytes),
            });
        }
    }

    /// What it said on stderr, before it was cut.
    pub(crate) fn said(&mut self, log: &str) {
        self.promises.said(log);
    }

    /// How many files the program has not retired yet.
    pub(crate) fn left(world: &World) -> usize {
        let files = fs::read_dir(world.exports()).into_iter().flatten().flatten();
        files.filter(|file| file.path().is_file()).count()
    }

    /// Receipts as a person saw them, while the service ran.
    pub(crate) fn told(&mut self, world: &World) {
        let done = world.run(&["receipts"]);
        for line in done.out.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            if let [_, endpoint, _, key, .., record, _] = cells[..]
                && !key.is_empty()
            {
                self.receipts.insert(format!("{record}@{endpoint}"), line.to_owned());
            }
        }
        self.note_versions(world);
    }

    /// After the receipts were read: what is written later was written although it was confirmed.
    fn note_versions(&mut self, world: &World) {
        let encounters = world.encounters();
        for line in self.receipts.values() {
            let cells: Vec<&str> = line.split(',').collect();
            if let ("vhr", Some(versions)) = (cells[1], encounters.get(cells[3])) {
                self.written
                    .entry(cells[3].to_owned())
                    .or_insert_with(|| versions.clone());
            }
        }
    }

    /// Asks the program, which does not run, and compares with all that was seen before.
    pub(crate) fn look(&mut self, world: &World, when: &str) -> Option<View> {
        let view = match View::of(world) {
            Ok(view) => view,
            Err(why) => {
                self.tally.found(Wrong::WouldNotStart, &format!("{when}: {why}"));
                return None;
            }
        };
        let mut found = |wrong, what: String| self.tally.found(wrong, &format!("{when}: {what}"));
        for (id, line) in &self.receipts {
            if view.receipts.get(id) != Some(line) {
                let now = view.receipts.get(id);
                found(Wrong::ReceiptsLost, format!("was {line}, is {now:?}"));
            }
        }
        for ((key, endpoint), id) in &self.ids {
            if view.delivery(key, endpoint).map(|(id, _)| id) != Some(id) {
                found(Wrong::AcceptedLost, format!("delivery {id} of {key} is not there"));
            }
        }
        // The source file goes only after its visit was accepted, for good.
        for Dropped { name, key, export } in &self.dropped {
            if self.promises.accepted.contains(export) || !world.exports().join(name).exists() {
                for endpoint in ENDPOINTS {
                    match view.delivery(key, endpoint) {
                        Some((_, delivery)) if delivery.file == *name => {}
                        is => {
                            let what = format!("{name} was accepted, and of {key} for {endpoint} is known {is:?}");
                            found(Wrong::AcceptedLost, what);
                        }
                    }
                }
            }
        }
        for short in &self.promises.delivered {
            let id = view.receipts.keys().find(|id| is_short_of(short, id));
            match id.map(|id| view.deliveries.get(id)) {
                None => found(
                    Wrong::ReceiptsLost,
                    format!("{short} was said to have arrived and has no receipt"),
                ),
                Some(Some(delivery)) if delivery.state == "delivered" => {}
                Some(is) => found(
                    Wrong::SentAgain,
                    format!("{short} was said to have arrived and is {is:?}"),
                ),
            }
        }
        consistent(&view, &mut found);
        for (id, delivery) in &view.deliveries {
            if let Some((_, endpoint)) = id.split_once('@') {
                self.ids.insert((delivery.key.clone(), endpoint.to_owned()), id.clone());
            }
        }
        self.receipts.extend(view.receipts.clone());
        self.note_versions(world);
        Some(view)
    }

    /// Lets it do all that is left, then counts at the receivers.
    pub(crate) fn end(&mut self, world: &World) {
        for _ in 0..2 {
            // Twice: what is tried again a little later is due by then.
            let done = world.run(&["run", "--once", "--now"]);
            if !matches!(done.code, Some(0 | 65)) {
                let what = format!("the last pass ended with {:?}: {}", done.code, done.err);
                self.tally.found(Wrong::WouldNotStart, &what);
            }
        }
        let Some(view) = self.look(world, "at the end") else {
            return;
        };
        let keys: BTreeSet<&String> = self.dropped.iter().map(|dropped| &dropped.key).collect();
        let (encounters, claims) = (
            world.encounters(),
            world.claims().into_iter().collect::<BTreeMap<_, _>>(),
        );
        let (doubtful, confirmed) = (view.in_doubt(), ENDPOINTS.map(|endpoint| view.confirmed(endpoint)));
        self.tally.in_doubt += doubtful.len();
        let tally = &mut self.tally;
        for key in &keys {
            match encounters.get(*key) {
                // Repeating what was not answered is harmless there: it is written over itself.
                Some(versions) if versions.len() == 1 && Some(versions) == self.written.get(*key) => {}
                Some(versions) => tally.found(
                    Wrong::SentAgain,
                    &format!(
                        "{key} is there in versions {versions:?}, was {:?}",
                        self.written.get(*key)
                    ),
                ),
                None => tally.found(Wrong::AcceptedLost, &format!("{key} never arrived at the FHIR server")),
            }
            if !confirmed[0].contains(*key) {
                tally.found(Wrong::ReceiptsLost, &format!("{key} has no receipt of the FHIR server"));
            }
            let times = claims.get(*key).copied().unwrap_or_default();
            if times > 1 {
                tally.found(Wrong::SentAgain, &format!("{key} is at the gateway {times} times"));
            }
            match (doubtful.contains(*key), confirmed[1].contains(*key)) {
                (true, false) => {}
                (false, true) if times >= 1 => {}
                (false, false) => tally.found(
                    Wrong::AcceptedLost,
                    &format!("{key} has neither a receipt of the gateway nor a doubt"),
                ),
                (doubt, receipt) => {
                    let what = format!("{key} is at the gateway {times} times, doubt {doubt}, receipt {receipt}");
                    tally.found(Wrong::ReceiptsLost, &what);
                }
            }
        }
        if encounters.len() != keys.len()
            || world.fhir.resources().get("Encounter").copied().unwrap_or_default() != keys.len()
        {
            let what = format!("{} encounters of {} visits", encounters.len(), keys.len());
            tally.found(Wrong::SentAgain, &what);
        }
    }
}

/// What one answer must agree on with the other: a delivery has arrived exactly when it has a receipt.
pub(crate) fn consistent(view: &View, found: &mut impl FnMut(Wrong, String)) {
    for (id, delivery) in &view.deliveries {
        match (delivery.state == "delivered", view.receipts.contains_key(id)) {
            (true, false) => found(Wrong::ReceiptsLost, format!("{id} is delivered and has no receipt")),
            (false, true) => found(
                Wrong::SentAgain,
                format!("{id} has a receipt and is {}", delivery.state),
            ),
            _ => {}
        }
    }
    for id in view.receipts.keys() {
        if !view.deliveries.contains_key(id) {
            found(Wrong::AcceptedLost, format!("{id} has a receipt and is unknown"));
        }
    }
}
