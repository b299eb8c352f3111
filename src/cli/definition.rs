//! The whole command line as one value, and what is made of it: manual pages and completions.
//!
//! Absent: reading a command line. Go's grammar of options (`flags`) is wider than what is said
//! here: each option may be written with one dash or two.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, ValueEnum};
use clap_complete::Shell;

use super::options::{Choice, Kind, SECTIONS};
use super::{check, failure, health, print, tools, upgrade};

/// `fanfare man`: prints the manual page, or writes the pages of all commands into a directory.
pub(super) fn man(executable: &str, arguments: &[String]) -> ExitCode {
    let written = match arguments {
        [word] if word == "--help" || word == "-h" => return print(MAN_HELP),
        [] => clap_mangen::Man::new(whole()).render(&mut io::stdout()),
        [directory] if !directory.starts_with('-') => {
            clap_mangen::generate_to(whole(), Path::new(directory))
        }
        _ => return failure(executable, MAN_HELP.trim_end()),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(executable, &format!("writing the manual: {error}")),
    }
}

/// `fanfare completions`: prints the script by which a shell completes the command line.
pub(super) fn completions(executable: &str, arguments: &[String]) -> ExitCode {
    let [word] = arguments else { return failure(executable, &completions_help()) };
    if word == "--help" || word == "-h" {
        return print(&format!("{}\n", completions_help()));
    }
    let Ok(shell) = Shell::from_str(word, true) else {
        return failure(
            executable,
            &format!("no completions for {word:?}; {}", completions_help()),
        );
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut whole(), "fanfare", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The command line.
fn whole() -> Command {
    let mut command = tools::definition()
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(true)
        .subcommand_required(false)
        .long_about(ABOUT);
    for (heading, choices) in SECTIONS {
        for choice in *choices {
            command = command.arg(argument(choice).help_heading(*heading));
        }
    }
    let shell = Arg::new("shell").required(true).value_parser(clap::value_parser!(Shell));
    let commands = [
        Command::new("check")
            .about(check::ABOUT)
            .arg(Arg::new("config").short('c').long("config").value_name("FILE").help("the file")),
        Command::new("upgrade")
            .about(upgrade::ABOUT)
            .arg(Arg::new("process").value_name("PID|FILE").help("the broker, or its pid file"))
            .arg(Arg::new("binary").long("binary").value_name("PATH").help("what to start"))
            .arg(
                Arg::new("timeout")
                    .long("timeout")
                    .value_name("SECONDS")
                    .help("how long it may take"),
            ),
        Command::new("health").about(health::ABOUT).arg(Arg::new("url").help("where it listens")),
        Command::new("completions").about("Print the completions of a shell").arg(shell),
        Command::new("man")
            .about("Print the manual page, or write all pages")
            .arg(Arg::new("directory").help("where to write the pages of all commands")),
    ];
    command.subcommands(commands)
}

fn argument(choice: &Choice) -> Arg {
    let (short, long): (Vec<&str>, Vec<&str>) =
        choice.names.iter().partition(|name| name.len() == 1);
    let mut argument = Arg::new(choice.names.last().copied().unwrap_or_default()).help(choice.help);
    if let Some(letter) = short.first().and_then(|name| name.chars().next()) {
        argument = argument.short(letter);
    }
    // Where a word is among the names, the others are aliases of the first word.
    let word = long.iter().find(|name| name.len() > 2).or(long.first()).copied();
    if let Some(word) = word {
        let aliases = long.iter().copied().filter(|name| *name != word);
        argument = argument.long(word).visible_aliases(aliases);
    }
    match choice.kind {
        Kind::Truth => argument.action(ArgAction::SetTrue),
        _ => argument.value_name(choice.value),
    }
}

fn completions_help() -> String {
    let shells: Vec<String> = Shell::value_variants().iter().map(Shell::to_string).collect();
    format!("usage: fanfare completions SHELL, one of {}", shells.join(", "))
}

const MAN_HELP: &str = "\
usage: fanfare man        print the manual page
       fanfare man DIR    write the pages of all commands into a directory
";

const ABOUT: &str = "\
Without a command, fanfare serves: it is a message broker for clients that speak the NATS \
protocol. It is told what to do by a configuration file in the language of nats-server, or by \
options, which count more than the file. Options of the broker take one dash or two.

SIGTERM and SIGINT end it, SIGHUP reads the file again, SIGUSR1 opens the log file again, and \
SIGUSR2 has it leave slowly, so that its clients go elsewhere one by one.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound_and_has_every_option_and_command() {
        whole().debug_assert();
        let command = whole();
        let arguments: Vec<&Arg> = command.get_arguments().collect();
        for choice in SECTIONS.iter().flat_map(|(_, choices)| *choices) {
            let name = choice.names.last().unwrap();
            assert!(arguments.iter().any(|argument| argument.get_id() == name), "{name}");
        }
        for name in tools::NAMES.iter().chain(&["check", "health", "man", "completions", "upgrade"])
        {
            assert!(command.find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_manual_speaks_of_options_and_commands() {
        let mut page = Vec::new();
        clap_mangen::Man::new(whole()).render(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for words in [".TH fanfare 1", "\\-\\-max_payload", "fanfare\\-bench(1)", "SIGUSR2"] {
            assert!(page.contains(words), "{words} in {page}");
        }
    }
}
