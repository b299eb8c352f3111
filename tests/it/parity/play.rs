//! Plays a scenario against one server and records what it said.
//!
//! Absent: waiting for time to pass. After each thing said, every client that has connected sends
//! a PING and reads up to its PONG: first the one that spoke, so that what it caused stands before
//! the answers of the others.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::callout::Callout;
use super::fixture::{Fixtures, overlay, user_key};
use super::link::Link;
use super::probe;
use super::record::{first, outline};
use super::scenario::{Action, Options, Scenario, Step};
use super::server::{Server, Side};
use crate::transcript::resolve;

/// Why a step went wrong.
type Failure = String;

/// One thing that a server said, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The line of the scenario.
    pub(crate) step: usize,
    /// To whom.
    pub(crate) client: String,
    /// What.
    pub(crate) text: String,
    payload: Vec<u8>,
}

/// A client of the scenario.
#[derive(Debug)]
struct Client {
    link: Link,
    /// Whether it answers to fences.
    joined: bool,
    nonce: Option<String>,
    /// What it was told since the last step began.
    recent: Vec<String>,
}

/// A scenario that is going on.
struct Play<'a> {
    server: Server,
    scenario: &'a Scenario,
    fixtures: Fixtures,
    clients: BTreeMap<String, Client>,
    callouts: Vec<Callout>,
    record: Vec<Line>,
    step: usize,
}

/// Plays a scenario; returns all that the server said.
pub(crate) fn play(scenario: &Scenario, side: Side) -> Vec<Line> {
    let fixtures = scenario.fixtures();
    let server = Server::start(side, scenario, &fixtures);
    let mut play = Play {
        server,
        scenario,
        fixtures,
        clients: BTreeMap::new(),
        callouts: Vec::new(),
        record: Vec::new(),
        step: 0,
    };
    for step in &scenario.steps {
        if let Err(why) = play.step(step) {
            let told: Vec<String> = play.record.iter().map(ToString::to_string).collect();
            let log = play.server.broker.log().so_far();
            let place = format!("{}:{} ({side:?})", scenario.name, step.line);
            panic!("{place}: {why}\n{}\n{log}", told.join("\n"));
        }
    }
    let mut record = play.record;
    for run in record.chunk_by_mut(Line::same_message) {
        run.sort_by(|a, b| a.text.cmp(&b.text));
    }
    record
}

impl Line {
    /// Whether both are deliveries of one message to one client, whose order nobody promises.
    fn same_message(&self, other: &Self) -> bool {
        let message = |line: &Self| line.text.starts_with("MSG ") || line.text.starts_with("HMSG ");
        message(self)
            && message(other)
            && (self.step, &self.client, &self.payload)
                == (other.step, &other.client, &other.payload)
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}: {} < {}", self.step, self.client, self.text)
    }
}

