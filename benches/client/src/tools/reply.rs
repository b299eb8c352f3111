//! `fanfare reply`: answers requests with a text, with themselves, or with what a command prints.
//!
//! Absent: answering several requests at a time.

use std::io::Write;
use std::process::{Command, Stdio};

use fanfare_protocol::client_encode;

use super::publish::publish;
use super::session::{OwnedMessage, Received, Session};
use super::{check_filter, check_queue};
use crate::cli::ReplyArgs;
use crate::failure::Failure;

/// Runs the tool.
pub fn run(args: &ReplyArgs) -> Result<(), Failure> {
    check_filter(&args.subject)?;
    check_queue(args.queue.as_deref())?;
    let mut session = Session::open(&args.tool, "fanfare reply")?;
    let mut operations = Vec::new();
    let queue = args.queue.as_deref().map(str::as_bytes);
    client_encode::subscribe(&mut operations, args.subject.as_bytes(), queue, b"1");
    session.send(&operations)?;
    session.send(crate::target::PING)?;
    let mut number = 0;
    while args.count.is_none_or(|count| number < count) {
        match session.next(None)? {
            Some(Received::Pong) if number == 0 => {
                eprintln!("Answering on {} at {}; Ctrl-C ends it.", args.subject, session.place());
            }
            Some(Received::Message(request)) => {
                number += 1;
                answer(args, &mut session, &request)?;
            }
            Some(Received::Pong) | None => {}
        }
    }
    // The answers are on their way only when the server has read them.
    session.flush()
}

fn answer(args: &ReplyArgs, session: &mut Session, request: &OwnedMessage) -> Result<(), Failure> {
    let subject = String::from_utf8_lossy(&request.subject).into_owned();
    if request.reply.is_empty() {
        eprintln!("A message on {subject} asked for no reply.");
        return Ok(());
    }
    let (headers, payload) = match (&args.command, &args.message) {
        (Some(command), _) => (None, output_of(command, &subject, &request.payload)?),
        (None, Some(message)) => (None, message.as_bytes().to_vec()),
        (None, None) => (request.headers.as_deref(), request.payload.clone()),
    };
    session.check_size(payload.len() + headers.map_or(0, <[u8]>::len))?;
    let mut operation = Vec::new();
    publish(&mut operation, &request.reply, b"", headers, &payload);
    session.send(&operation)?;
    eprintln!("Answered a request on {subject} with {} bytes.", payload.len());
    Ok(())
}

/// Runs a shell command with the request on its stdin and returns what it prints.
fn output_of(command: &str, subject: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::Run(format!("cannot run “{command}”: {error}"));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("NATS_REQUEST_SUBJECT", subject)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let payload = payload.to_vec();
    // The request is written beside, or a command that prints before it has read everything
    // would wait for us as we for it.
    let writer = std::thread::spawn(move || {
        // A command that does not read its stdin has closed it, which is its right.
        stdin.map(|mut stdin| stdin.write_all(&payload))
    });
    let output = child.wait_with_output().map_err(failed)?;
    let _ = writer.join();
    if !output.status.success() {
        eprintln!("“{command}” ended with {}.", output.status);
    }
    Ok(output.stdout)
}
