//! Sessions over a real pair of sockets: small buffers, so that frames are cut where it hurts.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use fanfare_protocol::websocket::Masking;

use super::super::super::stream::Stream;
use super::super::super::tls;
use super::*;

struct World {
    ours: Stream,
    peer: UnixStream,
    rooms: tls::Rooms,
    packing: Packing,
    session: Session,
}

impl World {
    fn new(compression: bool) -> Self {
        let (ours, peer) = UnixStream::pair().expect("a pair of sockets");
        for socket in [&ours, &peer] {
            socket.set_nonblocking(true).expect("a socket");
            socket2::SockRef::from(socket).set_send_buffer_size(4096).expect("a socket");
        }
        let terms = Terms { masking: Masking::Required, compression };
        Self {
            ours: Stream::from(OwnedFd::from(ours)),
            peer,
            rooms: tls::Rooms::default(),
            packing: Packing::default(),
            session: Session::new(terms, Vec::new()),
        }
    }

    fn write(&mut self, pieces: &[&[u8]]) -> WriteOutcome {
        let mut pipe = Pipe { stream: &self.ours, tls: None, rooms: &mut self.rooms };
        self.session.write(&mut pipe, pieces.iter().copied(), &mut self.packing)
    }

    fn read(&mut self, room: &mut [u8]) -> ReadOutcome {
        let mut pipe = Pipe { stream: &self.ours, tls: None, rooms: &mut self.rooms };
        self.session.read(&mut pipe, room, Budget(100_000), &mut self.packing)
    }

    fn flush(&mut self) -> bool {
        let mut pipe = Pipe { stream: &self.ours, tls: None, rooms: &mut self.rooms };
        self.session.flush(&mut pipe).expect("a socket")
    }

    /// What the peer can read now, at most so many bytes.
    fn heard(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        match self.peer.read(&mut bytes) {
            Ok(count) => bytes.truncate(count),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                bytes.clear();
            }
        }
        bytes
    }
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header::new(Kind::Binary, payload.len() as u64, false, Some([1, 2, 3, 4]));
    let mut frame = header.as_bytes().to_vec();
    frame[0] = first;
    let start = frame.len();
    frame.extend_from_slice(payload);
    fanfare_protocol::websocket::mask(&mut frame[start..], [1, 2, 3, 4], 0);
    frame
}

/// Control frames: how much data came before each, and what it says if it is a goodbye.
type Controls = Vec<(usize, Vec<u8>)>;

/// Takes frames without a mask apart: data, control frames, and how many pieces data came in.
fn apart(bytes: &[u8]) -> (Vec<u8>, Controls, usize) {
    let terms = Terms { masking: Masking::Optional, compression: true };
    let mut reader = Reader::new(terms);
    let (mut bytes, mut at) = (bytes.to_vec(), 0);
    let (mut data, mut pongs, mut frames) = (Vec::new(), Vec::new(), 0);
    loop {
        let step = reader.next(&mut bytes, &mut at).expect("good frames");
        match step {
            Step::More => return (data, pongs, frames),
            Step::Data(piece) => {
                data.extend_from_slice(&bytes[piece.range]);
                frames += 1;
            }
            Step::Ping(payload) => panic!("{payload:?}"),
            Step::Pong => pongs.push((data.len(), Vec::new())),
            Step::Close(payload) => pongs.push((data.len(), payload.as_bytes().to_vec())),
        }
    }
}

#[test]
fn what_one_write_gathers_is_one_frame() {
    let mut world = World::new(false);
    assert_eq!(world.write(&[b"MSG a 1 2\r\n", b"hi", b"\r\n"]), WriteOutcome::Bytes(15));
    let (data, _, frames) = apart(&world.heard(100));
    assert_eq!((&data[..], frames), (&b"MSG a 1 2\r\nhi\r\n"[..], 1));
}

