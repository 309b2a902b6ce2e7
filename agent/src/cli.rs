//! The command line: arguments here, one file per verb below. Data goes to stdout, everything else to stderr.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::logging;
use crate::report::{Exit, Failure};

mod check;
mod key;
mod map;
mod outages;
pub(crate) mod output;
mod plugin;
mod queue;
mod receipts;
mod report;
mod run;
mod status;

/// Theo dõi thư mục HIS xuất ra, chuyển từng lượt khám sang FHIR, gửi lên cổng BHXH và VHR, giữ biên nhận.
///
/// Watches the folders a HIS exports to, maps each visit to FHIR, delivers it to the insurance gateway and the VHR endpoint,
/// and keeps the receipts.
#[derive(Debug, Parser)]
#[command(name = "vhr-agent", version, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Chạy thử toàn bộ trên máy này với dữ liệu bịa / the whole story on this machine, with invented data
    Demo(crate::demo::Options),
    /// Chạy dịch vụ / the service in the foreground
    Run(run::Options),
    /// Kiểm tra cấu hình, plugin, khóa, thư mục / the configuration, the plugins, the keys, the folders
    Check(ConfigOption),
    /// Thử chuyển đổi, không lưu, không gửi / dry run: what would be made of these files
    Map(map::Options),
    /// Tình trạng / one screen: how things are
    Status(status::Options),
    /// Xem và xử lý hàng đợi / look into the queue and act on it
    Queue(queue::Options),
    /// Biên nhận / proof of what was sent
    Receipts(receipts::Options),
    /// Những lúc không gửi được, làm bằng chứng khi gửi chậm / when what was out of reach: evidence for late sending
    Outages(outages::Options),
    /// Báo cáo một ngày hay một kỳ: đủ, sạch, sống / the figures of a day or a period: complete, clean, live
    Report(report::Options),
    /// Khóa: xem, đổi, gửi giữ, khôi phục / keys: look, rotate, escrow, recover
    Key(key::Options),
    /// Dành cho người viết plugin / for those who write plugins
    Plugin(plugin::Options),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigOption {
    /// Tệp cấu hình / the configuration file
    #[arg(long, global = true, value_name = "FILE", env = "VHR_CONFIG", default_value_os_t = default_config())]
    pub(crate) config: PathBuf,
}

/// Where the packages put it.
fn default_config() -> PathBuf {
    if cfg!(windows) {
        r"C:\ProgramData\VHR Agent\vhr-agent.toml".into()
    } else {
        "/etc/vhr-agent/vhr-agent.toml".into()
    }
}

/// Runs the program: reads the arguments, does the verb, reports what failed.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            // What clap has to say goes where it belongs; that it cannot be written changes nothing.
            let _ = e.print();
            return if e.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Well.into()
            };
        }
    };
    logging::start(if matches!(arguments.verb, Verb::Run(_)) {
        "info"
    } else {
        "warn"
    });
    let done = match arguments.verb {
        Verb::Demo(options) => crate::demo::run(&options),
        Verb::Run(options) => run::run(&options),
        Verb::Check(options) => check::run(&options),
        Verb::Map(options) => map::run(&options),
        Verb::Status(options) => status::run(&options),
        Verb::Queue(options) => queue::run(&options),
        Verb::Receipts(options) => receipts::run(&options),
        Verb::Outages(options) => outages::run(&options),
        Verb::Report(options) => report::run(&options),
        Verb::Key(options) => key::run(&options),
        Verb::Plugin(options) => plugin::run(&options),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => crate::report::tell(&failure),
    }
}

/// A runtime for verbs that wait for something.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Plugins run on these: wasmtime wants room on the stack.
        .thread_stack_size(8 * 1024 * 1024)
        .build()
        .map_err(|e| Failure::environment("could not start the asynchronous runtime", e))
}
