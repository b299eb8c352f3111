//! The sockets of one shard, found by their client's place in the core.
//!
//! Absent: when to read and write (`reactor`). A socket is gone with its generation, so that an
//! event of a dead one finds nobody (I13).

use std::io::{self, IoSlice};

use super::layer::{Layer, Rooms};
use super::stream::{Stream, would_block};
use crate::core::close::CloseReason;
use crate::core::ids::{ConnId, Generation, Slot};
use crate::core::turn::{ReadOutcome, Reading, Turn, WriteOutcome, Writing};

#[derive(Debug)]
struct Entry {
    generation: Generation,
    stream: Stream,
    /// What stands between the socket and the client, if anything does.
    layer: Option<Box<Layer>>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    entries: Vec<Option<Entry>>,
    open: usize,
    /// Sockets with a layer.
    layered: usize,
    /// Clients whose greeting has just gone out, and whose layers may go on.
    greeted: Vec<ConnId>,
    rooms: Rooms,
}

impl Sockets {
    pub(super) fn insert(&mut self, client: ConnId, stream: Stream, layer: Option<Box<Layer>>) {
        let key = client.slot.key();
        if self.entries.len() <= key {
            self.entries.resize_with(key + 1, || None);
        }
        self.layered += usize::from(layer.is_some());
        self.entries[key] = Some(Entry { generation: client.generation, stream, layer });
        self.open += 1;
    }

    /// A client's socket, if nothing stands between them.
    pub(super) fn bare(&self, client: ConnId) -> Option<&Stream> {
        let entry = self.entries.get(client.slot.key())?.as_ref()?;
        let is_bare = entry.generation == client.generation && entry.layer.is_none();
        is_bare.then_some(&entry.stream)
    }

    fn get_mut(&mut self, client: ConnId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(client.slot.key())?.as_mut()?;
        (entry.generation == client.generation).then_some(entry)
    }

    /// All clients with a socket.
    pub(super) fn all(&self) -> Vec<ConnId> {
        let id = |(key, entry): (usize, &Option<Entry>)| {
            let generation = entry.as_ref()?.generation;
            Some(ConnId { slot: Slot::from_key(key), generation })
        };
        self.entries.iter().enumerate().filter_map(id).collect()
    }

    /// Whether there is a layer between a client and its socket.
    pub(super) fn is_layered(&self, client: ConnId) -> bool {
        self.layered > 0
            && self
                .entries
                .get(client.slot.key())
                .and_then(Option::as_ref)
                .is_some_and(|entry| entry.generation == client.generation && entry.layer.is_some())
    }

    pub(super) fn layer_mut(&mut self, client: ConnId) -> Option<&mut Layer> {
        self.get_mut(client)?.layer.as_deref_mut()
    }

    /// A layer, its socket, and the rooms that it works in.
    pub(super) fn layered_mut(
        &mut self,
        client: ConnId,
    ) -> Option<(&Stream, &mut Layer, &mut Rooms)> {
        let entry = self.entries.get_mut(client.slot.key())?.as_mut()?;
        if entry.generation != client.generation {
            return None;
        }
        let layer = entry.layer.as_deref_mut()?;
        Some((&entry.stream, layer, &mut self.rooms))
    }

    pub(super) fn rooms(&mut self) -> &mut Rooms {
        &mut self.rooms
    }

    /// Takes a layer away; says whether it had seen the peer's end.
    pub(super) fn remove_layer(&mut self, client: ConnId) -> bool {
        let Some(layer) = self.get_mut(client).and_then(|entry| entry.layer.take()) else {
            return false;
        };
        self.layered -= 1;
        layer.hangup
    }

    /// Clients whose layers are not ready.
    pub(super) fn waiting(&self) -> Vec<ConnId> {
        let entries = self.entries.iter().enumerate();
        let waiting = entries.filter_map(|(key, entry)| {
            let entry = entry.as_ref()?;
            let is_waiting = entry.layer.as_ref().is_some_and(|layer| layer.is_waiting());
            let id = ConnId { slot: Slot::from_key(key), generation: entry.generation };
            is_waiting.then_some(id)
        });
        waiting.collect()
    }

    /// Writes what a layer has kept; says whether its client may write.
    pub(super) fn flush(&mut self, client: ConnId) -> bool {
        self.layered_mut(client).is_none_or(|(stream, layer, rooms)| layer.flush(stream, rooms))
    }

