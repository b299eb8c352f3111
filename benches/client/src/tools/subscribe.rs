//! `fanfare sub`: prints what arrives on a subject.
//!
//! Absent: an end of its own, unless a number of messages was asked for.

use std::io::Write;

use fanfare_protocol::client_encode;

use super::session::{Received, Session};
use super::show::{self, Parts};
use super::{check_filter, check_queue};
use crate::cli::SubArgs;
use crate::failure::Failure;

/// Runs the tool.
pub fn run(args: &SubArgs) -> Result<(), Failure> {
    check_filter(&args.filter)?;
    check_queue(args.queue.as_deref())?;
    let parts = match (args.raw, args.headers_only) {
        (true, _) => Parts::Raw,
        (false, true) => Parts::HeadersOnly,
        (false, false) => Parts::All,
    };
    let mut session = Session::open(&args.tool, "fanfare sub")?;
    let mut operations = Vec::new();
    let queue = args.queue.as_deref().map(str::as_bytes);
    client_encode::subscribe(&mut operations, args.filter.as_bytes(), queue, b"1");
    if args.count.is_some() {
        client_encode::unsubscribe(&mut operations, b"1", args.count);
    }
    session.send(&operations)?;
    session.send(crate::target::PING)?;
    let mut number = 0;
    while args.count.is_none_or(|count| number < count) {
        match session.next(None)? {
            // The subscription is in place: whatever is published from now on arrives.
            Some(Received::Pong) => {
                eprintln!("Listening on {} at {}; Ctrl-C ends it.", args.filter, session.place());
            }
            Some(Received::Message(message)) => {
                number += 1;
                let mut stdout = std::io::stdout().lock();
                let text = show::message(number, &message, parts);
                if stdout.write_all(&text).and_then(|()| stdout.flush()).is_err() {
                    // Whoever reads the output has had enough, as `head` has.
                    return Ok(());
                }
            }
            None => {}
        }
    }
    Ok(())
}
