//! One client that sends requests and waits for the replies, and one that answers them.
//!
//! Absent: the sockets, and time-outs: a reply that never comes is noticed at the end of the run.

use std::io::Write as _;
use std::sync::Arc;

use fanfare_protocol::client_encode;
use fanfare_protocol::header::Headers;
use fanfare_protocol::server_op::{self, Message, ServerOp, ServerStep};

use crate::control::{Fault, Taken};
use crate::payload::{FILLERS, Format, Found, Mark};
use crate::receipt::Tally;
use crate::timings::{Kind, Timings};

/// A client with a fixed number of requests under way.
#[derive(Debug)]
pub struct Requester {
    index: u16,
    subject: Vec<u8>,
    /// The start of every reply subject; the number of the request follows.
    inbox: Vec<u8>,
    reply: Vec<u8>,
    format: Arc<Format>,
    /// One prepared payload for each filler.
    payloads: Vec<Vec<u8>>,
    slots: Vec<Slot>,
    /// Slots with no request under way.
    free: Vec<usize>,
    rest: Option<u64>,
    sent: u64,
    tally: Tally,
}

/// One of the requests that a client has under way. Slot `i` of `n` sends the numbers `i`, `i + n`,
/// `i + 2 n` and so on, so a reply's number says which slot it belongs to.
#[derive(Debug)]
struct Slot {
    next_number: u64,
    sent_ns: Option<u64>,
}

impl Requester {
    /// A client with `depth` requests under way and `requests` in all.
    pub fn new(
        index: u16,
        subject: &[u8],
        inbox: &[u8],
        format: Arc<Format>,
        depth: u64,
        requests: Option<u64>,
    ) -> Self {
        let slots: Vec<Slot> =
            (0..depth).map(|number| Slot { next_number: number, sent_ns: None }).collect();
        Self {
            index,
            subject: subject.to_vec(),
            inbox: inbox.to_vec(),
            reply: Vec::new(),
            payloads: (0..FILLERS)
                .map(|number| format.payload(Mark { publisher: index, number }))
                .collect(),
            format,
            free: (0..slots.len()).rev().collect(),
            slots,
            rest: requests,
            sent: 0,
            tally: Tally::default(),
        }
    }

    /// Requests sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether no request is under way.
    pub fn is_quiet(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// What came.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Appends as many requests as may be under way and returns how many.
    pub fn send(&mut self, now_ns: u64, out: &mut Vec<u8>) -> u64 {
        let mut count = 0;
        while self.rest != Some(0)
            && let Some(index) = self.free.pop()
        {
            let depth = u64::try_from(self.slots.len()).unwrap_or(1);
            let Some(slot) = self.slots.get_mut(index) else { break };
            let number = slot.next_number;
            slot.next_number += depth;
            slot.sent_ns = Some(now_ns);
            let filler = usize::try_from(number % FILLERS).unwrap_or(0);
            let Some(payload) = self.payloads.get_mut(filler) else { break };
            self.format.renumber(payload, Mark { publisher: self.index, number });
            self.reply.clear();
            self.reply.extend_from_slice(&self.inbox);
            // Writing into a vector cannot fail.
            let _ = write!(self.reply, "{number:x}");
            client_encode::publish(out, &self.subject, &self.reply, payload);
            self.rest = self.rest.map(|rest| rest - 1);
            count += 1;
        }
        self.sent += count;
        count
    }

    /// Uses what was read at `now_ns`.
    pub fn take(
        &mut self,
        input: &[u8],
        now_ns: u64,
        answers: &mut Vec<u8>,
        timings: &mut Timings,
    ) -> Result<Taken, Fault> {
        let mut taken = Taken::default();
        loop {
            let rest = input.get(taken.bytes..).unwrap_or(&[]);
            let (op, len) = match server_op::next(rest)? {
                ServerStep::Op(op, len) => (op, len),
                ServerStep::Message { .. } | ServerStep::More => return Ok(taken),
            };
            taken.bytes += len;
            if let ServerOp::Message(message) = op {
                self.note(&message, now_ns, timings)?;
                taken.messages += 1;
            } else {
                taken.note_control(op, answers)?;
            }
        }
    }

    fn note(
        &mut self,
        message: &Message<'_>,
        now_ns: u64,
        timings: &mut Timings,
    ) -> Result<(), Fault> {
        if message.headers.is_some_and(|block| Headers::new(block).status() == Some(503)) {
            return Err(Fault::NoResponders);
        }
        self.tally.received += 1;
        let depth = u64::try_from(self.slots.len()).unwrap_or(1);
        let Found::Message(mark) = self.format.check(message.payload) else {
            self.tally.damaged += 1;
            return Ok(());
        };
        let index = usize::try_from(mark.number % depth).unwrap_or(usize::MAX);
        let slot = self.slots.get_mut(index).filter(|_| mark.publisher == self.index);
        let Some(slot) = slot else {
            self.tally.damaged += 1;
            return Ok(());
        };
        match slot.sent_ns.take_if(|_| mark.number + depth == slot.next_number) {
            Some(sent_ns) => {
                timings.record(Kind::RoundTrip, sent_ns, now_ns);
                self.free.push(index);
            }
            // A reply to a request that has its reply already.
            None => self.tally.out_of_order += 1,
        }
        Ok(())
    }
}

/// A client that answers each request with the request's own payload.
#[derive(Debug)]
pub struct Responder {
    format: Arc<Format>,
    tally: Tally,
}

impl Responder {
    /// A responder that has answered nothing.
    pub fn new(format: Arc<Format>) -> Self {
        Self { format, tally: Tally::default() }
    }

