//! Frames of one connection: taken off what it sends, put around what it is sent.
//!
//! Absent: sockets' events, and what the bytes mean. What one write gathers is one frame, however
//! many messages it holds, so that framing costs nothing for each message. Between two calls a
//! session holds the beginning of a header or control frame, what is left of a control frame that
//! the socket has not taken, and, where packing was agreed on, a message that has not come whole.

use std::io;

use fanfare_protocol::websocket::{
    Close, CloseCode, Header, Kind, Payload, Piece, Reader, Step, Terms, Violation,
};

use super::farewell;
use super::packing::Packing;
use super::pieces::{Kept, List, Place, between, rest};
use super::pipe::Pipe;
use crate::core::close::CloseReason;
use crate::core::turn::{ReadOutcome, WriteOutcome};

/// See the module's head.
#[derive(Debug)]
pub(in crate::io) struct Session {
    reader: Reader,
    /// Bytes of payload that the frame on the wire still needs.
    frame_left: u64,
    /// What goes out before anything else: the rest of a header or of a control frame.
    ahead: Vec<u8>,
    /// Answers to pings; they wait for the end of the frame on the wire, and of what is ahead.
    pong: Vec<u8>,
    unpacking: Option<Box<Unpacking>>,
    end: Option<End>,
}

/// What may be under way where packing was agreed on.
#[derive(Debug, Default)]
struct Unpacking {
    /// What came off the socket and was not looked at.
    raw: Kept,
    /// What has come of a packed message.
    packed: Vec<u8>,
    /// What was unpacked and found no room.
    plain: Kept,
}

impl Unpacking {
    fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.packed.is_empty() && self.plain.is_empty()
    }
}

/// Why nothing more is read.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The peer said goodbye, perhaps with a code.
    Closed(Option<u16>),
    /// The peer broke a rule.
    Violated(Violation),
}

impl End {
    fn outcome(self) -> ReadOutcome {
        match self {
            Self::Closed(_) => ReadOutcome::Ended,
            Self::Violated(Violation::TooBig) => {
                ReadOutcome::Refused(CloseReason::MaxPayloadExceeded)
            }
            Self::Violated(_) => ReadOutcome::Refused(CloseReason::ProtocolViolation),
        }
    }
}

/// What a step met.
enum Seen {
    /// A piece of a message.
    Piece(Piece),
    /// A control frame, or the end.
    Control,
    /// Nothing is left to look at.
    Nothing,
}

/// What one packed message may hold, packed or not.
#[derive(Debug, Clone, Copy)]
pub(in crate::io) struct Budget(pub(in crate::io) usize);

impl Session {
    /// A session whose first write begins with the answer to its request.
    pub(super) fn new(terms: Terms, answer: Vec<u8>) -> Self {
        Self {
            reader: Reader::new(terms),
            frame_left: 0,
            ahead: answer,
            pong: Vec::new(),
            unpacking: None,
            end: None,
        }
    }

    /// Reads once, and takes the frames off.
    pub(in crate::io) fn read(
        &mut self,
        pipe: &mut Pipe<'_>,
        room: &mut [u8],
        budget: Budget,
        packing: &mut Packing,
    ) -> ReadOutcome {
        let outcome = if self.reader.may_unpack() {
            self.read_packed(pipe, room, budget, packing)
        } else {
            self.read_plain(pipe, room)
        };
        if !self.pong.is_empty() {
            // What the socket does not take goes out before what the core writes next.
            let _ = self.flush(pipe);
        }
        outcome
    }

    fn read_plain(&mut self, pipe: &mut Pipe<'_>, room: &mut [u8]) -> ReadOutcome {
        if let Some(end) = self.end {
            return end.outcome();
        }
        let (read, again) = match came(pipe.read(room), room.len()) {
            Ok(came) => came,
            Err(nothing) => return nothing,
        };
        let input = room.get_mut(..read).unwrap_or_default();
        let (mut at, mut length) = (0, 0);
        loop {
            match self.step(input, &mut at) {
                Seen::Nothing => break,
                Seen::Control => {}
                Seen::Piece(Piece { range, .. }) => {
                    let count = range.len();
                    input.copy_within(range, length);
                    length += count;
                }
            }
        }
        match self.end {
            Some(end) if length == 0 => end.outcome(),
            Some(_) => ReadOutcome::More(length),
            None if again => ReadOutcome::More(length),
            None => ReadOutcome::Bytes(length),
        }
    }

