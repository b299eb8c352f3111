//! The line between a broker's old and its new process: frames with descriptors beside them.
//!
//! Absent: what is said when (`admin::handing_over`). It is one end of a pair of connected sockets
//! that nobody else can reach. Every frame has a bound, every wait a limit, and a descriptor that
//! comes is closed unless somebody takes it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From the old process: what the new one is to know before it begins, and the listeners.
    Welcome,
    /// From the new one: it is ready for clients.
    Hello,
    /// From the old one: a parcel for one shard, and sockets.
    Parcel,
    /// From the new one: the parcel was understood.
    Received,
    /// From the old one: that was all.
    All,
    /// From the new one: everything stands.
    Ready,
    /// From the old one: it will touch nothing any more.
    Go,
    /// From the new one: clients are its own from here on.
    Mine,
    /// From either: it is off, and why.
    Failed,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Welcome,
        Self::Hello,
        Self::Parcel,
        Self::Received,
        Self::All,
        Self::Ready,
        Self::Go,
        Self::Mine,
        Self::Failed,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// A frame that has come.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Both ends.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
        let (ours, theirs) = rustix::net::socketpair(family, SocketType::STREAM, flags, None)?;
        Ok((Self { socket: ours }, theirs))
    }

    /// An end that was inherited.
    pub(crate) fn from_descriptor(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Sends a frame before `until`.
    pub(crate) fn send(
        &self,
        kind: Kind,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
        until: Instant,
    ) -> io::Result<()> {
        if bytes.len() > FRAME_BYTES_MAX || descriptors.len() > DESCRIPTORS_MAX {
            return Err(io::Error::other("too much for one frame"));
        }
        // INVARIANT: bounded just above.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let count = u8::try_from(descriptors.len()).unwrap_or(u8::MAX);
        let head = [length[0], length[1], length[2], length[3], kind as u8, count];
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(io::Error::other("too many descriptors for one frame"));
        }
        // A head is far smaller than any socket's buffer: it leaves as a whole or not at all.
        self.wait_at_most(Timeout::Send, until)?;
        let flags = SendFlags::NOSIGNAL;
        let sent = again(|| {
            rustix::net::sendmsg(&self.socket, &[IoSlice::new(&head)], &mut ancillary, flags)
        })?;
        if sent != head.len() {
            return Err(io::Error::other("a frame's head was cut"));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            self.wait_at_most(Timeout::Send, until)?;
            let sent = again(|| rustix::net::send(&self.socket, rest, flags))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Receives a frame before `until`. The end of the other process is an error.
    pub(crate) fn receive(&self, until: Instant) -> io::Result<Frame> {
        let mut head = [0; HEAD];
        let mut filled = 0;
        let mut found = Vec::new();
        while filled < HEAD {
            self.wait_at_most(Timeout::Recv, until)?;
            let mut space = [MaybeUninit::uninit(); SPACE];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            // INVARIANT: `filled` is below the room's length.
            let mut room = [IoSliceMut::new(&mut head[filled..])];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let message =
                again(|| rustix::net::recvmsg(&self.socket, &mut room, &mut ancillary, flags))?;
            if message.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += message.bytes;
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    found.extend(descriptors);
                }
            }
        }
        let [a, b, c, d, kind, count] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let kind = Kind::from_byte(kind).ok_or_else(|| io::Error::other("an unknown frame"))?;
        if length > FRAME_BYTES_MAX {
            return Err(io::Error::other("a frame that is too long"));
        }
        if found.len() != usize::from(count) {
            // The system drops what a process has no room for.
            return Err(io::Error::other("descriptors were lost; is their limit too low?"));
        }
        let mut bytes = Vec::new();
        let mut piece = vec![0; length.min(PIECE)];
        while bytes.len() < length {
            self.wait_at_most(Timeout::Recv, until)?;
            let most = (length - bytes.len()).min(PIECE);
            // INVARIANT: `most` is at most the piece's length.
            let room = &mut piece[..most];
            let taken = again(|| {
                rustix::net::recv(&self.socket, &mut *room, RecvFlags::empty()).map(|(n, _)| n)
            })?;
            if taken == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(room.get(..taken).unwrap_or_default());
        }
        Ok(Frame { kind, bytes, descriptors: found })
    }

    /// Bounds the next call.
    fn wait_at_most(&self, which: Timeout, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(set_socket_timeout(&self.socket, which, Some(left.max(Duration::from_millis(1))))?)
    }
}

/// Whether an error says that the other process has let go of the line.
pub(crate) fn is_end(error: &io::Error) -> bool {
    let kinds =
        [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
}

/// What an operator is told about an error of the line.
pub(crate) fn told(error: &io::Error) -> String {
    match error.kind() {
        _ if is_end(error) => "the new process has ended".to_owned(),
        io::ErrorKind::TimedOut => "the new process did not answer in time".to_owned(),
        _ => format!("talking to the new process: {error}"),
    }
}

/// Repeats a call that a signal has cut; a wait that is over is named so.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            other => return Ok(other?),
        }
    }
}

/// Bytes of a frame's head: the length, the kind, the number of descriptors.
const HEAD: usize = 6;
/// Bytes of one frame: more than any message of a client with what stands around it.
const FRAME_BYTES_MAX: usize = 1 << 30;
/// Bytes that are taken in at once: a frame that is announced longer costs nothing until it comes.
const PIECE: usize = 256 * 1024;
/// Descriptors of one frame; the system takes 253.
pub(crate) const DESCRIPTORS_MAX: usize = 240;
/// Room for them.
const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX));

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn frames_arrive_with_their_descriptors() {
        let (old, end) = Channel::pair().unwrap();
        let new = Channel::from_descriptor(end);
        let large = vec![b'x'; 3_000_000];
        let sender = std::thread::spawn(move || {
            let (file, _) = Channel::pair().unwrap();
            let lent = vec![file.socket.as_fd(); DESCRIPTORS_MAX];
            old.send(Kind::Parcel, b"two", &lent, soon()).unwrap();
            old.send(Kind::Parcel, &large, &lent[..2], soon()).unwrap();
            old.send(Kind::All, b"", &[], soon()).unwrap();
        });
        let sizes: Vec<_> = (0..3)
            .map(|_| {
                let frame = new.receive(soon()).unwrap();
                (frame.kind, frame.bytes.len(), frame.descriptors.len())
            })
            .collect();
        sender.join().unwrap();
        let expected =
            [(Kind::Parcel, 3, DESCRIPTORS_MAX), (Kind::Parcel, 3_000_000, 2), (Kind::All, 0, 0)];
        assert_eq!(sizes, expected);
        assert_eq!(new.receive(soon()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn nobody_waits_longer_than_is_allowed() {
        let (old, _end) = Channel::pair().unwrap();
        let until = Instant::now() + Duration::from_millis(20);
        assert_eq!(old.receive(until).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let full = vec![0; 50_000_000];
        let until = Instant::now() + Duration::from_millis(20);
        let error = old.send(Kind::Parcel, &full, &[], until).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for head in [[0, 0, 0, 255, 2, 0], [0, 0, 0, 0, 99, 0], [0, 0, 0, 0, 2, 3]] {
            let (old, end) = Channel::pair().unwrap();
            let new = Channel::from_descriptor(end);
            rustix::net::send(&old.socket, &head, SendFlags::NOSIGNAL).unwrap();
            assert!(new.receive(soon()).is_err(), "{head:?}");
        }
    }
}
