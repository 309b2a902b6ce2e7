//! `queue`: look into the queue and act on it, through the service where it runs.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use vhr_core::config::Config;
use vhr_core::control::{Done, Item, Reply, Request};
use vhr_core::said;

use super::output::{plain, print, print_json, table};
use super::{ConfigOption, run::read_config, runtime};
use crate::report::{Exit, Failure};
use crate::{clock, control, desk, pipeline};

mod export;
mod history;
mod verify;
mod versions;

/// Of `queue`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOption,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Những gì chưa xong, và những gì để riêng / what is not finished, and what was set aside
    Ls {
        /// waiting, sending, parked, delivered, superseded, set-aside, refused, closed
        #[arg(long)]
        state: Option<String>,
        /// Chỉ nơi nhận này / only this endpoint
        #[arg(long)]
        endpoint: Option<String>,
        /// Nhiều nhất bao nhiêu dòng / at most so many
        #[arg(long, default_value_t = 200)]
        limit: usize,
        /// Cho máy đọc / for programs
        #[arg(long)]
        json: bool,
    },
    /// Mọi điều về một hồ sơ / all about one record
    Show {
        /// Mã, hoặc ít nhất 6 ký tự đầu / the id, or its first six digits at least
        id: String,
        /// Cho máy đọc / for programs
        #[arg(long)]
        json: bool,
    },
    /// Gửi lại / try again
    Retry {
        /// Mã / ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Thôi không gửi, hoặc đã xử lý xong điều để riêng / give up, or done with what was set aside
    Drop {
        /// Mã / ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// Vì sao / why
        #[arg(long)]
        reason: String,
    },
    /// Đã tra tại nơi nhận: lượt gửi chưa rõ kết quả đã đến hay chưa / looked up at the receiver: did it arrive or not
    #[command(group = clap::ArgGroup::new("looked").required(true).args(["sent", "not_sent"]))]
    Resolve {
        /// Mã / the id
        id: String,
        /// Đã đến: mã giao dịch tại nơi nhận / it is there, under this reference
        #[arg(long, value_name = "REF")]
        sent: Option<String>,
        /// Chưa đến: gửi lại / it is not there: send it
        #[arg(long)]
        not_sent: bool,
    },
    /// Gửi lại hồ sơ đã gửi xong / send once more what was delivered
    Resend {
        /// MA_LK, mã cơ sở/MA_LK, hoặc mã / MA_LK, facility/MA_LK, or an id
        key: String,
        /// Chỉ nơi nhận này / only to this endpoint
        #[arg(long)]
        endpoint: Option<String>,
        /// Vì sao / why
        #[arg(long)]
        reason: String,
        /// Biết rằng cổng có thể tính hai lần / knowing that a gateway may count it twice
        #[arg(long)]
        yes: bool,
    },
    /// Ghi ra tệp những gì chưa gửi được / what has not arrived, into a file, one line of JSON each
    Export {
        /// Tệp mới / a file that is not there yet
        file: PathBuf,
        /// waiting, sending, parked
        #[arg(long)]
        state: Option<String>,
        /// Chỉ nơi nhận này / only this endpoint
        #[arg(long)]
        endpoint: Option<String>,
    },
    /// Nhật ký, bản sao, hàng đợi có khớp nhau không / do journal, copies and queue say the same
    Verify {
        /// Cho máy đọc / for programs
        #[arg(long)]
        json: bool,
    },
    /// Dựng lại hàng đợi từ nhật ký, khi dịch vụ đã dừng / make the queue anew from the journal, with the service stopped
    Rebuild {
        /// Cả khi nhật ký có đoạn hỏng / even where stretches of the journal do not read
        #[arg(long)]
        anyway: bool,
    },
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    runtime()?.block_on(act(&options.verb, &config))
}

