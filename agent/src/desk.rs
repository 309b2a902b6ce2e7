//! Answers what people ask about deliveries, and does what they say: the same for the service and for the command line when
//! no service runs.

use std::sync::Arc;

use vhr_core::config::{Config, Kind};
use vhr_core::control::{Done, Item, Reply, Request};
use vhr_core::delivery::{IllegalStep, Reason, ReasonKind, State};
use vhr_core::id::{DeliveryId, ExportId};
use vhr_core::record::Head;
use vhr_core::said;
use vhr_core::say::Said;
use vhr_core::time::Timestamp;

use crate::queue::{self, DeliveryRow, ExportRow, Queue, RecordPlace};
use crate::spool::batch::SetAside;
use crate::spool::{self, Spool};
use crate::{clock, report, verify};

mod hand;
mod undelivered;

pub(crate) use undelivered::STATES as UNDELIVERED;

/// What is shown of something set aside that a person has dealt with.
const CLOSED: &str = "closed";
/// So many digits of an id are enough.
const SHORTEST: usize = 6;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// The queue.
    pub queue: &'a Arc<Queue>,
    /// The spool.
    pub spool: &'a Spool,
    /// What the site wants.
    pub config: &'a Config,
    /// Whether the service runs: then files may be on their way into the spool.
    pub running: bool,
}

/// Answers all but [`Request::Status`], which needs more than this.
pub async fn answer(desk: &Desk<'_>, request: Request) -> Reply {
    let (queue, spool) = (&**desk.queue, desk.spool);
    let answered = match request {
        Request::Status => {
            return Reply::Failed {
                why: "the status is gathered elsewhere".into(),
            };
        }
        Request::List { state, endpoint, limit } => list(queue, spool, state.as_deref(), endpoint.as_deref(), limit),
        Request::Show { id } => show(queue, spool, &id),
        Request::Retry { ids } => {
            let now = clock::now();
            each(desk, &ids, None, now, |state| state.retry(now)).await
        }
        Request::Drop { ids, reason } => {
            let now = clock::now();
            each(desk, &ids, Some(&reason), now, |state| {
                state.drop_for(reason.clone(), now)
            })
            .await
        }
        Request::Resolve { id, sent } => hand::resolve(desk, &id, sent.as_deref(), clock::now()).await,
        Request::Resend {
            key,
            endpoint,
            reason,
            sure,
        } => hand::resend(desk, &key, endpoint.as_deref(), &reason, sure, clock::now()).await,
        Request::Undelivered {
            state,
            endpoint,
            after,
            limit,
        } => undelivered::page(desk, state.as_deref(), endpoint.as_deref(), after, limit),
        Request::Verify => return verify::answer(desk).await,
    };
    answered.unwrap_or_else(|e| Reply::Failed { why: report::chain(&e) })
}

fn list(
    queue: &Queue,
    spool: &Spool,
    state: Option<&str>,
    endpoint: Option<&str>,
    limit: usize,
) -> Result<Reply, queue::Error> {
    let mut items = Vec::new();
    let mut more = false;
    let wanted = |id: &DeliveryId, row: &DeliveryRow| {
        endpoint.is_none_or(|endpoint| id.endpoint.as_str() == endpoint)
            && match state {
                Some(state) => row.state.name() == state,
                None => !row.state.is_final(),
            }
    };
    let ended = matches!(state, Some("delivered" | "superseded" | "parked"));
    for (id, row) in queue.deliveries(ended, limit.saturating_add(1), wanted)? {
        if items.len() >= limit {
            more = true;
            break;
        }
        items.push(delivery_item(queue, spool, &id, &row)?);
    }
    if endpoint.is_none() && state.is_none_or(|state| matches!(state, "set-aside" | "refused" | CLOSED)) {
        for item in queue.exports() {
            let (export, row) = item?;
            if row.counts.set_aside + row.counts.refused + row.counts.files_set_aside == 0 {
                continue;
            }
            for (_, item) in aside_items(queue, spool, export, &row) {
                if state.map_or(item.state == CLOSED, |state| state != item.state) {
                    continue;
                }
                if items.len() >= limit {
                    return Ok(Reply::Items { items, more: true });
                }
                items.push(item);
            }
        }
    }
    items.sort_by(|a, b| (&a.accepted_at, &a.id).cmp(&(&b.accepted_at, &b.id)));
    Ok(Reply::Items { items, more })
}

