//! One subscriber's connection: reads what the server sends and checks every message.
//!
//! Absent: the socket, and what the check finds (`receipt`).

use std::sync::Arc;

use fanfare_protocol::server_op::{ServerOp, ServerStep};

use crate::control::{Fault, Taken};
use crate::payload::{Format, times};
use crate::receipt::Receipt;
use crate::timings::{Kind, Timings};
use crate::wire::Wire;

/// Which messages a subscriber measures the latency of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// All.
    All,
    /// The first of each read: enough for a distribution, and free of cost.
    FirstOfRead,
}

/// A subscriber.
#[derive(Debug)]
pub struct Subscriber {
    /// The flow that its messages belong to.
    pub flow: usize,
    /// What came.
    pub receipt: Receipt,
    format: Arc<Format>,
    sampling: Sampling,
    wire: Wire,
    /// What every message begins with, where all are alike: comparing is quicker than reading.
    usual_head: Vec<u8>,
}

impl Subscriber {
    /// A subscriber with one subscription to a literal subject.
    pub fn of_one(
        wire: Wire,
        subject: &[u8],
        sid: &[u8],
        format: Arc<Format>,
        receipt: Receipt,
        flow: usize,
    ) -> Self {
        let usual_head = wire.delivery_head(subject, sid, format.size());
        Self { flow, receipt, format, sampling: Sampling::FirstOfRead, wire, usual_head }
    }

    /// A subscriber with several subscriptions at a server of NATS.
    pub fn of_many(format: Arc<Format>, receipt: Receipt, flow: usize) -> Self {
        let sampling = Sampling::FirstOfRead;
        Self { flow, receipt, format, sampling, wire: Wire::Nats, usual_head: Vec::new() }
    }

