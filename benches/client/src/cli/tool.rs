//! The options of the tools `pub`, `sub`, `request` and `reply`.
//!
//! Absent: what they do (`tools`).

use std::time::Duration;

use clap::Args;

use super::options::ServerOptions;
use super::value;

/// The server, and whether to show what is said to it.
#[derive(Debug, Clone, Args)]
pub struct ToolOptions {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub server: ServerOptions,
    /// Print every line of the protocol to stderr, without secrets.
    #[arg(long, help_heading = None::<&'static str>)]
    pub trace: bool,
}

/// Publish a message.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The exit code is 0 when the server has confirmed that it has the message.

Examples:
  fanfare pub greet.joe hello
  fanfare pub greet.joe hello -H Trace:1 -H Kind:test
  date | fanfare pub clock -
  fanfare pub greet.joe hello --count 1000")]
pub struct PubArgs {
    /// The subject.
    pub subject: String,
    /// The message; - reads it from stdin. Empty when not given.
    pub message: Option<String>,
    /// A header; may be given several times.
    #[arg(short = 'H', long, value_name = "KEY:VALUE")]
    pub header: Vec<String>,
    /// The subject on which an answer is awaited by somebody.
    #[arg(long, value_name = "SUBJECT")]
    pub reply: Option<String>,
    /// How often to publish it.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub count: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub tool: ToolOptions,
}

/// Subscribe, and print what arrives.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  fanfare sub 'greet.*'
  fanfare sub '>' --count 10
  fanfare sub jobs --queue workers
  fanfare sub clock --raw | tee clock.log")]
pub struct SubArgs {
    /// What to subscribe to; * stands for one token, > for all that follow.
    pub filter: String,
    /// Share the messages with the other members of this queue group.
    #[arg(long, value_name = "GROUP")]
    pub queue: Option<String>,
    /// End after so many messages.
    #[arg(long, value_name = "N", value_parser = value::some)]
    pub count: Option<u64>,
    /// Print payloads only, each with a line end.
    #[arg(long, conflicts_with = "headers_only")]
    pub raw: bool,
    /// Print subjects and headers, not payloads.
    #[arg(long)]
    pub headers_only: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub tool: ToolOptions,
}

/// Send a request and print the reply.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The exit code is 1 when nobody answers.

Examples:
  fanfare request time.now ''
  fanfare request who.is.there hello --replies 5 --timeout 1s")]
pub struct RequestArgs {
    /// The subject.
    pub subject: String,
    /// The request's payload; - reads it from stdin.
    pub message: String,
    /// A header; may be given several times.
    #[arg(short = 'H', long, value_name = "KEY:VALUE")]
    pub header: Vec<String>,
    /// How long to wait for a reply.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = value::duration)]
    pub timeout: Duration,
    /// How many replies to wait for; fewer are fine once one has come and the time is up.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub replies: u64,
    /// Print payloads only, each with a line end.
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub tool: ToolOptions,
}

/// Answer requests.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A command gets the request's payload on stdin and its subject in NATS_REQUEST_SUBJECT; what it
prints is the reply.

Examples:
  fanfare reply greet 'hello to you'
  fanfare reply echo.it --echo
  fanfare reply time.now --command date --queue clocks")]
pub struct ReplyArgs {
    /// What to subscribe to.
    pub subject: String,
    /// The reply.
    #[arg(required_unless_present_any = ["echo", "command"])]
    #[arg(conflicts_with_all = ["echo", "command"])]
    pub message: Option<String>,
    /// Reply with the request's own payload and headers.
    #[arg(long, conflicts_with = "command")]
    pub echo: bool,
    /// Reply with what this shell command prints.
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// Share the requests with the other members of this queue group.
    #[arg(long, value_name = "GROUP")]
    pub queue: Option<String>,
    /// End after so many requests.
    #[arg(long, value_name = "N", value_parser = value::some)]
    pub count: Option<u64>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub tool: ToolOptions,
}