fn show(queue: &Queue, spool: &Spool, typed: &str) -> Result<Reply, queue::Error> {
    let mut items: Vec<Item> = find_aside(queue, spool, typed)?
        .into_iter()
        .map(|(_, _, item)| item)
        .collect();
    for (id, row) in find(queue, typed)? {
        items.push(delivery_item(queue, spool, &id, &row)?);
    }
    if items.is_empty() {
        return Ok(Reply::Failed {
            why: format!("không có hồ sơ nào có mã {typed} / there is no record {typed}"),
        });
    }
    Ok(Reply::Items { items, more: false })
}

/// The step for each delivery that was typed. What was set aside takes no step, but can be closed for a reason.
async fn each(
    desk: &Desk<'_>,
    ids: &[String],
    close: Option<&str>,
    now: Timestamp,
    next: impl Fn(&State) -> Result<State, IllegalStep>,
) -> Result<Reply, queue::Error> {
    let (queue, spool) = (&**desk.queue, desk.spool);
    let mut results = Vec::new();
    for typed in ids {
        let aside = find_aside(queue, spool, typed)?;
        if !aside.is_empty() {
            results.extend(close_all(queue, typed, aside, close, now).await?);
            continue;
        }
        let found = find(queue, typed)?;
        if found.is_empty() {
            results.push(not_done(
                typed,
                "không có lượt gửi nào có mã này / there is no such delivery",
            ));
        }
        for (id, row) in found {
            // Asked for by record alone, what has arrived is not meant.
            if !typed.contains('@') && row.state.is_final() {
                continue;
            }
            let in_vain = match close {
                None => no_bundle(desk, &id, &row)?,
                Some(_) => None,
            };
            if let Some(why) = in_vain {
                results.push(not_done(&id.to_string(), &why.to_string()));
                continue;
            }
            results.push(match queue.ask(&id, None, now, &next).await {
                Ok(state) => done(&id.to_string(), state.name()),
                Err(e) => not_done(&id.to_string(), &why_not(&e)),
            });
        }
    }
    Ok(Reply::Done { results })
}

/// Why another try of a delivery leads nowhere: there still is no Bundle to send.
fn no_bundle(desk: &Desk<'_>, id: &DeliveryId, row: &DeliveryRow) -> Result<Option<Said>, queue::Error> {
    let waits_for_it = matches!(&row.state, State::Parked(reason) if reason.kind == ReasonKind::NoBundle);
    let (true, Some(place)) = (waits_for_it, desk.queue.place(id.record)?) else {
        return Ok(None);
    };
    let profile = match desk.config.line(id.endpoint.as_str()).map(|line| line.kind) {
        Some(Kind::Fhir { profile, .. }) => profile,
        _ => return Ok(None),
    };
    // Made anew since it was parked, it may have one.
    Ok(head(desk.spool, &place).and_then(|mut head| head.no_bundle.remove(&profile)))
}

fn done(id: &str, state: &str) -> Done {
    Done {
        id: id.to_owned(),
        state: Some(state.to_owned()),
        why: None,
    }
}

fn not_done(id: &str, why: &str) -> Done {
    Done {
        id: id.to_owned(),
        state: None,
        why: Some(why.to_owned()),
    }
}

