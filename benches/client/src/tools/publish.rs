//! `fanfare pub`: publishes a message and waits until the server has it.
//!
//! Absent: waiting for an answer (see `request`).

use fanfare_protocol::client_encode;

use super::session::Session;
use super::{check_subject, header_block, payload_of};
use crate::cli::PubArgs;
use crate::failure::Failure;

/// Runs the tool.
pub fn run(args: &PubArgs) -> Result<(), Failure> {
    check_subject(&args.subject)?;
    if let Some(reply) = &args.reply {
        check_subject(reply)?;
    }
    let headers = header_block(&args.header)?;
    let payload = payload_of(args.message.as_deref())?;
    let mut session = Session::open(&args.tool, "fanfare pub")?;
    session.check_size(payload.len() + headers.as_ref().map_or(0, Vec::len))?;
    let mut operation = Vec::new();
    let reply = args.reply.as_deref().unwrap_or_default();
    publish(
        &mut operation,
        args.subject.as_bytes(),
        reply.as_bytes(),
        headers.as_deref(),
        &payload,
    );
    for _ in 0..args.count {
        session.send(&operation)?;
    }
    session.flush()?;
    let times = if args.count == 1 { String::new() } else { format!("{} times ", args.count) };
    eprintln!("Published {} bytes {times}to {}.", payload.len(), args.subject);
    Ok(())
}

/// Appends a publish, with headers if there are some.
pub fn publish(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: &[u8],
    headers: Option<&[u8]>,
    payload: &[u8],
) {
    match headers {
        Some(headers) => client_encode::publish_headers(out, subject, reply, headers, payload),
        None => client_encode::publish(out, subject, reply, payload),
    }
}
