//! The command line: nats-server's flags for serving, and the tools as subcommands.
//!
//! Absent: what the commands do. Flags follow Go's grammar: one dash or two, a value behind a blank
//! or `=`; they are brought into the usual form before they are parsed.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fanfare_bench::cli as tools;

use crate::admin::identity::PROTOCOL_VERSION;
use crate::admin::run_error::RunError;
use crate::admin::supervisor;
use crate::config::{Config, Limits, Listener, Verbosity};

/// Fanfare: a lightweight publish/subscribe message broker that speaks the NATS client protocol.
///
/// Without a subcommand it serves.
#[derive(Debug, Parser)]
#[command(name = "fanfare", disable_version_flag = true, args_conflicts_with_subcommands = true)]
#[command(args_override_self = true)]
#[command(after_help = EXAMPLES)]
struct Command {
    #[command(subcommand)]
    tool: Option<Tool>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Load a broker and measure it
    Bench(tools::BenchArgs),
    /// Publish a message
    Pub(tools::PubArgs),
    /// Subscribe and print what comes
    Sub(tools::SubArgs),
    /// Send a request and print the reply
    Request(tools::RequestArgs),
    /// Answer requests
    Reply(tools::ReplyArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Address to listen on
    #[arg(
        short = 'a',
        long = "addr",
        alias = "net",
        default_value = "0.0.0.0",
        value_name = "HOST"
    )]
    host: String,
    /// Port for clients; -1 for any free one
    #[arg(short, long, default_value_t = i32::from(Config::PORT), allow_negative_numbers = true)]
    port: i32,
    /// The server's name [default: its id]
    #[arg(
        short = 'n',
        long = "name",
        alias = "server_name",
        default_value = "",
        hide_default_value = true
    )]
    name: String,
    /// File to write the process id to
    #[arg(short = 'P', long = "pid", value_name = "FILE")]
    pid: Option<String>,
    /// File to log to instead of standard error
    #[arg(short = 'l', long = "log", value_name = "FILE")]
    log: Option<String>,
    /// Date and time in log lines
    #[arg(
        short = 'T', long = "logtime", default_value_t = true, num_args = 0..=1,
        default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set
    )]
    logtime: bool,
    /// Log connections coming and going
    #[arg(short = 'D', long = "debug")]
    debug: bool,
    /// Log every protocol line (-DV for both)
    #[arg(short = 'V', long = "trace")]
    trace: bool,
    /// Longest piece of a message in a trace line, in bytes; 0 for all of it
    #[arg(long = "max_traced_msg_len", default_value_t = 0, value_name = "BYTES")]
    max_traced_msg_len: usize,
    /// Shards, each with a thread of its own [default: one per core, at most 16]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Print the version
    #[arg(short = 'v', long = "version")]
    version: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Connections; a further one is told and closed [default: 65536]
    #[arg(long = "max_connections", value_name = "N")]
    connections: Option<usize>,
    /// Subscriptions of one client [default: 1048576]
    #[arg(long = "max_subscriptions", value_name = "N")]
    subscriptions: Option<usize>,
    /// Tokens of a subscription's filter; 0 leaves it to the control line [default: 0]
    #[arg(long = "max_sub_tokens", value_name = "N")]
    sub_tokens: Option<usize>,
    /// Different filters that the broker knows [default: 16777216]
    #[arg(long = "max_filters", value_name = "N")]
    filters: Option<usize>,
    /// Bytes of a control line [default: 4096]
    #[arg(long = "max_control_line", value_name = "BYTES", value_parser = bytes)]
    control_line: Option<u64>,
    /// Bytes of a message [default: 1MB]
    #[arg(long = "max_payload", value_name = "BYTES", value_parser = bytes)]
    payload: Option<u64>,
    /// Unsent bytes of one client before it is closed as a slow consumer [default: 64MB]
    #[arg(long = "max_pending", value_name = "BYTES", value_parser = bytes)]
    pending: Option<u64>,
    /// Memory for unsent messages, all clients together [default: 2GB]
    #[arg(long = "max_pending_total", value_name = "BYTES", value_parser = bytes)]
    pending_total: Option<u64>,
    /// How long a client may take nothing of what waits for it [default: 10s]
    #[arg(long = "write_deadline", value_name = "TIME", value_parser = duration)]
    write_deadline: Option<Duration>,
    /// How long a connection may exist without one operation; 0s for ever [default: 60s]
    #[arg(long = "connect_timeout", value_name = "TIME", value_parser = duration)]
    connect_timeout: Option<Duration>,
    /// Time between PINGs to a silent client [default: 2m]
    #[arg(long = "ping_interval", value_name = "TIME", value_parser = duration)]
    ping_interval: Option<Duration>,
    /// PINGs that may stay unanswered [default: 2]
    #[arg(long = "ping_max", value_name = "N")]
    ping_max: Option<u32>,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let command = match Command::try_parse_from(usual_form(std::env::args())) {
        Ok(command) => command,
        Err(error) => {
            report_missing_feature();
            let code = if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return code;
        }
    };
    match command.tool {
        Some(Tool::Bench(args)) => tools::bench(args),
        Some(Tool::Pub(args)) => tools::publish(args),
        Some(Tool::Sub(args)) => tools::subscribe(args),
        Some(Tool::Request(args)) => tools::request(args),
        Some(Tool::Reply(args)) => tools::reply(args),
        None if command.serve.version => print_version(),
        None => serve(&command.serve),
    }
}

