//! One publisher: which messages it writes and when, from bytes that are prepared as far as can be.
//!
//! Absent: the socket. A publisher hands out bytes and is told how many of them went.

use std::ops::Range;
use std::sync::Arc;

use crate::figure::whole;
use crate::flow::Flow;
use crate::payload::{FILLERS, Format, Mark, Times, mixed, stamp};
use crate::timings::{Kind, Timings};
use crate::wire::Wire;

/// When a publisher writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As long as its flow has room.
    Flood,
    /// The next message when every receiver has the one before.
    OneAtATime,
    /// At fixed times, whatever the server does.
    Rate {
        /// From the beginning until the first message is due.
        offset_ns: u64,
        /// From one message to the next.
        interval_ns: f64,
    },
}

/// What a publisher publishes.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Its index in the run.
    pub index: u16,
    /// What the server speaks.
    pub wire: Wire,
    /// The subjects; one is enough, of several each message takes one that looks random.
    pub subjects: Arc<Vec<Vec<u8>>>,
    /// The payloads.
    pub format: Arc<Format>,
    /// When.
    pub pace: Pace,
    /// How many messages; no end when not given.
    pub messages: Option<u64>,
    /// Most bytes to prepare at a time.
    pub batch_bytes: usize,
}

/// A publisher and the bytes that it has prepared.
#[derive(Debug)]
pub struct Publisher {
    orders: Orders,
    stock: Stock,
    next_number: u64,
    /// The bytes of the current batch that have not been written.
    pending: Range<usize>,
    round_started_ns: Option<u64>,
    /// When the first message of a schedule is due.
    first_due_ns: Option<u64>,
}

/// What a publisher may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Write so many messages.
    Write(u64),
    /// Wait until receivers have caught up.
    Window,
    /// Wait until the next message is due.
    Until(u64),
    /// Nothing any more.
    Finished,
}

/// Prepared bytes.
#[derive(Debug)]
enum Stock {
    /// For one subject: whole messages, of which only number and times change.
    Ring { bytes: Vec<u8>, frame_len: usize, payload_at: usize, slots: u64 },
    /// For several subjects: messages written anew for each batch.
    Built { bytes: Vec<u8>, payloads: Vec<Vec<u8>> },
}

impl Publisher {
    /// A publisher that has written nothing.
    pub fn new(orders: Orders) -> Self {
        let stock = match orders.subjects.as_slice() {
            [subject] => Stock::ring(subject, &orders),
            _ => Stock::built(&orders),
        };
        Self {
            orders,
            stock,
            next_number: 0,
            pending: 0..0,
            round_started_ns: None,
            first_due_ns: None,
        }
    }

    /// How many messages were prepared; all of them have been written when nothing is pending.
    pub fn published(&self) -> u64 {
        self.next_number
    }

    /// Its index in the run.
    pub fn index(&self) -> u16 {
        self.orders.index
    }

    /// What it may do at this time.
    #[inline]
    pub fn turn(&mut self, flow: &Flow, now_ns: u64) -> Turn {
        let rest = self.orders.messages.map_or(u64::MAX, |all| all - self.next_number);
        if rest == 0 {
            return Turn::Finished;
        }
        let allowed = match self.orders.pace {
            Pace::Flood => flow.credit(),
            Pace::OneAtATime => u64::from(flow.under_way() == 0),
            Pace::Rate { offset_ns, interval_ns } => {
                let first_due_ns = *self.first_due_ns.get_or_insert(now_ns + offset_ns);
                let due = due_at(self.next_number, first_due_ns, interval_ns);
                if due > now_ns {
                    return Turn::Until(due);
                }
                let due_now = whole((now_ns - due) as f64 / interval_ns) + 1;
                due_now.min(flow.credit())
            }
        };
        match allowed.min(rest) {
            0 => Turn::Window,
            messages => Turn::Write(messages),
        }
    }

