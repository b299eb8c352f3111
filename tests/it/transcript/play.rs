//! Plays a transcript against a broker of its own.
//!
//! Absent: waiting for time to pass. "Nothing more" is shown with a PING, whose PONG must be all
//! that comes; at the end of a script every connection that is still open is fenced so.

use std::collections::BTreeMap;

use super::pattern::{Fit, Pattern};
use super::script::{Action, Script, Step};
use super::split::{Split, cut};
use crate::broker::Broker;
use crate::wire::{Connection, shown};

/// Why a step went wrong.
type Failure = String;

/// A conversation that is going on.
struct Play<'a> {
    broker: Broker,
    split: Split,
    steps: &'a [Step],
    connections: BTreeMap<&'a str, Connection>,
}

/// Plays one transcript, cut in one way.
pub(crate) fn play(script: &Script, split: Split, shards: u32) {
    let broker = script.settings.clone().shards(shards).start();
    let connections = BTreeMap::new();
    let mut play = Play { broker, split, steps: &script.steps, connections };
    if let Err((line, why)) = play.run() {
        let log = play.broker.log().so_far();
        panic!("{}:{line} ({split:?}, {shards} shards): {why}\n{log}", script.name);
    }
}

impl<'a> Play<'a> {
    /// Goes through all steps.
    fn run(&mut self) -> Result<(), (usize, Failure)> {
        let mut next = 0;
        while let Some(step) = self.steps.get(next) {
            next += self.step(next, step).map_err(|why| (step.line, why))?;
        }
        let last = self.steps.last().map_or(0, |step| step.line);
        for (name, connection) in &mut self.connections {
            if !connection.ended() {
                silent(connection).map_err(|why| (last, format!("at the end, {name:?}: {why}")))?;
            }
        }
        Ok(())
    }

    /// Does the step at `index`, and those that belong to it; returns how many.
    fn step(&mut self, index: usize, step: &'a Step) -> Result<usize, Failure> {
        if let [_, _, ..] = &step.connections[..] {
            self.one_of(step)?;
            return Ok(1);
        }
        let name = &step.connections[0];
        self.open(index, name)?;
        if let Action::Say(_) = step.action {
            return Ok(self.say(index, name));
        }
        if let Action::Close = step.action {
            self.connections.remove(&name[..]);
            return Ok(1);
        }
        let connection = self.connection(name)?;
        match &step.action {
            Action::Finish => connection.finish(),
            Action::Expect(pattern) => expect(connection, pattern)?,
            Action::Unordered(patterns) => unordered(connection, patterns)?,
            Action::Silent => silent(connection)?,
            Action::Closed => closed(connection)?,
            Action::Say(_) | Action::Close => {}
        }
        Ok(1)
    }

    /// Connects at the first mention of a connection. Its greeting is read unless the script does.
    fn open(&mut self, index: usize, name: &'a str) -> Result<(), Failure> {
        if self.connections.contains_key(name) {
            return Ok(());
        }
        let mut connection = Connection::open(self.broker.address());
        let explicit = matches!(self.steps[index].action, Action::Expect(_));
        if !explicit {
            expect(&mut connection, &Pattern::parse(b"INFO {<...>}<...>\r\n"))?;
        }
        self.connections.insert(name, connection);
        Ok(())
    }

    /// The connection of that name.
    fn connection(&mut self, name: &str) -> Result<&mut Connection, Failure> {
        self.connections.get_mut(name).ok_or_else(|| format!("{name:?} is not open"))
    }

    /// Sends this line and those that the same client says right after it.
    fn say(&mut self, index: usize, name: &str) -> usize {
        let lines: Vec<Vec<u8>> = self.steps[index..]
            .iter()
            .map_while(|step| match &step.action {
                Action::Say(bytes) if step.connections == [name] => Some(bytes.clone()),
                _ => None,
            })
            .collect();
        if let Some(connection) = self.connections.get_mut(name) {
            for part in cut(self.split, &lines) {
                connection.send(part);
            }
        }
        lines.len()
    }

    /// Exactly one of several connections receives.
    fn one_of(&mut self, step: &Step) -> Result<(), Failure> {
        let Action::Expect(pattern) = &step.action else {
            return Err("several connections can only receive".to_owned());
        };
        let mut receivers = 0;
        for name in &step.connections {
            let connection = self.connection(name)?;
            connection.send("PING\r\n");
            let pong = Pattern::parse(b"PONG\r\n");
            if expect(connection, &pong).is_ok() {
                continue;
            }
            expect(connection, pattern)?;
            expect(connection, &pong)?;
            receivers += 1;
        }
        if receivers == 1 { Ok(()) } else { Err(format!("{receivers} of them received it")) }
    }
}

/// The next bytes must fit. A PING of the broker's own is skipped unless it is what is expected.
fn expect(connection: &mut Connection, pattern: &Pattern) -> Result<(), Failure> {
    loop {
        match pattern.fit(connection.pending()) {
            Fit::Whole(length) => {
                connection.consume(length);
                return Ok(());
            }
            Fit::Never if connection.pending().starts_with(b"PING\r\n") => {
                connection.consume(6);
            }
            Fit::Never => return Err(format!("got {}", shown(connection.pending()))),
            Fit::Partial if connection.try_fill()? => {}
            Fit::Partial => {
                return Err(format!("closed after {}", shown(connection.pending())));
            }
        }
    }
}

/// All of them must come, in any order.
fn unordered(connection: &mut Connection, patterns: &[Pattern]) -> Result<(), Failure> {
    let mut missing: Vec<&Pattern> = patterns.iter().collect();
    while !missing.is_empty() {
        let fits = |pattern: &&Pattern| pattern.fit(connection.pending());
        let whole = missing.iter().map(fits).position(|fit| matches!(fit, Fit::Whole(_)));
        if let Some(index) = whole {
            expect(connection, missing.remove(index))?;
        } else if missing.iter().map(fits).all(|fit| fit == Fit::Never) {
            let count = missing.len();
            return Err(format!("{count} missing, got {}", shown(connection.pending())));
        } else if !connection.try_fill()? {
            return Err(format!("closed after {}", shown(connection.pending())));
        }
    }
    Ok(())
}

/// Everything said was executed, and nothing but the answer to a PING comes.
fn silent(connection: &mut Connection) -> Result<(), Failure> {
    connection.send("PING\r\n");
    expect(connection, &Pattern::parse(b"PONG\r\n"))
}

/// The broker closes, and nothing comes before.
fn closed(connection: &mut Connection) -> Result<(), Failure> {
    while connection.try_fill()? {}
    let rest = connection.pending();
    if rest.is_empty() { Ok(()) } else { Err(format!("got {} before the end", shown(rest))) }
}