    /// Looks at what comes next, and deals with what is no data.
    fn step(&mut self, input: &mut [u8], at: &mut usize) -> Seen {
        if self.end.is_some() {
            return Seen::Nothing;
        }
        match self.reader.next(input, at) {
            Ok(Step::More) => return Seen::Nothing,
            Ok(Step::Data(piece)) => return Seen::Piece(piece),
            Ok(Step::Ping(payload)) => self.hear_ping(&payload),
            Ok(Step::Pong) => {}
            Ok(Step::Close(payload)) => {
                self.end = Some(match Close::parse(payload.as_bytes()) {
                    Ok(close) => End::Closed(close.code),
                    Err(violation) => End::Violated(violation),
                });
            }
            Err(violation) => self.end = Some(End::Violated(violation)),
        }
        Seen::Control
    }

    /// Answers a ping. Of many only the last is answered (RFC 6455, section 5.5.3): whoever pings
    /// and takes no answers leaves no more than a bounded part of them with us.
    fn hear_ping(&mut self, payload: &Payload) {
        let payload = payload.as_bytes();
        let header = Header::new(Kind::Pong, payload.len() as u64, false, None);
        let header = header.as_bytes();
        if self.pong.len() + header.len() + payload.len() > PONGS_MAX {
            self.pong.clear();
        }
        self.pong.extend_from_slice(header);
        self.pong.extend_from_slice(payload);
    }

    /// The same where messages may be packed: what they hold may need more room than there is, and
    /// is then kept for the next reads.
    fn read_packed(
        &mut self,
        pipe: &mut Pipe<'_>,
        room: &mut [u8],
        budget: Budget,
        packing: &mut Packing,
    ) -> ReadOutcome {
        let mut held = self.unpacking.take().map_or_else(Unpacking::default, |held| *held);
        let mut place = Place { room, length: 0 };
        held.plain.put_into(&mut place);
        let mut again = false;
        if held.plain.is_empty() && self.end.is_none() {
            let is_kept = !held.raw.is_empty();
            let (mut raw, from) =
                if is_kept { held.raw.take() } else { (std::mem::take(&mut packing.raw), 0) };
            let mut read = raw.len();
            if !is_kept {
                if raw.len() < place.room.len() {
                    raw.resize(place.room.len(), 0);
                }
                let most = place.room.len();
                let outcome = pipe.read(raw.get_mut(..most).unwrap_or_default());
                match came(outcome, most) {
                    Ok(came) => (read, again) = came,
                    Err(nothing) => {
                        packing.raw = raw;
                        self.keep(held);
                        let has_brought = place.length > 0;
                        return if has_brought { ReadOutcome::More(place.length) } else { nothing };
                    }
                }
            }
            let input = raw.get_mut(..read).unwrap_or_default();
            let at = self.unpack_all(input, from, &mut held, &mut place, budget, packing);
            let used = if self.end.is_none() { at } else { read };
            if is_kept {
                held.raw = Kept::new(raw, used);
            } else {
                held.raw = Kept::new(input.get(used..).unwrap_or_default().to_vec(), 0);
                packing.raw = raw;
            }
            again |= is_kept;
        }
        again |= !held.plain.is_empty() || !held.raw.is_empty();
        let length = place.length;
        self.keep(held);
        match self.end {
            Some(end) if length == 0 && !again => end.outcome(),
            Some(_) => ReadOutcome::More(length),
            None if again => ReadOutcome::More(length),
            None => ReadOutcome::Bytes(length),
        }
    }

    fn keep(&mut self, held: Unpacking) {
        self.unpacking = (!held.is_empty()).then(|| Box::new(held));
    }

    /// Looks at bytes from one place on, until they are used up, or there is no room, or enough
    /// was done for one turn of others' time; says how far it came.
    fn unpack_all(
        &mut self,
        input: &mut [u8],
        from: usize,
        held: &mut Unpacking,
        place: &mut Place<'_>,
        budget: Budget,
        packing: &mut Packing,
    ) -> usize {
        let (mut at, mut unpacked) = (from, 0);
        while held.plain.is_empty() && unpacked < UNPACKED_AT_ONCE {
            let piece = match self.step(input, &mut at) {
                Seen::Nothing => break,
                Seen::Control => continue,
                Seen::Piece(piece) => piece,
            };
            let bytes = input.get(piece.range.clone()).unwrap_or_default();
            if !piece.compressed {
                let put = place.put(bytes);
                held.plain = Kept::new(bytes.get(put..).unwrap_or_default().to_vec(), 0);
                continue;
            }
            unpacked += 1;
            match unpack(&piece, bytes, &mut held.packed, budget, packing) {
                Ok(true) => {
                    let put = place.put(&packing.plain);
                    if put < packing.plain.len() {
                        held.plain = Kept::new(std::mem::take(&mut packing.plain), put);
                    }
                }
                Ok(false) => {}
                Err(violation) => {
                    held.packed = Vec::new();
                    self.end = Some(End::Violated(violation));
                }
            }
        }
        at
    }

