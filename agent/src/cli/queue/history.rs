//! The steps that a delivery took, for `queue show`: read from the journal, whether the service runs or not. In the same
//! pass it is learned which version of the visit came before (`versions.rs`).

use std::collections::HashMap;

use vhr_core::config::Config;
use vhr_core::control::{Item, Past};
use vhr_core::delivery::State;

use super::super::output::plain;
use super::versions::Versions;
use crate::journal::{self, Entry, Position};
use crate::spool::Spool;
use crate::{report, state};

/// Adds to each delivery what the journal tells of it, and what its record says otherwise than the version before. What cannot be read is left out: the rest must still be seen.
pub(super) fn add(config: &Config, items: &mut [Item]) {
    let wanted: HashMap<String, usize> = (0..)
        .zip(items.iter())
        .map(|(nth, item)| (item.id.clone(), nth))
        .collect();
    if !wanted.keys().any(|id| id.contains('@')) {
        return;
    }
    let keys = match state::open_keys(&config.storage) {
        Ok(keys) => keys,
        Err(e) => return eprintln!("{}", report::chain(&e)),
    };
    let entries = match journal::entries(&config.storage.dir.join("journal"), &keys, Position::default()) {
        Ok(entries) => entries,
        Err(e) => return eprintln!("{}", report::chain(&e)),
    };
    let mut versions = Versions::of(items, &keys.keyed());
    for placed in entries.flatten() {
        versions.note(&placed.entry);
        let mut put = |id: String, past: Past| {
            if let Some(nth) = wanted.get(&id)
                && items[*nth].history.last().is_none_or(|last| last.state != past.state)
            {
                items[*nth].history.push(past);
            }
        };
        match placed.entry {
            Entry::Accepted(accepted) => {
                let past = |state| Past {
                    at: accepted.at.to_rfc3339(),
                    state,
                    reason: None,
                };
                for row in &accepted.records {
                    for first in accepted.deliveries.iter().filter(|first| first.seqs.contains(&row.seq)) {
                        put(format!("{}@{}", row.record, first.endpoint), past(first.state.clone()));
                    }
                }
                for (id, by) in &accepted.superseded {
                    put(id.to_string(), past(State::Superseded { by: *by }));
                }
            }
            Entry::Step {
                delivery,
                at,
                state,
                reason,
            } => put(
                delivery.to_string(),
                Past {
                    at: at.to_rfc3339(),
                    state,
                    reason,
                },
            ),
            Entry::Standing(standing) => {
                // Where its earlier entries were let go, this one tells the last step.
                for stood in standing.records {
                    for (endpoint, state) in stood.deliveries {
                        let id = format!("{}@{endpoint}", stood.row.record);
                        let past = Past {
                            at: standing.released.unwrap_or(standing.accepted_at).to_rfc3339(),
                            state,
                            reason: None,
                        };
                        put(id, past);
                    }
                }
            }
            Entry::Moved { .. } | Entry::Closed { .. } | Entry::Retired { .. } | Entry::Outage(_) => {}
        }
    }
    let keyed = keys.keyed();
    versions.compare(&Spool::existing(&config.storage.dir, keys), &keyed, items);
}

/// One step, for people.
pub(super) fn line(past: &Past) -> String {
    let more = match &past.state {
        State::Delivered(receipt) => receipt.reference.as_deref().unwrap_or_default(),
        State::Parked(reason) => &reason.text,
        State::Waiting {
            last: Some(failure), ..
        } => &failure.text,
        State::Waiting { .. } | State::Sending { .. } | State::Superseded { .. } => "",
    };
    let reason = past.reason.as_deref().unwrap_or_default();
    let words = [past.state.name(), more, reason];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("    {}  {}\n", past.at, plain(&words.join("  ")))
}
