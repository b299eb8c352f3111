//! What is written down of one client.
//!
//! Absent: where it comes from (`freeze`) and what is made of it (`thaw`). The order of words here
//! is the format: whoever changes it, or what a word means, raises `STATE_VERSION`.

use fanfare_protocol::op::PublishLine;

use super::pack::Packer;
use super::rights::{Rights, pack_rights, unpack_rights};
use super::unpack::Unpacker;
use super::{MovingError, STATE_VERSION};
use crate::core::choices::Choices;
use crate::core::inbox::Assembly;

/// See the module's head.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) peer: Box<str>,
    pub(super) listener: u8,
    pub(super) account: Box<str>,
    /// It was let in, or nobody asked.
    pub(super) is_bound: bool,
    pub(super) choices: [bool; 6],
    pub(super) connected: bool,
    pub(super) operated: bool,
    pub(super) greeted: bool,
    pub(super) rtt_known: bool,
    /// The bytes at hand are commands that wait.
    pub(super) is_parked: bool,
    pub(super) pings_out: u8,
    pub(super) last_len: u32,
    /// Messages and bytes out and in.
    pub(super) counters: [u64; 4],
    /// When it came, when it last said something, and when it last was written to.
    pub(super) times: [u64; 3],
    /// When it was sent a PING, and how long the answer took.
    pub(super) ping_us: [u32; 2],
    /// Name, language and version.
    pub(super) facts: [Option<Box<[u8]>>; 3],
    pub(super) badge: Option<BadgeRecord>,
    pub(super) subs: Vec<SubRecord>,
    pub(super) rest: Box<[u8]>,
    pub(super) assembly: Option<AssemblyRecord>,
    /// Bytes of the first unsent record that have left.
    pub(super) written: u32,
    pub(super) runs: Vec<RunRecord>,
}

/// What is written down of a badge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BadgeRecord {
    pub(super) nonce: Box<str>,
    pub(super) rights: Option<Rights>,
    /// Oldest first.
    pub(super) grants: Vec<GrantedReply>,
}

/// A reply subject, until when, and how often it may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GrantedReply {
    pub(super) reply: Box<[u8]>,
    pub(super) ends: Option<u64>,
    pub(super) left: Option<u32>,
}

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubRecord {
    pub(super) filter: Box<[u8]>,
    pub(super) queue: Option<Box<[u8]>>,
    pub(super) sid: Box<[u8]>,
    pub(super) delivered: u64,
    pub(super) max: u64,
}

/// A message that has come in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AssemblyRecord {
    pub(super) subject: Box<[u8]>,
    pub(super) reply: Box<[u8]>,
    pub(super) header_len: Option<u32>,
    pub(super) total_len: u32,
    pub(super) body: Box<[u8]>,
}

/// Neighbouring unsent records of one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunRecord {
    /// Empty for what is written as it is.
    pub(super) sid: Box<[u8]>,
    /// One of the texts that every broker has.
    pub(super) is_fixed: bool,
    /// The number of the first one: of a fixed text, or in the order of the parcels.
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Record {
    pub(super) fn pack(&self, out: &mut Packer) {
        out.u64(self.number);
        out.text(&self.peer);
        out.u8(self.listener);
        out.text(&self.account);
        let (connected, operated) = (self.connected, self.operated);
        let (greeted, rtt_known) = (self.greeted, self.rtt_known);
        let more = [self.is_bound, connected, operated, greeted, rtt_known, self.is_parked];
        for flag in self.choices.into_iter().chain(more) {
            out.flag(flag);
        }
        out.u8(self.pings_out);
        out.u32(self.last_len);
        self.counters.iter().chain(&self.times).for_each(|number| out.u64(*number));
        self.ping_us.iter().for_each(|number| out.u32(*number));
        for fact in &self.facts {
            out.option(fact.as_deref(), Packer::bytes);
        }
        out.option(self.badge.as_ref(), |out, badge| badge.pack(out));
        out.list(&self.subs, |out, sub| {
            out.bytes(&sub.filter);
            out.option(sub.queue.as_deref(), Packer::bytes);
            out.bytes(&sub.sid);
            out.u64(sub.delivered);
            out.u64(sub.max);
        });
        out.bytes(&self.rest);
        out.option(self.assembly.as_ref(), |out, assembly| {
            out.bytes(&assembly.subject);
            out.bytes(&assembly.reply);
            out.option(assembly.header_len, Packer::u32);
            out.u32(assembly.total_len);
            out.bytes(&assembly.body);
        });
        out.u32(self.written);
        out.list(&self.runs, |out, run| {
            out.bytes(&run.sid);
            out.flag(run.is_fixed);
            out.u32(run.first);
            out.u32(run.count);
        });
    }

    pub(super) fn unpack(from: &mut Unpacker<'_>) -> Result<Self, MovingError> {
        let (number, peer) = (from.u64()?, from.text()?);
        let (listener, account) = (from.u8()?, from.text()?);
        let choices = flags(from)?;
        let [is_bound, connected, operated, greeted, rtt_known, is_parked] = flags(from)?;
        let (pings_out, last_len) = (from.u8()?, from.u32()?);
        let mut numbers = [0; 7];
        for number in &mut numbers {
            *number = from.u64()?;
        }
        let [messages_out, bytes_out, messages_in, bytes_in, started, input, output] = numbers;
        let ping_us = [from.u32()?, from.u32()?];
        let mut fact = || from.option(|from| Ok(from.bytes()?.into()));
        let facts = [fact()?, fact()?, fact()?];
        Ok(Self {
            number,
            peer,
            listener,
            account,
            is_bound,
            choices,
            connected,
            operated,
            greeted,
            rtt_known,
            is_parked,
            pings_out,
            last_len,
            counters: [messages_out, bytes_out, messages_in, bytes_in],
            times: [started, input, output],
            ping_us,
            facts,
            badge: from.option(BadgeRecord::unpack)?,
            subs: from.list(SubRecord::unpack)?,
            rest: from.bytes()?.into(),
            assembly: from.option(AssemblyRecord::unpack)?,
            written: from.u32()?,
            runs: from.list(RunRecord::unpack)?,
        })
    }
}