    /// Measures the latency of these messages instead of a sample.
    pub fn sample(&mut self, sampling: Sampling) {
        self.sampling = sampling;
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
            // The length of what follows a payload is known to the compiler, so that comparing it
            // costs as little as if there were one dialect only.
            match self.wire.tail() {
                b"" => self.take_usual::<0>(input, now_ns, &mut taken, timings),
                _ => self.take_usual::<2>(input, now_ns, &mut taken, timings),
            }
            let rest = input.get(taken.bytes..).unwrap_or(&[]);
            let (op, len) = match self.wire.next(rest)? {
                ServerStep::Op(op, len) => (op, len),
                ServerStep::Message { .. } | ServerStep::More => return Ok(taken),
            };
            taken.bytes += len;
            if let ServerOp::Message(message) = op {
                self.note(message.payload, now_ns, &mut taken, timings);
            } else {
                taken.note_control(op, answers)?;
            }
        }
    }

    /// Uses messages that begin with the usual head, up to the first that does not; so many bytes
    /// of CR LF are behind each.
    #[inline]
    fn take_usual<const TAIL: usize>(
        &mut self,
        input: &[u8],
        now_ns: u64,
        taken: &mut Taken,
        timings: &mut Timings,
    ) {
        let head_len = self.usual_head.len();
        if head_len == 0 {
            return;
        }
        let tail = b"\r\n".get(..TAIL).unwrap_or_default();
        let frame_len = head_len + self.format.size() + TAIL;
        while let Some(frame) = input.get(taken.bytes..taken.bytes + frame_len) {
            let Some(body) = frame.strip_prefix(self.usual_head.as_slice()) else { return };
            let Some(payload) = body.strip_suffix(tail) else { return };
            self.note(payload, now_ns, taken, timings);
            taken.bytes += frame_len;
        }
    }

    #[inline]
    fn note(&mut self, payload: &[u8], now_ns: u64, taken: &mut Taken, timings: &mut Timings) {
        let found = self.format.check(payload);
        self.receipt.note(found);
        if (taken.messages == 0 || self.sampling == Sampling::All)
            && let Some(times) = times(payload)
        {
            if self.sampling == Sampling::All {
                timings.record(Kind::OneWay, times.due_ns, now_ns);
            }
            timings.record(Kind::FromWrite, times.written_ns, now_ns);
        }
        taken.messages += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Mark;
    use crate::receipt::{Expected, Order};

    fn frames(format: &Format, line: &str, numbers: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &number in numbers {
            bytes.extend_from_slice(format!("{line} {}\r\n", format.size()).as_bytes());
            bytes.extend_from_slice(&format.payload(Mark { publisher: 0, number }));
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    /// Feeds the bytes cut at every place and returns what was counted.
    fn check(numbers: &[u64], line: &str, extra: &[u8], is_clean: bool) {
        let format = Arc::new(Format::new(16, 3));
        let mut bytes = frames(&format, line, numbers);
        bytes.extend_from_slice(extra);
        for cut in 0..=bytes.len() {
            let receipt = Receipt::new(Order::Every, 1);
            let mut subscriber =
                Subscriber::of_one(Wire::Nats, b"a.b", b"1", Arc::clone(&format), receipt, 0);
            let (mut answers, mut timings) = (Vec::new(), Timings::new());
            let first = subscriber.take(&bytes[..cut], 0, &mut answers, &mut timings).unwrap();
            let rest = &bytes[first.bytes..];
            let second = subscriber.take(rest, 0, &mut answers, &mut timings).unwrap();
            assert_eq!(first.bytes + second.bytes, bytes.len());
            assert_eq!(first.messages + second.messages, numbers.len() as u64);
            let deliveries = numbers.len() as u64;
            let verdict = subscriber.receipt.tally().verdict(Expected { deliveries, sum: None });
            assert_eq!(verdict.is_clean(), is_clean);
            assert_eq!(answers, b"PONG\r\n");
        }
    }

    #[test]
    fn messages_are_counted_however_the_stream_is_cut() {
        check(&[0, 1, 2], "MSG a.b 1", b"PING\r\n", true);
        check(&[0, 2, 1], "MSG a.b 1", b"PING\r\n", false);
    }

    #[test]
    fn an_unusual_spelling_of_the_line_is_read_by_the_decoder() {
        check(&[0, 1, 2], "MSG  a.b 1 ", b"PING\r\n", true);
    }

    /// Feeds messages with these numbers in every dialect, cut at every place.
    fn check_everywhere(numbers: &[u64], is_clean: bool) {
        for wire in [Wire::Nats, Wire::Redis, Wire::Mqtt] {
            let format = Arc::new(Format::new(16, 3));
            let mut bytes = Vec::new();
            for &number in numbers {
                bytes.extend_from_slice(&wire.delivery_head(b"a.b", b"1", format.size()));
                bytes.extend_from_slice(&format.payload(Mark { publisher: 0, number }));
                bytes.extend_from_slice(wire.tail());
            }
            for cut in 0..=bytes.len() {
                let receipt = Receipt::new(Order::Every, 1);
                let format = Arc::clone(&format);
                let mut subscriber = Subscriber::of_one(wire, b"a.b", b"1", format, receipt, 0);
                let (mut answers, mut timings) = (Vec::new(), Timings::new());
                let first = subscriber.take(&bytes[..cut], 0, &mut answers, &mut timings).unwrap();
                let rest = &bytes[first.bytes..];
                let second = subscriber.take(rest, 0, &mut answers, &mut timings).unwrap();
                assert_eq!(first.bytes + second.bytes, bytes.len(), "{wire}");
                assert_eq!(first.messages + second.messages, numbers.len() as u64, "{wire}");
                let expected = Expected { deliveries: numbers.len() as u64, sum: None };
                let verdict = subscriber.receipt.tally().verdict(expected);
                assert_eq!(verdict.is_clean(), is_clean, "{wire} {numbers:?}");
            }
        }
    }

    #[test]
    fn every_dialect_is_checked_alike() {
        check_everywhere(&[0, 1, 2], true);
        check_everywhere(&[0, 2, 1], false);
        check_everywhere(&[0, 1, 1], false);
        check_everywhere(&[0, 2, 3], false);
    }

    #[test]
    fn an_error_of_the_server_ends_it() {
        let format = Arc::new(Format::new(16, 3));
        let receipt = Receipt::new(Order::Every, 1);
        let mut subscriber = Subscriber::of_many(format, receipt, 0);
        let (mut answers, mut timings) = (Vec::new(), Timings::new());
        let told = subscriber.take(b"-ERR 'no'\r\n", 0, &mut answers, &mut timings);
        assert_eq!(told, Err(Fault::Told("no".into())));
        let garbled = subscriber.take(b"what\r\n", 0, &mut answers, &mut timings);
        assert_eq!(garbled, Err(Fault::Garbled));
    }
}
