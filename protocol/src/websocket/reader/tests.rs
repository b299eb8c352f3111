//! Frames of every kind, good and bad, whole and cut at every place.

use alloc::string::ToString;
use alloc::vec;

use proptest::prelude::*;

use super::super::frame::Header;
use super::*;

const SERVER: Terms = Terms { masking: Masking::Required, compression: false };
const PACKED: Terms = Terms { masking: Masking::Required, compression: true };
const CLIENT: Terms = Terms { masking: Masking::Optional, compression: false };
/// First bytes of frames that often go together.
const USUAL: &[u8] = &[0x82, 0x02, 0x80, 0x00, 0x81, 0x89, 0x8a, 0xc2];
const KEY: [u8; 4] = [0xa1, 0x02, 0x53, 0xf4];

/// A masked frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header::new(Kind::Binary, payload.len() as u64, false, Some(KEY));
    let mut bytes = header.as_bytes().to_vec();
    bytes[0] = first;
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    mask(&mut bytes[start..], KEY, 0);
    bytes
}

/// What some bytes mean, without regard to how data was cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    data: Vec<u8>,
    /// How much data stood in front of each message's end.
    ends: Vec<usize>,
    pings: Vec<Vec<u8>>,
    pongs: usize,
    closes: Vec<Vec<u8>>,
    violation: Option<Violation>,
}

/// Reads bytes that come cut at the given places.
fn hear(terms: Terms, bytes: &[u8], cuts: &[usize]) -> Heard {
    let mut reader = Reader::new(terms);
    let mut heard = Heard::default();
    let mut all = vec![0];
    all.extend(cuts.iter().map(|cut| (*cut).min(bytes.len())));
    all.push(bytes.len());
    all.sort_unstable();
    for cut in all.windows(2) {
        let mut input = bytes[cut[0]..cut[1]].to_vec();
        let mut at = 0;
        loop {
            match reader.next(&mut input, &mut at) {
                Ok(Step::More) => {
                    assert_eq!(at, input.len(), "all of it was looked at");
                    break;
                }
                Ok(Step::Data(piece)) => {
                    heard.data.extend_from_slice(&input[piece.range]);
                    if piece.last {
                        heard.ends.push(heard.data.len());
                    }
                }
                Ok(Step::Ping(payload)) => heard.pings.push(payload.as_bytes().to_vec()),
                Ok(Step::Pong) => heard.pongs += 1,
                Ok(Step::Close(payload)) => heard.closes.push(payload.as_bytes().to_vec()),
                Err(violation) => {
                    heard.violation = Some(violation);
                    return heard;
                }
            }
        }
        assert!(reader.held.len() < 6 + Payload::BYTES_MAX, "what is kept is bounded");
    }
    heard
}

#[test]
fn frames_are_read_wherever_they_are_cut() {
    let mut bytes = frame(0x82, b"SUB a 1\r\nPU");
    bytes.extend(frame(0x89, b"are you there"));
    bytes.extend(frame(0x02, b"B b 2\r\n"));
    bytes.extend(frame(0x8a, b""));
    bytes.extend(frame(0x00, b""));
    bytes.extend(frame(0x80, b"hi\r\n"));
    bytes.extend(frame(0x81, "grüße".as_bytes()));
    bytes.extend(frame(0x82, &[7; 300]));
    bytes.extend(frame(0x88, &[3, 0xe8]));
    let whole = hear(SERVER, &bytes, &[]);
    let mut data = b"SUB a 1\r\nPUB b 2\r\nhi\r\n".to_vec();
    data.extend_from_slice("grüße".as_bytes());
    data.extend_from_slice(&[7; 300]);
    assert_eq!(whole.data, data);
    assert_eq!(whole.ends, [11, 22, 29, 329]);
    assert_eq!((whole.pings.len(), whole.pongs, whole.closes.len()), (1, 1, 1));
    assert_eq!(whole.violation, None);
    for cut in 0..=bytes.len() {
        assert_eq!(hear(SERVER, &bytes, &[cut]), whole, "cut at {cut}");
    }
    let each: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(hear(SERVER, &bytes, &each), whole, "byte by byte");
}

