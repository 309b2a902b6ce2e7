//! Gathers the snapshot that `status` shows.

use std::path::Path;

use vhr_core::config::{self, Config, Kind};
use vhr_core::outage::What;
use vhr_core::said;
use vhr_core::say::Language;
use vhr_core::status::{Endpoint, Plugin, Source, Status, Storage};
use vhr_core::time::Timestamp;

use crate::pipeline::Agent;
use crate::queue::{Damage, Queue};
use crate::spool::{self, Spool};

/// How things are, from the running service.
pub fn of_agent(agent: &Agent, running: bool, now: Timestamp) -> Status {
    let mut status = of_queue(&agent.config, &agent.queue, &agent.spool, now);
    status.running = running;
    status.since = agent.since.to_rfc3339();
    status.storage.input_paused = agent.is_paused().then(|| {
        said!(
            "ổ đĩa của {dir} sắp đầy: tạm ngừng nhận tệp mới (tệp vẫn nằm nguyên ở thư mục nguồn), vẫn gửi tiếp; hãy giải phóng chỗ",
            "the disk of {dir} is nearly full: no more files are taken in (they stay where they are), sending goes on; make room on it",
            dir = agent.config.storage.dir.display()
        )
        .in_language(agent.config.site.language)
    });
    for source in &mut status.sources {
        source.seen = agent.seen(&source.name);
        source.trouble = agent.trouble(&source.name);
    }
    for courier in &agent.couriers {
        let mut shown = status.endpoints.iter_mut();
        // The line for check-ins is shown once it has some.
        let Some(endpoint) = shown.find(|shown| shown.name == courier.endpoint().as_str()) else {
            continue;
        };
        let pulse = courier.pulse();
        endpoint.breaker = pulse.line.name(now).to_owned();
        endpoint.trouble = pulse.trouble;
        let since = agent.outages.since(What::Endpoint, &endpoint.name);
        endpoint.unreachable_since = since.map(Timestamp::to_rfc3339);
    }
    status.plugins = agent
        .plugins
        .values()
        .map(|plugin| Plugin {
            id: plugin.manifest().id.clone(),
            version: plugin.manifest().version.clone(),
            sha256: plugin.sha256().to_owned(),
        })
        .collect();
    status
}

/// How things are in a queue that nobody runs.
pub fn of_queue(config: &Config, queue: &Queue, spool: &Spool, now: Timestamp) -> Status {
    let sources = config.sources.iter().map(|source| {
        let tally = queue.source_tally(&source.name);
        Source {
            name: source.name.clone(),
            accepted: tally.accepted,
            set_aside: tally.counts.set_aside + tally.counts.files_set_aside,
            records: tally.counts.mapped,
            refused: tally.counts.refused,
            closed: tally.counts.closed,
            known: tally.counts.known,
            last_accepted: tally.last.map(Timestamp::to_rfc3339),
            ..Source::default()
        }
    });
    let known = queue.endpoints();
    let used = |line: &config::Endpoint| {
        config.endpoints.iter().any(|endpoint| endpoint.name == line.name)
            || known.iter().any(|id| id.as_str() == line.name)
    };
    let lines = config.lines();
    let configured = lines.iter().filter(|line| used(line)).map(|endpoint| Endpoint {
        name: endpoint.name.clone(),
        kind: match endpoint.kind {
            Kind::Fhir { .. } => "fhir".into(),
            Kind::Bhxh { .. } => "bhxh".into(),
        },
        next_window: endpoint.schedule.next_after(now).map(Timestamp::to_rfc3339),
        breaker: "closed".into(),
        ..Endpoint::default()
    });
    let gone = queue
        .endpoints()
        .into_iter()
        .filter(|id| lines.iter().all(|line| line.name != id.as_str()));
    let gone = gone.map(|id| Endpoint {
        name: id.to_string(),
        breaker: "closed".into(),
        ..Endpoint::default()
    });
    let endpoints = configured.chain(gone).map(|mut endpoint| {
        let id = vhr_core::id::EndpointId::new(&endpoint.name);
        let tally = queue.tally(&id);
        endpoint.waiting = tally.waiting;
        endpoint.sending = tally.sending;
        endpoint.delivered = tally.delivered;
        endpoint.parked = tally.parked;
        endpoint.superseded = tally.superseded;
        endpoint.dropped = tally.dropped;
        endpoint.oldest_waiting_s = queue.oldest_waiting(&id).map(|oldest| now.since(oldest).as_secs());
        endpoint
    });
    Status {
        schema: 1,
        version: env!("CARGO_PKG_VERSION").into(),
        running: false,
        since: now.to_rfc3339(),
        at: now.to_rfc3339(),
        site: config.site.facility.clone(),
        sources: sources.collect(),
        endpoints: endpoints.collect(),
        plugins: Vec::new(),
        storage: Storage {
            free_bytes: free_bytes(&config.storage.dir),
            used_bytes: spool.used_bytes(),
            journal_bytes: queue.journal_bytes(),
            index_rebuilt: queue.rebuilt().map(Timestamp::to_rfc3339),
            input_paused: None,
            quarantined: spool::quarantined(&config.storage.dir),
            damage: damage(config.site.language, &queue.damage()),
        },
    }
}

/// What was found damaged at the last start, in words.
fn damage(language: Language, damage: &Damage) -> Vec<String> {
    let index = damage.index.as_ref().map(|why| {
        said!(
            "chỉ mục hỏng, đã để riêng và dựng lại từ nhật ký: {why}",
            "the index was damaged, set aside and built anew from the journal: {why}"
        )
    });
    let in_memory = damage.in_memory.then(|| {
        said!(
            "chỉ mục đang giữ trong bộ nhớ vì không ghi được xuống đĩa: xem chỗ trống và quyền của thư mục, rồi khởi động lại",
            "the index is kept in memory, for it cannot be written: see to room and rights of the folder, then start again"
        )
    });
    let snapshots = damage.snapshots.iter().map(|why| {
        said!(
            "ảnh chụp hàng đợi hỏng, đã dựng lại từ nhật ký: {why}",
            "a snapshot of the queue was damaged and made anew from the journal: {why}"
        )
    });
    let journal = (damage.journal > 0).then(|| {
        said!(
            "nhật ký hỏng {n} chỗ; những gì còn bản sao đã được nhận lại: chạy `vhr-agent queue verify`",
            "the journal is damaged in {n} places; what has a copy was taken in again: run `vhr-agent queue verify`",
            n = damage.journal
        )
    });
    let all = index.into_iter().chain(in_memory).chain(snapshots).chain(journal);
    all.map(|said| said.in_language(language)).collect()
}

/// Free on the folder's disk; 0 when it cannot be told.
fn free_bytes(dir: &Path) -> u64 {
    fs4::available_space(dir).unwrap_or(0)
}