    /// Frames pieces and writes them, as far as the socket takes them.
    pub(in crate::io) fn write<'p>(
        &mut self,
        pipe: &mut Pipe<'_>,
        pieces: impl Iterator<Item = &'p [u8]> + Clone,
        packing: &mut Packing,
    ) -> WriteOutcome {
        let total: usize = pieces.clone().map(<[u8]>::len).sum();
        if self.reader.may_unpack() && self.frame_left == 0 && total > PACKED_FROM {
            return self.write_packed(pipe, pieces, packing);
        }
        let inside = usize::try_from(self.frame_left).map_or(total, |left| left.min(total));
        let beyond = total - inside;
        let ends = self.frame_left == inside as u64;
        let ahead = std::mem::take(&mut self.ahead);
        let pong = if ends { std::mem::take(&mut self.pong) } else { Vec::new() };
        let header = Header::new(Kind::Binary, beyond as u64, false, None);
        let header = if beyond > 0 { header.as_bytes() } else { &[] };
        let mut list = List::default();
        list.push(&ahead);
        between(pieces.clone(), 0, inside).for_each(|piece| list.push(piece));
        list.push(&pong);
        list.push(header);
        between(pieces, inside, total).for_each(|piece| list.push(piece));
        let Some(gathered) = list.as_slice() else { return WriteOutcome::Failed };
        let (mut sent, is_held) = match pipe.write(gathered) {
            WriteOutcome::Bytes(sent) => (sent, false),
            WriteOutcome::Held(sent) => (sent, true),
            WriteOutcome::Failed => return WriteOutcome::Failed,
        };
        let mut part = |length: usize| {
            let part = sent.min(length);
            sent -= part;
            part
        };
        let (of_ahead, of_inside) = (part(ahead.len()), part(inside));
        let (of_pong, of_header) = (part(pong.len()), part(header.len()));
        let of_beyond = part(beyond);
        self.frame_left -= of_inside as u64;
        if of_header > 0 {
            self.frame_left = (beyond - of_beyond) as u64;
        }
        match (of_ahead < ahead.len(), of_pong, of_header) {
            (true, ..) => self.ahead = rest(ahead, of_ahead),
            (false, 0, 0) => {}
            (false, _, 0) => self.ahead = pong.get(of_pong..).unwrap_or_default().to_vec(),
            (false, ..) => self.ahead = header.get(of_header..).unwrap_or_default().to_vec(),
        }
        // If this write did not reach the frame's end, the pongs still wait where they were.
        if ends && of_pong == 0 {
            self.pong = pong;
        }
        let taken = of_inside + of_beyond;
        let waits = taken == total && !(self.ahead.is_empty() && self.pong.is_empty());
        if is_held || waits { WriteOutcome::Held(taken) } else { WriteOutcome::Bytes(taken) }
    }

    /// The same, packed: a frame is made as a whole, and what the socket does not take is kept.
    fn write_packed<'p>(
        &mut self,
        pipe: &mut Pipe<'_>,
        pieces: impl Iterator<Item = &'p [u8]>,
        packing: &mut Packing,
    ) -> WriteOutcome {
        match self.flush(pipe) {
            Ok(true) => {}
            Ok(false) => return WriteOutcome::Bytes(0),
            Err(_) => return WriteOutcome::Failed,
        }
        let mut pieces = pieces.flat_map(|piece| piece.chunks(PACKED_AT_ONCE)).peekable();
        let mut taken = 0;
        loop {
            let (mut list, mut size) = (List::default(), 0);
            while let Some(piece) =
                pieces.next_if(|piece| size == 0 || size + piece.len() <= PACKED_AT_ONCE)
            {
                list.push(piece);
                size += piece.len();
            }
            if size == 0 {
                return WriteOutcome::Bytes(taken);
            }
            let Some(gathered) = list.as_slice() else { return WriteOutcome::Failed };
            if !packing.pack(gathered.iter().copied()) {
                return WriteOutcome::Failed;
            }
            taken += size;
            let header = Header::new(Kind::Binary, packing.packed.len() as u64, true, None);
            let frame = [header.as_bytes(), &packing.packed];
            let (sent, is_held) = match pipe.write(&frame) {
                WriteOutcome::Bytes(sent) => (sent, false),
                WriteOutcome::Held(sent) => (sent, true),
                WriteOutcome::Failed => return WriteOutcome::Failed,
            };
            let all = header.as_bytes().len() + packing.packed.len();
            between(frame.into_iter(), sent, all)
                .for_each(|piece| self.ahead.extend_from_slice(piece));
            if is_held || !self.ahead.is_empty() {
                return WriteOutcome::Held(taken);
            }
        }
    }

    /// Writes what was kept, then the pongs if they may go now. Says whether the core may write.
    pub(in crate::io) fn flush(&mut self, pipe: &mut Pipe<'_>) -> io::Result<bool> {
        if !pipe.flush()? {
            return Ok(false);
        }
        loop {
            if self.ahead.is_empty() && self.frame_left == 0 {
                self.ahead = std::mem::take(&mut self.pong);
            }
            if self.ahead.is_empty() {
                return Ok(true);
            }
            let ahead = std::mem::take(&mut self.ahead);
            let (sent, is_held) = match pipe.write(&[&ahead]) {
                WriteOutcome::Bytes(sent) => (sent, false),
                WriteOutcome::Held(sent) => (sent, true),
                WriteOutcome::Failed => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            self.ahead = rest(ahead, sent);
            if is_held || !self.ahead.is_empty() {
                return Ok(false);
            }
        }
    }

    /// Says goodbye, as far as the socket takes it.
    pub(in crate::io) fn close(&mut self, pipe: &mut Pipe<'_>, reason: CloseReason) {
        let is_between_frames = matches!(self.flush(pipe), Ok(true)) && self.frame_left == 0;
        if is_between_frames {
            let frame = match self.end {
                Some(End::Closed(None)) => Close::silent_frame(),
                Some(End::Closed(Some(code))) => Close::frame(CloseCode::Echo(code), ""),
                Some(End::Violated(violation)) => {
                    Close::frame(violation.code(), &violation.to_string())
                }
                None => Close::frame(farewell::code_of(reason), &reason.to_string()),
            };
            // Whoever does not hear it sees the socket's end.
            let _ = pipe.write(&[&frame]);
        }
        pipe.close();
    }
}

