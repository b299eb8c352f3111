//! `fanfare upgrade`: asks a running broker to let a new process take over, with all clients that
//! can be moved, and says what came of it.
//!
//! Absent: the upgrade itself (`admin::upgrade`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::{failure, print, signal};
use crate::io::control;

/// What the command is for, in one line.
pub(super) const ABOUT: &str = "Replace a running broker without disconnecting its clients";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    process: String,
    binary: Option<PathBuf>,
    seconds: u64,
}

/// Does it.
pub(super) fn command(executable: &str, arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|word| word == "--help" || word == "-h") {
        return print(HELP);
    }
    let result = Wanted::parse(arguments).and_then(|wanted| wanted.ask(executable));
    match result {
        Ok(text) => print(&format!("{text}\n")),
        Err(reason) => failure(executable, &reason),
    }
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self { process: String::new(), binary: None, seconds: SECONDS };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let mut value = || inline.clone().or_else(|| words.next().cloned());
            match name {
                "--binary" => {
                    wanted.binary = Some(value().ok_or("--binary needs a path")?.into());
                }
                "--timeout" => {
                    let text = value().ok_or("--timeout needs a number of seconds")?;
                    let seconds = text.trim_end_matches('s').parse().ok();
                    wanted.seconds = seconds
                        .filter(|seconds| (1..=600).contains(seconds))
                        .ok_or_else(|| format!("{text:?} is no number of seconds from 1 to 600"))?;
                }
                _ if !word.starts_with('-') && wanted.process.is_empty() => {
                    wanted.process.clone_from(word);
                }
                _ => return Err(HELP.trim_end().to_owned()),
            }
        }
        Ok(wanted)
    }

    fn ask(&self, executable: &str) -> Result<String, String> {
        let process = signal::find_one(&self.process, executable)?;
        // The broker may be in another directory.
        let here = std::env::current_dir().map_err(|error| error.to_string())?;
        let absolute = |path: &PathBuf| here.join(path).to_string_lossy().into_owned();
        let binary = self.binary.as_ref().map(absolute);
        if let Some(binary) = &binary
            && !Path::new(binary).is_file()
        {
            return Err(format!("{binary} is no file"));
        }
        let request = json!({ "upgrade": { "binary": binary, "patience_s": self.seconds } });
        let patience = Duration::from_secs(self.seconds) + ANSWER_MARGIN;
        control::ask(process, &request.to_string(), patience)
    }
}

const SECONDS: u64 = 60;
/// What the handing over may take beyond the time for the new process.
const ANSWER_MARGIN: Duration = Duration::from_secs(20);
const HELP: &str = "\
usage: fanfare upgrade [PID | PIDFILE] [--binary PATH] [--timeout SECONDS]

Starts the executable at PATH, by default the one that the broker was started by as it is on disk
now, with the same arguments, and lets it take over: listeners, and all connections in clear with
their subscriptions and unsent messages. Connections with TLS are asked to come again. If anything
goes wrong, the broker goes on as if nothing had happened, and the exit code is 1.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Wanted, String> {
        Wanted::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_process_a_path_and_a_time_are_understood_in_any_order() {
        let wanted = parse(&["--timeout", "5s", "12", "--binary=/x/y"]).unwrap();
        let expected = Wanted { process: "12".to_owned(), binary: Some("/x/y".into()), seconds: 5 };
        assert_eq!(wanted, expected);
        assert_eq!(parse(&[]).unwrap().seconds, SECONDS);
        for wrong in [&["--timeout", "0"][..], &["--timeout"], &["--binary"], &["1", "2"], &["-x"]]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
