//! The commands `bench`, `pub`, `sub`, `request` and `reply`: their options and their exit codes.
//!
//! Absent: what the commands do. Each entry point here turns an error into one sentence on stderr
//! and the exit code 1; clap itself ends the process with 2 when the options make no sense.

pub mod options;
pub mod scenario;
pub mod tool;
pub mod value;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use self::tool::{PubArgs, ReplyArgs, RequestArgs, SubArgs};
use crate::failure::Failure;
use crate::{relay, report, scenario as scenarios, tools};

/// Load a server and measure it.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Every message is checked: that it came, once, in order and undamaged; the result says so.

Examples:
  fanfare bench pubsub
  fanfare bench latency --rate 10k --json
  fanfare bench pubsub --server-pid $(pgrep -ox fanfare) --html report.html
  fanfare bench compare before.json after.json --html compared.html")]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum BenchCommand {
    /// P publishers, S subscribers: the rate.
    Pubsub(scenario::PubSub),
    /// One publisher, many subscribers: the rate, or how long until the last one has a message.
    Fanout(scenario::Fanout),
    /// Many publishers, one subscriber: the rate.
    Fanin(scenario::Fanin),
    /// Requests and replies: the rate and the round trip.
    Request(scenario::Request),
    /// Subscribers that share messages as a queue group: the rate and how even the shares are.
    Queue(scenario::Queue),
    /// Many literal and wildcard subscriptions: the rate.
    Wildcard(scenario::Wildcard),
    /// Messages at a fixed rate: the one-way latency, counted from when each was due.
    Latency(scenario::Latency),
    /// Connections that come and go: the rate and how long each takes.
    Churn(scenario::Churn),
    /// Many idle connections: how fast they open and what each costs the server.
    Conns(scenario::Conns),
    /// Many connections that are lost at once and return at once, while others talk.
    Herd(scenario::Herd),
    /// A subscriber that stops reading: what it costs the others, and when it is cut.
    Slow(scenario::Slow),
    /// Show the results of several runs side by side.
    Compare(CompareArgs),
}

/// Which results to compare.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  fanfare bench pubsub --json > before.json
  fanfare bench pubsub --json > after.json
  fanfare bench compare before.json after.json")]
pub struct CompareArgs {
    /// Files that `--json` wrote; the first is what the others are compared with.
    #[arg(required = true, num_args = 2..)]
    pub files: Vec<PathBuf>,
    /// Write the comparison with plots into a file, for a browser.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `fanfare bench`.
pub fn bench(args: BenchArgs) -> ExitCode {
    let outcome = match args.command {
        BenchCommand::Pubsub(options) => scenarios::pubsub::run(&options),
        BenchCommand::Fanout(options) => scenarios::fanout::run(&options),
        BenchCommand::Fanin(options) => scenarios::fanin::run(&options),
        BenchCommand::Request(options) => scenarios::request::run(&options),
        BenchCommand::Queue(options) => scenarios::queue::run(&options),
        BenchCommand::Wildcard(options) => scenarios::wildcard::run(&options),
        BenchCommand::Latency(options) => scenarios::latency::run(&options),
        BenchCommand::Churn(options) => scenarios::churn::run(&options),
        BenchCommand::Conns(options) => scenarios::conns::run(&options),
        BenchCommand::Herd(options) => scenarios::herd::run(&options),
        BenchCommand::Slow(options) => scenarios::slow::run(&options),
        BenchCommand::Compare(options) => report::compare::run(&options),
    };
    exit_code("bench", outcome)
}

/// `fanfare pub`.
pub fn publish(args: PubArgs) -> ExitCode {
    exit_code("pub", tools::publish::run(&args))
}

/// `fanfare sub`.
pub fn subscribe(args: SubArgs) -> ExitCode {
    exit_code("sub", tools::subscribe::run(&args))
}

/// `fanfare request`.
pub fn request(args: RequestArgs) -> ExitCode {
    exit_code("request", tools::request::run(&args))
}

/// `fanfare reply`.
pub fn reply(args: ReplyArgs) -> ExitCode {
    exit_code("reply", tools::reply::run(&args))
}

/// The bare relay, which ends with the process.
pub fn relay(port: u16) -> ExitCode {
    exit_code("relay", relay::run(port))
}

fn exit_code(command: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fanfare {command}: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
