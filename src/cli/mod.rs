//! The command line: nats-server's options for serving, and the tools as subcommands.
//!
//! Absent: what the commands do. Options of a broker follow Go's grammar (`flags`), those of the
//! tools the usual one. Messages name the executable as it was called.

mod check;
mod definition;
mod flags;
mod health;
mod options;
mod overlay;
mod reading;
mod serve;
mod signal;
mod tools;
mod upgrade;
mod usage;
mod values;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let path = arguments.next().unwrap_or_default();
    let executable = Path::new(&path)
        .file_name()
        .map_or("fanfare".into(), |name| name.to_string_lossy().into_owned());
    let arguments = match arguments.map(OsString::into_string).collect::<Result<Vec<_>, _>>() {
        Ok(arguments) => arguments,
        Err(argument) => {
            return failure(&executable, &format!("{} is not UTF-8", argument.display()));
        }
    };
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["help", word] if tools::is_one(word) => {
            tools::run(vec![executable, word.to_owned(), "--help".to_owned()])
        }
        [word, ..] if tools::is_one(word) => {
            tools::run([executable].into_iter().chain(arguments).collect())
        }
        ["check", ..] => check::command(&executable, &arguments[1..]),
        ["health", ..] => health::command(&executable, &arguments[1..]),
        ["completions", ..] => definition::completions(&executable, &arguments[1..]),
        ["upgrade", ..] => upgrade::command(&executable, &arguments[1..]),
        ["man", ..] => definition::man(&executable, &arguments[1..]),
        _ => serve::main(&executable, &arguments),
    }
}

/// Says why a command cannot be done, and by which executable.
fn failure(executable: &str, message: &str) -> ExitCode {
    tell(&format!("{executable}: {message}\n"));
    ExitCode::from(1)
}

/// Tells the operator while there is no log yet.
fn tell(text: &str) {
    // Nobody is left to tell when the terminal is gone.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints the answer to a command.
fn print(text: &str) -> ExitCode {
    // As above.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
