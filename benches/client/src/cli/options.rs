//! Options that several commands share: the server, the run, the reports.
//!
//! Absent: options of one scenario or tool.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::value;
use crate::url::{Credentials, DEFAULT_URL, ServerUrl, UrlError};

/// Which server, and who we are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// The server's URL, or several with commas: the first that answers is used. NATS_URL is
    /// used when this is not given, and nats://127.0.0.1:4222 when that is not set either.
    #[arg(short = 's', long, value_name = "URL")]
    pub server: Option<String>,
    /// The user's name.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The user's password.
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    pub password: Option<String>,
    /// A token instead of user and password.
    #[arg(long, value_name = "TOKEN", conflicts_with = "user")]
    pub token: Option<String>,
}

impl ServerOptions {
    /// The servers to try, with the credentials that the options or else the URLs give.
    pub fn urls(&self) -> Result<Vec<ServerUrl>, UrlError> {
        let from_environment = std::env::var("NATS_URL").ok().filter(|url| !url.trim().is_empty());
        let text = self.server.clone().or(from_environment);
        let mut urls = ServerUrl::parse_list(text.as_deref().unwrap_or(DEFAULT_URL))?;
        let given = match (&self.user, &self.token) {
            (Some(name), _) => Some(Credentials::User {
                name: name.clone(),
                password: self.password.clone().unwrap_or_default(),
            }),
            (None, Some(token)) => Some(Credentials::Token(token.clone())),
            (None, None) => None,
        };
        if let Some(credentials) = given {
            for url in &mut urls {
                url.credentials = credentials.clone();
            }
        }
        Ok(urls)
    }
}

/// What every scenario takes.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub struct Common {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub server: ServerOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub run: RunOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub report: ReportOptions,
}

/// How long, how much, how many threads.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct RunOptions {
    /// Payload bytes; several with commas are run one after the other.
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "128",
        value_delimiter = ',',
        value_parser = value::payload_size
    )]
    pub size: Vec<usize>,
    /// How long to measure.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = value::duration)]
    pub duration: Duration,
    /// How long to run before measuring.
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = value::duration)]
    pub warmup: Duration,
    /// Send so many messages, over all publishers, and measure all of them, instead of a time.
    #[arg(long, value_name = "N", value_parser = value::some)]
    pub msgs: Option<u64>,
    /// Bytes that are published and not yet received, over all subscribers, but at least 16k for
    /// each; 0 for no bound. A server that never holds publishers back has to cut subscribers that
    /// a client with no bound lets fall behind.
    #[arg(long, value_name = "BYTES", default_value = "4M", value_parser = value::size)]
    pub window: u64,
    /// Threads of the load client; when not given, half as many as the machine has, at most 4.
    #[arg(long, value_name = "N", value_parser = value::some)]
    pub threads: Option<u64>,
    /// The server's process on this machine: adds its CPU time and memory to the report.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// How long to wait for messages that do not come before they count as lost.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = value::duration)]
    pub patience: Duration,
}

/// Where the result goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportOptions {
    /// Print the result as JSON, instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Write the result as CSV into a file, or with - print it instead of a table.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write a report with plots into a file, for a browser.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Show no progress.
    #[arg(short, long)]
    pub quiet: bool,
}
