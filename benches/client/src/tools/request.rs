//! `fanfare request`: sends a request and prints the replies.
//!
//! Absent: retrying.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fanfare_protocol::client_encode;
use fanfare_protocol::header::Headers;

use super::publish::publish;
use super::session::{Received, Session};
use super::show::{self, Parts};
use super::{check_subject, header_block, payload_of};
use crate::cli::RequestArgs;
use crate::failure::Failure;
use crate::figure::Unit;
use crate::payload::mixed;

/// Runs the tool.
pub fn run(args: &RequestArgs) -> Result<(), Failure> {
    check_subject(&args.subject)?;
    let headers = header_block(&args.header)?;
    let payload = payload_of(Some(&args.message))?;
    let mut session = Session::open(&args.tool, "fanfare request")?;
    session.check_size(payload.len() + headers.as_ref().map_or(0, Vec::len))?;
    let inbox = inbox();
    let mut operations = Vec::new();
    client_encode::subscribe(&mut operations, &inbox, None, b"1");
    publish(&mut operations, args.subject.as_bytes(), &inbox, headers.as_deref(), &payload);
    let started = Instant::now();
    session.send(&operations)?;
    let mut number = 0;
    while number < args.replies {
        match session.next(Some(started + args.timeout))? {
            None if number > 0 => break,
            None => {
                return Err(Failure::Run(format!(
                    "no reply on {} within {}; is somebody there who answers? A longer --timeout \
                     may help",
                    args.subject,
                    Unit::Micros.show(args.timeout.as_secs_f64() * 1e6)
                )));
            }
            Some(Received::Pong) => {}
            Some(Received::Message(message)) => {
                let block = message.headers.as_deref().unwrap_or_default();
                if message.payload.is_empty() && Headers::new(block).status() == Some(503) {
                    return Err(Failure::Run(format!(
                        "nobody answers on {}; start somebody with `fanfare reply {} …`",
                        args.subject, args.subject
                    )));
                }
                number += 1;
                let parts = if args.raw { Parts::Raw } else { Parts::All };
                let text = show::message(number, &message, parts);
                let mut stdout = std::io::stdout().lock();
                if stdout.write_all(&text).and_then(|()| stdout.flush()).is_err() {
                    return Ok(());
                }
                if !args.raw {
                    let elapsed = started.elapsed().as_secs_f64() * 1e6;
                    eprintln!("Reply {number} after {}.", Unit::Micros.show(elapsed));
                }
            }
        }
    }
    Ok(())
}

/// A subject for the replies that nobody else has.
fn inbox() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let word = mixed(now.as_secs() ^ (u64::from(now.subsec_nanos()) << 32));
    format!("_INBOX.{word:016x}{:08x}", std::process::id()).into_bytes()
}
