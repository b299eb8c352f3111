//! The command without a name: serves, or answers one of the options that end at once.
//!
//! Absent: the broker itself (`admin::supervisor`).

use std::io::{self, Write};
use std::process::ExitCode;

use super::flags::Flags;
use super::options::Id;
use super::{failure, overlay, signal, usage};
use crate::admin::run_error::RunError;
use crate::admin::source::Reading;
use crate::admin::supervisor::{self, Start};
use crate::config::Config;
use crate::io::disk::Snapshot;

/// Does what the options ask for.
#[expect(clippy::print_stderr, reason = "there is no log yet")]
pub(super) fn main(executable: &str, arguments: &[String]) -> ExitCode {
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("{error}\nTry {executable} --help.");
            return ExitCode::from(1);
        }
    };
    if let Some(text) = answer(executable, &flags) {
        return print(&text);
    }
    if let Some(word) = flags.rest.first() {
        return failure(executable, &format!("unrecognized command: {word:?}"));
    }
    if let Some(text) = flags.text(Id::Signal).filter(|text| !text.is_empty()) {
        return match signal::send(text, executable) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(executable, &error),
        };
    }
    match configure(&flags) {
        Ok(config) => serve(executable, config),
        Err(error) => failure(executable, &error),
    }
}

/// The text that an option, or its name as a word, asks for instead of serving.
fn answer(executable: &str, flags: &Flags) -> Option<String> {
    let word = flags.rest.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let asked = |id| flags.truth(id) == Some(true);
    if asked(Id::Version) {
        Some(usage::version(executable))
    } else if asked(Id::Help) {
        Some(usage::options(executable))
    } else if asked(Id::HelpTls) {
        Some(usage::TLS.to_owned())
    } else if word == "version" {
        Some(usage::version(executable))
    } else if word == "help" {
        Some(usage::options(executable))
    } else {
        None
    }
}

fn print(text: &str) -> ExitCode {
    // Nobody is left to tell when the terminal is gone.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn configure(flags: &Flags) -> Result<Config, String> {
    let file = flags.text(Id::Config).filter(|path| !path.is_empty());
    if file.is_some() {
        return Err("this release has no configuration files".to_owned());
    }
    if flags.truth(Id::Test) == Some(true) {
        let text = "must specify [-c, --config] option to check configuration file syntax";
        return Err(text.to_owned());
    }
    overlay::lay_over(flags, overlay::base())
}

fn serve(executable: &str, config: Config) -> ExitCode {
    let reading = Reading { config, files: Snapshot::default() };
    let start = Start { executable: executable.to_owned(), reading, source: None };
    match supervisor::run(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ RunError::Log(..)) => failure(executable, &error.to_string()),
        Err(_) => ExitCode::from(1),
    }
}