impl Play<'_> {
    /// Does one step.
    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        self.step = step.line;
        let done = self.act(step);
        let told: Vec<String> = self.callouts.iter().flat_map(Callout::told).collect();
        for text in told {
            self.push("the callout", text, Vec::new());
        }
        done
    }

    /// Does what a step asks for.
    fn act(&mut self, step: &Step) -> Result<(), Failure> {
        if !matches!(step.action, Action::Expect(..)) {
            for client in self.clients.values_mut() {
                client.recent.clear();
            }
        }
        match &step.action {
            Action::Open(name, options) => self.open(name, options),
            Action::Connect(name, options) => self.connect(name, options),
            Action::Say(name, text) => {
                self.send(name, text)?;
                self.settle(name)
            }
            Action::Raw(name, text) => {
                if !self.clients.contains_key(name) {
                    self.open(name, &Options::new())?;
                }
                self.send(name, text)
            }
            Action::Await(name, text) => {
                let text = self.fixtures.fill(text)?;
                let mut wanted: Vec<&str> = text.split(" | ").collect();
                let start = self.record.len();
                self.until(name, |said| {
                    wanted.retain(|wanted| !said.contains(wanted));
                    wanted.is_empty()
                })?;
                if text.contains(" | ") {
                    self.record[start..].sort_by(|a, b| a.text.cmp(&b.text));
                }
                Ok(())
            }
            Action::Expect(name, text) => {
                let text = self.fixtures.fill(text)?;
                let recent = &self.client(name)?.recent;
                let found = recent.iter().any(|said| said.contains(&text));
                if found { Ok(()) } else { Err(format!("{text:?} is not in {recent:?}")) }
            }
            Action::End(name) => {
                self.until(name, |_| false)?;
                Ok(())
            }
            Action::Close(name) => {
                self.clients.remove(name).map(|_| ()).ok_or(format!("{name} is not open"))
            }
            Action::Reload(file) => {
                self.reload(file.as_deref());
                Ok(())
            }
            Action::Copy(from, to) => {
                self.server.copy(from, to);
                Ok(())
            }
            Action::Libraries(options) => self.libraries(options),
            Action::Callout(options) => {
                let options = self.fill_all(options)?;
                let address = self.server.broker.address();
                self.callouts.push(Callout::start(address, &options)?);
                Ok(())
            }
        }
    }

    /// Has all client libraries do the same, and records what they tell.
    fn libraries(&mut self, options: &Options) -> Result<(), Failure> {
        let options = self.fill_all(options)?;
        let address = self.server.broker.address();
        let case = probe::case(address, &options, &self.fixtures)?;
        for (library, told) in probe::LIBRARIES.into_iter().zip(probe::ask(&[case])) {
            for text in told.concat() {
                self.push(library, text, Vec::new());
            }
        }
        Ok(())
    }

    /// Fills in the values of options.
    fn fill_all(&self, options: &Options) -> Result<Options, Failure> {
        let filled =
            options.iter().map(|(name, value)| Ok((name.clone(), self.fixtures.fill(value)?)));
        filled.collect()
    }

    /// The client of that name.
    fn client(&mut self, name: &str) -> Result<&mut Client, Failure> {
        self.clients.get_mut(name).ok_or_else(|| format!("{name} is not open"))
    }

    /// Adds to the record.
    fn push(&mut self, client: &str, text: String, payload: Vec<u8>) {
        let step = self.step;
        self.record.push(Line { step, client: client.to_owned(), text, payload });
    }

    /// Connects a socket, goes through what comes before the first INFO, and records the INFO.
    fn open(&mut self, name: &str, options: &Options) -> Result<(), Failure> {
        let mut link = Link::open(self.server.broker.address());
        if let Some(preface) = options.get("preface") {
            let mut bytes = resolve(&self.fixtures.fill(preface)?)?;
            bytes.truncate(bytes.len() - 2);
            link.send(&bytes);
        }
        let client = Client { link, joined: false, nonce: None, recent: Vec::new() };
        self.clients.insert(name.to_owned(), client);
        let tls = options.get("tls").map(String::as_str);
        if tls == Some("first") {
            self.secure(name, options)?;
        }
        if options.contains_key("silent") {
            return Ok(());
        }
        if self.client(name)?.link.ended() {
            return Ok(());
        }
        self.until(name, |said| said.starts_with("INFO "))?;
        if tls == Some("") {
            self.secure(name, options)?;
        }
        Ok(())
    }

    /// Starts TLS and records how that went.
    fn secure(&mut self, name: &str, options: &Options) -> Result<(), Failure> {
        let certificate = options.get("certificate").map(String::as_str);
        let host = options.get("host").map_or("localhost", String::as_str);
        let text = match self.client(name)?.link.secure(host, certificate) {
            Ok(server) => format!("<TLS, certificate {server}>"),
            Err(_) => "<TLS refused>".to_owned(),
        };
        self.push(name, text, Vec::new());
        Ok(())
    }

    /// Sends CONNECT with credentials; what comes of it stands before the second PONG.
    fn connect(&mut self, name: &str, options: &Options) -> Result<(), Failure> {
        if !self.clients.contains_key(name) {
            self.open(name, options)?;
        }
        let options = self.fill_all(options)?;
        let nonce = self.client(name)?.nonce.clone();
        let body = connect_body(&options, nonce.as_deref(), &self.fixtures)?;
        let client = self.client(name)?;
        client.link.send(format!("CONNECT {body}\r\nPING\r\nPING\r\n").as_bytes());
        client.joined = true;
        let mut pongs = 0;
        self.until(name, |said| {
            pongs += usize::from(said == "PONG");
            pongs == 2
        })?;
        Ok(())
    }

    /// Sends lines of the scenario.
    fn send(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for line in text.split('\n') {
            bytes.extend(resolve(&self.fixtures.fill(line)?)?);
        }
        self.client(name)?.link.send(&bytes);
        Ok(())
    }

    /// Waits until everything has come that `speaker` has caused.
    fn settle(&mut self, speaker: &str) -> Result<(), Failure> {
        self.client(speaker)?.joined = true;
        let others = self.clients.keys().filter(|name| *name != speaker).cloned();
        let names: Vec<String> = std::iter::once(speaker.to_owned()).chain(others).collect();
        for name in names {
            let client = self.client(&name)?;
            if client.joined && !client.link.ended() {
                client.link.send(b"PING\r\n");
                self.until(&name, |said| said == "PONG")?;
            }
        }
        Ok(())
    }

    /// Records what a client is told, up to something wanted or until it is closed.
    fn until(&mut self, name: &str, mut wanted: impl FnMut(&str) -> bool) -> Result<(), Failure> {
        loop {
            let client = self.client(name)?;
            let Some(said) = first(client.link.pending()) else {
                if client.link.ended() {
                    return Err(format!("{name} was closed before"));
                }
                if !client.link.fill()? {
                    let rest = client.link.pending().escape_ascii().to_string();
                    self.push(name, format!("<closed> {rest}"), Vec::new());
                    return Ok(());
                }
                continue;
            };
            client.link.consume(said.length);
            client.recent.push(said.text.clone());
            if said.nonce.is_some() {
                client.nonce.clone_from(&said.nonce);
            }
            if let Some(reply) = &said.reply {
                self.fixtures.set(&format!("reply:{name}"), reply.clone());
            }
            if said.text != "PING" && said.text != "PONG" {
                let text = self.outlined(&said.text, &said.payload);
                self.push(name, text, said.payload);
            }
            if wanted(&said.text) {
                return Ok(());
            }
        }
    }

    /// The text of an operation, without the values of payloads that differ from run to run.
    fn outlined(&self, text: &str, payload: &[u8]) -> String {
        let mut words = text.split(' ');
        let (operation, subject) = (words.next(), words.next().unwrap_or_default());
        let listed = self.scenario.outlined.iter().any(|prefix| subject.starts_with(prefix));
        if operation == Some("MSG") && listed {
            let value = serde_json::from_slice(payload).unwrap_or(Value::Null);
            return format!("MSG {subject} {}", outline(&value));
        }
        text.to_owned()
    }

    /// Replaces the configuration and reloads; all clients stand still meanwhile.
    fn reload(&mut self, file: Option<&str>) {
        if let Some(file) = file {
            self.server.replace("server.conf", file, &self.fixtures);
        }
        let text = if self.server.reload() { "reloaded" } else { "refused to reload" };
        self.push("the log", text.to_owned(), Vec::new());
    }
}

