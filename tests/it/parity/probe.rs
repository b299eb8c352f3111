//! Three client libraries that do the same with the same credentials.
//!
//! Absent: judgement. What happened to each is told as lines of text, without addresses. The
//! programs for Python and Node.js are in `tests/clients`; this file describes a case to them, and
//! is the program for Rust.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::certificates::Certificates;
use super::fixture::{Fixtures, user_key};
use super::scenario::Options;
use crate::broker::scratch;
use crate::foreign;
use crate::wire::DEADLINE;

/// The libraries, by the names that records have for them.
pub(crate) const LIBRARIES: [&str; 3] = ["async-nats", "nats-py", "transport-node"];

/// Describes a case to the programs: where to connect, with which credentials, and what to do.
pub(crate) fn case(
    address: SocketAddr,
    options: &Options,
    fixtures: &Fixtures,
) -> Result<Value, String> {
    let mut case = json!({"url": format!("nats://{address}")});
    let file = |name: String| Certificates::get().file(&name).display().to_string();
    for (name, value) in options {
        match name.as_str() {
            "user" | "pass" | "token" => case[name] = json!(value),
            "do" => case["do"] = value.split_whitespace().collect(),
            "nkey" => case["seed"] = json!(seed(value)),
            "bearer" => case["jwt"] = json!(fixtures.jwt(value)?),
            "jwt" => {
                let signer = options.get("signer").unwrap_or(value);
                case["creds"] = json!(credentials(fixtures.jwt(value)?, &seed(signer)));
            }
            "tls" => {
                case["ca"] = json!(file("ca.pem".to_owned()));
                case["first"] = json!(value == "first");
            }
            "certificate" => {
                case["cert"] = json!(file(format!("{value}.pem")));
                case["key"] = json!(file(format!("{value}.key")));
            }
            "signer" => {}
            other => return Err(format!("what is {other}=?")),
        }
    }
    Ok(case)
}

/// The seed of a user's key.
fn seed(name: &str) -> String {
    user_key(name).seed().expect("a pair has a seed")
}

/// A credentials file; returns its name.
fn credentials(jwt: &str, seed: &str) -> String {
    let part = |name: &str, text: &str| {
        format!("-----BEGIN {name}-----\n{text}\n------END {name}------\n\n")
    };
    let text = part("NATS USER JWT", jwt) + &part("USER NKEY SEED", seed);
    let path = scratch("user.creds");
    fs::write(&path, text).expect("the build directory");
    path.display().to_string()
}

/// Has each library do all cases; returns what each told of each.
pub(crate) fn ask(cases: &[Value]) -> [Vec<Vec<String>>; 3] {
    let mut python = Command::new(foreign::python().join("bin/python"));
    python.arg(foreign::sources().join("python/probe.py"));
    let mut node = Command::new("node");
    node.arg(foreign::sources().join("node/probe.cjs"));
    node.env("NODE_PATH", foreign::node().join("node_modules"));
    [cases.iter().map(rust).collect(), foreign_program(python, cases), foreign_program(node, cases)]
}

/// Has a program do all cases: one line of JSON in for each, one out.
fn foreign_program(mut command: Command, cases: &[Value]) -> Vec<Vec<String>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let lines: Vec<String> = cases.iter().map(|case| format!("{case}\n")).collect();
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(lines.concat().as_bytes()).expect("it reads all cases first");
    drop(input);
    let output = child.wait_with_output().expect("a child of ours");
    assert!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout).expect("text");
    let told = text.lines().map(|line| serde_json::from_str(line).expect("a list of texts"));
    let told: Vec<Vec<String>> = told.collect();
    assert_eq!(told.len(), cases.len(), "{command:?}");
    told
}

/// One case with `async-nats`.
fn rust(case: &Value) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let work = async { timeout(DEADLINE, RustProbe::run(case)).await.expect("in time") };
    let told = runtime.expect("a runtime").block_on(work);
    let address = case["url"].as_str().and_then(|url| url.strip_prefix("nats://"));
    told.iter().map(|line| line.replace(address.unwrap_or("?"), "<address>")).collect()
}

/// A connected `async-nats` client.
struct RustProbe {
    client: Client,
    events: UnboundedReceiver<Event>,
    subscriptions: Vec<(String, Subscriber)>,
}