    /// Prepares at most so many messages and returns how many. Nothing may be pending.
    pub fn prepare(&mut self, messages: u64, now_ns: u64, timings: &mut Timings) -> u64 {
        debug_assert!(self.pending.is_empty(), "the batch before is still being written");
        if self.orders.pace == Pace::OneAtATime {
            self.round_started_ns = Some(now_ns);
        }
        let times = self.times(now_ns);
        let (range, count) = match &mut self.stock {
            Stock::Ring { bytes, frame_len, payload_at, slots } => {
                let slot = self.next_number % *slots;
                let count = messages.min(*slots - slot);
                // INVARIANT: slots times the frame's length is the length of the ring in memory.
                #[expect(clippy::cast_possible_truncation, reason = "see the line above")]
                let (slot, taken) = (slot as usize, count as usize);
                let range = slot * *frame_len..(slot + taken) * *frame_len;
                let size = self.orders.format.size();
                let frames = bytes.get_mut(range.clone()).unwrap_or_default();
                for (number, frame) in (self.next_number..).zip(frames.chunks_exact_mut(*frame_len))
                {
                    let payload = frame.get_mut(*payload_at..*payload_at + size);
                    let payload = payload.unwrap_or_default();
                    let mark = Mark { publisher: self.orders.index, number };
                    self.orders.format.renumber(payload, mark);
                    stamp(payload, times.of(number));
                }
                (range, count)
            }
            Stock::Built { bytes, payloads } => {
                bytes.clear();
                let mut count = 0;
                while count < messages && bytes.len() < self.orders.batch_bytes {
                    let number = self.next_number + count;
                    let mark = Mark { publisher: self.orders.index, number };
                    let (Some(subject), Some(payload)) = (
                        self.orders.subjects.get(subject_of(mark, self.orders.subjects.len())),
                        payloads.get_mut(usize::try_from(number % FILLERS).unwrap_or(0)),
                    ) else {
                        break;
                    };
                    self.orders.format.renumber(payload, mark);
                    stamp(payload, times.of(number));
                    self.orders.wire.publish(bytes, subject, payload);
                    count += 1;
                }
                (0..bytes.len(), count)
            }
        };
        if times.rate.is_some() {
            for number in self.next_number..self.next_number + count {
                timings.record(Kind::Lateness, times.of(number).due_ns, now_ns);
            }
        }
        self.pending = range;
        self.next_number += count;
        count
    }

    /// The bytes to write.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        let (Stock::Ring { bytes, .. } | Stock::Built { bytes, .. }) = &self.stock;
        bytes.get(self.pending.clone()).unwrap_or(&[])
    }

    /// So many of the pending bytes were written.
    #[inline]
    pub fn note_written(&mut self, bytes: usize) {
        self.pending.start = (self.pending.start + bytes).min(self.pending.end);
    }

    /// Counts a round as complete if every receiver has the message.
    pub fn note_round(&mut self, flow: &Flow, now_ns: u64, timings: &mut Timings) {
        if let Some(started) = self.round_started_ns
            && flow.under_way() == 0
        {
            self.round_started_ns = None;
            timings.record(Kind::LastHasIt, started, now_ns);
        }
    }

    fn times(&self, now_ns: u64) -> Schedule {
        let rate = match self.orders.pace {
            Pace::Flood | Pace::OneAtATime => None,
            Pace::Rate { interval_ns, .. } => {
                Some((self.first_due_ns.unwrap_or(now_ns), interval_ns))
            }
        };
        Schedule { now_ns, rate }
    }
}

impl Stock {
    fn ring(subject: &[u8], orders: &Orders) -> Self {
        let mut first = Vec::new();
        let mark = |number| Mark { publisher: orders.index, number };
        orders.wire.publish(&mut first, subject, &orders.format.payload(mark(0)));
        let frame_len = first.len();
        let payload_at = frame_len - orders.format.size() - orders.wire.tail().len();
        let fitting = u64::try_from(orders.batch_bytes / frame_len).unwrap_or(0);
        // A slot keeps its filler, so the number of slots is a multiple of that of the fillers.
        let slots = (fitting / FILLERS * FILLERS).max(FILLERS);
        let mut bytes = Vec::new();
        for number in 0..slots {
            let payload = orders.format.payload(mark(number));
            orders.wire.publish(&mut bytes, subject, &payload);
        }
        Self::Ring { bytes, frame_len, payload_at, slots }
    }

    fn built(orders: &Orders) -> Self {
        let mark = |number| Mark { publisher: orders.index, number };
        let payloads = (0..FILLERS).map(|number| orders.format.payload(mark(number))).collect();
        Self::Built { bytes: Vec::with_capacity(orders.batch_bytes * 2), payloads }
    }
}

/// The times of the messages of one batch.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    now_ns: u64,
    rate: Option<(u64, f64)>,
}

impl Schedule {
    #[inline]
    fn of(self, number: u64) -> Times {
        let due_ns = match self.rate {
            None => self.now_ns,
            Some((first_due_ns, interval_ns)) => due_at(number, first_due_ns, interval_ns),
        };
        Times { due_ns, written_ns: self.now_ns }
    }
}

#[inline]
fn due_at(number: u64, first_due_ns: u64, interval_ns: f64) -> u64 {
    first_due_ns.saturating_add(whole(number as f64 * interval_ns))
}

