//! The command `fanfare top`: its options and its exit codes.
//!
//! Absent: what it does. A mistake in the options is one sentence on stderr and the code 2; a
//! server that cannot be asked, where nobody would see it on a screen, is one and the code 1.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use clap::Args;
use fanfare_bench::cli::value;
use fanfare_bench::failure::Failure;
use fanfare_bench::secret::Secret;
use fanfare_bench::tls::{Check, TlsClient, TlsWishes};

use crate::batch;
use crate::keys::{INTERVAL_MAX, INTERVAL_MIN};
use crate::model::{Model, Wishes};
use crate::poll::{Poller, Source, Wanted};
use crate::screen;
use crate::site::{DEFAULT_URL, Site};
use crate::sort::Sort;

/// Show what a broker does, again and again.
#[derive(Debug, Clone, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Works with every server that has nats-server's monitoring port. Inside, ? shows the keys.

Examples:
  fanfare top
  fanfare top --url https://broker:8222 --user admin --pass … --sort pending
  fanfare top --once --count 5"
)]
pub struct TopArgs {
    /// The monitoring port. FANFARE_TOP_URL is used when this is not given, and
    /// http://127.0.0.1:8222 when that is not set either; user:password@ in front of the host
    /// are credentials.
    #[arg(short = 's', long, value_name = "URL")]
    pub url: Option<String>,
    /// The time from one question to the next.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = value::duration)]
    pub interval: Duration,
    /// What connections are sorted by: cid, name, subs, pending, msgs_to, msgs_from, bytes_to,
    /// bytes_from, rtt, idle or uptime.
    #[arg(long, value_name = "COLUMN", default_value_t)]
    pub sort: Sort,
    /// Connections that are shown at most.
    #[arg(short = 'n', long, value_name = "N")]
    pub count: Option<usize>,
    /// Only connections with this in their number, name, account, address or library.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub filter: String,
    /// Totals of connections instead of rates.
    #[arg(long)]
    pub totals: bool,
    /// Print one picture as text, of one interval, and end.
    #[arg(long, conflicts_with = "batch")]
    pub once: bool,
    /// Print a picture as text after every interval.
    #[arg(long)]
    pub batch: bool,
    /// The user's name, where the port wants one.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The user's password. Others on this machine see it in the list of processes; they do not
    /// see one in FANFARE_TOP_URL.
    #[arg(long = "pass", visible_alias = "password", value_name = "PASSWORD", requires = "user")]
    pub password: Option<Secret>,
    /// A token instead of user and password.
    #[arg(long, value_name = "TOKEN", conflicts_with = "user")]
    pub token: Option<Secret>,
    /// A PEM file with the authorities to trust, instead of those of the system.
    #[arg(long, value_name = "FILE")]
    pub tlsca: Option<PathBuf>,
    /// Do not look at the server's certificate: anybody can pretend to be the server.
    #[arg(long, conflicts_with = "tlsca")]
    pub tls_insecure: bool,
}

/// `fanfare top`.
pub fn top(args: TopArgs) -> ExitCode {
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = writeln!(io::stderr(), "fanfare top: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(args: &TopArgs) -> Result<(), Failure> {
    if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&args.interval) {
        return Err(Failure::Usage("--interval must lie between 250ms and 60s".to_owned()));
    }
    let source = args.source()?;
    let model = Model::new(source.site.to_string(), args.wishes());
    if args.once || args.batch || !io::stdout().is_terminal() {
        return print(source, model, args.batch);
    }
    screen::run(source, model).map_err(|error| Failure::Run(format!("the terminal: {error}")))
}

impl TopArgs {
    fn source(&self) -> Result<Source, Failure> {
        let from_environment = std::env::var("FANFARE_TOP_URL").ok();
        let text = self.url.clone().or(from_environment.filter(|url| !url.trim().is_empty()));
        let site = Site::parse(text.as_deref().unwrap_or(DEFAULT_URL));
        let mut site = site.map_err(|error| Failure::Usage(error.to_string()))?;
        if let Some(user) = &self.user {
            let password = self.password.clone().unwrap_or_else(|| Secret::new(""));
            site = site.with_user(user, &password);
        }
        if let Some(token) = &self.token {
            site = site.with_token(token);
        }
        let check = if self.tls_insecure { Check::Nothing } else { Check::Full };
        let wishes = TlsWishes { ca: self.tlsca.clone(), check, ..TlsWishes::default() };
        let tls = if site.is_secure { Some(TlsClient::new(&wishes)?) } else { None };
        Ok(Source { site, tls })
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            sort: self.sort,
            filter: self.filter.clone(),
            shows_totals: self.totals,
            interval: self.interval,
            count: self.count,
            ..Wishes::default()
        }
    }
}

/// Prints pictures: one, or one after the other. Each needs an interval for its rates.
fn print(source: Source, mut model: Model, again: bool) -> Result<(), Failure> {
    let (sender, answers) = channel();
    let wanted = Wanted { interval: model.wishes.interval, sort: model.wishes.sort };
    let started = Poller::start(source, wanted, move |answer| sender.send(answer).is_ok());
    let _poller = started.map_err(|error| Failure::Run(error.to_string()))?;
    for answer in answers {
        match answer {
            Ok(sample) => model.handle_sample(*sample),
            Err(trouble) if again && model.sample.is_some() => {
                model.handle_trouble(trouble.to_string(), Instant::now());
                // As in `top`.
                let _ = writeln!(io::stderr(), "fanfare top: {}: {trouble}", model.place);
                continue;
            }
            Err(trouble) => return Err(Failure::Run(format!("{}: {trouble}", model.place))),
        }
        if model.rates.is_none() {
            continue;
        }
        let text = batch::text(&model);
        let end = if again { "\n" } else { "" };
        // Whoever reads has seen enough when the pipe is closed.
        if write!(io::stdout(), "{text}{end}").is_err() || !again {
            return Ok(());
        }
    }
    Ok(())
}