/// Closes what was found, where there is a reason.
async fn close_all(
    queue: &Queue,
    typed: &str,
    aside: Vec<(ExportId, u32, Item)>,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Done>, queue::Error> {
    let export = aside[0].0;
    if aside.iter().any(|(other, ..)| *other != export) {
        let why = "nhiều tệp có mã bắt đầu như vậy, hãy gõ dài hơn / several exports begin so, type more digits";
        return Ok(vec![not_done(typed, why)]);
    }
    let Some(reason) = reason else {
        let why = "đã để riêng, không gửi được: sửa trên HIS, xuất lại, rồi `queue drop` / \
                   it was set aside and cannot be sent: correct it in the HIS, export it again, then `queue drop`";
        return Ok(aside.iter().map(|(.., item)| not_done(&item.id, why)).collect());
    };
    let (closed, open): (Vec<_>, Vec<_>) = aside.into_iter().partition(|(.., item)| item.state == CLOSED);
    if !open.is_empty() {
        let seqs = open.iter().map(|(_, seq, _)| *seq).collect();
        queue.close(export, seqs, reason.to_owned(), now).await?;
    }
    let why = "đã xử lý rồi / it was dealt with already";
    let closed = closed.iter().map(|(.., item)| not_done(&item.id, why));
    Ok(closed
        .chain(open.iter().map(|(.., item)| done(&item.id, CLOSED)))
        .collect())
}

/// What was set aside or refused, by what a person typed: `<export>#<place>`, or `<export>#` for all of an export.
fn find_aside(queue: &Queue, spool: &Spool, typed: &str) -> Result<Vec<(ExportId, u32, Item)>, queue::Error> {
    let mut found = Vec::new();
    let Some((begin, _)) = typed.split_once('#').filter(|(export, _)| export.len() >= SHORTEST) else {
        return Ok(found);
    };
    for item in queue.exports() {
        let (export, row) = item?;
        if !export.to_string().starts_with(begin) {
            continue;
        }
        let items = aside_items(queue, spool, export, &row).into_iter();
        let typed = items.filter(|(_, item)| matches_id(&item.id, typed));
        found.extend(typed.map(|(seq, item)| (export, seq, item)));
    }
    Ok(found)
}

/// Deliveries by what a person typed: `<record>` or `<record>@<endpoint>`, the record's id or its beginning (six digits).
fn find(queue: &Queue, typed: &str) -> Result<Vec<(DeliveryId, DeliveryRow)>, queue::Error> {
    let begin = typed.split('@').next().unwrap_or_default();
    if begin.len() < SHORTEST {
        return Ok(Vec::new());
    }
    let mut found = queue.deliveries_of(begin)?;
    found.retain(|(id, _)| matches_id(&id.to_string(), typed));
    Ok(found)
}

/// Whether `typed` is the beginning of the part before `@` or `#`, and the rest, if typed, is the rest.
fn matches_id(id: &str, typed: &str) -> bool {
    let cut = |text: &str| {
        text.find(['@', '#']).map_or((text.to_owned(), None), |at| {
            (text[..at].to_owned(), Some(text[at..].to_owned()))
        })
    };
    let ((begin, rest), (typed_begin, typed_rest)) = (cut(id), cut(typed));
    let all = || typed_rest.as_deref() == Some("#") && rest.as_ref().is_some_and(|rest| rest.starts_with('#'));
    begin.starts_with(&typed_begin) && (typed_rest.is_none() || typed_rest == rest || all())
}

fn delivery_item(queue: &Queue, spool: &Spool, id: &DeliveryId, row: &DeliveryRow) -> Result<Item, queue::Error> {
    let state = queue.full_state(id, row);
    let place = queue.place(id.record)?;
    let head = place.as_ref().and_then(|place| head(spool, place));
    let text = words(&state);
    Ok(Item {
        id: id.to_string(),
        file: place.map(|place| file_name(spool, place.export)).unwrap_or_default(),
        locator: head.as_ref().map(|head| head.locator.clone()).unwrap_or_default(),
        key: head
            .map(|head| format!("{}/{}", head.key.facility, head.key.visit))
            .unwrap_or_default(),
        accepted_at: row.accepted_at.to_rfc3339(),
        state: state.name().to_owned(),
        detail: Some(state),
        text,
        history: Vec::new(),
        before: None,
    })
}

/// A damaged batch must not hide the delivery.
fn head(spool: &Spool, place: &RecordPlace) -> Option<Head> {
    let row = &place.row;
    let mut batch = spool.batch(place.export).ok()?;
    Some(batch.record(row.record, row.offset, row.length).ok()?.head)
}

fn aside_items(queue: &Queue, spool: &Spool, export: ExportId, row: &ExportRow) -> Vec<(u32, Item)> {
    let index = spool.batch(export).and_then(|mut batch| batch.index());
    // What became of it is not known any more; that it was not well must still be seen.
    let index = index.unwrap_or_else(|e| spool::Index {
        file: Some(SetAside {
            seq: 0,
            locator: String::new(),
            code: "BATCH".into(),
            vi: report::chain(&e),
            en: report::chain(&e),
            department: None,
        }),
        ..spool::Index::default()
    });
    let file = file_name(spool, export);
    let item = |aside: SetAside, state: &str| {
        let why = if aside.vi == aside.en {
            format!("{}: {}", aside.code, aside.vi)
        } else {
            format!("{}: {} / {}", aside.code, aside.vi, aside.en)
        };
        let closed = row.closed.get(&aside.seq);
        let item = Item {
            id: format!("{export}#{}", aside.seq),
            file: file.clone(),
            locator: aside.locator,
            key: String::new(),
            accepted_at: row.at.to_rfc3339(),
            state: closed.map_or(state, |_| CLOSED).to_owned(),
            detail: None,
            text: closed.map_or_else(
                || why.clone(),
                |at| format!("{} ({why})", queue.closed_for(*at, aside.seq)),
            ),
            history: Vec::new(),
            before: None,
        };
        (aside.seq, item)
    };
    let aside = index
        .file
        .into_iter()
        .chain(index.set_aside)
        .map(|aside| item(aside, "set-aside"));
    aside
        .chain(index.refused.into_iter().map(|refused| item(refused, "refused")))
        .collect()
}

fn file_name(spool: &Spool, export: ExportId) -> String {
    spool.export(export).map(|(head, _)| head.name).unwrap_or_default()
}

/// Why it stands there, for people.
fn words(state: &State) -> String {
    match state {
        State::Waiting {
            last: Some(failure), ..
        } => failure.text.clone(),
        State::Parked(reason) => parked(reason),
        _ => String::new(),
    }
}

/// Why a step that was asked for was not taken.
fn why_not(error: &queue::Error) -> String {
    let said = match error {
        queue::Error::Step(_, step) => {
            let state = step.state;
            said!(
                "không làm được từ tình trạng {state}",
                "not possible from where it stands: {step}"
            )
        }
        queue::Error::Newer(_) => said!(
            "đã có bản mới hơn của hồ sơ này: chỉ bản mới nhất được gửi",
            "there is a newer version of this visit: only the newest is sent"
        ),
        queue::Error::Busy(_) => said!(
            "đang gửi: thử lại khi gửi xong",
            "it is being sent at this moment: try again when it is done"
        ),
        other => return report::chain(other),
    };
    said.to_string()
}

fn nothing(typed: &str) -> Reply {
    let why = said!("không có lượt gửi nào như vậy", "there is no such delivery");
    Reply::Done {
        results: vec![not_done(typed, &why.to_string())],
    }
}

/// The reason, and what to do about it.
fn parked(reason: &Reason) -> String {
    use vhr_core::delivery::ReasonKind::{
        Damaged, Dropped, InDoubt, KeepsFailing, NoBundle, Refused, Rules, SignedSeveral, TooLarge, Twice, Unsigned,
    };
    let what_to_do = match reason.kind {
        Refused => {
            "Nơi nhận từ chối: sửa trên HIS rồi xuất lại, hoặc `queue retry` nếu nơi nhận đã sửa. (Refused: correct it in the HIS and export again, or `queue retry` if the receiver was at fault.)"
        }
        InDoubt => {
            "Đã gửi nhưng không thấy trả lời: tra tại nơi nhận; nếu có rồi thì `queue resolve MÃ --sent MÃ-GIAO-DỊCH`, nếu chưa có thì `queue resolve MÃ --not-sent`. (Sent, no answer seen: look it up at the receiver; `queue resolve ID --sent REFERENCE` if it is there, `queue resolve ID --not-sent` if it is not.)"
        }
        SignedSeveral | Twice | Unsigned | NoBundle => "",
        KeepsFailing => {
            "Riêng hồ sơ này gửi mãi không được: xem lý do, rồi `queue retry`. (Fails alone: see the reason, then `queue retry`.)"
        }
        TooLarge => {
            "Tệp lớn hơn mức gửi được: xuất lại, mỗi hồ sơ một tệp. (Larger than can be sent: export it again, one visit per file.)"
        }
        Damaged => "Dữ liệu lưu bị hỏng: xuất lại tệp này từ HIS. (The stored data is damaged: export the file again.)",
        Dropped => "",
        Rules => {
            "Chưa gửi cổng vì sai quy tắc: sửa trên HIS rồi xuất lại; nếu chắc là đúng thì `queue retry` để vẫn gửi. (Not sent to the gateway, for it breaks rules: correct it in the HIS and export again; `queue retry` sends it all the same.)"
        }
    };
    [what_to_do, &reason.text]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_the_beginning_of_its_id_and_an_endpoint_must_be_whole() {
        assert!(matches_id("abcdef0123@vhr", "abcdef"));
        assert!(matches_id("abcdef0123@vhr", "abcdef@vhr"));
        assert!(!matches_id("abcdef0123@vhr", "abcdef@vh"));
        assert!(!matches_id("abcdef0123@vhr", "bcdef"));
        assert!(matches_id("abcdef#3", "abc#3") && !matches_id("abcdef#3", "abc#1"));
        assert!(matches_id("abcdef#3", "abcdef#") && !matches_id("abcdef@vhr", "abcdef#"));
    }
}