/// Which of `count` subjects a message goes to: any, but always the same.
fn subject_of(mark: Mark, count: usize) -> usize {
    let word = mixed(mark.number ^ (u64::from(mark.publisher) << 48));
    let count = u64::try_from(count).unwrap_or(1).max(1);
    usize::try_from((word >> 16) % count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Found, times};
    use fanfare_protocol::decode::{self, Step};
    use fanfare_protocol::limits::DecodeLimits;
    use fanfare_protocol::op::ClientOp;

    fn orders(subjects: usize, size: usize, pace: Pace) -> Orders {
        let subjects = (0..subjects).map(|index| format!("s.{index}").into_bytes()).collect();
        Orders {
            index: 5,
            wire: Wire::Nats,
            subjects: Arc::new(subjects),
            format: Arc::new(Format::new(size, 9)),
            pace,
            messages: Some(1000),
            batch_bytes: 4096,
        }
    }

    /// Reads what a publisher hands out with the broker's own decoder.
    fn numbers(publisher: &Publisher, format: &Format) -> Vec<u64> {
        let mut bytes = publisher.pending();
        let mut numbers = Vec::new();
        while let Step::Op(op, len) = decode::next(bytes, &DecodeLimits::default()).unwrap() {
            let ClientOp::Publish(publish) = op else { panic!("{op:?}") };
            let Found::Message(mark) = format.check(&publish.framed[..format.size()]) else {
                panic!("damaged")
            };
            assert_eq!(mark.publisher, 5);
            numbers.push(mark.number);
            bytes = &bytes[len..];
        }
        assert!(bytes.is_empty());
        numbers
    }

    #[test]
    fn every_number_is_written_once_in_order_by_both_kinds_of_stock() {
        for subjects in [1, 300] {
            for size in [16, 40, 2000] {
                let orders = orders(subjects, size, Pace::Flood);
                let format = Arc::clone(&orders.format);
                let flow = Flow::new(1, None);
                let mut publisher = Publisher::new(orders);
                let mut timings = Timings::new();
                let mut seen = Vec::new();
                while let Turn::Write(messages) = publisher.turn(&flow, 0) {
                    assert!(publisher.prepare(messages.min(37), 1, &mut timings) > 0);
                    seen.extend(numbers(&publisher, &format));
                    let all = publisher.pending().len();
                    publisher.note_written(all - 1);
                    assert_eq!(publisher.pending().len(), 1);
                    publisher.note_written(1);
                }
                assert_eq!(seen, (0..1000).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_rate_has_a_schedule_that_does_not_slip() {
        let pace = Pace::Rate { offset_ns: 10, interval_ns: 100.0 };
        let flow = Flow::new(1, None);
        let mut publisher = Publisher::new(orders(1, 32, pace));
        assert_eq!(publisher.turn(&flow, 990), Turn::Until(1000));
        assert_eq!(publisher.turn(&flow, 1000), Turn::Write(1));
        assert_eq!(publisher.turn(&flow, 1450), Turn::Write(5));
        let mut timings = Timings::new();
        timings.count_from(0);
        publisher.prepare(5, 1450, &mut timings);
        let payload = publisher.pending();
        let first = &payload[payload.len() / 5 - 34..payload.len() / 5 - 2];
        assert_eq!(times(first), Some(Times { due_ns: 1000, written_ns: 1450 }));
        assert_eq!(publisher.turn(&flow, 1450), Turn::Until(1500));
        assert_eq!(timings.of(Kind::Lateness).unwrap().count(), 5);
    }

    #[test]
    fn one_at_a_time_waits_for_every_receiver() {
        let flow = Flow::new(2, None);
        let mut publisher = Publisher::new(orders(1, 32, Pace::OneAtATime));
        assert_eq!(publisher.turn(&flow, 0), Turn::Write(1));
        let mut timings = Timings::new();
        timings.count_from(0);
        publisher.prepare(1, 10, &mut timings);
        flow.note_published(1);
        flow.note_received(1);
        publisher.note_round(&flow, 20, &mut timings);
        assert_eq!(publisher.turn(&flow, 20), Turn::Window);
        assert!(timings.of(Kind::LastHasIt).is_none());
        flow.note_received(1);
        publisher.note_round(&flow, 30, &mut timings);
        assert_eq!(publisher.turn(&flow, 30), Turn::Write(1));
        assert_eq!(timings.of(Kind::LastHasIt).unwrap().count(), 1);
    }

    #[test]
    fn a_full_window_stops_a_flood() {
        let flow = Flow::new(1, Some(10));
        let mut publisher = Publisher::new(orders(1, 32, Pace::Flood));
        flow.note_published(10);
        assert_eq!(publisher.turn(&flow, 0), Turn::Window);
    }
}