async fn act(verb: &Verb, config: &Config) -> Result<Exit, Failure> {
    let mut line = Line { config, store: None };
    match verb {
        Verb::Ls {
            state,
            endpoint,
            limit,
            json,
        } => {
            let request = Request::List {
                state: state.clone(),
                endpoint: endpoint.clone(),
                limit: *limit,
            };
            match line.ask(request).await? {
                Reply::Items { items, .. } if *json => print_json(&items).map(|()| Exit::Well),
                Reply::Items { items, more } => print(&list(&items, more)).map(|()| Exit::Well),
                other => Err(unexpected(other)),
            }
        }
        Verb::Show { id, json } => {
            let mut items = match line.ask(Request::Show { id: id.clone() }).await? {
                Reply::Items { items, .. } => items,
                other => return Err(unexpected(other)),
            };
            history::add(config, &mut items);
            if *json {
                print_json(&items)?;
            } else {
                print(&items.iter().map(one).collect::<String>())?;
            }
            Ok(Exit::Well)
        }
        Verb::Retry { ids } => done(line.ask(Request::Retry { ids: ids.clone() }).await?),
        Verb::Drop { ids, reason } => {
            let request = Request::Drop {
                ids: ids.clone(),
                reason: reason.clone(),
            };
            done(line.ask(request).await?)
        }
        Verb::Resolve { id, sent, .. } => {
            let request = Request::Resolve {
                id: id.clone(),
                sent: sent.clone(),
            };
            done(line.ask(request).await?)
        }
        Verb::Resend {
            key,
            endpoint,
            reason,
            yes,
        } => {
            let request = |sure| Request::Resend {
                key: key.clone(),
                endpoint: endpoint.clone(),
                reason: reason.clone(),
                sure,
            };
            match line.ask(request(false)).await? {
                Reply::Unsure { warning } if *yes => {
                    eprintln!("{warning}");
                    done(line.ask(request(true)).await?)
                }
                Reply::Unsure { warning } if confirmed(&warning)? => done(line.ask(request(true)).await?),
                Reply::Unsure { warning } => Err(Failure::usage(warning).hint("--yes")),
                reply => done(reply),
            }
        }
        Verb::Export { file, state, endpoint } => {
            export::run(&mut line, file, state.as_deref(), endpoint.as_deref()).await
        }
        Verb::Verify { json } => verify::run(&mut line, *json).await,
        Verb::Rebuild { anyway } => verify::rebuild(config, *anyway).await,
    }
}

/// The service where it runs; where it does not, the queue itself, opened once.
struct Line<'a> {
    config: &'a Config,
    store: Option<pipeline::Store>,
}

impl Line<'_> {
    async fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        let dir = &self.config.storage.dir;
        if self.store.is_none() {
            let asked = control::ask(dir, &request).await;
            if let Some(reply) = asked.map_err(|e| Failure::environment("the service does not answer", e))? {
                return Ok(reply);
            }
            if !dir.is_dir() {
                return Err(Failure::not_running(format!(
                    "{} chưa có gì (there is nothing yet)",
                    dir.display()
                )));
            }
            let store = pipeline::Store::open(&self.config.storage, clock::now())
                .map_err(|e| Failure::environment("the queue cannot be opened", e))?;
            self.store = Some(store);
        }
        let store = self.store.as_ref().expect("it was just opened");
        let desk = desk::Desk {
            queue: &store.queue,
            spool: &store.spool,
            config: self.config,
            running: false,
        };
        Ok(desk::answer(&desk, request).await)
    }
}

/// What became of each delivery that was named.
fn done(reply: Reply) -> Result<Exit, Failure> {
    let Reply::Done { results } = reply else {
        return Err(unexpected(reply));
    };
    let failed = results.iter().any(|done| done.state.is_none());
    for Done { id, state, why } in results {
        print(&format!("{id}  {}\n", state.or(why).unwrap_or_default()))?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Well })
}

/// Why there is no answer of the kind asked for.
fn unexpected(reply: Reply) -> Failure {
    match reply {
        Reply::Failed { why } => Failure::usage(why),
        _ => Failure::not_running("the service gave another answer than asked for: is it of this version?"),
    }
}

/// Asks the person at the terminal, if there is one.
fn confirmed(warning: &str) -> Result<bool, Failure> {
    let (input, mut out) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !out.is_terminal() {
        return Ok(false);
    }
    let question = said!("Gửi lại? gõ yes", "Send it again? type yes");
    let mut answer = String::new();
    write!(out, "{warning}\n{question}: ")
        .and_then(|()| out.flush())
        .and_then(|()| input.read_line(&mut answer))
        .map_err(|e| Failure::environment("could not ask", e))?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

fn list(items: &[Item], more: bool) -> String {
    let rows = items.iter().map(|item| {
        let (record, rest) = item.id.split_at(item.id.find(['@', '#']).unwrap_or(item.id.len()));
        let id = format!("{}{rest}", &record[..record.len().min(10)]);
        let text: String = item.text.chars().take(100).collect();
        vec![id, item.state.clone(), item.file.clone(), item.locator.clone(), text]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return "không có gì (nothing)\n".to_owned();
    }
    let mut text = table(
        &[
            "mã (id)",
            "tình trạng (state)",
            "tệp (file)",
            "chỗ (place)",
            "lý do (why)",
        ],
        &rows,
    );
    if more {
        text += "… còn nữa: --limit (there are more)\n";
    }
    text
}

fn one(item: &Item) -> String {
    let detail = item
        .detail
        .as_ref()
        .and_then(|state| serde_json::to_string(state).ok())
        .unwrap_or_default();
    let history: String = item.history.iter().map(history::line).collect();
    let before = item.before.as_ref().map(versions::lines).unwrap_or_default();
    format!(
        "{}\n  hồ sơ (visit)      {}\n  tệp (file)         {}  {}\n  nhận (accepted)    {}\n  tình trạng (state) {}\n  {}\n  {detail}\n{history}{before}",
        item.id,
        item.key,
        plain(&item.file),
        item.locator,
        item.accepted_at,
        item.state,
        item.text
    )
}
