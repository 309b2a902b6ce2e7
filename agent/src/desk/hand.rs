//! What a person knows and the agent cannot: that something arrived although no answer was seen, or has to be sent once more
//! although it arrived.

use vhr_core::config::{self, Kind, Lane};
use vhr_core::control::Reply;
use vhr_core::delivery::{Reason, ReasonKind, Receipt, Standing, State};
use vhr_core::id::DeliveryId;
use vhr_core::said;
use vhr_core::say::Said;
use vhr_core::time::Timestamp;

use super::{Desk, done, find, not_done, nothing, why_not};
use crate::content::Content;
use crate::digest::sha256_hex;
use crate::queue::{self, DeliveryRow};
use crate::spool::Part;

/// References of receivers are a line, and not a long one.
const MAX_REFERENCE: usize = 200;
/// In the receipt of what no answer was seen of.
const TOLD: &str = "no answer was seen; a person looked it up at the receiver";

/// A person looked it up at the receiver: `sent` is the reference it has there.
pub(super) async fn resolve(
    desk: &Desk<'_>,
    typed: &str,
    sent: Option<&str>,
    now: Timestamp,
) -> Result<Reply, queue::Error> {
    let reference = sent.map(str::trim);
    if reference.is_some_and(|text| text.is_empty() || text.len() > MAX_REFERENCE || text.contains(char::is_control)) {
        let why = said!(
            "--sent cần mã giao dịch mà nơi nhận đã cấp, trên một dòng, nhiều nhất {MAX_REFERENCE} ký tự",
            "--sent wants the reference that the receiver gave, in one line, of {MAX_REFERENCE} bytes at most"
        );
        return Ok(Reply::Failed { why: why.to_string() });
    }
    let mut found = find(desk.queue, typed)?;
    if !typed.contains('@') && found.iter().any(|(_, row)| is_in_doubt(&row.state)) {
        found.retain(|(_, row)| is_in_doubt(&row.state));
    }
    let (id, row) = match found.as_slice() {
        [] => return Ok(nothing(typed)),
        [one] => one,
        [..] => {
            let why = said!(
                "có nhiều lượt gửi như vậy: ghi rõ mã@nơi-nhận (xem `queue show`)",
                "there are several such deliveries: name one as id@endpoint (see `queue show`)"
            );
            return Ok(one(not_done(typed, &why.to_string())));
        }
    };
    let (id, name) = (id.clone(), row.state.name());
    let asked = match reference {
        Some(reference) => {
            let (sent_sha256, note) = would_send(desk, &id);
            let receipt = Receipt {
                at: now,
                standing: Standing::Told,
                reference: Some(reference.to_owned()),
                sent_sha256,
                answer_sha256: String::new(),
                note: Some(note),
            };
            desk.queue.ask(&id, None, now, |state| state.found(receipt)).await
        }
        None => desk.queue.ask(&id, None, now, |state| state.not_found(now)).await,
    };
    Ok(one(match asked {
        Ok(state) => done(&id.to_string(), state.name()),
        Err(queue::Error::Step(..)) => not_done(&id.to_string(), &not_in_doubt(name).to_string()),
        Err(e) => not_done(&id.to_string(), &why_not(&e)),
    }))
}

/// Sends once more what was delivered.
pub(super) async fn resend(
    desk: &Desk<'_>,
    key: &str,
    endpoint: Option<&str>,
    reason: &str,
    sure: bool,
    now: Timestamp,
) -> Result<Reply, queue::Error> {
    if reason.trim().is_empty() {
        let why = said!("--reason không được để trống", "--reason must not be empty");
        return Ok(Reply::Failed { why: why.to_string() });
    }
    if let Some(name) = endpoint.filter(|name| configured(desk, name).is_none()) {
        let why = said!(
            "cấu hình không có nơi nhận {name}",
            "no endpoint called {name} is configured"
        );
        return Ok(Reply::Failed { why: why.to_string() });
    }
    let mut found = by_key(desk, key)?;
    found.retain(|(id, _)| endpoint.is_none_or(|name| id.endpoint.as_str() == name));
    // By its key a visit is meant, not that it once arrived: a check-in is named by its line.
    if endpoint.is_none() && !key.contains('@') && found.iter().any(|(id, _)| !is_check_in(desk, id)) {
        found.retain(|(id, _)| !is_check_in(desk, id));
    }
    // Where no endpoint was named, those that have it are meant.
    let delivered = |row: &DeliveryRow| matches!(row.state, State::Delivered(_));
    if endpoint.is_none() && !key.contains('@') && found.iter().any(|(_, row)| delivered(row)) {
        found.retain(|(_, row)| delivered(row));
    }
    if found.is_empty() {
        return Ok(nothing(key));
    }
    let gateway = found.iter().find(|(id, row)| {
        let kind = configured(desk, id.endpoint.as_str()).map(|endpoint| endpoint.kind);
        delivered(row) && matches!(kind, Some(Kind::Bhxh { .. }))
    });
    if let Some((id, _)) = gateway.filter(|_| !sure) {
        let name = &id.endpoint;
        let warning = said!(
            "{name} đã nhận hồ sơ này; gửi lại, cổng có thể tính hai lần. Chỉ gửi lại khi cổng làm mất hoặc yêu cầu gửi lại.",
            "{name} has received this claim; sent again, the gateway may count it twice. Only send it again when the gateway lost it or asks for it."
        );
        return Ok(Reply::Unsure {
            warning: warning.to_string(),
        });
    }
    let mut results = Vec::new();
    for (id, row) in found {
        results.push(match missing(desk, &id, &row)? {
            Some(why) => not_done(&id.to_string(), &why.to_string()),
            None => match desk.queue.ask(&id, Some(reason), now, |state| state.resend(now)).await {
                Ok(state) => done(&id.to_string(), state.name()),
                Err(e) => not_done(&id.to_string(), &why_not(&e)),
            },
        });
    }
    Ok(Reply::Done { results })
}