/// The peer takes a few bytes at a time, and pings meanwhile: every byte arrives once, in order,
/// and no pong stands inside a frame.
#[test]
fn frames_go_on_where_the_socket_stopped() {
    for (step, is_pinged) in [(1, true), (7, true), (1000, true), (1000, false)] {
        let mut world = World::new(false);
        let body: Vec<u8> = (0..40_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (mut sent, mut heard, mut writes) = (0, Vec::new(), 0);
        while sent < body.len() {
            // The core gathers anew each time, and may gather less than it did before.
            let rest = &body[sent..];
            let rest = &rest[..rest.len().min(5_000 + writes % 3 * 2_500)];
            let (front, back) = rest.split_at(rest.len() / 3);
            match world.write(&[front, back]) {
                WriteOutcome::Bytes(count) | WriteOutcome::Held(count) => sent += count,
                WriteOutcome::Failed => panic!("the peer is there"),
            }
            writes += 1;
            if is_pinged {
                world.peer.write_all(&masked(0x89, b"are you there")).expect("room");
                let mut room = [0; 64];
                assert!(matches!(world.read(&mut room), ReadOutcome::Bytes(0)));
            }
            heard.extend(world.heard(step * 700));
        }
        while !world.flush() {
            heard.extend(world.heard(step));
        }
        loop {
            let more = world.heard(100_000);
            if more.is_empty() {
                break;
            }
            heard.extend(more);
        }
        let (data, pongs, _) = apart(&heard);
        assert!(data == body, "{} of {} bytes", data.len(), body.len());
        assert_eq!(!pongs.is_empty(), is_pinged);
        assert!(world.session.pong.len() + world.session.ahead.len() <= AHEAD_MAX, "bounded");
    }
}

#[test]
fn a_flood_of_pings_inside_a_frame_leaves_few_answers() {
    let mut world = World::new(false);
    let mut total = 0;
    // Nothing of it is heard until no more is taken.
    while let WriteOutcome::Bytes(count @ 1..) = world.write(&[&[7; 3000]]) {
        total += count;
    }
    assert!(total > 0);
    for _ in 0..1000 {
        world.peer.write_all(&masked(0x89, &[9; 125])).expect("room");
        let mut room = [0; 4096];
        assert!(matches!(world.read(&mut room), ReadOutcome::Bytes(0)));
    }
    assert!(world.session.pong.len() <= PONGS_MAX, "{}", world.session.pong.len());
}

/// Between frames, when the socket takes nothing: what is ahead does not grow by the pongs.
#[test]
fn a_flood_of_pings_between_frames_leaves_few_answers() {
    let mut world = World::new(false);
    while world.ours.write(&[7; 500]).is_ok() {}
    for _ in 0..1000 {
        world.peer.write_all(&masked(0x89, &[9; 125])).expect("room");
        let mut room = [0; 4096];
        assert!(matches!(world.read(&mut room), ReadOutcome::Bytes(0)));
    }
    let waits = world.session.pong.len() + world.session.ahead.len();
    assert!((127..=AHEAD_MAX).contains(&waits), "{waits} bytes wait");
}

/// A write that ends before the frame does leaves the pongs where they wait.
#[test]
fn a_pong_outlives_a_write_that_does_not_reach_the_end_of_the_frame() {
    let mut world = World::new(false);
    let body = vec![7; 30_000];
    let WriteOutcome::Bytes(mut sent) = world.write(&[&body]) else { panic!("a socket") };
    assert!(sent < body.len() - 1, "the frame is cut");
    world.peer.write_all(&masked(0x89, b"there?")).expect("room");
    assert!(matches!(world.read(&mut [0; 64]), ReadOutcome::Bytes(0)));
    let mut heard = Vec::new();
    while sent < body.len() {
        // One byte of the frame at a time, and nothing of it while the peer has read nothing.
        match world.write(&[&body[sent..=sent]]) {
            WriteOutcome::Bytes(count) | WriteOutcome::Held(count) => sent += count,
            WriteOutcome::Failed => panic!("the peer is there"),
        }
        heard.extend(world.heard(1000));
    }
    assert!(world.flush());
    heard.extend(world.heard(100_000));
    let (data, pongs, _) = apart(&heard);
    assert_eq!((data.len(), pongs.len()), (body.len(), 1));
}

/// All pings of one read are answered, in their order.
#[test]
fn every_ping_of_a_few_is_answered() {
    let mut world = World::new(false);
    let pings: Vec<u8> = (0..10).flat_map(|n| masked(0x89, &[n])).collect();
    world.peer.write_all(&pings).expect("room");
    assert!(matches!(world.read(&mut [0; 4096]), ReadOutcome::Bytes(0)));
    let expected: Vec<u8> = (0..10).flat_map(|n| [0x8a, 1, n]).collect();
    assert_eq!(world.heard(1000), expected);
}

#[test]
fn a_packed_frame_that_is_not_taken_is_held() {
    let mut world = World::new(true);
    let noise: Vec<u8> = (0..30_000_u64).map(|n| ((n * n * 7919) >> 7).to_le_bytes()[0]).collect();
    assert_eq!(world.write(&[&noise]), WriteOutcome::Held(noise.len()), "all is ours to send");
    let mut heard = Vec::new();
    while !world.flush() {
        heard.extend(world.heard(1000));
    }
    heard.extend(world.heard(100_000));
    let (packed, ..) = apart(&heard);
    world.packing.unpack(&packed, noise.len()).expect("what was packed");
    assert!(world.packing.plain == noise);
    assert_eq!(world.write(&[b"small"]), WriteOutcome::Bytes(5));
    assert_eq!(world.heard(100), [&[0x82, 5][..], b"small"].concat(), "not worth packing");
}

/// What is unpacked is handed on in rooms of any size, whatever else came in the same read.
#[test]
fn unpacked_bytes_wait_for_room() {
    for size in [1, 10, 100, 5000] {
        let mut world = World::new(true);
        let plain: Vec<u8> = (0..6_000_u32).map(|n| n.to_le_bytes()[0] & 3).collect();
        assert!(world.packing.pack(plain.chunks(100)));
        let packed = masked(0xc2, &world.packing.packed.clone());
        let sent = [&packed[..], &masked(0x82, b"between"), &packed].concat();
        world.peer.write_all(&sent).expect("room");
        let (mut came, mut room) = (Vec::new(), vec![0; size]);
        loop {
            match world.read(&mut room) {
                ReadOutcome::Bytes(count) | ReadOutcome::More(count) => {
                    came.extend_from_slice(&room[..count]);
                }
                ReadOutcome::WouldBlock => break,
                other => panic!("{other:?}"),
            }
        }
        let expected = [&plain[..], b"between", &plain].concat();
        assert!(came == expected, "{} of {} bytes", came.len(), expected.len());
        assert!(world.session.unpacking.is_none(), "nothing is kept");
    }
}

/// Many small reads of one large message do not move what is left of it.
#[test]
fn what_waits_for_room_stays_where_it_is() {
    let mut world = World::new(true);
    assert!(world.packing.pack([&vec![7; 50_000][..]].into_iter()));
    let packed = masked(0xc2, &world.packing.packed.clone());
    world.peer.write_all(&[&packed[..], &packed].concat()).expect("room");
    let (mut room, mut places) = ([0; 100], Vec::new());
    let mut came = 0;
    while let ReadOutcome::More(count) | ReadOutcome::Bytes(count) = world.read(&mut room) {
        came += count;
        let kept = world.session.unpacking.as_ref().map(|held| &held.plain.bytes);
        if let Some(bytes) = kept.filter(|bytes| !bytes.is_empty()) {
            assert_eq!(bytes.len(), 50_000, "the whole message, however much of it is used");
            places.push(bytes.as_ptr());
        }
    }
    places.dedup();
    assert_eq!(came, 100_000);
    assert!(places.len() <= 2, "{} places for two messages", places.len());
}

/// Messages that hold nothing fill no room, and cost something all the same.
#[test]
fn one_read_unpacks_so_many_messages() {
    let mut world = World::new(true);
    let empty = masked(0xc2, &[2, 0]);
    let many = empty.repeat(UNPACKED_AT_ONCE);
    world.peer.write_all(&many).expect("room");
    let mut room = [0; 4096];
    assert_eq!(world.read(&mut room), ReadOutcome::Bytes(0));
    world.peer.write_all(&[&many[..], &empty, &masked(0x82, b"end")].concat()).expect("room");
    assert_eq!(world.read(&mut room), ReadOutcome::More(0), "others' turn");
    assert_eq!(world.read(&mut room), ReadOutcome::More(3));
    assert_eq!(&room[..3], b"end");
    assert_eq!(world.read(&mut room), ReadOutcome::WouldBlock);
}

#[test]
fn what_came_before_a_violation_is_handed_on() {
    for compression in [false, true] {
        let mut world = World::new(compression);
        let sent = [masked(0x82, b"good"), masked(0x83, b""), masked(0x82, b"late")].concat();
        world.peer.write_all(&sent).expect("room");
        let mut room = [0; 64];
        assert_eq!(world.read(&mut room), ReadOutcome::More(4));
        assert_eq!(&room[..4], b"good");
        let refused = ReadOutcome::Refused(CloseReason::ProtocolViolation);
        assert_eq!((world.read(&mut room), world.read(&mut room)), (refused, refused));
        let mut pipe = Pipe { stream: &world.ours, tls: None, rooms: &mut world.rooms };
        world.session.close(&mut pipe, CloseReason::ProtocolViolation);
        let (_, closes, _) = apart(&world.heard(200));
        assert_eq!(&closes[0].1[..2], 1002u16.to_be_bytes());
    }
}

#[test]
fn a_session_is_small() {
    let bytes = size_of::<Session>();
    assert!(bytes <= 176, "{bytes} bytes for each connection");
}

/// What may wait before the core's bytes: pongs that are on their way, and pongs after them.
const AHEAD_MAX: usize = 2 * PONGS_MAX;
