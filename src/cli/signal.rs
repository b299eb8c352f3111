//! `--signal`: finds the process of a running broker and sends it a signal.
//!
//! Absent: what the signal does there (`admin::signals`). A process is named by its number, by a
//! file that holds it, by how its number begins (`12*`), or not at all when only one runs. Texts
//! are nats-server's. A number below 1 would reach whole groups of processes and is refused.

use rustix::process::{Pid, Signal, kill_process};

use super::tools;
use crate::io::errno;

/// Does what `--signal TEXT` asks of the processes of this name.
pub(super) fn send(text: &str, executable: &str) -> Result<(), String> {
    let mut parts = text.split('=');
    let command = parts.next().unwrap_or_default();
    let process = parts.next().map(number_in_file).unwrap_or_default();
    let more: Vec<&str> = parts.collect();
    if !more.is_empty() {
        return Err(format!("invalid signal parameters: [{}]", more.join(" ")));
    }
    let targets = resolve(&process, executable, running)?;
    let signal = signal(command)?;
    let mut failures = vec![String::new()];
    for pid in targets {
        if let Err(error) = kill_process(pid, signal) {
            let error = errno::plain(&error.into());
            failures.push(format!("signal {command:?} {}: {error}", pid.as_raw_nonzero()));
        }
    }
    if failures.len() == 1 { Ok(()) } else { Err(failures.join("\n")) }
}

/// The one process that a word or nothing names, as with `--signal`.
pub(super) fn find_one(text: &str, executable: &str) -> Result<Pid, String> {
    match &resolve(&number_in_file(text), executable, running)?[..] {
        [process] => Ok(*process),
        _ => Err(format!("{text} names no single process")),
    }
}

/// A number stands for itself; a file that can be read for what is in it.
fn number_in_file(text: &str) -> String {
    match std::fs::read_to_string(text) {
        Ok(number) => number.trim().to_owned(),
        Err(_) => text.to_owned(),
    }
}

/// The processes that are meant.
fn resolve(
    process: &str,
    executable: &str,
    running: impl FnOnce(&str) -> Result<Vec<Pid>, String>,
) -> Result<Vec<Pid>, String> {
    let pattern = process.strip_suffix('*');
    let beginning = pattern.unwrap_or(process);
    let invalid = || format!("invalid pid: {beginning}");
    if !beginning.is_empty() {
        let pid = pid(beginning).ok_or_else(invalid)?;
        if pattern.is_none() {
            return Ok(vec![pid]);
        }
    }
    let pids = running(executable)?;
    if pids.is_empty() {
        return Err(format!("no {executable} processes running"));
    }
    if pattern.is_some() {
        let begins = |pid: &Pid| pid.as_raw_nonzero().to_string().starts_with(beginning);
        return Ok(pids.into_iter().filter(begins).collect());
    }
    if pids.len() > 1 {
        let list: Vec<String> = pids.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
        return Err(format!("multiple {executable} processes running:\n{}", list.join("\n")));
    }
    Ok(pids)
}

/// A number above zero: others stand for groups of processes.
fn pid(text: &str) -> Option<Pid> {
    let number: i32 = text.parse().ok()?;
    if number > 0 { Pid::from_raw(number) } else { None }
}

/// All brokers of this name but this process, by the system's list of processes.
fn running(executable: &str) -> Result<Vec<Pid>, String> {
    let unable = |_| "unable to resolve pid, try providing one".to_owned();
    let own = rustix::process::getpid();
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").map_err(unable)?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(pid).filter(|pid| *pid != own) else { continue };
        // A process that has ended meanwhile has neither file.
        let command = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_broker(command.trim_end(), &line, executable) {
            pids.push(pid);
        }
    }
    pids.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
    Ok(pids)
}

/// Whether a process is a broker of this name, and not one of the tools in the same executable.
fn is_broker(command: &str, line: &[u8], executable: &str) -> bool {
    // The system keeps this many bytes of a process's name.
    let kept = executable.as_bytes().get(..15).unwrap_or(executable.as_bytes());
    let first = line.split(|&byte| byte == 0).nth(1).unwrap_or_default();
    let is_tool = std::str::from_utf8(first).is_ok_and(|it| it == "upgrade" || tools::is_one(it));
    // What has ended and was not yet waited for has no command line.
    command.as_bytes() == kept && !line.is_empty() && !is_tool
}

fn signal(command: &str) -> Result<Signal, String> {
    Ok(match command {
        "stop" => Signal::KILL,
        "quit" => Signal::INT,
        "term" => Signal::TERM,
        "reopen" => Signal::USR1,
        "reload" => Signal::HUP,
        "ldm" => Signal::USR2,
        _ => return Err(format!("unknown signal {command:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(process: &str, running: &[i32]) -> Result<Vec<i32>, String> {
        let running = running.iter().filter_map(|&number| Pid::from_raw(number)).collect();
        let pids = resolve(process, "exe", |_| Ok(running))?;
        Ok(pids.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect())
    }

    #[test]
    fn a_process_is_named_by_number_by_beginning_or_by_being_the_only_one() {
        assert_eq!(among("7", &[]), Ok(vec![7]));
        assert_eq!(among("", &[7]), Ok(vec![7]));
        assert_eq!(among("12*", &[12, 123, 312]), Ok(vec![12, 123]));
        assert_eq!(among("*", &[12, 3]), Ok(vec![12, 3]));
        assert_eq!(among("9*", &[12]), Ok(vec![]));
    }

    #[test]
    fn what_names_no_process_is_told_in_the_references_words() {
        let error = |process, running: &[i32]| among(process, running).expect_err(process);
        assert_eq!(error("", &[]), "no exe processes running");
        assert_eq!(error("12*", &[]), "no exe processes running");
        assert_eq!(error("", &[5, 6]), "multiple exe processes running:\n5\n6");
        for text in ["abc", "abc*", "0", "-1", "-1*", "99999999999", "1 "] {
            let expected = format!("invalid pid: {}", text.trim_end_matches('*'));
            assert_eq!(error(text, &[5]), expected);
        }
    }

    #[test]
    fn every_command_has_its_signal() {
        let all = ["stop", "quit", "term", "reopen", "reload", "ldm"].map(signal);
        let expected =
            [Signal::KILL, Signal::INT, Signal::TERM, Signal::USR1, Signal::HUP, Signal::USR2];
        assert_eq!(all, expected.map(Ok));
        assert_eq!(signal("STOP"), Err("unknown signal \"STOP\"".to_owned()));
        let error = send("reload=1=2", "exe").expect_err("too much");
        assert_eq!(error, "invalid signal parameters: [2]");
    }

    #[test]
    fn tools_in_the_same_executable_are_no_brokers() {
        assert!(is_broker("fanfare", b"fanfare\0-p\0", "fanfare"));
        assert!(is_broker("fanfare", b"/bin/fanfare\0", "fanfare"));
        assert!(!is_broker("fanfare", b"fanfare\0sub\0a\0", "fanfare"));
        assert!(!is_broker("fanfare", b"", "fanfare"));
        assert!(!is_broker("fanfares", b"fanfares\0", "fanfare"));
        assert!(is_broker("a-rather-long-n", b"x\0", "a-rather-long-name"));
    }
}