    /// Reads once.
    pub(super) fn read(&mut self, client: ConnId, turn: &mut Turn<Reading>) -> ReadOutcome {
        let Some(entry) = self.entries.get_mut(client.slot.key()).and_then(Option::as_mut) else {
            return ReadOutcome::Failed;
        };
        if entry.generation != client.generation {
            return ReadOutcome::Failed;
        }
        match &mut entry.layer {
            None => read(&entry.stream, turn.room()),
            Some(layer) => {
                let has_entered = turn.has_entered();
                layer.read(&entry.stream, turn.room(), &mut self.rooms, has_entered)
            }
        }
    }

    /// Writes what was gathered.
    pub(super) fn write(&mut self, client: ConnId, turn: &Turn<Writing>) -> WriteOutcome {
        let Some(entry) = self.entries.get_mut(client.slot.key()).and_then(Option::as_mut) else {
            return WriteOutcome::Failed;
        };
        if entry.generation != client.generation {
            return WriteOutcome::Failed;
        }
        match &mut entry.layer {
            None => write(&entry.stream, turn),
            Some(layer) => {
                let was_greeted = layer.is_greeted();
                let outcome = layer.write(&entry.stream, turn.slices(), &mut self.rooms);
                if layer.is_greeted() && !was_greeted {
                    self.greeted.push(client);
                }
                outcome
            }
        }
    }

    /// The next client whose greeting has gone out since this was asked last.
    pub(super) fn poll_greeted(&mut self) -> Option<ConnId> {
        self.greeted.pop()
    }

    /// Whether anybody's greeting has gone out since it was asked for.
    pub(super) fn has_greeted(&self) -> bool {
        !self.greeted.is_empty()
    }

    /// Closes a socket so that its last bytes arrive.
    pub(super) fn close(&mut self, client: ConnId, reason: CloseReason) {
        if self.get_mut(client).is_none() {
            return;
        }
        let entry = self.entries.get_mut(client.slot.key()).and_then(Option::take);
        self.open -= 1;
        if let Some(Entry { stream, layer, .. }) = entry {
            self.layered -= usize::from(layer.is_some());
            match layer {
                Some(mut layer) if reason.flushes() => {
                    layer.close(&stream, &mut self.rooms, reason);
                    say_goodbye(&stream);
                }
                // Who has closed its side has sent nothing that was not read: closing ours is
                // enough, and saves two system calls.
                None if reason.flushes() && reason != CloseReason::ClientClosed => {
                    say_goodbye(&stream);
                }
                Some(_) | None => {}
            }
        }
        if self.open == 0 {
            self.entries = Vec::new();
            self.rooms = Rooms::default();
        }
    }
}

/// Ends our side and takes in what the peer has sent meanwhile: closing a socket with unread bytes
/// would reset it, and the peer could lose the error that it is to read.
pub(super) fn say_goodbye(stream: &Stream) {
    if stream.end_writing().is_err() {
        return;
    }
    let mut sink = [0; 16 * 1024];
    for _ in 0..GOODBYE_READS_MAX {
        match stream.read(&mut sink) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

pub(super) fn read(stream: &Stream, room: &mut [u8]) -> ReadOutcome {
    match stream.read(room) {
        Ok(0) => ReadOutcome::Ended,
        Ok(bytes) => ReadOutcome::Bytes(bytes),
        Err(error) if would_block(&error) => ReadOutcome::WouldBlock,
        Err(_) => ReadOutcome::Failed,
    }
}

/// Writes what was gathered, in one system call.
fn write(stream: &Stream, turn: &Turn<Writing>) -> WriteOutcome {
    let mut pieces = turn.slices();
    let (Some(first), second) = (pieces.next(), pieces.next()) else {
        return WriteOutcome::Bytes(0);
    };
    let Some(second) = second else {
        return outcome(stream.write(first));
    };
    let mut slices = [IoSlice::new(&[]); Turn::<Writing>::SLICES_MAX];
    let mut used = 0;
    for (slice, piece) in slices.iter_mut().zip([first, second].into_iter().chain(pieces)) {
        *slice = IoSlice::new(piece);
        used += 1;
    }
    outcome(stream.write_vectored(&slices[..used]))
}

pub(super) fn outcome(written: io::Result<usize>) -> WriteOutcome {
    match written {
        Ok(bytes) => WriteOutcome::Bytes(bytes),
        Err(error) if would_block(&error) => WriteOutcome::Bytes(0),
        Err(_) => WriteOutcome::Failed,
    }
}

/// Reads that a goodbye may take.
const GOODBYE_READS_MAX: usize = 64;
