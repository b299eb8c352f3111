//! MQTT 3.1.1 as a client speaks it that publishes and subscribes with QoS 0.
//!
//! Absent: QoS 1 and 2, retained messages, wills, sessions that outlive a connection, keep-alive.

use fanfare_protocol::server_op::{Message, ServerError, ServerOp, ServerStep};

/// CONNECT: protocol level 4, a clean session, no keep-alive, a client identifier that the server
/// makes up (section 3.1.3.1).
pub(super) const CONNECT: &[u8] = b"\x10\x0C\x00\x04MQTT\x04\x02\x00\x00\x00\x00";

/// PINGREQ.
pub(super) const PING: &[u8] = b"\xC0\x00";

/// Appends PUBLISH.
#[inline]
pub(super) fn publish(out: &mut Vec<u8>, topic: &[u8], payload: &[u8]) {
    head(out, PUBLISH, TOPIC_LEN_LEN + topic.len() + payload.len());
    text(out, topic);
    out.extend_from_slice(payload);
}

/// A PUBLISH up to its payload; it is the same in both directions.
pub(super) fn publish_head(topic: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, PUBLISH, TOPIC_LEN_LEN + topic.len() + size);
    text(&mut out, topic);
    out
}

/// Appends SUBSCRIBE to one topic, with the packet identifier 1.
pub(super) fn subscribe(out: &mut Vec<u8>, topic: &[u8]) {
    head(out, SUBSCRIBE, 2 + TOPIC_LEN_LEN + topic.len() + 1);
    out.extend_from_slice(&[0, 1]);
    text(out, topic);
    out.push(0);
}

/// Reads the packet at the start of the input.
#[inline]
pub(super) fn next(input: &[u8]) -> Result<ServerStep<'_>, ServerError> {
    let Some((kind, head_len, len)) = packet(input)? else { return Ok(ServerStep::More) };
    let total = head_len + len;
    let Some(body) = input.get(head_len..total) else {
        return Ok(ServerStep::Message { total });
    };
    let op = match (kind, body) {
        (PUBLISH, [high, low, rest @ ..]) => {
            let topic_len = usize::from(u16::from_be_bytes([*high, *low]));
            let (subject, payload) = rest.split_at_checked(topic_len).ok_or(ServerError)?;
            ServerOp::Message(Message { subject, sid: b"", reply: b"", headers: None, payload })
        }
        (CONNACK, [_, 0]) | (SUBACK, [_, _, 0]) => ServerOp::Ok,
        (CONNACK, [_, code]) => ServerOp::Error(refusal(*code)),
        (SUBACK, [_, _, _]) => ServerOp::Error(b"the subscription was refused"),
        (PINGRESP, []) => ServerOp::Pong,
        _ => return Err(ServerError),
    };
    Ok(ServerStep::Op(op, total))
}

/// The first byte of a packet, the length of its fixed header, and that of what follows.
fn packet(input: &[u8]) -> Result<Option<(u8, usize, usize)>, ServerError> {
    let Some((kind, rest)) = input.split_first() else { return Ok(None) };
    let mut len = 0;
    for (index, byte) in rest.iter().take(LENGTH_LEN_MAX).enumerate() {
        len |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((*kind, index + 2, len)));
        }
    }
    if rest.len() < LENGTH_LEN_MAX { Ok(None) } else { Err(ServerError) }
}

/// What the return code of a CONNACK says (section 3.2.2.3).
fn refusal(code: u8) -> &'static [u8] {
    match code {
        1 => b"it does not speak MQTT 3.1.1",
        2 => b"it refuses the client identifier",
        3 => b"it is not available",
        4 => b"it refuses the user name or password",
        5 => b"it does not let us in",
        _ => b"it refuses the connection for a reason that MQTT 3.1.1 does not know",
    }
}

fn head(out: &mut Vec<u8>, kind: u8, mut len: usize) {
    out.push(kind);
    loop {
        // INVARIANT: only the seven low bits are left.
        #[expect(clippy::cast_possible_truncation, reason = "see the line above")]
        let low = (len & 0x7F) as u8;
        len >>= 7;
        if len == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    // Topics are this program's own and short.
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text);
}

const CONNACK: u8 = 0x20;
/// With QoS 0, not retained, not sent again.
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xD0;
const TOPIC_LEN_LEN: usize = 2;
const LENGTH_LEN_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn op(input: &[u8]) -> ServerOp<'_> {
        match next(input) {
            Ok(ServerStep::Op(op, len)) if len == input.len() => op,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_packet_is_told_in_the_words_of_nats() {
        assert_eq!(op(b"\x20\x02\x00\x00"), ServerOp::Ok);
        assert_eq!(op(b"\x90\x03\x00\x01\x00"), ServerOp::Ok);
        assert_eq!(op(b"\xD0\x00"), ServerOp::Pong);
        assert_eq!(op(b"\x20\x02\x00\x05"), ServerOp::Error(b"it does not let us in"));
        assert_eq!(op(b"\x90\x03\x00\x01\x80"), ServerOp::Error(b"the subscription was refused"));
    }

    #[test]
    fn what_no_server_says_is_refused() {
        for input in [
            &b"\x30\x01\x00"[..],
            b"\x30\x03\x00\x02a",
            b"\x10\x00",
            b"\x30\xFF\xFF\xFF\xFF",
            b"\xD0\x01x",
            b"INFO {\"server_id\":\"and so on, until there is enough of it to be a whole packet\"}",
        ] {
            assert_eq!(next(input), Err(ServerError), "{input:?}");
        }
    }

    #[test]
    fn a_length_takes_as_many_bytes_as_it_needs() {
        for (len, expected) in [(0, &b"\x30\x00"[..]), (127, b"\x30\x7F"), (128, b"\x30\x80\x01")] {
            let mut out = Vec::new();
            head(&mut out, PUBLISH, len);
            assert_eq!(out, expected);
            assert_eq!(packet(&out), Ok(Some((PUBLISH, expected.len(), len))));
        }
    }
}
