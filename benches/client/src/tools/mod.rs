//! The tools that a person reaches for in the first minute: `pub`, `sub`, `request`, `reply`.
//!
//! Absent: reconnecting, and everything that is for load.

pub mod publish;
pub mod reply;
pub mod request;
pub mod session;
pub mod show;
pub mod subscribe;

use std::io::Read;

use fanfare_protocol::subject::{Filter, Subject};

use crate::failure::Failure;

/// The payload that a message argument stands for: `-` is what comes from stdin.
pub fn payload_of(message: Option<&str>) -> Result<Vec<u8>, Failure> {
    match message {
        None => Ok(Vec::new()),
        Some("-") => {
            let mut payload = Vec::new();
            match std::io::stdin().lock().read_to_end(&mut payload) {
                Ok(_) => Ok(payload),
                Err(error) => Err(Failure::Run(format!("cannot read stdin: {error}"))),
            }
        }
        Some(text) => Ok(text.as_bytes().to_vec()),
    }
}

/// The header block of `KEY:VALUE` arguments; none when there are none.
pub fn header_block(headers: &[String]) -> Result<Option<Vec<u8>>, Failure> {
    if headers.is_empty() {
        return Ok(None);
    }
    let mut block = b"NATS/1.0\r\n".to_vec();
    for header in headers {
        let broken = || Failure::Usage(format!("“{header}” is no header; write it as KEY:VALUE"));
        let (key, value) = header.split_once(':').ok_or_else(broken)?;
        let is_word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_word || value.contains(['\r', '\n']) {
            return Err(broken());
        }
        block.extend_from_slice(format!("{key}: {}\r\n", value.trim()).as_bytes());
    }
    block.extend_from_slice(b"\r\n");
    Ok(Some(block))
}

/// Refuses a subject that a message cannot have.
pub fn check_subject(text: &str) -> Result<(), Failure> {
    if Subject::parse(text.as_bytes()).is_some() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "“{text}” is no subject to publish to; it is made of words with dots between them, \
         without blanks and wildcards, like orders.new"
    )))
}

/// Refuses a filter that a subscription cannot have.
pub fn check_filter(text: &str) -> Result<(), Failure> {
    if Filter::parse(text.as_bytes()).is_some() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "“{text}” is nothing to subscribe to; it is made of words with dots between them, where \
         * stands for one word and > at the end for all that follow, like orders.*.created"
    )))
}

/// Refuses a queue group's name that would be read as something else.
pub fn check_queue(name: Option<&str>) -> Result<(), Failure> {
    match name {
        Some(name) if name.is_empty() || name.contains([' ', '\t', '\r', '\n']) => Err(
            Failure::Usage(format!("“{name}” is no name of a queue group; it has to be one word")),
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_a_block() {
        let block = header_block(&["A:1".into(), "B: two: x".into()]).unwrap();
        assert_eq!(block.as_deref(), Some(&b"NATS/1.0\r\nA: 1\r\nB: two: x\r\n\r\n"[..]));
        assert_eq!(header_block(&[]), Ok(None));
        for broken in ["novalue", ":x", "a b:c", "a:b\r\nC: d"] {
            assert!(header_block(&[broken.into()]).is_err(), "{broken}");
        }
    }

    #[test]
    fn subjects_and_filters_are_told_apart() {
        assert!(check_subject("a.b").is_ok());
        assert!(check_filter("a.*.>").is_ok());
        for broken in ["", "a b", "a..b", "a.*", ">"] {
            assert!(check_subject(broken).is_err(), "{broken}");
        }
        for broken in ["", "a b", ".a", "a.>.b"] {
            assert!(check_filter(broken).is_err(), "{broken}");
        }
        assert!(check_queue(Some("a b")).is_err());
        assert!(check_queue(None).is_ok());
    }
}
