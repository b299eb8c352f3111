//! The command without a name: serves, or answers one of the options that end at once.
//!
//! Absent: the broker itself (`admin::supervisor`).

use std::process::ExitCode;

use super::flags::Flags;
use super::options::Id;
use super::{check, failure, print, reading, signal, tell, usage};
use crate::admin::run_error::RunError;
use crate::admin::source::Reading;
use crate::admin::supervisor::{self, Start};
use crate::admin::taking_over::Inherited;

/// Does what the options ask for.
pub(super) fn main(executable: &str, arguments: &[String]) -> ExitCode {
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(error) => {
            tell(&format!("{error}\nTry {executable} --help.\n"));
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
    if flags.truth(Id::Test) == Some(true) {
        return check::test(executable, &flags);
    }
    let inherited = match Inherited::find().transpose() {
        Ok(inherited) => inherited,
        Err(reason) => return failure(executable, &reason),
    };
    match reading::read(&flags) {
        Ok(reading) => serve(executable, reading, flags, inherited),
        Err(error) => {
            if let Some(inherited) = inherited {
                inherited.fail(&error.reason);
            }
            failure(executable, &error.reason)
        }
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

fn serve(
    executable: &str,
    reading: Reading,
    flags: Flags,
    inherited: Option<Inherited>,
) -> ExitCode {
    let (source, executable_name) = (reading::source(flags), executable.to_owned());
    let start = Start { executable: executable_name, reading, source, inherited };
    match supervisor::run(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ RunError::Log(..)) => failure(executable, &error.to_string()),
        Err(_) => ExitCode::from(1),
    }
}