impl RustProbe {
    /// Connects and does what the case asks for.
    async fn run(case: &Value) -> Vec<String> {
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        let (tell, events) = unbounded_channel();
        let mut options = ConnectOptions::new().max_reconnects(1).event_callback(move |event| {
            let _ = tell.send(event);
            async {}
        });
        if let Some(user) = text("user") {
            options = options.user_and_password(user, text("pass").unwrap_or_default());
        }
        if let Some(token) = text("token") {
            options = options.token(token);
        }
        if let Some(seed) = text("seed") {
            options = options.nkey(seed);
        }
        if let Some(file) = text("creds") {
            options = options.credentials_file(file).await.expect("a file of ours");
        }
        if let Some(jwt) = text("jwt") {
            options = options.jwt(jwt, |_| async { Ok(Vec::new()) });
        }
        if let Some(ca) = text("ca") {
            options = options.add_root_certificates(ca.into()).require_tls(true);
            if case["first"] == true {
                options = options.tls_first();
            }
        }
        if let Some(cert) = text("cert") {
            let key = text("key").unwrap_or_default();
            options = options.add_client_certificate(cert.into(), key.into());
        }
        let client = match options.connect(text("url").unwrap_or_default()).await {
            Ok(client) => client,
            Err(error) => return vec![format!("refused: {error}")],
        };
        let mut probe = Self { client, events, subscriptions: Vec::new() };
        let mut told = vec!["connected".to_owned()];
        for action in case["do"].as_array().into_iter().flatten() {
            let action = action.as_str().unwrap_or_default();
            let outcome = probe.act(action).await;
            told.push(format!("{action}: {}", outcome.unwrap_or_else(|error| error)));
        }
        told
    }

    /// Does one thing; returns what came of it.
    async fn act(&mut self, action: &str) -> Result<String, String> {
        let said = |error: &dyn std::error::Error| error.to_string();
        let words: Vec<&str> = action.split(',').collect();
        let payload = words.get(2).copied().unwrap_or_default().to_owned();
        match words[..] {
            ["sub", subject] => {
                let subscribed = self.client.subscribe(subject.to_owned()).await;
                let subscription = subscribed.map_err(|error| said(&error))?;
                self.subscriptions.push((subject.to_owned(), subscription));
                self.client.flush().await.map_err(|error| said(&error))?;
                Ok("done".to_owned())
            }
            ["pub", subject, _] => {
                let sent = self.client.publish(subject.to_owned(), payload.into()).await;
                sent.map_err(|error| said(&error))?;
                self.client.flush().await.map_err(|error| said(&error))?;
                Ok("done".to_owned())
            }
            ["get", subject] => {
                let found = self.subscriptions.iter_mut().find(|(name, _)| name == subject);
                let next = found.ok_or("no subscription")?.1.next().await.ok_or("ended")?;
                let payload = String::from_utf8_lossy(&next.payload).into_owned();
                Ok(format!("{} {payload}", next.subject))
            }
            ["answer", subject] => {
                let found = self.subscriptions.iter_mut().find(|(name, _)| name == subject);
                let next = found.ok_or("no subscription")?.1.next().await.ok_or("ended")?;
                let reply = next.reply.ok_or("no reply subject")?;
                let sent = self.client.publish(reply, "answer".into()).await;
                sent.map_err(|error| said(&error))?;
                Ok("done".to_owned())
            }
            ["request", subject, _] => {
                let answer = self.client.request(subject.to_owned(), payload.into()).await;
                let answer = answer.map_err(|error| said(&error))?;
                Ok(String::from_utf8_lossy(&answer.payload).into_owned())
            }
            ["error"] => loop {
                match self.events.recv().await.ok_or("no more events")? {
                    Event::ServerError(error) => return Ok(error.to_string()),
                    Event::ClientError(error) => return Ok(error.to_string()),
                    _ => {}
                }
            },
            ["ended"] => loop {
                let event = self.events.recv().await.ok_or("no more events")?;
                if matches!(event, Event::Disconnected | Event::Closed) {
                    return Ok("done".to_owned());
                }
            },
            _ => panic!("what is {action}?"),
        }
    }
}
