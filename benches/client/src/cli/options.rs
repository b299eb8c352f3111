//! Options that several commands share: the server, the run, the reports.
//!
//! Absent: options of one scenario or tool.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::value;
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::secret::Secret;
use crate::target::{Demand, Reach};
use crate::tls::{Begin, Check, TlsClient, TlsWishes};
use crate::url::{DEFAULT_URL, ServerUrl};
use crate::wire::Wire;

/// Which server, and who we are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// The server's URL, or several with commas: the first that answers is used. NATS_URL is
    /// used when this is not given, and nats://127.0.0.1:4222 when that is not set either.
    /// tls:// demands TLS; user:password@ or token@ in front of the host are credentials.
    #[arg(short = 's', long, value_name = "URL")]
    pub server: Option<String>,
    /// The user's name.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The user's password. Others on this machine see it in the list of processes; they do not
    /// see a password in NATS_URL.
    #[arg(long = "pass", visible_alias = "password", value_name = "PASSWORD", requires = "user")]
    pub password: Option<Secret>,
    /// A token instead of user and password.
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["user", "nkey", "creds"])]
    pub token: Option<Secret>,
    /// A file with the user's nkey seed (SU…), which signs what the server asks to be signed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "creds"])]
    pub nkey: Option<PathBuf>,
    /// A file with the user's JWT and nkey seed, as nsc writes it.
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub creds: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub tls: TlsOptions,
}

/// Whether and how to talk TLS.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// Talk TLS or not at all. Without it, TLS is used where the URL begins with tls:// or the
    /// server demands it. The options below mean it too.
    #[arg(long)]
    pub tls: bool,
    /// A PEM file with the authorities to trust, instead of those of the system.
    #[arg(long, value_name = "FILE")]
    pub tlsca: Option<PathBuf>,
    /// A PEM file with our certificate, for servers that verify their clients.
    #[arg(long, value_name = "FILE", requires = "tlskey")]
    pub tlscert: Option<PathBuf>,
    /// A PEM file with our certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tlscert")]
    pub tlskey: Option<PathBuf>,
    /// Begin with TLS instead of waiting for the server's INFO (handshake_first).
    #[arg(long)]
    pub tlsfirst: bool,
    /// Do not look at the server's certificate: anybody can pretend to be the server and read
    /// everything, passwords included. For experiments only.
    #[arg(long, conflicts_with = "tlsca")]
    pub tls_insecure: bool,
}

impl ServerOptions {
    /// The servers of NATS to try, with the credentials that the options or else the URLs give.
    pub fn reach(&self) -> Result<Reach, Failure> {
        self.reach_any(Some(Wire::Nats))
    }

    /// The servers to try, which speak `asked`, or else what their URLs say.
    pub fn reach_any(&self, asked: Option<Wire>) -> Result<Reach, Failure> {
        let is_nats = asked.unwrap_or_default() == Wire::Nats;
        let from_environment = || std::env::var("NATS_URL").ok();
        let from_environment = is_nats.then(from_environment).flatten();
        let text = self.server.clone().or(from_environment.filter(|url| !url.trim().is_empty()));
        let default = if is_nats { DEFAULT_URL } else { DEFAULT_HOST };
        let mut urls = ServerUrl::parse_list_as(text.as_deref().unwrap_or(default), asked)?;
        let credentials = self.credentials()?;
        if credentials != Credentials::None {
            for url in &mut urls {
                url.credentials = credentials.clone();
            }
        }
        let demand = if self.tls.demands() { Demand::Always } else { Demand::ByUrl };
        let is_foreign = |url: &ServerUrl| url.wire != Wire::Nats;
        let is_bare = |url: &ServerUrl| url.credentials == Credentials::None;
        if let Some(url) = urls.iter().find(|url| is_foreign(url))
            && (demand == Demand::Always || !is_bare(url))
        {
            let wire = url.wire;
            let why = "the load client uses neither TLS nor credentials";
            return Err(Failure::Usage(format!("towards {wire}, {why}")));
        }
        let wants_tls = demand == Demand::Always || urls.iter().any(|url| url.wants_tls);
        if self.tls.tls_insecure {
            eprintln!(
                "warning: --tls-insecure: the server's certificate is not looked at; anybody on \
                 the way can read and change everything"
            );
        }
        let tls = if wants_tls { Some(TlsClient::new(&self.tls.wishes())?) } else { None };
        Ok(Reach { urls, tls, demand })
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        // clap has made sure that at most one of them is given.
        if let Some(name) = &self.user {
            let password = self.password.clone().unwrap_or_else(|| Secret::new(""));
            return Ok(Credentials::User { name: name.clone(), password });
        }
        if let Some(token) = &self.token {
            return Ok(Credentials::Token(token.clone()));
        }
        if let Some(path) = &self.nkey {
            return Ok(Credentials::from_nkey_file(path)?);
        }
        if let Some(path) = &self.creds {
            return Ok(Credentials::from_creds_file(path)?);
        }
        Ok(Credentials::None)
    }
}

impl TlsOptions {
    /// Whether TLS is used with every server.
    fn demands(&self) -> bool {
        self.tls
            || self.tlsfirst
            || self.tls_insecure
            || self.tlsca.is_some()
            || self.tlscert.is_some()
    }

    fn wishes(&self) -> TlsWishes {
        TlsWishes {
            ca: self.tlsca.clone(),
            identity: self.tlscert.clone().zip(self.tlskey.clone()),
            begin: if self.tlsfirst { Begin::AtOnce } else { Begin::AfterInfo },
            check: if self.tls_insecure { Check::Nothing } else { Check::Full },
        }
    }
}

/// What every scenario takes.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub struct Common {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub server: ServerOptions,
    /// What the server speaks, where its URL does not begin with redis:// or mqtt://. Redis and
    /// MQTT 3.1.1 (QoS 0) are loaded without TLS, credentials, queue groups, requests, wildcards.
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Server")]
    pub protocol: Option<Wire>,
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

/// Where a server of another protocol is looked for when nobody says.
const DEFAULT_HOST: &str = "127.0.0.1";

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
