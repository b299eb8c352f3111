//! What one side writes, the other side reads.
//!
//! Absent: `CONNECT` (see `connect_table`).

use proptest::prelude::*;

use fanfare_protocol::limits::DecodeLimits;
use fanfare_protocol::op::{ClientOp, Publish, PublishLine};
use fanfare_protocol::server_op::{self, Message, ServerOp, ServerStep};
use fanfare_protocol::{client_encode, decode, encode};

fn word() -> impl Strategy<Value = String> {
    "[!-~\u{e9}\u{4e00}]{1,20}"
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// Reads back one whole operation of a client.
fn read(wire: &[u8]) -> ClientOp<'_> {
    match decode::next(wire, &DecodeLimits::default()) {
        Ok(decode::Step::Op(op, used)) if used == wire.len() => op,
        other => panic!("{}: {other:?}", wire.escape_ascii()),
    }
}

proptest! {
    /// A publish with and without reply and headers.
    #[test]
    fn publishes(
        subject in word(),
        reply in prop::option::of(word()),
        headers in prop::option::of(bytes()),
        payload in bytes(),
    ) {
        let subject = subject.as_bytes();
        let reply = reply.as_deref().unwrap_or_default().as_bytes();
        let mut wire = Vec::new();
        match &headers {
            Some(headers) => {
                client_encode::publish_headers(&mut wire, subject, reply, headers, &payload);
            }
            None => client_encode::publish(&mut wire, subject, reply, &payload),
        }
        let framed = [headers.as_deref().unwrap_or_default(), &payload, b"\r\n"].concat();
        let header_len = headers.as_deref().map(size);
        let total_len = size(&framed) - 2;
        let line = PublishLine { subject, reply, header_len, total_len };
        prop_assert_eq!(read(&wire), ClientOp::Publish(Publish { line, framed: &framed }));
    }

    /// A subscription and its end.
    #[test]
    fn subscriptions(
        filter in word(),
        queue in prop::option::of(word()),
        sid in word(),
        max in prop::option::of(1..999_999_999_u64),
    ) {
        let (filter, sid) = (filter.as_bytes(), sid.as_bytes());
        let queue = queue.as_deref().map(str::as_bytes);
        let mut wire = Vec::new();
        client_encode::subscribe(&mut wire, filter, queue, sid);
        prop_assert_eq!(read(&wire), ClientOp::Subscribe { filter, queue, sid });
        wire.clear();
        client_encode::unsubscribe(&mut wire, sid, max);
        prop_assert_eq!(read(&wire), ClientOp::Unsubscribe { sid, max });
    }

    /// A message as a broker writes it, whole and cut off at every byte.
    #[test]
    fn messages(
        subject in word(),
        sid in word(),
        reply in prop::option::of(word()),
        headers in prop::option::of(bytes()),
        payload in bytes(),
    ) {
        let reply = reply.as_deref().unwrap_or_default().as_bytes();
        let header_len = headers.as_deref().map(size);
        let total_len = header_len.unwrap_or_default() + size(&payload);
        let mut wire = Vec::new();
        encode::message_prefix(&mut wire, subject.as_bytes(), headers.is_some());
        wire.extend_from_slice(sid.as_bytes());
        encode::message_suffix(&mut wire, reply, header_len, total_len);
        let line_len = wire.len();
        wire.extend_from_slice(headers.as_deref().unwrap_or_default());
        wire.extend_from_slice(&payload);
        wire.extend_from_slice(encode::CR_LF);
        let message = Message {
            subject: subject.as_bytes(),
            sid: sid.as_bytes(),
            reply,
            headers: headers.as_deref(),
            payload: &payload,
        };
        let whole = Ok(ServerStep::Op(ServerOp::Message(message), wire.len()));
        prop_assert_eq!(server_op::next(&wire), whole);
        for end in 0..wire.len() {
            let expected = if end < line_len {
                ServerStep::More
            } else {
                ServerStep::Message { total: wire.len() }
            };
            prop_assert_eq!(server_op::next(&wire[..end]), Ok(expected));
        }
    }

    /// Bytes close to what a server sends: both readers of the client's side agree, at every cut.
    #[test]
    fn both_readers_of_a_server_agree(
        verb in "(H?MSG |PING|INFO |-ERR )?",
        words in "[a-c]{0,9}[ \t]{1,2}[0-9]{0,3} ?[a-c0-9]{0,3} ?[0-9]{1,2}",
        payload in "\r?\n[a-z]{0,9}\r\n",
    ) {
        let input = [verb, words, payload].concat().into_bytes();
        for end in 0..=input.len() {
            let input = &input[..end];
            prop_assert_eq!(server_op::next(input), server_op::next_by_grammar(input));
        }
    }
}
