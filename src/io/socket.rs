//! The sockets of one shard, found by their client's place in the core.
//!
//! Absent: when to read and write (`reactor`). A socket is gone with its generation, so that an
//! event of a dead one finds nobody (I13).

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::core::ids::{ConnId, Generation};
use crate::core::turn::{ReadOutcome, Turn, WriteOutcome, Writing};

#[derive(Debug)]
struct Entry {
    generation: Generation,
    stream: TcpStream,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    entries: Vec<Option<Entry>>,
    open: usize,
}

impl Sockets {
    pub(super) fn insert(&mut self, client: ConnId, stream: TcpStream) {
        let key = client.slot.key();
        if self.entries.len() <= key {
            self.entries.resize_with(key + 1, || None);
        }
        self.entries[key] = Some(Entry { generation: client.generation, stream });
        self.open += 1;
    }

    pub(super) fn get_mut(&mut self, client: ConnId) -> Option<&mut TcpStream> {
        let entry = self.entries.get_mut(client.slot.key())?.as_mut()?;
        (entry.generation == client.generation).then_some(&mut entry.stream)
    }

    /// Closes a socket so that its last bytes arrive.
    pub(super) fn close(&mut self, client: ConnId, farewell: bool) {
        if self.get_mut(client).is_none() {
            return;
        }
        let entry = self.entries.get_mut(client.slot.key()).and_then(Option::take);
        self.open -= 1;
        if let Some(mut entry) = entry
            && farewell
        {
            say_goodbye(&mut entry.stream);
        }
        if self.open == 0 {
            self.entries = Vec::new();
        }
    }
}

/// Ends our side and takes in what the peer has sent meanwhile: closing a socket with unread bytes
/// would reset it, and the peer could lose the error that it is to read.
fn say_goodbye(stream: &mut TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() {
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

/// Reads once.
pub(super) fn read(stream: &mut TcpStream, room: &mut [u8]) -> ReadOutcome {
    loop {
        return match stream.read(room) {
            Ok(0) => ReadOutcome::Ended,
            Ok(bytes) => ReadOutcome::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ReadOutcome::WouldBlock,
            Err(_) => ReadOutcome::Failed,
        };
    }
}

/// Writes what was gathered, in one system call.
pub(super) fn write(stream: &mut TcpStream, turn: &Turn<Writing>) -> WriteOutcome {
    let mut pieces = turn.slices();
    let (Some(first), second) = (pieces.next(), pieces.next()) else {
        return WriteOutcome::Bytes(0);
    };
    let Some(second) = second else {
        return outcome(|| stream.write(first));
    };
    let mut slices = [IoSlice::new(&[]); Turn::<Writing>::SLICES_MAX];
    let mut used = 0;
    for (slice, piece) in slices.iter_mut().zip([first, second].into_iter().chain(pieces)) {
        *slice = IoSlice::new(piece);
        used += 1;
    }
    outcome(|| stream.write_vectored(&slices[..used]))
}

fn outcome(mut write: impl FnMut() -> io::Result<usize>) -> WriteOutcome {
    loop {
        return match write() {
            Ok(bytes) => WriteOutcome::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => WriteOutcome::Bytes(0),
            Err(_) => WriteOutcome::Failed,
        };
    }
}

/// Reads that a goodbye may take.
const GOODBYE_READS_MAX: usize = 64;