    /// What came.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Uses what was read and appends the answers.
    pub fn take(&mut self, input: &[u8], answers: &mut Vec<u8>) -> Result<Taken, Fault> {
        let mut taken = Taken::default();
        loop {
            let rest = input.get(taken.bytes..).unwrap_or(&[]);
            let (op, len) = match server_op::next(rest)? {
                ServerStep::Op(op, len) => (op, len),
                ServerStep::Message { .. } | ServerStep::More => return Ok(taken),
            };
            taken.bytes += len;
            if let ServerOp::Message(message) = op {
                self.tally.received += 1;
                if self.format.check(message.payload) == Found::Damaged {
                    self.tally.damaged += 1;
                }
                client_encode::publish(answers, message.reply, b"", message.payload);
            } else {
                taken.note_control(op, answers)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare_protocol::decode::{self, Step};
    use fanfare_protocol::limits::DecodeLimits;
    use fanfare_protocol::op::ClientOp;

    /// Turns what a client publishes into what its server would deliver.
    fn delivered(mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while let Step::Op(op, len) = decode::next(bytes, &DecodeLimits::default()).unwrap() {
            let ClientOp::Publish(publish) = op else { panic!("{op:?}") };
            let line = publish.line;
            out.extend_from_slice(b"MSG ");
            out.extend_from_slice(line.subject);
            out.extend_from_slice(b" 1 ");
            out.extend_from_slice(line.reply);
            out.extend_from_slice(format!(" {}\r\n", line.total_len).as_bytes());
            out.extend_from_slice(publish.framed);
            bytes = &bytes[len..];
        }
        out
    }

    fn pair(depth: u64) -> (Requester, Responder) {
        let format = Arc::new(Format::new(16, 1));
        let requester =
            Requester::new(0, b"svc", b"_INBOX.x.", Arc::clone(&format), depth, Some(10));
        (requester, Responder::new(format))
    }

    #[test]
    fn requests_are_answered_until_all_are_done() {
        let (mut requester, mut responder) = pair(4);
        let mut timings = Timings::new();
        timings.count_from(0);
        let mut total = 0;
        loop {
            let (mut out, mut answers) = (Vec::new(), Vec::new());
            let sent = requester.send(5, &mut out);
            if sent == 0 {
                break;
            }
            assert!(sent <= 4);
            total += sent;
            responder.take(&delivered(&out), &mut answers).unwrap();
            let replies = delivered(&answers);
            let taken = requester.take(&replies, 9, &mut Vec::new(), &mut timings).unwrap();
            assert_eq!((taken.messages, taken.bytes), (sent, replies.len()));
            assert!(requester.is_quiet());
        }
        assert_eq!((total, requester.tally().received), (10, 10));
        assert_eq!(requester.tally().out_of_order + requester.tally().damaged, 0);
        assert_eq!(timings.of(Kind::RoundTrip).unwrap().count(), 10);
    }

    #[test]
    fn a_second_reply_and_a_foreign_reply_are_noticed() {
        let (mut requester, mut responder) = pair(1);
        let (mut out, mut answers, mut timings) = (Vec::new(), Vec::new(), Timings::new());
        requester.send(0, &mut out);
        responder.take(&delivered(&out), &mut answers).unwrap();
        let reply = delivered(&answers);
        for _ in 0..2 {
            requester.take(&reply, 1, &mut Vec::new(), &mut timings).unwrap();
        }
        assert_eq!(requester.tally().out_of_order, 1);
        let foreign = b"MSG a 1 2\r\nhi\r\n";
        requester.take(foreign, 1, &mut Vec::new(), &mut timings).unwrap();
        assert_eq!(requester.tally().damaged, 1);
    }

    #[test]
    fn no_responders_is_a_fault() {
        let (mut requester, _) = pair(1);
        let status = b"HMSG _INBOX.x.0 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
        let told = requester.take(status, 0, &mut Vec::new(), &mut Timings::new());
        assert_eq!(told, Err(Fault::NoResponders));
    }
}
