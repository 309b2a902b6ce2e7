//! `queue verify` and `queue rebuild`.

use vhr_core::config::Config;
use vhr_core::control::{Reply, Request, Verified};
use vhr_core::said;
use vhr_core::status::Status;

use super::super::output::{plain, print, print_json, table};
use super::{Line, unexpected};
use crate::journal::{self, Position};
use crate::report::{Exit, Failure};
use crate::{clock, control, pipeline, spool, state};

/// What is derived from the journal, and as what it is set aside.
const DERIVED: [(&str, &str); 2] = [("index", "index"), ("snapshots", "snapshots")];

pub(super) async fn run(line: &mut Line<'_>, json: bool) -> Result<Exit, Failure> {
    let verified = match line.ask(Request::Verify).await? {
        Reply::Verified { verified } => verified,
        other => return Err(unexpected(other)),
    };
    if json {
        print_json(&verified)?;
    } else {
        print(&text(line.config, &verified))?;
    }
    Ok(if verified.is_well() {
        Exit::Well
    } else {
        Exit::NeedsAPerson
    })
}

/// Makes index and memory anew from the journal; what was there before is kept in quarantine.
pub(super) async fn rebuild(config: &Config, anyway: bool) -> Result<Exit, Failure> {
    let (dir, now) = (&config.storage.dir, clock::now());
    if !dir.is_dir() {
        let why = said!("{0} chưa có gì", "{0}: there is nothing yet", dir.display());
        return Err(Failure::not_running(why.to_string()));
    }
    let lock = state::lock(dir).map_err(|e| match e {
        state::Error::InUse { pid, .. } => {
            let why = said!(
                "vhr-agent đang chạy (tiến trình {pid}): dừng dịch vụ trước",
                "vhr-agent is running (process {pid}): stop the service first"
            );
            Failure::usage(why.to_string())
        }
        other => Failure::environment("the state folder cannot be taken", other),
    })?;
    let damaged = damage(config)?;
    if damaged > 0 && !anyway {
        let why = said!(
            "{damaged} đoạn nhật ký không đọc được: hàng đợi có thể biết nhiều hơn nhật ký, dựng lại có thể mất",
            "{damaged} stretches of the journal do not read: the queue may know more than the journal, and rebuilding may lose it"
        );
        return Err(Failure::usage(why.to_string()).hint("--anyway"));
    }
    let before = std::fs::read(control::snapshot_path(dir))
        .ok()
        .and_then(|text| serde_json::from_slice::<Status>(&text).ok());
    for (name, kind) in DERIVED {
        let path = dir.join(name);
        if path.exists() {
            spool::quarantine(dir, &path, kind, "rebuilt by hand (queue rebuild)", now)
                .map_err(|e| Failure::environment("could not be set aside", e))?;
        }
    }
    drop(lock);
    let store = pipeline::Store::open(&config.storage, now)
        .map_err(|e| Failure::environment("the queue cannot be opened", e))?;
    // Else it is made from the whole journal once more at the next start.
    store
        .queue
        .snapshot(true)
        .await
        .map_err(|e| Failure::environment("the queue cannot be written", e))?;
    print(&counts(before.as_ref(), &store.queue))?;
    let mut line = Line {
        config,
        store: Some(store),
    };
    run(&mut line, false).await
}

/// How many stretches of the journal do not read.
fn damage(config: &Config) -> Result<u64, Failure> {
    let failed = |e| Failure::environment("the journal cannot be read", e);
    let keys = state::open_keys(&config.storage).map_err(|e| Failure::environment("the journal cannot be read", e))?;
    let mut damaged = 0;
    let folder = config.storage.dir.join("journal");
    for placed in journal::entries(&folder, &keys, Position::default()).map_err(failed)? {
        match placed {
            Ok(_) => {}
            Err(journal::Error::Damaged(_)) => damaged += 1,
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(damaged)
}

/// How many deliveries stand where: as last written down, and now.
fn counts(before: Option<&Status>, queue: &crate::queue::Queue) -> String {
    let rows = queue.endpoints().into_iter().flat_map(|endpoint| {
        let now = queue.tally(&endpoint);
        let then = before.and_then(|status| status.endpoints.iter().find(|then| then.name == endpoint.as_str()));
        let row = |state: &str, then: Option<u64>, now: u64| {
            let then = then.map_or("?".to_owned(), |then| then.to_string());
            vec![endpoint.to_string(), state.to_owned(), then, now.to_string()]
        };
        [
            row("waiting", then.map(|then| then.waiting), now.waiting),
            row("sending", then.map(|then| then.sending), now.sending),
            row("delivered", then.map(|then| then.delivered), now.delivered),
            row("parked", then.map(|then| then.parked), now.parked),
            row("dropped", then.map(|then| then.dropped), now.dropped),
            row("superseded", then.map(|then| then.superseded), now.superseded),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let at = before.map_or("?", |status| status.at.as_str());
    let head = [
        "nơi nhận (endpoint)",
        "tình trạng (state)",
        &format!("trước (before, {at})"),
        "sau (after)",
    ];
    table(&head, &rows)
}

fn text(config: &Config, verified: &Verified) -> String {
    let findings = verified.findings.iter().map(|finding| {
        let mark = if finding.mended { "·" } else { "!" };
        let said = plain(&finding.said.in_language(config.site.language));
        format!("{mark} {} {}: {said}\n", finding.code, plain(&finding.place))
    });
    let findings: String = findings.collect();
    let Verified {
        entries,
        exports,
        records,
        deliveries,
        ..
    } = verified;
    let end = if verified.is_well() {
        said!("mọi thứ khớp", "all well")
    } else {
        said!("có chỗ cần người xem", "something needs a person")
    };
    let (vi, en) = (end.vi, end.en);
    let looked = said!(
        "đã đọc {entries} mục nhật ký, {exports} tệp, {records} hồ sơ, {deliveries} lượt gửi: {vi}",
        "read {entries} journal entries, {exports} exports, {records} records, {deliveries} deliveries: {en}"
    );
    format!("{findings}{}\n", looked.in_language(config.site.language))
}
