//! What has not arrived, page by page, so that nobody has to hold all of it.

use std::cell::Cell;

use vhr_core::control::{Reply, Undelivered};
use vhr_core::id::DeliveryId;

use super::{Desk, words};
use crate::queue::{self, DeliveryRow};

/// The states of what has not arrived and may still be sent.
pub(crate) const STATES: [&str; 3] = ["waiting", "sending", "parked"];

/// A page, in the order of acceptance; deliveries of one record are on one page.
pub(super) fn page(
    desk: &Desk<'_>,
    state: Option<&str>,
    endpoint: Option<&str>,
    after: Option<u64>,
    limit: usize,
) -> Result<Reply, queue::Error> {
    let limit = limit.max(1);
    let (taken, last) = (Cell::new(0), Cell::new(None));
    let more = Cell::new(false);
    let wanted = |id: &DeliveryId, row: &DeliveryRow| {
        let wanted = !row.state.is_final()
            && after.is_none_or(|after| row.order > after)
            && endpoint.is_none_or(|endpoint| id.endpoint.as_str() == endpoint)
            && state.is_none_or(|state| row.state.name() == state);
        if !wanted {
            return false;
        }
        if taken.get() >= limit && last.get() != Some(row.order) {
            more.set(true);
            return false;
        }
        taken.set(taken.get() + 1);
        last.set(Some(row.order));
        true
    };
    let found = desk.queue.deliveries(false, usize::MAX, wanted)?;
    let mut deliveries = Vec::with_capacity(found.len());
    for (id, row) in found {
        // It has arrived in between, and was forgotten.
        let Some(place) = desk.queue.place(id.record)? else {
            continue;
        };
        let state = desk.queue.full_state(&id, &row);
        deliveries.push(Undelivered {
            id,
            order: row.order,
            accepted_at: row.accepted_at.to_rfc3339(),
            state: state.name().to_owned(),
            text: words(&state),
            export: place.export,
            offset: place.row.offset,
            length: place.row.length,
        });
    }
    Ok(Reply::Undelivered {
        deliveries,
        more: more.get(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vhr_core::delivery::State;
    use vhr_core::id::{EndpointId, ExportId, RecordId};
    use vhr_core::time::Timestamp;

    use super::*;
    use crate::keys::Keys;
    use crate::queue::{Begin, Destination, Queue};
    use crate::spool::{Index, RecordRow, Spool, Written};

    const CONFIG: &str = r#"
[site]
facility = "79999"
name = "x"
[storage]
dir = "/var/lib/vhr-agent"
[plugins]
dir = "/usr/lib/vhr-agent/plugins"
[[source]]
name = "his"
path = "/srv/his"
plugin = "vn.test"
[[endpoint]]
name = "vhr"
kind = "fhir"
url = "http://127.0.0.1:9/fhir"
schedule = "immediate"
profile = "r4"
"#;

    #[tokio::test]
    async fn page_after_page_every_delivery_comes_once_in_order_and_those_of_a_record_together() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::generate(Timestamp::from_millis(1));
        let now = Timestamp::from_millis(1_764_000_000_000);
        let spool = Spool::open(folder.path(), keys.clone()).unwrap();
        let queue = Arc::new(Queue::open(folder.path(), keys, now).unwrap());
        let config = vhr_core::config::parse(CONFIG, "test").unwrap();
        let row = |seq: u32| RecordRow {
            record: RecordId::of(&seq.to_le_bytes()),
            seq,
            offset: u64::from(seq),
            length: 1,
            size: 1,
            visit: [seq as u8; 16],
            content: [1; 16],
            written: Written::default(),
            signed: false,
            shares: vec![],
            twin: None,
        };
        let index = Index {
            found: 7,
            mapped: (1..=7).map(row).collect(),
            ..Index::default()
        };
        let destinations = ["vhr", "insurance"].map(|name| Destination {
            endpoint: EndpointId::new(name),
            as_written: false,
            first: vec![Begin::In(State::new(now)); 7],
        });
        let export = ExportId::from_bytes([1; 32]);
        let accepted = queue.accept(export, "his", None, &index, &destinations, now);
        accepted.await.unwrap();
        let desk = Desk {
            queue: &queue,
            spool: &spool,
            config: &config,
            running: true,
        };
        for limit in [1, 2, 3, 5, 13, 14, 50] {
            let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let Ok(Reply::Undelivered { deliveries, more }) = page(&desk, None, None, after, limit) else {
                    panic!("no page");
                };
                assert!(!deliveries.is_empty() && deliveries.len() <= limit + 1);
                after = deliveries.last().map(|last| last.order);
                all.extend(deliveries);
                pages += 1;
                if !more {
                    break;
                }
            }
            assert_eq!(all.len(), 14, "{limit}");
            assert!(all.is_sorted_by_key(|delivery| delivery.order));
            assert_eq!(
                all.iter()
                    .map(|delivery| &delivery.id)
                    .collect::<std::collections::BTreeSet<_>>()
                    .len(),
                14
            );
            assert_eq!(pages == 1, limit >= 13, "{limit}: {pages} pages");
        }
        let only = page(&desk, Some("waiting"), Some("vhr"), None, 50);
        assert!(matches!(only, Ok(Reply::Undelivered { ref deliveries, more: false }) if deliveries.len() == 7));
        let none = page(&desk, Some("parked"), None, None, 50);
        assert!(matches!(none, Ok(Reply::Undelivered { ref deliveries, .. }) if deliveries.is_empty()));
    }
}