/// Says of nats-server's options for what this release does not have that they are known.
#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn report_missing_feature() {
    for arg in std::env::args().skip(1) {
        let name = arg.trim_start_matches('-').split('=').next().unwrap_or_default();
        let known = NOT_YET.iter().find(|(names, _)| arg.starts_with('-') && names.contains(&name));
        if let Some((_, feature)) = known {
            eprintln!("fanfare: {arg}: this release has no {feature}");
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer to -v")]
fn print_version() -> ExitCode {
    println!("fanfare {}, nats-server: v{PROTOCOL_VERSION}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn serve(args: &ServeArgs) -> ExitCode {
    let config = match config(args) {
        Ok(config) => config,
        Err(message) => {
            eprintln!("fanfare: {message}");
            return ExitCode::from(1);
        }
    };
    match supervisor::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let RunError::Log(..) = error {
                eprintln!("fanfare: {error}");
            }
            ExitCode::from(1)
        }
    }
}

fn config(args: &ServeArgs) -> Result<Config, String> {
    let port = match args.port {
        -1 => 0,
        port => u16::try_from(port).map_err(|_| format!("port {port} is not a port"))?,
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let shards = args.shards.unwrap_or(cores.min(Config::SHARDS_DEFAULT_MAX));
    if !(1..=Config::SHARDS_MAX).contains(&shards) {
        return Err(format!("--shards must lie between 1 and {}", Config::SHARDS_MAX));
    }
    let limits = limits(&args.limits);
    limits.check().map_err(|error| error.to_string())?;
    Ok(Config {
        listeners: vec![Listener::classic(&args.host, port)],
        server_name: args.name.clone(),
        shards,
        pid_file: args.pid.clone(),
        log_file: args.log.clone(),
        log_time: args.logtime,
        verbosity: Verbosity { debug: args.debug, trace: args.trace, ..Verbosity::default() },
        traced_message_max: args.max_traced_msg_len,
        limits,
        ..Config::default()
    })
}

fn limits(args: &LimitArgs) -> Limits {
    let default = Limits::default();
    let size = |value: Option<u64>, default: usize| {
        value.map_or(default, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    };
    let time = |value: Option<Duration>, default: u64| {
        value.map_or(default, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    };
    let total = args.pending_total.unwrap_or(default.total_spool_bytes_max);
    Limits {
        connections_max: args.connections.unwrap_or(default.connections_max),
        subscriptions_max: args.subscriptions.unwrap_or(default.subscriptions_max),
        subscription_tokens_max: args.sub_tokens.unwrap_or(default.subscription_tokens_max),
        filters_max: args.filters.unwrap_or(default.filters_max),
        control_line_max: size(args.control_line, default.control_line_max),
        payload_max: size(args.payload, default.payload_max),
        pending_bytes_max: args.pending.unwrap_or(default.pending_bytes_max),
        shard_spool_bytes_max: default.shard_spool_bytes_max.min(total),
        total_spool_bytes_max: total,
        write_deadline_ns: time(args.write_deadline, default.write_deadline_ns),
        connect_timeout_ns: time(args.connect_timeout, default.connect_timeout_ns),
        ping_interval_ns: time(args.ping_interval, default.ping_interval_ns),
        pings_out_max: args.ping_max.unwrap_or(default.pings_out_max),
        ..default
    }
}

/// Go's flags in the form that everybody else uses: `-addr=x` becomes `--addr=x`, `-DV` both.
fn usual_form(args: impl Iterator<Item = String>) -> Vec<String> {
    let mut out = Vec::new();
    let mut tool = false;
    for (position, arg) in args.enumerate() {
        tool |= position == 1 && TOOLS.contains(&arg.as_str());
        let name = arg.strip_prefix('-').filter(|name| !name.starts_with('-') && !tool);
        match name {
            Some(name) if name.split('=').next().is_some_and(|n| LONG.contains(&n)) => {
                out.push(format!("--{name}"));
            }
            _ => out.push(arg),
        }
    }
    out
}

/// A size such as `64MB`, `1MiB`, `4096`; all multiples are of 1024, as nats-server's are.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "ki" | "kib" => 1 << 10,
        "m" | "mb" | "mi" | "mib" => 1 << 20,
        "g" | "gb" | "gi" | "gib" => 1 << 30,
        _ => return Err(format!("{text} is not a size; write for instance 64MB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text} is not a size"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text} is too large"))
}

/// A time such as `10s`, `250ms`, `2m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{text} is not a time; write for instance 10s")),
    };
    let number: f64 = digits.parse().map_err(|_| format!("{text} is not a time"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| format!("{text} is not a time"))
}

const TOOLS: [&str; 6] = ["bench", "pub", "sub", "request", "reply", "help"];
/// Long names that Go's grammar lets stand behind one dash.
const LONG: [&str; 26] = [
    "addr",
    "net",
    "port",
    "name",
    "server_name",
    "pid",
    "log",
    "logtime",
    "debug",
    "trace",
    "max_traced_msg_len",
    "shards",
    "version",
    "help",
    "max_connections",
    "max_subscriptions",
    "max_sub_tokens",
    "max_filters",
    "max_control_line",
    "max_payload",
    "max_pending",
    "max_pending_total",
    "write_deadline",
    "connect_timeout",
    "ping_interval",
    "ping_max",
];
/// Options of nats-server by the feature they belong to.
const NOT_YET: [(&[&str], &str); 6] = [
    (&["c", "config", "t", "sl", "signal"], "configuration files"),
    (&["m", "http_port", "ms", "https_port"], "monitoring port"),
    (&["js", "jetstream", "sd", "store_dir"], "JetStream"),
    (&["user", "pass", "auth"], "authentication"),
    (&["tls", "tlscert", "tlskey", "tlsverify", "tlscacert"], "TLS"),
    (&["cluster", "cluster_listen", "cluster_name", "routes"], "clusters"),
];
const EXAMPLES: &str = "Examples:
  fanfare                          serve on 0.0.0.0:4222
  fanfare -a 127.0.0.1 -p -1       serve on any free port of this machine
  fanfare sub 'greet.*'            print what is published to greet.…
  fanfare pub greet.joe hello      publish
  fanfare bench pubsub             load the broker";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Config {
        let args = std::iter::once("fanfare").chain(line.split_whitespace()).map(str::to_owned);
        let command = Command::try_parse_from(usual_form(args)).expect(line);
        config(&command.serve).expect(line)
    }

    #[test]
    fn one_dash_or_two_and_a_blank_or_an_equals_sign() {
        for line in ["-a ::1 -p 7", "--addr ::1 --port=7", "-addr=::1 -port 7", "-net ::1 -p=7"] {
            assert_eq!(parse(line).listeners, [Listener::classic("::1", 7)], "{line}");
        }
        for line in ["-p -1", "--port=-1"] {
            assert_eq!(parse(line).listeners, [Listener::classic("0.0.0.0", 0)], "{line}");
        }
    }

    #[test]
    fn flags_reach_the_configuration() {
        let all = Verbosity { debug: true, trace: true, ..Verbosity::default() };
        assert_eq!(parse("-DV").verbosity, all);
        assert_eq!(parse("-n joe").server_name, "joe");
        assert!(!parse("-T=false").log_time);
        let limits = parse("-max_payload 1KB --max_pending=2MiB -ping_interval 250ms").limits;
        assert_eq!((limits.payload_max, limits.pending_bytes_max), (1024, 2 << 20));
        assert_eq!(limits.ping_interval_ns, 250_000_000);
    }

    #[test]
    fn sizes_and_times_that_are_none_are_refused() {
        assert!(
            ["", "x", "1x", "-1", "99999999999999999999", "99999999999G"]
                .iter()
                .all(|text| bytes(text).is_err())
        );
        assert!(["", "x", "1x", "-1s", "1e999s"].iter().all(|text| duration(text).is_err()));
    }
}
