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
