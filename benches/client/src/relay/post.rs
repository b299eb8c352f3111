//! Who hears what at the bare relay, and the execution of what clients send.
//!
//! Absent: sockets. Whatever is not CONNECT, PING, PONG, SUB, UNSUB or PUB is unknown.

use std::collections::HashMap;

use super::seat::Seat;

/// The subscriptions, and what was worked out from them.
#[derive(Default)]
pub(super) struct Post {
    /// Those who hear a literal subject.
    literal: HashMap<Vec<u8>, Vec<Receiver>>,
    /// Those who hear every subject that goes on by one token from this, which ends with a dot.
    below: HashMap<Vec<u8>, Vec<Receiver>>,
    /// By connection, what it has subscribed to.
    filters: HashMap<usize, Vec<Vec<u8>>>,
    /// By connection, what its last line led to.
    plans: Vec<Plan>,
    /// How often subscriptions have changed.
    changes: u64,
}

/// A subscription.
#[derive(Clone)]
struct Receiver {
    place: usize,
    sid: Vec<u8>,
}

/// What a line of PUB leads to.
#[derive(Default)]
struct Plan {
    line: Vec<u8>,
    /// When it was made, by the number of changes.
    made_at: u64,
    payload_len: usize,
    /// Where to, and what stands before the payload there.
    deliveries: Vec<(usize, Vec<u8>)>,
}

impl Post {
    /// Executes whole operations; returns how many bytes they took, or nothing if the client is to
    /// go.
    pub(super) fn execute(
        &mut self,
        place: usize,
        input: &[u8],
        seats: &mut [Option<Seat>],
        touched: &mut Vec<usize>,
    ) -> Option<usize> {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            let Some(line) = self.line(place, rest) else {
                return if rest.len() > LINE_MAX { None } else { Some(used) };
            };
            if line.starts_with(b"PUB ") {
                let plan = self.plan(place, line)?;
                let payload_len = plan.payload_len;
                let frame_len = line.len() + payload_len + LINE_END_LEN;
                let Some(payload) = rest.get(line.len()..frame_len) else { return Some(used) };
                for (to, head) in &plan.deliveries {
                    give(*to, &[head, payload], seats, touched);
                }
                used += frame_len;
                continue;
            }
            match line {
                [b'P', b'I', ..] => give(place, &[b"PONG\r\n"], seats, touched),
                [b'S', b'U', b'B', b' ', words @ ..] => self.subscribe(place, words)?,
                [b'C' | b'U', ..] | [b'P', b'O', ..] => {}
                _ => return None,
            }
            used += line.len();
        }
        Some(used)
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, place: usize) {
        self.changes += 1;
        for filter in self.filters.remove(&place).unwrap_or_default() {
            let (map, key) = self.entry(&filter);
            if let Some(receivers) = map.get_mut(key) {
                receivers.retain(|receiver| receiver.place != place);
                if receivers.is_empty() {
                    map.remove(key);
                }
            }
        }
        if let Some(plan) = self.plans.get_mut(place) {
            *plan = Plan::default();
        }
    }

    /// The line at the start, with its end.
    #[inline]
    fn line<'a>(&self, place: usize, input: &'a [u8]) -> Option<&'a [u8]> {
        if let Some(plan) = self.plans.get(place)
            && !plan.line.is_empty()
            && input.starts_with(&plan.line)
        {
            return input.get(..plan.line.len());
        }
        let end = input.iter().take(LINE_MAX).position(|byte| *byte == b'\n')?;
        input.get(..=end)
    }

    /// What a line of PUB leads to.
    #[inline]
    fn plan(&mut self, place: usize, line: &[u8]) -> Option<&Plan> {
        let is_known = self
            .plans
            .get(place)
            .is_some_and(|plan| plan.made_at == self.changes && plan.line == line);
        if !is_known {
            let plan = self.new_plan(line)?;
            if self.plans.len() <= place {
                self.plans.resize_with(place + 1, Plan::default);
            }
            *self.plans.get_mut(place)? = plan;
        }
        self.plans.get(place)
    }

    fn new_plan(&self, line: &[u8]) -> Option<Plan> {
        let text = line.strip_prefix(b"PUB ")?.trim_ascii();
        let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (subject, second, third) = (words.next()?, words.next()?, words.next());
        let (reply, size) = third.map_or((&b""[..], second), |size| (second, size));
        let payload_len: usize = std::str::from_utf8(size).ok()?.parse().ok()?;
        if payload_len > PAYLOAD_MAX {
            return None;
        }
        let stem_len = subject.iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot + 1);
        let stem = subject.get(..stem_len)?;
        let found = self.literal.get(subject).into_iter().chain(self.below.get(stem));
        let deliveries = found.flatten().map(|receiver| {
            let mut head = b"MSG ".to_vec();
            for word in [subject, &receiver.sid, reply] {
                if !word.is_empty() {
                    head.extend_from_slice(word);
                    head.push(b' ');
                }
            }
            head.extend_from_slice(size);
            head.extend_from_slice(b"\r\n");
            (receiver.place, head)
        });
        let deliveries = deliveries.collect();
        Some(Plan { line: line.to_vec(), made_at: self.changes, payload_len, deliveries })
    }

    /// `subject [group] sid`.
    fn subscribe(&mut self, place: usize, words: &[u8]) -> Option<()> {
        let words = words.trim_ascii();
        let subject = words.split(|byte| *byte == b' ').next()?;
        let sid = words.rsplit(|byte| *byte == b' ').next()?;
        let receiver = Receiver { place, sid: sid.to_vec() };
        let filters = self.filters.entry(place).or_default();
        if filters.len() == FILTERS_MAX {
            return None;
        }
        filters.push(subject.to_vec());
        let (map, key) = self.entry(subject);
        map.entry(key.to_vec()).or_default().push(receiver);
        self.changes += 1;
        Some(())
    }

    /// Where those who hear a filter are kept, and under which name.
    fn entry<'a>(&mut self, filter: &'a [u8]) -> (&mut HashMap<Vec<u8>, Vec<Receiver>>, &'a [u8]) {
        match filter.strip_suffix(b"*") {
            Some(stem) => (&mut self.below, stem),
            None => (&mut self.literal, filter),
        }
    }
}