fn flags(from: &mut Unpacker<'_>) -> Result<[bool; 6], MovingError> {
    let mut flags = [false; 6];
    for flag in &mut flags {
        *flag = from.flag()?;
    }
    Ok(flags)
}

impl BadgeRecord {
    fn pack(&self, out: &mut Packer) {
        out.text(&self.nonce);
        out.option(self.rights.as_ref(), pack_rights);
        out.list(&self.grants, |out, grant| {
            out.bytes(&grant.reply);
            out.option(grant.ends, Packer::u64);
            out.option(grant.left, Packer::u32);
        });
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, MovingError> {
        Ok(Self {
            nonce: from.text()?,
            rights: from.option(unpack_rights)?,
            grants: from.list(|from| {
                let (reply, ends) = (from.bytes()?.into(), from.option(Unpacker::u64)?);
                Ok(GrantedReply { reply, ends, left: from.option(Unpacker::u32)? })
            })?,
        })
    }
}

impl SubRecord {
    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, MovingError> {
        Ok(Self {
            filter: from.bytes()?.into(),
            queue: from.option(|from| Ok(from.bytes()?.into()))?,
            sid: from.bytes()?.into(),
            delivered: from.u64()?,
            max: from.u64()?,
        })
    }
}

impl AssemblyRecord {
    pub(super) fn of(assembly: &Assembly) -> Self {
        let (line, body) = assembly.parts();
        Self {
            subject: line.subject.into(),
            reply: line.reply.into(),
            header_len: line.header_len,
            total_len: line.total_len,
            body: body.into(),
        }
    }

    pub(super) fn restore(&self) -> Result<Assembly, MovingError> {
        let (header_len, total_len) = (self.header_len, self.total_len);
        let line =
            PublishLine { subject: &self.subject, reply: &self.reply, header_len, total_len };
        Assembly::restore(&line, &self.body).ok_or(MovingError::Word)
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, MovingError> {
        Ok(Self {
            subject: from.bytes()?.into(),
            reply: from.bytes()?.into(),
            header_len: from.option(Unpacker::u32)?,
            total_len: from.u32()?,
            body: from.bytes()?.into(),
        })
    }
}

impl RunRecord {
    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, MovingError> {
        Ok(Self {
            sid: from.bytes()?.into(),
            is_fixed: from.flag()?,
            first: from.u32()?,
            count: from.u32()?,
        })
    }
}

/// A client's choices in the order of the format.
pub(super) fn choices_of(choices: Choices) -> [bool; 6] {
    let Choices { verbose, pedantic, echo, headers, no_responders, async_info } = choices;
    [verbose, pedantic, echo, headers, no_responders, async_info]
}

/// The inverse of [`choices_of`].
pub(super) fn choices_from(flags: [bool; 6]) -> Choices {
    let [verbose, pedantic, echo, headers, no_responders, async_info] = flags;
    Choices { verbose, pedantic, echo, headers, no_responders, async_info }
}

const _: () = assert!(STATE_VERSION == 1, "see the module's head");
