//! Bytes that are no protocol, from many connections, while a thousand others notice nothing.
//!
//! Absent: segmentation; the same inputs are cut in many ways in `transcripts/`.

use crate::broker::{Broker, Kind, kind};
use crate::wire::{Connection, shown};

/// How a connection ends, or that it does not.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// It is told this, and closed.
    Told(&'static str),
    /// It is closed without a word.
    Silent,
    /// It is told this and stays.
    Stays(&'static str),
}

use Answer::{Silent, Stays, Told};

const UNKNOWN: Answer = Told("-ERR 'Unknown Protocol Operation'\r\n");
const TOO_LONG: Answer = Told("-ERR 'maximum control line exceeded'\r\n");
const TOO_LARGE: Answer = Told("-ERR 'Maximum Payload Violation'\r\n");
const REFUSED: Answer = Told("-ERR 'Authorization Violation'\r\n");
const INVALID: Answer = Stays("-ERR 'Invalid Subject'\r\n");

/// Inputs that need no repetition to be written, after a quiet CONNECT with headers.
const INPUTS: &[(&[u8], Answer)] = &[
    // Operations that do not exist, or not for a client.
    (b"\r\n", UNKNOWN),
    (b"\n", UNKNOWN),
    (b" PING\r\n", UNKNOWN),
    (b"\tPING\r\n", UNKNOWN),
    (b"\0", UNKNOWN),
    (b"\xff\xfe\xfd", UNKNOWN),
    (b"X", UNKNOWN),
    (b"PX", UNKNOWN),
    (b"PIX", UNKNOWN),
    (b"PINX", UNKNOWN),
    (b"POX", UNKNOWN),
    (b"PONX", UNKNOWN),
    (b"PUX", UNKNOWN),
    (b"PUBX", UNKNOWN),
    (b"HX", UNKNOWN),
    (b"HPX", UNKNOWN),
    (b"HPUX", UNKNOWN),
    (b"HPUBX", UNKNOWN),
    (b"SX", UNKNOWN),
    (b"SUX", UNKNOWN),
    (b"SUBX", UNKNOWN),
    (b"UX", UNKNOWN),
    (b"UNSUX", UNKNOWN),
    (b"UNSUBX", UNKNOWN),
    (b"CX", UNKNOWN),
    (b"CONNECX", UNKNOWN),
    (b"INFX", UNKNOWN),
    (b"+X", UNKNOWN),
    (b"+OX", UNKNOWN),
    (b"-X", UNKNOWN),
    (b"-ERX", UNKNOWN),
    (b"MSG foo 1 2\r\nhi\r\n", UNKNOWN),
    (b"HMSG foo 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", UNKNOWN),
    (b"RS+ $G foo\r\n", UNKNOWN),
    (b"RMSG $G foo 2\r\nhi\r\n", UNKNOWN),
    (b"LS+ foo\r\n", UNKNOWN),
    (b"A+ $G\r\n", UNKNOWN),
    (b"-ERR 'no'\r\n", Silent),
    // Other protocols.
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", UNKNOWN),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UNKNOWN),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", UNKNOWN),
    (b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test", UNKNOWN),
    (b"*1\r\n$4\r\nPING\r\n", UNKNOWN),
    (b"SSH-2.0-OpenSSH_9.6\r\n", UNKNOWN),
    (b"EHLO example.org\r\n", UNKNOWN),
    (b"USER anonymous\r\n", UNKNOWN),
    // A wrong number of arguments.
    (b"SUB\r\n", UNKNOWN),
    (b"SUB \r\n", Silent),
    (b"SUB foo\r\n", Silent),
    (b"SUB a b c d\r\n", Silent),
    (b"UNSUB\r\n", UNKNOWN),
    (b"UNSUB \r\n", Silent),
    (b"UNSUB 1 2 3\r\n", Silent),
    (b"PUB\r\n", UNKNOWN),
    (b"PUB \r\n", Silent),
    (b"PUB foo\r\n", Silent),
    (b"PUB a b c 2\r\n", Silent),
    (b"HPUB\r\n", UNKNOWN),
    (b"HPUB \r\n", Silent),
    (b"HPUB foo 2\r\n", Silent),
    (b"HPUB a b c 2 2\r\n", Silent),
    // Sizes.
    (b"PUB foo -1\r\n", Silent),
    (b"PUB foo +1\r\n", Silent),
    (b"PUB foo x\r\n", Silent),
    (b"PUB foo 1e3\r\n", Silent),
    (b"PUB foo 0x10\r\n", Silent),
    (b"PUB foo 1.5\r\n", Silent),
    (b"PUB foo 1,000\r\n", Silent),
    (b"PUB foo 1048577\r\n", TOO_LARGE),
    (b"PUB foo 999999999\r\n", TOO_LARGE),
    (b"PUB foo 2147483648\r\n", Silent),
    (b"PUB foo 4294967297\r\n", Silent),
    (b"PUB foo 9223372036854775808\r\n", Silent),
    (b"PUB foo 18446744073709551618\r\n", Silent),
    (b"PUB foo 00000000000000000000002\r\n", Silent),
    (b"PUB foo \xd9\xa2\r\n", Silent),
    (b"HPUB foo 12 1048577\r\n", TOO_LARGE),
    (b"HPUB foo 13 12\r\n", Silent),
    (b"HPUB foo -1 12\r\n", Silent),
    (b"HPUB foo 12 -1\r\n", Silent),
    (b"HPUB foo x 12\r\n", Silent),
    (b"HPUB foo 4294967297 12\r\n", Silent),
    // Payloads that do not end where they say.
    (b"PUB foo 2\r\nhello\r\n", UNKNOWN),
    (b"PUB foo 2\r\nhi\n", UNKNOWN),
    (b"PUB foo 2\r\nhi\rX", UNKNOWN),
    (b"PUB foo 0\r\nX", UNKNOWN),
    (b"PUB foo 5\r\nhi\r\nPING\r\n", UNKNOWN),
    (b"HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhello\r\n", UNKNOWN),
    // CONNECT.
    (b"CONNECT\r\n", Silent),
    (b"CONNECT {\r\n", Silent),
    (b"CONNECT }\r\n", Silent),
    (b"CONNECT []\r\n", Silent),
    (b"CONNECT true\r\n", Silent),
    (b"CONNECT 1\r\n", Silent),
    (b"CONNECT \"x\"\r\n", Silent),
    (b"CONNECT {\"verbose\":\"no\"}\r\n", Silent),
    (b"CONNECT {\"verbose\":0}\r\n", Silent),
    (b"CONNECT {\"protocol\":1.5}\r\n", Silent),
    (b"CONNECT {\"protocol\":\"1\"}\r\n", Silent),
    (b"CONNECT {\"name\":[]}\r\n", Silent),
    (b"CONNECT {\"verbose\":false} trailing\r\n", Silent),
    (b"CONNECT {\"a\":\"\x01\"}\r\n", Silent),
    (b"CONNECT {\"a\":\"\\q\"}\r\n", Silent),
    (b"CONNECT {a:1}\r\n", Silent),
    (b"CONNECT {\"verbose\":false,\"protocol\":7}\r\n", Told("-ERR 'invalid client protocol'\r\n")),
    (
        b"CONNECT {\"headers\":false,\"no_responders\":true}\r\n",
        Told("-ERR 'no responders requires headers support'\r\n"),
    ),
    (b"CONNECT {\"verbose\":false,\"account\":\"A\"}\r\n", REFUSED),
    (b"CONNECT {\"verbose\":false,\"new_account\":true}\r\n", REFUSED),
    (b"INFO {\r\n", Silent),
    (b"INFO\r\n", Silent),
    (b"INFO []\r\n", Silent),
    (b"INFO 5\r\n", Silent),
    (b"INFO {} x\r\n", Silent),
    (b"-ERR\r\n", UNKNOWN),
    // Subjects.
    (b"SUB foo..bar 1\r\n", INVALID),
    (b"SUB .foo 1\r\n", INVALID),
    (b"SUB foo. 1\r\n", INVALID),
    (b"SUB . 1\r\n", INVALID),
    (b"SUB .. 1\r\n", INVALID),
    (b"SUB foo.>.bar 1\r\n", INVALID),
    (b"SUB >.> 1\r\n", INVALID),
    (b"SUB >. 1\r\n", INVALID),
    (b"SUB foo.. queue 1\r\n", INVALID),
    // Not malformed at all, though they look it.
    (b"PUB foo..bar 2\r\nhi\r\n", Stays("")),
    (b"PUB > 2\r\nhi\r\n", Stays("")),
    (b"PUB \xff\xfe 2\r\nhi\r\n", Stays("")),
    (b"HPUB foo 5 5\r\nABCDE\r\n", Stays("")),
    (b"UNSUB nobody\r\n", Stays("")),
    (b"UNSUB 1 18446744073709551616\r\n", Stays("")),
    (b"CONNECT {\"verbose\":false,\"x\":[[[[[[[[1]]]]]]]]}\r\n", Stays("")),
    (b"PONG\r\nPONG\r\nPONG\r\n", Stays("")),
    (b"+OK\r\nINFO {}\r\n", Stays("")),
];

/// Inputs that are too long to be written down.
fn long_inputs() -> Vec<(Vec<u8>, Answer)> {
    let long = |head: &str, unit: &str, count: usize, tail: &str, answer| {
        (format!("{head}{}{tail}", unit.repeat(count)).into_bytes(), answer)
    };
    let mut inputs = vec![
        long("SUB ", "a", 5000, "", TOO_LONG),
        long("SUB ", "a.", 5000, "a 1\r\n", TOO_LONG),
        long("UNSUB ", "1", 5000, "\r\n", TOO_LONG),
        long("PUB ", "a", 5000, " 1\r\n", TOO_LONG),
        long("PUB foo ", "0", 5000, "1\r\n", TOO_LONG),
        long("HPUB ", "a", 5000, " 1 1\r\n", TOO_LONG),
        long("CONNECT {\"name\":\"", "x", 5000, "\"}\r\n", TOO_LONG),
        long("CONNECT {\"x\":", "[", 5000, "", TOO_LONG),
        long("INFO ", "x", 5000, "", TOO_LONG),
        long("SUB ", "x", 3_000_000, "", TOO_LONG),
    ];
    if kind() == Kind::Fanfare {
        inputs.push(long("PING ", "x", 5000, "", TOO_LONG));
        inputs.push(long("PONG ", "x", 5000, "", TOO_LONG));
        inputs.push(long("+OK ", "x", 5000, "", TOO_LONG));
    }
    // As deep as a control line has room for: either answer will do, but there must be one.
    for depth in [60, 1000, 2000] {
        let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let line = format!("CONNECT {{\"verbose\":false,\"x\":{json}}}\r\n");
        let deepest = if kind() == Kind::Fanfare { 60 } else { 2000 };
        inputs.push((line.into_bytes(), if depth > deepest { Silent } else { Stays("") }));
    }
    inputs
}

/// Sends one input on a connection of its own and compares the answer.
fn check(broker: &Broker, input: &[u8], answer: Answer) {
    let mut connection = broker.client();
    connection.send(input);
    let told = match answer {
        Stays(told) => return connection.fence(told),
        Told(told) => told,
        Silent => "",
    };
    let ended = loop {
        match connection.try_fill() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(why) => break Err(why),
        }
    };
    let got = connection.pending();
    let right = ended.is_ok() && got == told.as_bytes();
    assert!(right, "{}: {} and not {answer:?} ({ended:?})", shown(input), shown(got));
}

