//! Whether what a client hears is what the oracle says it may hear, then and there.
//!
//! Absent: what should have been heard and was not; that takes a finished run (`checks`).

use fanfare_protocol::server_op::Message;

use super::access_oracle::{Arrival, Way};
use super::journal::{Checked, Heard, Violation, fail};
use super::oracle::{Max, NUMBER_DIGITS, Oracle, Publish, Receiver, Sub, matches};

impl Oracle {
    /// A client received a message. `repicked` says whether a group ever passed a message on,
    /// which may then overtake others.
    pub(crate) fn heard(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: u64,
        repicked: bool,
    ) -> Result<Heard, Violation> {
        if message.headers.is_some_and(|headers| headers.starts_with(b"NATS/1.0 503")) {
            return self.heard_no_responders(client, message, now);
        }
        let sid = String::from_utf8_lossy(message.sid).into_owned();
        let number = publish_number(message);
        let Some(number) = number.filter(|number| *number < self.publishes.len()) else {
            return Err(Violation {
                check: "content",
                text: format!("c{client}: unknown message"),
            });
        };
        self.check_content(client, message, number)?;
        let Some(index) = self.clients[client].open.get(message.sid).copied() else {
            let text = format!("c{client} hears m{number} on sid {sid}, which is not open");
            return Err(Violation { check: "ended", text });
        };
        self.check_permitted(client, number, index, repicked)?;
        let publish = &mut self.publishes[number];
        publish.delivered.push(index);
        let (publisher, op) = (publish.client, publish.sent.op);
        let sub = &mut self.subs[index];
        sub.seen += 1;
        sub.undelivered.retain(|undelivered| *undelivered != number);
        if sub.is_used_up() {
            self.end(index, now, false);
        }
        if self.subs[index].queue.is_none() || !repicked {
            self.check_order(client, publisher, op, number)?;
        }
        self.proven_subs(publisher, op, now);
        Ok(Heard::Message { publish: number, sid: sid.into() })
    }

    fn check_content(&self, client: usize, message: &Message<'_>, number: usize) -> Checked {
        let publish = &self.publishes[number];
        let strips = !self.clients[client].headers;
        let headers = publish.headers.as_deref().filter(|block| !block.is_empty() && !strips);
        let arrival = self.arrival(client, message.subject, publish);
        let is_request = arrival.is_some_and(|arrival| arrival.way == Way::Service);
        let is_marked = message.headers.is_some_and(|block| {
            memchr::memmem::find(block, b"Nats-Request-Info: {\"acc\":\"").is_some()
        });
        let as_published = if is_request {
            is_marked != strips
        } else {
            message.headers == headers && message.reply == publish.reply
        };
        let is_same = (self.realm.is_none() && message.subject == publish.subject
            || arrival.is_some())
            && as_published
            && message.payload == publish.payload;
        if is_same {
            return Ok(());
        }
        fail("content", format!("c{client} hears m{number} with other content than was published"))
    }

    /// How a message came to a client's account under a subject.
    fn arrival<'a>(
        &self,
        client: usize,
        subject: &[u8],
        publish: &'a Publish,
    ) -> Option<&'a Arrival> {
        let member = self.clients[client].member.as_ref()?;
        publish
            .arrivals
            .iter()
            .find(|arrival| arrival.account == member.account && arrival.subject == subject)
    }

    fn check_permitted(
        &self,
        client: usize,
        number: usize,
        index: usize,
        repicked: bool,
    ) -> Checked {
        let (publish, sub) = (&self.publishes[number], &self.subs[index]);
        let whom = || {
            let filter = String::from_utf8_lossy(&sub.filter);
            format!("c{client} hears m{number} on {filter}")
        };
        let member = self.clients[client].member.as_ref();
        let to = Receiver { member, filter: &sub.filter, queue: sub.queue.as_deref() };
        if !publish.is_for(&to) {
            return fail("match", whom());
        }
        if publish.client == client && !self.clients[client].echo {
            return fail("echo", whom());
        }
        let subscribed_later = publish.done.is_some_and(|done| done < sub.sent.step)
            || (publish.client == client && publish.sent.op < sub.sent.op);
        if subscribed_later && (sub.queue.is_none() || !repicked) {
            return fail("early", format!("{}, subscribed after its PONG", whom()));
        }
        if let Some(Max { deliveries, seen: Some(seen), .. }) = sub.max
            && sub.seen >= deliveries.max(seen)
        {
            return fail("max", format!("{} beyond its maximum {deliveries}", whom()));
        }
        let again = publish.delivered.iter().any(|other| match &sub.queue {
            None => *other == index,
            Some(_) => self.group_of(&self.subs[*other]) == self.group_of(sub),
        });
        if again {
            return fail("once", format!("{}, delivered before", whom()));
        }
        Ok(())
    }

    /// The group that a subscription is in: groups of one name in different accounts are
    /// different ones.
    pub(crate) fn group_of<'a>(&self, sub: &'a Sub) -> (Option<usize>, Option<&'a Vec<u8>>) {
        let member = self.clients[sub.client].member.as_ref();
        (member.map(|member| member.account), sub.queue.as_ref())
    }

    /// I6: what one client publishes, another receives in that order.
    fn check_order(&mut self, client: usize, from: usize, op: u32, number: usize) -> Checked {
        let count = self.clients.len();
        let last_from = &mut self.clients[client].last_from;
        last_from.resize(count, 0);
        if op < last_from[from] {
            return fail(
                "order",
                format!("c{client} hears m{number} of c{from} behind a later one"),
            );
        }
        last_from[from] = op;
        Ok(())
    }

    fn heard_no_responders(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: u64,
    ) -> Result<Heard, Violation> {
        let wrong =
            |text: &str| Err(Violation { check: "503", text: format!("c{client}: {text}") });
        let number = last_number(message.subject).filter(|n| *n < self.publishes.len());
        let Some(number) = number else { return wrong("answers no request") };
        let publish = &self.publishes[number];
        let subject = String::from_utf8_lossy(&publish.subject);
        let expected = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
        let is_exact = message.headers == Some(expected.as_bytes())
            && message.subject == publish.reply
            && message.payload.is_empty()
            && message.reply.is_empty();
        if !is_exact {
            return wrong("has other content than it should");
        }
        if publish.client != client || !self.clients[client].no_responders {
            return wrong("was not asked for by this client");
        }
        if publish.no_responders.is_some() {
            return wrong("was answered before");
        }
        let sub = self.clients[client].open.get(message.sid).map(|index| &self.subs[*index]);
        let Some(sub) = sub else { return wrong("arrives on a sid that is not open") };
        if sub.queue.is_some() || !matches(&sub.filter, message.subject) {
            return wrong("arrives on a subscription that is not for it");
        }
        self.publishes[number].no_responders = Some(now);
        Ok(Heard::NoResponders { publish: number })
    }
}

/// The number of the publish behind a message: in its payload, or in its reply when the payload
/// is too short to carry it.
fn publish_number(message: &Message<'_>) -> Option<usize> {
    match message.payload.get(..NUMBER_DIGITS) {
        Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        None => last_number(message.reply),
    }
}

/// The number in a subject's last token.
fn last_number(subject: &[u8]) -> Option<usize> {
    let digits = subject.rsplit(|byte| *byte == b'.').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
