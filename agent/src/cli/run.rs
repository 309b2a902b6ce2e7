//! `run`: the service in the foreground; `run --once`: one pass.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;
use vhr_core::config::{self, Config};

use super::{ConfigOption, runtime};
use crate::queue::Trust;
use crate::report::{Exit, Failure};
use crate::{pipeline, report, state};

/// Opened anew, it waits so long before, and longer each time, up to the second.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(60);

/// Of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOption,
    /// Nhận hết tệp đang có, gửi hết những gì đến hạn, rồi dừng / take in all that is there, deliver all that is due, stop
    #[arg(long)]
    once: bool,
    /// Với --once: gửi ngay, không chờ giờ / with --once: whatever the schedule says
    #[arg(long, requires = "once")]
    now: bool,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let stop = stop_signal();
        if !options.once {
            return serve(&config, stop).await;
        }
        let left = once(&config, options.now, &stop).await?;
        if left.for_a_person > 0 {
            eprintln!(
                "{} mục cần người xem: `vhr-agent queue ls` ({} items need a person)",
                left.for_a_person, left.for_a_person
            );
        }
        if left.waiting > 0 {
            eprintln!("{} mục còn chờ ({} still waiting)", left.waiting, left.waiting);
        }
        Ok(match left {
            pipeline::Left { waiting: 1.., .. } => Exit::Waiting,
            pipeline::Left { for_a_person: 1.., .. } => Exit::Data,
            pipeline::Left { .. } => Exit::Well,
        })
    });
    leave(runtime);
    ended
}

/// Runs the service until it is told to stop. Where the journal or the index could not be written any more, everything is
/// opened anew from what is on the disk, for as long as that helps.
async fn serve(config: &Config, mut stop: watch::Receiver<bool>) -> Result<Exit, Failure> {
    let (mut wait, mut trust) = (SOON, Trust::AsLeft);
    let mut ran = false;
    loop {
        let began = Instant::now();
        match pipeline::build_trusting(config.clone(), trust.clone()) {
            Ok(agent) => {
                ran = true;
                match pipeline::run(agent, stop.clone()).await {
                    Err(e) if e.may_pass_anew() && !*stop.borrow() => {
                        tracing::error!(why = report::chain(&e), "stopped working; everything is opened anew");
                        trust = doubted(&trust, e.trust_after());
                    }
                    ended => return ended.map_err(stopped).map(|()| Exit::Well),
                }
            }
            // A thread that a share holds may still have the state folder.
            Err(e) if ran => tracing::error!(why = report::chain(&e), "cannot be opened anew; it is tried again"),
            Err(e) => return Err(stopped(e)),
        }
        wait = if began.elapsed() > LATE {
            SOON
        } else {
            LATE.min(2 * wait)
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(Exit::Well),
        }
    }
}

/// One pass. Where the index fails on the way, once more without it.
async fn once(config: &Config, now: bool, stop: &watch::Receiver<bool>) -> Result<pipeline::Left, Failure> {
    let mut trust = Trust::AsLeft;
    loop {
        let agent = pipeline::build_trusting(config.clone(), trust.clone()).map_err(stopped)?;
        match pipeline::once(&agent, now, stop.clone()).await {
            Err(e) if e.trust_after() != Trust::AsLeft && !matches!(trust, Trust::Memory(_)) => {
                tracing::error!(why = report::chain(&e), "stopped working; everything is opened anew");
                trust = doubted(&trust, e.trust_after());
            }
            ended => return ended.map_err(stopped),
        }
    }
}

/// An index that was set aside and fails again is kept in memory.
fn doubted(before: &Trust, after: Trust) -> Trust {
    match (before, after) {
        (Trust::Not(_) | Trust::Memory(_), Trust::Not(why)) => Trust::Memory(why),
        (_, after) => after,
    }
}

/// All that matters is written down by now. A thread that a share holds is not waited for.
fn leave(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_secs(1));
}

/// Reads and checks the configuration; all its mistakes are told at once.
pub(crate) fn read_config(path: &Path) -> Result<Config, Failure> {
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    let text = match size {
        Ok(size) if size > config::LARGEST as u64 => Err(std::io::Error::other("larger than 1 MiB")),
        _ => std::fs::read_to_string(path),
    };
    let text = text.map_err(|e| {
        let what = format!(
            "không đọc được cấu hình (cannot read the configuration) {}: {e}",
            path.display()
        );
        Failure::configuration(what).hint("--config FILE; mẫu ở thư mục configs/ (examples are in configs/)")
    })?;
    config::parse(&text, &path.display().to_string()).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::configuration(format!(
            "{} lỗi cấu hình ({} mistakes):\n{}",
            lines.len(),
            lines.len(),
            lines.join("\n")
        ))
    })
}

fn stopped(error: pipeline::Error) -> Failure {
    match &error {
        pipeline::Error::State(state::Error::InUse { .. }) => Failure::environment("agent", error)
            .hint("dịch vụ đang chạy? dừng nó trước (is the service running? stop it first)"),
        pipeline::Error::State(state::Error::Escrow(_)) => Failure::configured(error),
        pipeline::Error::State(_) | pipeline::Error::Queue(_) | pipeline::Error::Spool(_) => {
            Failure::environment("agent", error)
        }
        _ => Failure::configured(error),
    }
}

/// Turns true at the first signal to stop.
fn stop_signal() -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        // When nobody listens any more, it has stopped already.
        let _ = tell.send(true);
        // Kept until the end, so that the channel stays open.
        std::future::pending::<()>().await;
    });
    told
}

#[cfg(unix)]
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn stopping_does_not_wait_for_a_thread_that_a_share_holds() {
        let (_never, forever) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let runtime = runtime().unwrap();
        runtime.spawn_blocking(move || {
            begun.send(()).unwrap();
            forever.recv()
        });
        has_begun.recv().unwrap();
        leave(runtime);
    }
}
