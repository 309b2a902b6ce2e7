//! `queue`: look into the queue and act on it, through the service where it runs.

use vhr_core::config::Config;
use vhr_core::control::{Item, Reply, Request};

use super::output::{plain, print, print_json, table};
use super::{ConfigOption, run::read_config, runtime};
use crate::report::{Exit, Failure};
use crate::{clock, control, desk, pipeline};

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
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    let (request, json) = match &options.verb {
        Verb::Ls {
            state,
            endpoint,
            limit,
            json,
        } => (
            Request::List {
                state: state.clone(),
                endpoint: endpoint.clone(),
                limit: *limit,
            },
            *json,
        ),
        Verb::Show { id, json } => (Request::Show { id: id.clone() }, *json),
        Verb::Retry { ids } => (Request::Retry { ids: ids.clone() }, false),
        Verb::Drop { ids, reason } => (
            Request::Drop {
                ids: ids.clone(),
                reason: reason.clone(),
            },
            false,
        ),
    };
    match runtime()?.block_on(ask(&config, request))? {
        Reply::Items { items, .. } if json => print_json(&items).map(|()| Exit::Well),
        Reply::Items { items, more } if matches!(options.verb, Verb::Ls { .. }) => {
            print(&list(&items, more)).map(|()| Exit::Well)
        }
        Reply::Items { items, .. } => print(&items.iter().map(one).collect::<String>()).map(|()| Exit::Well),
        Reply::Done { results } => {
            let failed = results.iter().any(|done| done.state.is_none());
            for done in results {
                print(&format!(
                    "{}  {}\n",
                    done.id,
                    done.state.or(done.why).unwrap_or_default()
                ))?;
            }
            Ok(if failed { Exit::Failed } else { Exit::Well })
        }
        Reply::Failed { why } => Err(Failure::usage(why)),
        Reply::Unsure{..}|Reply::Undelivered{..}|Reply::Verified{..}|Reply::Status { .. } => Err(Failure::not_running("the service gave another answer than asked for")),
    }
}

/// Asks the service; where none runs, opens the queue itself.
async fn ask(config: &Config, request: Request) -> Result<Reply, Failure> {
    let dir = &config.storage.dir;
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
    let store = pipeline::Store::open(&config.storage, clock::now())
        .map_err(|e| Failure::environment("the queue cannot be opened", e))?;
    Ok(desk::answer(&store.queue, &store.spool, request).await)
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
    format!(
        "{}\n  hồ sơ (visit)      {}\n  tệp (file)         {}  {}\n  nhận (accepted)    {}\n  tình trạng (state) {}\n  {}\n  {detail}\n",
        item.id,
        item.key,
        plain(&item.file),
        item.locator,
        item.accepted_at,
        item.state,
        item.text
    )
}
