//! Virtual sockets: two bounded byte queues with a delay, and the events of an edge-triggered
//! poller.
//!
//! Some behave as if a layer of protection were between: they do not say that they are empty, and
//! take a little more than there is room for, holding it back until there is.
//!
//! Absent: who talks over them. Bytes become visible to the broker in pieces of any size; a read
//! returns all that is visible, as a kernel's does, so that a short read means an empty socket.

use std::collections::VecDeque;

use fanfare::core::turn::{ReadOutcome, WriteOutcome};

/// What a poller would report to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Readable,
    Writable,
    Hangup,
}

/// How a client's side of a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It did not.
    Open,
    /// The client sends no more and goes on reading.
    Half,
    /// The client has closed: it reads no more, and what is written to it is lost.
    Gone,
    /// The connection is broken: reads and writes fail.
    Broken,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Socket {
    to_server: VecDeque<u8>,
    /// How many bytes of `to_server` the server may read.
    visible: usize,
    end_is_visible: bool,
    to_client: VecDeque<u8>,
    room: usize,
    is_layered: bool,
    /// A write found too little room: the server waits for a signal.
    blocked: bool,
    pub(crate) ending: Ending,
    /// The server has closed its side.
    pub(crate) closed: bool,
    /// Bytes that the server has written so far.
    pub(crate) written: u64,
}

impl Socket {
    /// A socket whose buffer towards the client takes `room` bytes.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            to_server: VecDeque::new(),
            visible: 0,
            end_is_visible: false,
            to_client: VecDeque::new(),
            room,
            is_layered: room.is_multiple_of(3),
            blocked: false,
            ending: Ending::Open,
            closed: false,
            written: 0,
        }
    }

    /// Whether something between it and its shard keeps bytes.
    pub(crate) fn is_layered(&self) -> bool {
        self.is_layered
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if self.ending == Ending::Open && !self.closed {
            self.to_server.extend(bytes);
        }
    }

    /// Bytes on their way to the server.
    pub(crate) fn unsent(&self) -> usize {
        self.to_server.len()
    }

    /// Whether anything would come of [`Socket::arrive`].
    pub(crate) fn has_arrivals(&self) -> bool {
        let ended = matches!(self.ending, Ending::Half | Ending::Gone);
        !self.closed
            && self.ending != Ending::Broken
            && (self.visible < self.to_server.len() || (ended && !self.end_is_visible))
    }

    /// What a poller reports about a socket when it begins to watch it.
    pub(crate) fn first_signal(&self) -> Signal {
        if self.end_is_visible { Signal::Hangup } else { Signal::Readable }
    }

    /// The network delivers up to `most` bytes to the server, and the end behind the last one.
    pub(crate) fn arrive(&mut self, most: usize) -> Option<Signal> {
        if !self.has_arrivals() {
            return None;
        }
        if self.visible == self.to_server.len() {
            self.end_is_visible = true;
            return Some(Signal::Hangup);
        }
        self.visible = self.to_server.len().min(self.visible.saturating_add(most));
        Some(Signal::Readable)
    }

    /// The client ends its side in one of the ways.
    pub(crate) fn end(&mut self, ending: Ending) -> Option<Signal> {
        self.ending = ending;
        match ending {
            Ending::Open | Ending::Half => None,
            Ending::Gone => {
                self.to_client.clear();
                std::mem::take(&mut self.blocked).then_some(Signal::Writable)
            }
            Ending::Broken => {
                self.to_client.clear();
                self.to_server.clear();
                self.visible = 0;
                Some(Signal::Readable)
            }
        }
    }

    /// The server reads.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> ReadOutcome {
        if self.ending == Ending::Broken {
            return ReadOutcome::Failed;
        }
        let taken = self.visible.min(into.len());
        if taken == 0 {
            return if self.end_is_visible { ReadOutcome::Ended } else { ReadOutcome::WouldBlock };
        }
        for (to, from) in into.iter_mut().zip(self.to_server.drain(..taken)) {
            *to = from;
        }
        self.visible -= taken;
        if self.is_layered { ReadOutcome::More(taken) } else { ReadOutcome::Bytes(taken) }
    }

    /// The server writes.
    pub(crate) fn write<'a>(&mut self, slices: impl Iterator<Item = &'a [u8]>) -> WriteOutcome {
        if self.ending == Ending::Broken {
            return WriteOutcome::Failed;
        }
        let mut taken = 0;
        let extra =
            if self.is_layered && self.to_client.len() < self.room { LAYER_HOLDS } else { 0 };
        for slice in slices {
            if self.ending == Ending::Gone {
                taken += slice.len();
                continue;
            }
            let room = (self.room + extra).saturating_sub(self.to_client.len());
            let part = slice.len().min(room);
            self.to_client.extend(&slice[..part]);
            taken += part;
            if part < slice.len() {
                self.blocked = true;
                break;
            }
        }
        self.written += taken as u64;
        if self.is_layered && taken > 0 && self.to_client.len() > self.room {
            self.blocked = true;
            return WriteOutcome::Held(taken);
        }
        WriteOutcome::Bytes(taken)
    }

    /// Bytes that the client could receive.
    pub(crate) fn waiting(&self) -> usize {
        self.to_client.len()
    }

    /// The client receives up to `most` bytes; says whether the server can go on.
    pub(crate) fn receive(&mut self, most: usize, into: &mut Vec<u8>) -> Option<Signal> {
        let taken = most.min(self.to_client.len());
        into.extend(self.to_client.drain(..taken));
        (taken > 0 && std::mem::take(&mut self.blocked)).then_some(Signal::Writable)
    }
}

/// Bytes that a layer takes although there is no room for them.
const LAYER_HOLDS: usize = 64;