#[test]
fn every_rule_that_is_broken_has_its_violation() {
    let check = |terms: Terms, bytes: &[u8], violation: Violation| {
        assert_eq!(hear(terms, bytes, &[]).violation, Some(violation), "{violation}");
        let each: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(hear(terms, bytes, &each).violation, Some(violation), "{violation}, in bytes");
        assert!(!violation.to_string().is_empty());
    };
    let two = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
    check(SERVER, &frame(0xa2, b""), Violation::Reserved);
    check(SERVER, &frame(0x92, b""), Violation::Reserved);
    check(SERVER, &frame(0xc2, b""), Violation::Compression);
    check(PACKED, &frame(0xc9, b""), Violation::CompressedControl);
    check(SERVER, &[0x82, 0x01, 0x00], Violation::Unmasked);
    check(SERVER, &[0x89, 0xfe], Violation::LongControl);
    check(SERVER, &[0x88, 0xff], Violation::LongControl);
    check(SERVER, &frame(0x09, b""), Violation::SplitControl);
    check(SERVER, &two(frame(0x02, b"a"), frame(0x82, b"b")), Violation::Interleaved);
    check(SERVER, &two(frame(0x01, b"a"), frame(0x01, b"b")), Violation::Interleaved);
    check(SERVER, &frame(0x80, b""), Violation::Continuation);
    check(SERVER, &two(frame(0x82, b""), frame(0x00, b"")), Violation::Continuation);
    check(PACKED, &two(frame(0x42, b"a"), frame(0xc0, b"b")), Violation::Continuation);
    for code in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check(SERVER, &frame(0x80 | code, b""), Violation::Opcode(code));
    }
    let long = [&[0x82, 0xff, 0x80][..], &[0; 7 + 4]].concat();
    check(SERVER, &long, Violation::Length);
    check(SERVER, &frame(0x81, &[0xff]), Violation::Text);
    check(SERVER, &frame(0x81, &[0xc3]), Violation::Text);
    check(SERVER, &two(frame(0x01, &[0xe2, 0x82]), frame(0x80, b"x")), Violation::Text);
}

#[test]
fn a_character_may_stand_in_two_frames() {
    let bytes = [frame(0x01, &[0xe2, 0x82]), frame(0x80, &[0xac])].concat();
    let heard = hear(SERVER, &bytes, &[]);
    assert_eq!((&heard.data[..], heard.violation), ("€".as_bytes(), None));
}

#[test]
fn who_need_not_mask_may() {
    let mut bytes = Header::new(Kind::Binary, 2, false, None).as_bytes().to_vec();
    bytes.extend_from_slice(b"ab");
    bytes.extend(frame(0x82, b"cd"));
    assert_eq!(hear(CLIENT, &bytes, &[]).data, b"abcd");
}

/// Whoever unpacks judges text that was packed: here it is not looked at.
#[test]
fn packed_text_is_not_judged_before_it_is_unpacked() {
    let mut bytes = frame(0xc1, &[0xff, 0xfe]);
    let mut reader = Reader::new(PACKED);
    let step = reader.next(&mut bytes, &mut 0).expect("no rule is broken");
    let Step::Data(piece) = step else { panic!("{step:?}") };
    assert!(piece.compressed && piece.text && piece.last);
}

/// A length that is announced and never comes costs nothing.
#[test]
fn a_giant_length_is_only_a_number() {
    let mut bytes = vec![0x82, 0xff];
    bytes.extend_from_slice(&(u64::MAX >> 1).to_be_bytes());
    bytes.extend_from_slice(&KEY);
    bytes.extend_from_slice(&[0; 100]);
    let heard = hear(SERVER, &bytes, &[40]);
    assert_eq!((heard.data.len(), heard.ends.len(), heard.violation), (100, 0, None));
}

proptest! {
    /// Whatever the bytes are, and wherever they are cut, the same is heard.
    #[test]
    fn cuts_change_nothing(
        frames in prop::collection::vec(
            (
                prop_oneof![
                    4 => prop::sample::select(USUAL),
                    1 => any::<u8>(),
                ],
                prop::collection::vec(any::<u8>(), 0..140),
            ),
            0..8,
        ),
        tail in prop::collection::vec(any::<u8>(), 0..20),
        cuts in prop::collection::vec(0usize..1200, 0..10),
        compression in any::<bool>(),
    ) {
        let terms = Terms { compression, ..SERVER };
        let mut bytes: Vec<u8> =
            frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
        bytes.extend(tail);
        let whole = hear(terms, &bytes, &[]);
        let cut = hear(terms, &bytes, &cuts);
        prop_assert_eq!(&cut.violation, &whole.violation);
        if whole.violation.is_none() {
            prop_assert_eq!(cut, whole);
        } else {
            // A violation may be seen earlier in what came before it, never later.
            prop_assert!(cut.data.starts_with(&whole.data));
        }
    }
}