/// The JSON of CONNECT.
fn connect_body(
    options: &Options,
    nonce: Option<&str>,
    fixtures: &Fixtures,
) -> Result<Value, Failure> {
    let mut body = json!({
        "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
        "protocol": 1, "lang": "parity", "version": "1"
    });
    let mut signer = options.get("signer").cloned();
    for (name, value) in options {
        match name.as_str() {
            "user" | "pass" | "auth_token" | "name" | "sig" => body[name] = json!(value),
            "nkey" => {
                body["nkey"] = json!(user_key(value).public_key());
                signer.get_or_insert_with(|| value.clone());
            }
            "jwt" => {
                body["jwt"] = json!(fixtures.jwt(value)?);
                signer.get_or_insert_with(|| value.clone());
            }
            "json" => {
                let more = serde_json::from_str(&value.replace('\'', "\""));
                overlay(&mut body, more.map_err(|why| format!("{value}: {why}"))?);
            }
            "signer" | "unsigned" | "tls" | "certificate" | "host" | "preface" => {}
            other => return Err(format!("what is {other}=?")),
        }
    }
    if let Some(name) = signer.filter(|_| !options.contains_key("unsigned")) {
        let nonce = nonce.unwrap_or_default();
        let signature = user_key(&name).sign(nonce.as_bytes()).map_err(|why| why.to_string())?;
        body["sig"] = json!(BASE64URL_NOPAD.encode(&signature));
    }
    Ok(body)
}
