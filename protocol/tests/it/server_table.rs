//! What a client reads from a server.
//!
//! Absent: generated messages (see `round_trips`).

use fanfare_protocol::limits::MAX_SERVER_LINE;
use fanfare_protocol::server_op::{Message, ServerError, ServerOp, ServerStep, next};

fn op(input: &[u8]) -> ServerOp<'_> {
    match next(input) {
        Ok(ServerStep::Op(op, used)) if used == input.len() => op,
        other => panic!("{}: {other:?}", input.escape_ascii()),
    }
}

#[test]
fn every_operation_of_a_server_is_read() {
    assert_eq!(op(b"PING\r\n"), ServerOp::Ping);
    assert_eq!(op(b"PONG\r\n"), ServerOp::Pong);
    assert_eq!(op(b"+OK\r\n"), ServerOp::Ok);
    assert_eq!(op(b"-ERR 'Stale Connection'\r\n"), ServerOp::Error(b"Stale Connection"));
    assert_eq!(op(b"INFO {\"a\":1} \r\n"), ServerOp::Info(b"{\"a\":1}"));
    let plain = Message { subject: b"foo", sid: b"1", reply: b"", headers: None, payload: b"hi" };
    assert_eq!(op(b"MSG foo 1 2\r\nhi\r\n"), ServerOp::Message(plain));
    let replied = Message { reply: b"r", ..plain };
    assert_eq!(op(b"MSG foo 1 r 2\r\nhi\r\n"), ServerOp::Message(replied));
    let headed = Message { headers: Some(b"HH"), ..plain };
    assert_eq!(op(b"HMSG foo 1 2 4\r\nHHhi\r\n"), ServerOp::Message(headed));
    let both = Message { headers: Some(b"HH"), ..replied };
    assert_eq!(op(b"HMSG foo 1 r 2 4\r\nHHhi\r\n"), ServerOp::Message(both));
}

#[test]
fn an_empty_reply_may_be_spelled_as_two_blanks() {
    // nats-server does so for messages of its own.
    let message = Message { subject: b"_T", sid: b"9", reply: b"", headers: None, payload: b"x" };
    assert_eq!(op(b"MSG _T 9  1\r\nx\r\n"), ServerOp::Message(message));
    assert_eq!(op(b"msg\t_T 9 1 \nx\r\n"), ServerOp::Message(message));
}

#[test]
fn what_is_incomplete_says_what_it_needs() {
    assert_eq!(next(b""), Ok(ServerStep::More));
    for prefix in ["M", "MSG", "MSG foo 1", "HMS", "INFO {", "PIN", "-ER", "+", "MSG foo 1 2\r"] {
        assert_eq!(next(prefix.as_bytes()), Ok(ServerStep::More), "{prefix}");
    }
    for input in ["MSG foo 1 2\r\n", "MSG foo 1 2\r\nhi", "MSG foo 1 2\r\nhi\r"] {
        assert_eq!(next(input.as_bytes()), Ok(ServerStep::Message { total: 17 }), "{input}");
    }
}

#[test]
fn what_is_no_server_is_refused() {
    let inputs = [
        "HTTP/1.1 200 OK\r\n",
        "\r\n",
        " PING\r\n",
        "MSGx",
        "MSG foo 1\r\n",
        "MSG foo 1 2 3 4\r\n",
        "MSG foo 1 x\r\n",
        "MSG foo 1 2\r\nhix",
        "MSG foo 1 2\r\nhi\n",
        "MSG foo 1 2\r\nhi\rx",
        "HMSG foo 1 5 4\r\n",
        "HMSG foo 1 4\r\n",
        "PUB a 1\r\n",
        "X",
    ];
    for input in inputs {
        assert_eq!(next(input.as_bytes()), Err(ServerError), "{input:?}");
    }
}

#[test]
fn a_line_of_a_server_is_bounded() {
    let mut line = b"INFO ".to_vec();
    line.resize(MAX_SERVER_LINE, b'x');
    assert_eq!(next(&line), Ok(ServerStep::More));
    line.resize(MAX_SERVER_LINE + 5, b'x');
    assert_eq!(next(&line), Err(ServerError));
}
