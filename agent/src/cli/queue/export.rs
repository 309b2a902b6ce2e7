//! `queue export`: what has not arrived, so that a person can hand it in another way. One line of JSON each, read from the spool
//! by the command line itself; only one record is held at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use serde::Serialize;
use vhr_core::config::{self, Config};
use vhr_core::control::{Reply, Request, Undelivered};
use vhr_core::id::ExportId;
use vhr_core::said;

use super::{Line, unexpected};
use crate::content::Content;
use crate::desk::UNDELIVERED;
use crate::report::{self, Exit, Failure};
use crate::spool::{self, Batch, Spool};
use crate::state;

/// Deliveries asked for at once.
const PAGE: usize = 500;

/// One line, but for the content.
#[derive(Debug, Serialize)]
struct Head<'a> {
    id: String,
    endpoint: &'a str,
    state: &'a str,
    key: &'a str,
    file: &'a str,
    accepted_at: &'a str,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// How many lines were written, and how many without their content.
#[derive(Debug, Default)]
struct Written {
    lines: u64,
    unread: u64,
}

pub(super) async fn run(
    line: &mut Line<'_>,
    path: &Path,
    state: Option<&str>,
    endpoint: Option<&str>,
) -> Result<Exit, Failure> {
    if let Some(state) = state.filter(|state| !UNDELIVERED.contains(state)) {
        let why = said!(
            "--state {state}: chỉ có waiting, sending, parked",
            "--state {state}: there are waiting, sending and parked"
        );
        return Err(Failure::usage(why.to_string()));
    }
    let request = |after| Request::Undelivered {
        state: state.map(str::to_owned),
        endpoint: endpoint.map(str::to_owned),
        after,
        limit: PAGE,
    };
    // Nothing is made before it is known that there is something to ask.
    let mut reply = line.ask(request(None)).await?;
    let failed = |e| Failure::environment(&format!("could not write {}", path.display()), e);
    let keys =
        state::open_keys(&line.config.storage).map_err(|e| Failure::environment("the spool cannot be read", e))?;
    let mut reader = Reader {
        config: line.config,
        spool: Spool::existing(&line.config.storage.dir, keys),
        open: None,
    };
    let mut out = BufWriter::with_capacity(256 * 1024, create(path)?);
    let mut written = Written::default();
    let whole = loop {
        let (deliveries, more) = match reply {
            Reply::Undelivered { deliveries, more } => (deliveries, more),
            other => break Err(unexpected(other)),
        };
        if let Err(e) = write_all(&mut out, &mut reader, &deliveries, &mut written) {
            break Err(failed(e));
        }
        let last = deliveries.last().map(|last| last.order);
        if !more || last.is_none() {
            break out.flush().and_then(|()| out.get_ref().sync_all()).map_err(failed);
        }
        reply = match line.ask(request(last)).await {
            Ok(reply) => reply,
            Err(e) => break Err(e),
        };
    };
    if let Err(e) = whole {
        drop(out);
        // Half of it, with patient data, is worse than none; that it cannot be removed changes nothing.
        let _ = fs::remove_file(path);
        return Err(e);
    }
    let (lines, unread, file) = (written.lines, written.unread, path.display());
    let done = said!(
        "{lines} lượt gửi trong {file}. Tệp có dữ liệu người bệnh, không mã hóa: giữ kín, dùng xong thì xóa.",
        "{lines} deliveries in {file}. The file holds patient data in the clear: keep it safe, and delete it after use."
    );
    eprintln!("{done}");
    if unread > 0 {
        let problem = said!(
            "{unread} lượt gửi không đọc được nội dung: xem `problem` trong tệp",
            "the content of {unread} does not read: see `problem` in the file"
        );
        eprintln!("{problem}");
        return Ok(Exit::Data);
    }
    Ok(Exit::Well)
}

/// A new file, for its owner only.
fn create(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => {
            let file = path.display();
            let why = said!(
                "{file} đã có: không ghi đè, hãy chọn tên khác",
                "{file} is there already and is not overwritten: choose another name"
            );
            Failure::usage(why.to_string())
        }
        _ => Failure::environment(&format!("could not create {}", path.display()), e),
    })
}

fn write_all(
    out: &mut impl Write,
    reader: &mut Reader<'_>,
    deliveries: &[Undelivered],
    written: &mut Written,
) -> io::Result<()> {
    for delivery in deliveries {
        let (key, file, content) = reader.read(delivery);
        let problem = content.as_ref().err().map(|e| report::chain(e));
        written.lines += 1;
        written.unread += u64::from(problem.is_some());
        let head = Head {
            id: delivery.id.to_string(),
            endpoint: delivery.id.endpoint.as_str(),
            state: &delivery.state,
            key: &key,
            file: &file,
            accepted_at: &delivery.accepted_at,
            why: &delivery.text,
            problem,
        };
        let head = serde_json::to_string(&head)?;
        out.write_all(head.strip_suffix('}').unwrap_or(&head).as_bytes())?;
        match content.unwrap_or(Content::Nothing) {
            Content::Bundle(text) => {
                // Canonical JSON is one line.
                out.write_all(b",\"bundle\":")?;
                out.write_all(text.as_bytes())?;
            }
            Content::Claim(bytes, _) => {
                out.write_all(b",\"claim_base64\":\"")?;
                let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
                encoder.write_all(&bytes)?;
                encoder.finish()?;
                drop(encoder);
                out.write_all(b"\"")?;
            }
            Content::Nothing => {}
        }
        out.write_all(b"}\n")?;
    }
    Ok(())
}

/// Reads what would be sent. Deliveries of one export follow each other: its batch stays open.
struct Reader<'a> {
    config: &'a Config,
    spool: Spool,
    open: Option<(ExportId, String, Batch)>,
}

impl Reader<'_> {
    /// The key of the visit, the name of the file, and the content.
    fn read(&mut self, delivery: &Undelivered) -> (String, String, Result<Content, spool::Error>) {
        let (mut key, mut file) = (String::new(), String::new());
        let mut read = || {
            let (name, record) = self.record(delivery)?;
            file = name;
            key = format!("{}/{}", record.head.key.facility, record.head.key.visit);
            let endpoint = self.endpoint(delivery.id.endpoint.as_str());
            let Some(endpoint) = endpoint else {
                return Ok(Content::Nothing);
            };
            Content::of(&self.spool, delivery.export, record, &endpoint)
        };
        let content = read();
        (key, file, content)
    }

    fn endpoint(&self, name: &str) -> Option<config::Endpoint> {
        self.config.line(name)
    }

    fn record(&mut self, delivery: &Undelivered) -> Result<(String, vhr_core::record::Record), spool::Error> {
        let export = delivery.export;
        let (_, name, batch) = match self.open.take() {
            Some(open) if open.0 == export => self.open.insert(open),
            _ => {
                // A copy that does not read must not hide the record.
                let name = self.spool.export(export).map(|(head, _)| head.name).unwrap_or_default();
                self.open.insert((export, name, self.spool.batch(export)?))
            }
        };
        let record = batch.record(delivery.id.record, delivery.offset, delivery.length)?;
        Ok((name.clone(), record))
    }
}