/// A thousand subscribers that must see nothing but what is meant for them.
struct Bystanders {
    readers: Vec<Connection>,
    writer: Connection,
    published: usize,
}

impl Bystanders {
    /// Connects them all.
    fn gather(broker: &Broker) -> Self {
        let mut readers: Vec<_> = (0..1000).map(|_| broker.client()).collect();
        for reader in &mut readers {
            reader.send("SUB news 1\r\n");
        }
        for reader in &mut readers {
            reader.fence("");
        }
        Self { readers, writer: broker.client(), published: 0 }
    }

    /// Publishes a piece of news.
    fn publish(&mut self) {
        self.writer.send(format!("PUB news 8\r\n{:08}\r\n", self.published));
        self.writer.fence("");
        self.published += 1;
    }

    /// Everybody has got all news in order and nothing else.
    fn noticed_nothing(&mut self) {
        let news = |number| format!("MSG news 1 8\r\n{number:08}\r\n");
        let all: String = (0..self.published).map(news).collect();
        for reader in &mut self.readers {
            reader.fence(&all);
        }
        self.published = 0;
    }
}

#[test]
fn malformed_input_gets_its_answer_and_a_thousand_others_notice_nothing() {
    let broker = Broker::start();
    let mut bystanders = Bystanders::gather(&broker);
    for (index, &(input, answer)) in INPUTS.iter().enumerate() {
        check(&broker, input, answer);
        if index % 10 == 0 {
            bystanders.publish();
        }
    }
    for (input, answer) in long_inputs() {
        check(&broker, &input, answer);
        bystanders.publish();
    }
    bystanders.noticed_nothing();
}

#[test]
fn mangled_conversations_harm_nobody_else() {
    let broker = Broker::start();
    let mut bystanders = Bystanders::gather(&broker);
    let good = b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB a.* q 1\r\nPUB a.b c 5\r\n\
        hello\r\nHPUB a.b 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 1 2\r\nPING\r\nPONG\r\n";
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    for round in 0..1500 {
        let mut bytes = good.to_vec();
        for _ in 0..=draw(4) {
            let at = draw(bytes.len());
            match draw(5) {
                0 => bytes[at] = u8::try_from(draw(256)).expect("below 256"),
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, b" \t\r\n\0*>.{}\"0-\xff"[draw(14)]),
                3 => drop(bytes.remove(at)),
                _ => bytes.extend_from_within(at..),
            }
            if bytes.is_empty() {
                bytes.push(b'P');
            }
        }
        let mut connection = broker.connect();
        connection.send(&bytes);
        match draw(3) {
            0 => connection.reset(),
            1 => drop(connection),
            _ => {
                // Told or not, it ends, because there is nothing more to come from it.
                connection.finish();
                connection.rest();
            }
        }
        if round % 100 == 0 {
            bystanders.publish();
        }
    }
    bystanders.noticed_nothing();
}
