//! A request on its way: collected up to its end, judged, answered.
//!
//! Absent: what makes a request good (`request`), and time (`layer`). One step is one read.

use super::super::fault::Fault;
use super::answer;
use super::pipe::Pipe;
use super::reception::Reception;
use super::request::{self, Refused, Visitor};
use super::session::Session;
use crate::core::turn::{ReadOutcome, WriteOutcome};

/// See the module's head.
#[derive(Debug, Default)]
pub(in crate::io) struct Upgrade {
    head: Vec<u8>,
}

/// What a step led to.
#[derive(Debug)]
pub(in crate::io) enum Progress {
    /// The peer is to send more.
    Wait,
    /// There may be more to read at once.
    Again,
    /// Frames begin; the answer goes out before the first of them.
    Done(Box<Session>, Visitor),
    /// The connection is over.
    Failed(Fault),
}

impl Upgrade {
    pub(in crate::io) fn step(
        &mut self,
        pipe: &mut Pipe<'_>,
        reception: &Reception,
        is_secure: bool,
    ) -> Progress {
        let mut room = [0; HEAD_BYTES_MAX];
        let (read, may_have_more) = match pipe.read(&mut room) {
            ReadOutcome::Bytes(read) => (read, read == room.len()),
            ReadOutcome::More(read) => (read, true),
            ReadOutcome::WouldBlock => return Progress::Wait,
            ReadOutcome::Ended | ReadOutcome::Failed | ReadOutcome::Refused(_) => {
                return Progress::Failed(Fault::Ended);
            }
        };
        let news = room.get(..read).unwrap_or_default();
        self.head.extend_from_slice(news);
        if self.head.len() > HEAD_BYTES_MAX {
            return refuse(pipe, Refused::too_large());
        }
        // Only the end of a line can end a head, or show that it is none.
        if news.contains(&b'\n') {
            match request::judge(&self.head, reception, is_secure) {
                Ok(None) => {}
                Ok(Some(granted)) => {
                    let answer = answer::yes(&granted, reception);
                    let session = Box::new(Session::new(granted.terms, answer));
                    return Progress::Done(session, granted.visitor);
                }
                Err(refused) => return refuse(pipe, refused),
            }
        }
        if may_have_more { Progress::Again } else { Progress::Wait }
    }
}

fn refuse(pipe: &mut Pipe<'_>, refused: Refused) -> Progress {
    let text = answer::no(&refused);
    // Whoever does not take one line has gone.
    if !matches!(pipe.write(&[&text]), WriteOutcome::Failed) {
        pipe.close();
    }
    Progress::Failed(Fault::Request(refused))
}

/// Bytes of one request's head.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;