/// Puts bytes into a connection's output.
#[inline]
fn give(place: usize, parts: &[&[u8]], seats: &mut [Option<Seat>], touched: &mut Vec<usize>) {
    if let Some(Some(seat)) = seats.get_mut(place)
        && seat.put(parts)
    {
        touched.push(place);
    }
}

/// As INFO says.
const PAYLOAD_MAX: usize = 64 * 1024 * 1024;
/// More than any scenario needs of one connection.
const FILTERS_MAX: usize = 1024;
const LINE_MAX: usize = 4096;
const LINE_END_LEN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Executes what a client at place 0 sends and returns how much of it was used.
    fn execute(post: &mut Post, input: &[u8]) -> Option<usize> {
        post.execute(0, input, &mut [], &mut Vec::new())
    }

    fn heads(post: &Post, line: &[u8]) -> Vec<(usize, String)> {
        let deliveries = post.new_plan(line).unwrap().deliveries;
        deliveries
            .into_iter()
            .map(|(place, head)| (place, String::from_utf8(head).unwrap()))
            .collect()
    }

    #[test]
    fn a_message_goes_to_whoever_subscribed_to_its_subject() {
        let mut post = Post::default();
        assert_eq!(execute(&mut post, b"SUB a.b 1\r\nSUB in.* 2\r\n"), Some(23));
        post.execute(3, b"SUB a.b workers 9\r\n", &mut [], &mut Vec::new()).unwrap();
        let both = [(0, "MSG a.b 1 r.1 5\r\n".to_owned()), (3, "MSG a.b 9 r.1 5\r\n".to_owned())];
        assert_eq!(heads(&post, b"PUB a.b r.1 5\r\n"), both);
        assert_eq!(heads(&post, b"PUB in.7 2\r\n"), [(0, "MSG in.7 2 2\r\n".to_owned())]);
        assert_eq!(heads(&post, b"PUB in.7.8 2\r\n"), []);
        post.forget(0);
        assert_eq!(heads(&post, b"PUB in.7 2\r\n"), []);
        assert_eq!(heads(&post, b"PUB a.b 5\r\n"), [(3, "MSG a.b 9 5\r\n".to_owned())]);
    }

    #[test]
    fn only_whole_operations_are_used() {
        let mut post = Post::default();
        let input = b"PUB a 2\r\nhi\r\nPUB a 2\r\nho\r\nPING\r\n";
        for cut in 0..input.len() {
            let expected = [0, 13, 26].into_iter().filter(|end| *end <= cut).max();
            assert_eq!(execute(&mut post, &input[..cut]), expected, "{cut}");
        }
    }

    #[test]
    fn what_it_does_not_know_ends_the_connection() {
        for input in [&b"HELLO\r\n"[..], b"PUB a\r\n", b"PUB a 99999999999\r\n", &[b'x'; 5000]] {
            assert_eq!(execute(&mut Post::default(), input), None);
        }
    }
}
