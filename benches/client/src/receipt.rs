//! What one receiver got: how many messages, in which order, and whether they are the right ones.
//!
//! Absent: the payload's layout (`payload`) and the sockets.

use crate::payload::{Found, Mark, mixed};

/// In which order the messages of one publisher have to arrive at one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Every number, one after the other.
    Every,
    /// Rising numbers with gaps: the rest went to other members of a queue group.
    Rising,
    /// Rising numbers, each as often as the connection's subscriptions match it.
    NotFalling,
}

/// The record of one receiver.
#[derive(Debug, Clone)]
pub struct Receipt {
    order: Order,
    /// For each publisher, the number that must come next, or the lowest that still may.
    next: Vec<u64>,
    tally: Tally,
}

impl Receipt {
    /// An empty record of what `publishers` publishers send.
    pub fn new(order: Order, publishers: usize) -> Self {
        Self { order, next: vec![0; publishers], tally: Tally::default() }
    }

    /// Counts one message.
    #[inline]
    pub fn note(&mut self, found: Found) {
        self.tally.received += 1;
        match found {
            Found::Message(mark) => self.note_mark(mark),
            Found::Anonymous => self.tally.anonymous += 1,
            Found::Damaged => self.tally.damaged += 1,
        }
    }

    /// The counts so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    #[inline]
    fn note_mark(&mut self, mark: Mark) {
        let Some(next) = self.next.get_mut(usize::from(mark.publisher)) else {
            self.tally.damaged += 1;
            return;
        };
        if self.order != Order::Every {
            self.tally.sum = self.tally.sum.wrapping_add(word_of(mark));
        }
        let lowest = match self.order {
            Order::Every | Order::Rising => *next,
            Order::NotFalling => next.saturating_sub(1),
        };
        if mark.number < lowest {
            self.tally.out_of_order += 1;
            return;
        }
        if self.order == Order::Every {
            self.tally.skipped += mark.number - *next;
        }
        *next = mark.number + 1;
    }
}

/// Counts of what receivers got; adds up over receivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages.
    pub received: u64,
    /// Of these, messages too small to carry a number.
    pub anonymous: u64,
    /// Of these, messages that nobody of the run sent like that.
    pub damaged: u64,
    /// Of these, messages that came after a later one of the same publisher.
    pub out_of_order: u64,
    /// Numbers that a receiver of every number did not see in their place.
    skipped: u64,
    /// A sum over the identities of the messages, for receivers that share them out.
    sum: u64,
}

impl Tally {
    /// Adds another receiver's counts.
    pub fn add(&mut self, other: Self) {
        self.received += other.received;
        self.anonymous += other.anonymous;
        self.damaged += other.damaged;
        self.out_of_order += other.out_of_order;
        self.skipped += other.skipped;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Compares with what was to be received.
    pub fn verdict(self, expected: Expected) -> Verdict {
        let mut lost = expected.deliveries.saturating_sub(self.received);
        let mut repeated = self.received.saturating_sub(expected.deliveries);
        // A loss and a repetition of the same size leave the count right. Receivers of every
        // number saw the gap; those that share the numbers out differ in the sum.
        let gaps = self.skipped.saturating_sub(self.out_of_order);
        if gaps > lost {
            repeated += gaps - lost;
            lost = gaps;
        }
        if let Some(sum) = expected.sum
            && lost == 0
            && repeated == 0
            && self.anonymous == 0
            && self.damaged == 0
            && sum != self.sum
        {
            (lost, repeated) = (1, 1);
        }
        Verdict {
            received: self.received,
            anonymous: self.anonymous,
            lost,
            repeated,
            out_of_order: self.out_of_order,
            damaged: self.damaged,
        }
    }
}

/// What the receivers of a run together have to get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// Messages.
    pub deliveries: u64,
    /// The sum over their identities, where receivers share them out (see [`sum_of_run`]).
    pub sum: Option<u64>,
}

