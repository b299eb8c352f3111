//! Reads a transcript file into steps.
//!
//! Absent: playing them. The notation is described in `transcripts/README.md`; a line that does
//! not follow it is an error of the file and stops the test.

use std::fs;
use std::path::Path;

use super::pattern::Pattern;
use crate::broker::{Kind, Settings, kind};

/// One step of a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Where it is written.
    pub(crate) line: usize,
    /// The connections that it is about; several where any one of them may receive.
    pub(crate) connections: Vec<String>,
    /// What happens.
    pub(crate) action: Action,
}

/// What happens in a step.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// The client sends bytes.
    Say(Vec<u8>),
    /// The client closes its sending half.
    Finish,
    /// The client drops the connection.
    Close,
    /// The broker sends this.
    Expect(Pattern),
    /// The broker sends all of these, in any order.
    Unordered(Vec<Pattern>),
    /// Everything was executed and nothing more comes of it.
    Silent,
    /// The broker closes, and sends nothing before.
    Closed,
}

/// A whole transcript.
#[derive(Debug)]
pub(crate) struct Script {
    /// The file's name.
    pub(crate) name: String,
    /// How the broker is started.
    pub(crate) settings: Settings,
    /// Deliberate differences from the reference, by their anchor in `docs/compatibility.md`.
    pub(crate) differences: Vec<String>,
    /// Whether it can only be played uncut, because the program answers to the cuts.
    pub(crate) whole: bool,
    /// The conversation, without the lines that are for another program.
    pub(crate) steps: Vec<Step>,
}

impl Script {
    /// Reads a file of `transcripts/`.
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut script = Self {
            name: name.to_owned(),
            settings: Settings::default(),
            differences: Vec::new(),
            whole: false,
            steps: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            script.line(number, line).unwrap_or_else(|why| panic!("{name}:{number}: {why}"));
        }
        assert!(!script.steps.is_empty(), "{name} says nothing");
        script
    }

    /// Reads one line.
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.starts_with('#') || line.is_empty() {
            return Ok(());
        }
        let (head, text) = line.split_once(':').ok_or("no colon")?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        match head {
            "requires" => {
                let (name, value) = text.split_once('=').ok_or("no value")?;
                self.settings = self.settings.clone().limit(name, value);
                return Ok(());
            }
            "whole" if text == "nats-server" && !self.differences.is_empty() => {
                self.whole = kind() == Kind::Reference;
                return Ok(());
            }
            "differs" => {
                self.differences.push(text.to_owned());
                return Ok(());
            }
            _ => {}
        }
        let (names, speaker) = head.rsplit_once(' ').unwrap_or(("", head));
        let (speaker, program) = speaker.split_once('@').unwrap_or((speaker, ""));
        match program {
            "" => {}
            _ if self.differences.is_empty() => return Err("no `differs:` above".to_owned()),
            "fanfare" if kind() == Kind::Fanfare => {}
            "nats-server" if kind() == Kind::Reference => {}
            "fanfare" | "nats-server" => return Ok(()),
            other => return Err(format!("unknown program {other}")),
        }
        let connections = names.split('|').map(str::to_owned).collect();
        let action = match (speaker, text) {
            ("C", "<finish>") => Action::Finish,
            ("C", "<close>") => Action::Close,
            ("C", _) => Action::Say(resolve(text)?),
            ("S", "<silent>") => Action::Silent,
            ("S", "<closed>") => Action::Closed,
            ("S", "<unordered>") => Action::Unordered(Vec::new()),
            ("+", _) => return self.continue_unordered(Pattern::parse(&resolve(text)?)),
            ("S", _) => Action::Expect(Pattern::parse(&resolve(text)?)),
            _ => return Err(format!("who is {speaker}?")),
        };
        self.steps.push(Step { line: number, connections, action });
        Ok(())
    }

    /// Adds one more to the things that come in any order.
    fn continue_unordered(&mut self, pattern: Pattern) -> Result<(), String> {
        match self.steps.last_mut().map(|step| &mut step.action) {
            Some(Action::Unordered(patterns)) => patterns.push(pattern),
            _ => return Err("`+` belongs below `<unordered>`".to_owned()),
        }
        Ok(())
    }
}

/// Resolves the escapes of a line and gives it its line end.
pub(crate) fn resolve(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next().ok_or("a lone backslash")?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).ok_or("two digits after \\x")?;
                let byte = u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
                bytes.push(byte);
                rest = &rest[2..];
            }
            '(' => {
                let (run, later) = rest.split_once(')').ok_or("no end of \\(")?;
                let (unit, count) = run.rsplit_once('*').ok_or("no `*` in \\(")?;
                let count: usize = count.parse().map_err(|_| "no count in \\(")?;
                bytes.extend_from_slice(unit.repeat(count).as_bytes());
                rest = later;
            }
            'c' if rest.is_empty() => return Ok(bytes),
            other => return Err(format!("unknown escape \\{other}")),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(b"\r\n");
    Ok(bytes)
}

#[test]
fn escapes_are_resolved_and_a_line_end_is_added() {
    assert_eq!(resolve("PING").unwrap(), b"PING\r\n");
    assert_eq!(resolve("PING\\n\\c").unwrap(), b"PING\n");
    assert_eq!(resolve("a\\x00\\xfF\\t\\\\").unwrap(), b"a\0\xff\t\\\r\n");
    assert_eq!(resolve("\\(ab*3)!\\c").unwrap(), b"ababab!");
    assert!(resolve("\\q").is_err() && resolve("\\").is_err() && resolve("\\x1").is_err());
}