/// Bytes that a read brought, and whether the socket may have more; or the outcome without any.
fn came(outcome: ReadOutcome, most: usize) -> Result<(usize, bool), ReadOutcome> {
    match outcome {
        ReadOutcome::Bytes(read) => Ok((read, read == most)),
        ReadOutcome::More(read) => Ok((read, true)),
        ReadOutcome::WouldBlock
        | ReadOutcome::Ended
        | ReadOutcome::Failed
        | ReadOutcome::Refused(_) => Err(outcome),
    }
}

/// Takes a piece of a packed message; unpacks the message when it ends. Says whether it did.
fn unpack(
    piece: &Piece,
    bytes: &[u8],
    packed: &mut Vec<u8>,
    Budget(most): Budget,
    packing: &mut Packing,
) -> Result<bool, Violation> {
    if packed.len() + bytes.len() > most {
        return Err(Violation::TooBig);
    }
    if !piece.last {
        packed.extend_from_slice(bytes);
        return Ok(false);
    }
    if packed.is_empty() {
        packing.unpack(bytes, most)?;
    } else {
        let mut whole = std::mem::take(packed);
        whole.extend_from_slice(bytes);
        packing.unpack(&whole, most)?;
    }
    if piece.text && std::str::from_utf8(&packing.plain).is_err() {
        return Err(Violation::Text);
    }
    Ok(true)
}

/// From so many bytes on packing is worth its while (nats-server has the same).
const PACKED_FROM: usize = 64;
/// Bytes that become one packed frame: what a client that takes nothing may leave with us.
const PACKED_AT_ONCE: usize = 32 * 1024;
/// Pieces of packed messages that one read looks at: each costs something, however small it is.
const UNPACKED_AT_ONCE: usize = 256;
/// Bytes of pongs that wait.
const PONGS_MAX: usize = 2 * 1024;

#[cfg(test)]
mod tests;