/// What the check of a run found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Messages received.
    pub received: u64,
    /// Of these, too small to carry a number: only counted.
    pub anonymous: u64,
    /// Messages that should have come and did not; at least this many.
    pub lost: u64,
    /// Messages that came once too often; at least this many.
    pub repeated: u64,
    /// Messages that came after a later one of the same publisher.
    pub out_of_order: u64,
    /// Messages with another content than sent.
    pub damaged: u64,
}

impl Verdict {
    /// Whether everything was as it should be.
    pub fn is_clean(self) -> bool {
        self.lost == 0 && self.repeated == 0 && self.out_of_order == 0 && self.damaged == 0
    }
}

/// The sum over the identities of the messages `0..count` of a publisher.
pub fn sum_of_run(publisher: u16, count: u64) -> u64 {
    (0..count).fold(0, |sum, number| sum.wrapping_add(word_of(Mark { publisher, number })))
}

#[inline]
fn word_of(mark: Mark) -> u64 {
    mixed((u64::from(mark.publisher) << 48) ^ mark.number ^ SUM_KEY)
}

/// Keeps the identity of message 0 of publisher 0 from being the word 0.
const SUM_KEY: u64 = 0xA5A5_5A5A_C3C3_3C3C;

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(order: Order, numbers: &[u64], expected: Expected) -> Verdict {
        let mut receipt = Receipt::new(order, 1);
        for &number in numbers {
            receipt.note(Found::Message(Mark { publisher: 0, number }));
        }
        receipt.tally().verdict(expected)
    }

    fn of(deliveries: u64) -> Expected {
        Expected { deliveries, sum: None }
    }

    #[test]
    fn everything_in_order_is_clean() {
        assert!(verdict(Order::Every, &[0, 1, 2, 3], of(4)).is_clean());
        assert!(verdict(Order::NotFalling, &[0, 0, 1, 1, 5], of(5)).is_clean());
        assert!(verdict(Order::Rising, &[1, 2, 7], of(3)).is_clean());
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(verdict(Order::Every, &[0, 1, 3], of(4)).lost, 1);
        assert_eq!(verdict(Order::Every, &[0, 1, 2, 2], of(3)).repeated, 1);
        assert_eq!(verdict(Order::Every, &[0, 2, 1], of(3)).out_of_order, 1);
        assert_eq!(verdict(Order::Every, &[0, 2, 1], of(3)).lost, 0);
        assert_eq!(verdict(Order::Rising, &[3, 3], of(2)).out_of_order, 1);
        assert_eq!(verdict(Order::NotFalling, &[3, 3, 2], of(3)).out_of_order, 1);
    }

    #[test]
    fn a_loss_that_a_repetition_hides_from_the_count_is_seen() {
        let hidden = verdict(Order::Every, &[0, 2, 2, 3], of(4));
        assert!(!hidden.is_clean());
        let sum = Some(sum_of_run(0, 4));
        let expected = Expected { deliveries: 4, sum };
        assert!(verdict(Order::Rising, &[0, 1, 2, 3], expected).is_clean());
        let mut shared = Receipt::new(Order::Rising, 1);
        let mut other = Receipt::new(Order::Rising, 1);
        for (receipt, number) in [(true, 0), (false, 0), (true, 2), (false, 3)] {
            let found = Found::Message(Mark { publisher: 0, number });
            if receipt { shared.note(found) } else { other.note(found) }
        }
        let mut tally = shared.tally();
        tally.add(other.tally());
        assert_eq!(tally.verdict(expected).lost, 1);
    }

    #[test]
    fn damage_and_unknown_publishers_are_damage() {
        let mut receipt = Receipt::new(Order::Every, 1);
        receipt.note(Found::Damaged);
        receipt.note(Found::Message(Mark { publisher: 1, number: 0 }));
        receipt.note(Found::Anonymous);
        let verdict = receipt.tally().verdict(of(3));
        assert_eq!((verdict.damaged, verdict.anonymous), (2, 1));
        assert!(!verdict.is_clean());
    }
}
