//! Whether a client hears the answers that it awaits: all of them, in order, and no others.
//!
//! Absent: messages (`hearing`). An answer proves to the oracle what was executed before it.

use fanfare_protocol::server_op::ServerOp;

use super::journal::{Checked, Heard, Violation, fail};
use super::oracle::Mark;
use super::world::World;

/// The next answers that a client awaits, in order.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    Ok(Mark),
    Pong(Mark),
    /// The answer to a SUB that may be refused for want of room.
    Room(Mark),
    Error {
        text: String,
        closes: Option<Mark>,
    },
}

impl World {
    /// Matches an answer with what the client awaits.
    pub(crate) fn hear_answer(
        &mut self,
        client: usize,
        op: &ServerOp<'_>,
    ) -> Result<Heard, Violation> {
        let unexpected = |wanted: &dyn std::fmt::Debug| Violation {
            check: "answer",
            text: format!("c{client} hears {op:?} and awaits {wanted:?}"),
        };
        if let ServerOp::Error(text) = op
            && is_unprovoked(text)
        {
            return Ok(Heard::Error(String::from_utf8_lossy(text).into()));
        }
        loop {
            let Some(expected) = self.clients[client].expected.pop_front() else {
                return Err(unexpected(&"nothing"));
            };
            match (&expected, op) {
                (Expected::Room(mark), ServerOp::Error(b"maximum subscriptions exceeded")) => {
                    self.oracle.refused(client, mark.op);
                    self.prove(client, *mark);
                    return Ok(Heard::Error("maximum subscriptions exceeded".into()));
                }
                (Expected::Room(_), _) if !self.clients[client].choices.verbose => {}
                (Expected::Room(mark) | Expected::Ok(mark), ServerOp::Ok) => {
                    self.prove(client, *mark);
                    return Ok(Heard::Ok);
                }
                (Expected::Pong(mark), ServerOp::Pong) => {
                    self.hear_pong(client, *mark)?;
                    return Ok(Heard::Pong);
                }
                (Expected::Error { text, closes }, ServerOp::Error(heard))
                    if *heard == text.as_bytes() =>
                {
                    if let Some(mark) = closes {
                        self.prove(client, *mark);
                    }
                    return Ok(Heard::Error(text.as_str().into()));
                }
                (other, _) => return Err(unexpected(other)),
            }
        }
    }

    fn hear_pong(&mut self, client: usize, ping: Mark) -> Checked {
        let listener = &mut self.clients[client];
        listener.pongs += 1;
        listener.awaits_info = listener.pongs == 1 && listener.choices.protocol >= 1;
        self.prove(client, ping);
        self.oracle.check_fence(client, ping)
    }

    fn prove(&mut self, client: usize, mark: Mark) {
        let settled = self.hosts[self.clients[client].shard].settled;
        self.oracle.proven(client, mark.op, self.journal.step, settled);
    }

    /// Whether a client that is well has had all its answers.
    pub(crate) fn check_answered(&self) -> Checked {
        for (number, client) in self.clients.iter().enumerate() {
            let is_well = client.can_speak() && self.oracle.clients[number].alive;
            let rest = client
                .expected
                .iter()
                .find(|expected| !matches!(expected, Expected::Room(_)) || client.choices.verbose);
            if is_well && let Some(rest) = rest {
                return fail("answer", format!("c{number} never hears {rest:?}"));
            }
            if is_well && (client.infos == 0 || client.awaits_info || !client.input.is_empty()) {
                return fail("info", format!("c{number} hears only a part"));
            }
        }
        Ok(())
    }
}

/// Errors that a client meets without having done anything wrong at that place of its stream.
fn is_unprovoked(text: &[u8]) -> bool {
    matches!(
        text,
        b"Stale Connection"
            | b"Authentication Timeout"
            | b"Authorization Violation"
            | b"maximum connections exceeded"
    )
}