/// Deliveries by the key of a visit, as it is shown or without the facility where that is the site's own; or by id.
fn by_key(desk: &Desk<'_>, key: &str) -> Result<Vec<(DeliveryId, DeliveryRow)>, queue::Error> {
    let site = desk.config.site.facility.as_str();
    let whole = std::iter::once((site, key));
    for (facility, visit) in whole.chain(key.split_once('/')) {
        let found = desk.queue.deliveries_of_visit(facility, visit)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    find(desk.queue, key)
}

/// What stands in the way of sending it once more.
fn missing(desk: &Desk<'_>, id: &DeliveryId, row: &DeliveryRow) -> Result<Option<Said>, queue::Error> {
    if configured(desk, id.endpoint.as_str()).is_none() {
        return Ok(Some(said!(
            "nơi nhận này không còn trong cấu hình",
            "this endpoint is not configured any more"
        )));
    }
    if !matches!(row.state, State::Delivered(_)) {
        return Ok(None);
    }
    let there = |part| move |place: &queue::RecordPlace| desk.spool.has(part, place.export);
    let place = desk.queue.place(id.record)?;
    let is_there = place.filter(there(Part::In)).filter(there(Part::Out)).is_some();
    Ok((!is_there).then(|| {
        said!(
            "bản sao đã được xóa sau thời hạn `keep`: hãy xuất lại hồ sơ này từ HIS",
            "the copy was removed after `keep`: export this visit again from the HIS"
        )
    }))
}

/// The digest of what would have been sent, as far as it reads, and the note for the receipt.
fn would_send(desk: &Desk<'_>, id: &DeliveryId) -> (String, String) {
    let content = || {
        let endpoint = configured(desk, id.endpoint.as_str())?;
        let place = desk.queue.place(id.record).ok()??;
        let mut batch = desk.spool.batch(place.export).ok()?;
        let record = batch.record(id.record, place.row.offset, place.row.length).ok()?;
        Content::of(desk.spool, place.export, record, &endpoint).ok()
    };
    let content = content().unwrap_or(Content::Nothing);
    let note = match &content {
        Content::Claim(_, Some(why)) => format!("{why}; {TOLD}"),
        _ => TOLD.to_owned(),
    };
    (content.bytes().map(sha256_hex).unwrap_or_default(), note)
}

fn configured(desk: &Desk<'_>, name: &str) -> Option<config::Endpoint> {
    desk.config.line(name)
}

fn is_check_in(desk: &Desk<'_>, id: &DeliveryId) -> bool {
    let kind = configured(desk, id.endpoint.as_str()).map(|line| line.kind);
    matches!(
        kind,
        Some(Kind::Bhxh {
            lane: Lane::CheckIns,
            ..
        })
    )
}

fn is_in_doubt(state: &State) -> bool {
    matches!(
        state,
        State::Parked(Reason {
            kind: ReasonKind::InDoubt | ReasonKind::KeepsFailing,
            ..
        })
    )
}

fn not_in_doubt(state: &str) -> Said {
    match state {
        "waiting" => said!(
            "lượt gửi này còn chờ và sẽ tự gửi: không có gì phải tra",
            "it waits and will be sent by itself: there is nothing to look up"
        ),
        "sending" => said!("đang gửi: chờ kết quả đã", "it is being sent: wait for the outcome"),
        "delivered" => said!(
            "đã có biên nhận; muốn gửi lại: `queue resend`",
            "it has a receipt; to send it again: `queue resend`"
        ),
        "superseded" => said!(
            "đã có bản mới hơn của hồ sơ này thay thế",
            "a newer version of the visit took its place"
        ),
        _ => said!(
            "lượt gửi này dừng vì lý do khác, không phải vì chưa rõ kết quả: xem `queue show`",
            "it is parked for another reason than doubt: see `queue show`"
        ),
    }
}

fn one(done: vhr_core::control::Done) -> Reply {
    Reply::Done { results: vec![done] }
}
