//! Reads a scenario: a configuration, and what clients do with a server that has it.
//!
//! Absent: doing it. The notation is described in `tests/parity/README.md`; a line that does not
//! follow it is an error of the file and stops the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::transcript::resolve;

use super::fixture::Fixtures;

/// One line of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Where it is written.
    pub(crate) line: usize,
    /// What happens.
    pub(crate) action: Action,
}

/// Options of a step: `name` or `name=value`.
pub(crate) type Options = BTreeMap<String, String>;

/// What happens in a step.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A client connects the socket, and TLS if an option says so.
    Open(String, Options),
    /// A client sends CONNECT with these credentials, and waits until it is answered.
    Connect(String, Options),
    /// A client sends bytes, and all clients wait until everything that follows has come.
    Say(String, String),
    /// A client sends bytes and nobody waits.
    Raw(String, String),
    /// A client reads until something with this text came.
    Await(String, String),
    /// The last things that a client was told must have this text among them.
    Expect(String, String),
    /// The server closes a client.
    End(String),
    /// A client closes.
    Close(String),
    /// Replaces the configuration by another file, if one is named, and reloads.
    Reload(Option<String>),
    /// Replaces a file of the server by another of its files.
    Copy(String, String),
    /// Three client libraries do the same; see `Probe`.
    Libraries(Options),
    /// Starts a service that answers authorization callouts; see `Callout`.
    Callout(Options),
}

/// A difference that is meant: where nats-server says the one, Fanfare says the other.
#[derive(Debug, Clone)]
pub(crate) struct Exception {
    /// What fits in nats-server's record.
    pub(crate) reference: String,
    /// What fits in Fanfare's.
    pub(crate) subject: String,
}

/// A whole scenario.
#[derive(Debug, Default)]
pub(crate) struct Scenario {
    /// Its name.
    pub(crate) name: String,
    /// The configuration file in `tests/parity/configs`.
    pub(crate) config: String,
    /// More files for the server's folder: name there, and in `tests/parity/configs`.
    pub(crate) files: Vec<(String, String)>,
    /// Environment variables of the server.
    pub(crate) environment: Vec<(String, String)>,
    /// Arguments of the server.
    pub(crate) arguments: Vec<String>,
    /// The file says where to listen, and not the command line.
    pub(crate) own_address: bool,
    /// Subjects of messages whose payload differs from run to run: only its outline is compared.
    pub(crate) outlined: Vec<String>,
    /// Anchors in `docs/compatibility.md`.
    pub(crate) differences: Vec<String>,
    /// The differences in detail.
    pub(crate) exceptions: Vec<Exception>,
    /// Lines that make JWTs.
    jwts: Vec<(usize, String)>,
    /// What happens.
    pub(crate) steps: Vec<Step>,
}

impl Scenario {
    /// Reads a file of `tests/parity/scenarios`.
    pub(crate) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/scenarios");
        let text = fs::read_to_string(folder.join(format!("{name}.txt")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut scenario =
            Self { name: name.to_owned(), config: format!("{name}.conf"), ..Self::default() };
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            scenario.line(number, line).unwrap_or_else(|why| panic!("{name}:{number}: {why}"));
        }
        assert!(!scenario.steps.is_empty(), "{name} does nothing");
        scenario
    }

    /// Makes the keys and JWTs that it names.
    pub(crate) fn fixtures(&self) -> Fixtures {
        let mut fixtures = Fixtures::default();
        for (line, text) in &self.jwts {
            let made = fixtures.add_jwt(text);
            made.unwrap_or_else(|why| panic!("{}:{line}: {why}", self.name));
        }
        fixtures
    }

    /// Reads one line.
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.starts_with('#') || line.is_empty() {
            return Ok(());
        }
        let (head, text) = line.split_once(':').unwrap_or((line, ""));
        if let [client] = head.split(' ').collect::<Vec<_>>()[..]
            && client.starts_with(char::is_uppercase)
        {
            let text = text.strip_prefix(' ').unwrap_or(text).to_owned();
            return self.say(number, client, text);
        }
        if self.header(number, head, text.trim())? {
            return Ok(());
        }
        self.steps.push(Step { line: number, action: action(line)? });
        Ok(())
    }

    /// Reads a line of the first part; false when it is none.
    fn header(&mut self, number: usize, head: &str, text: &str) -> Result<bool, String> {
        let pair = |by: &str| {
            let (left, right) = text.split_once(by).ok_or(format!("no `{by}`"))?;
            Ok::<_, String>((left.trim().to_owned(), right.trim().to_owned()))
        };
        match head {
            "config" => text.clone_into(&mut self.config),
            "file" => self.files.push(pair("=")?),
            "env" => self.environment.push(pair("=")?),
            "argument" => self.arguments.push(text.to_owned()),
            "listens" if text == "as the file says" => self.own_address = true,
            "outline" => self.outlined.push(text.to_owned()),
            "differs" => self.differences.push(text.to_owned()),
            "except" => {
                let (reference, subject) = pair("==>")?;
                self.exceptions.push(Exception { reference, subject });
            }
            "jwt" => self.jwts.push((number, text.to_owned())),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds to what a client says; lines right behind each other are sent together.
    fn say(&mut self, number: usize, client: &str, text: String) -> Result<(), String> {
        resolve(&text)?;
        if let Some(Step { line, action: Action::Say(before, said) }) = self.steps.last_mut()
            && before == client
            && said.matches('\n').count() + 1 + *line == number
        {
            said.push('\n');
            said.push_str(&text);
        } else {
            let action = Action::Say(client.to_owned(), text);
            self.steps.push(Step { line: number, action });
        }
        Ok(())
    }
}

/// Reads a step that is not said by a client.
fn action(line: &str) -> Result<Action, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |count: usize| {
        let mut rest = line;
        for _ in 0..count {
            rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
        }
        rest.to_owned()
    };
    Ok(match words[..] {
        ["reload"] => Action::Reload(None),
        ["reload", file] => Action::Reload(Some(file.to_owned())),
        ["copy", from, to] => Action::Copy(from.to_owned(), to.to_owned()),
        ["libraries", ..] => Action::Libraries(options(&after(1))?),
        ["callout", ..] => Action::Callout(options(&after(1))?),
        [client, verb, ..] if client.starts_with(char::is_uppercase) => {
            let client = client.to_owned();
            match verb {
                "opens" => Action::Open(client, options(&after(2))?),
                "connects" => Action::Connect(client, options(&after(2))?),
                "sends" => Action::Raw(client, after(2)),
                "awaits" => Action::Await(client, after(2)),
                "got" => Action::Expect(client, after(2)),
                "ends" => Action::End(client),
                "closes" => Action::Close(client),
                _ => return Err(format!("what is {verb}?")),
            }
        }
        _ => return Err("what is this?".to_owned()),
    })
}

/// Reads `name`, `name=value` and `name="value with blanks"`.
pub(crate) fn options(text: &str) -> Result<Options, String> {
    let mut found = Options::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            None => ("", after),
            Some(quoted) if quoted.starts_with('"') => {
                quoted[1..].split_once('"').ok_or("a quote without its end")?
            }
            Some(bare) => bare.split_at(bare.find(' ').unwrap_or(bare.len())),
        };
        found.insert(name.to_owned(), value.to_owned());
        rest = after.trim_start();
    }
    Ok(found)
}

#[test]
fn options_have_values_with_and_without_blanks() {
    let found = options("tls user=alice  note=\"a b\" x=").unwrap();
    let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    assert_eq!(found, ["note:a b", "tls:", "user:alice", "x:"]);
    assert!(options("a=\"b").is_err());
}
