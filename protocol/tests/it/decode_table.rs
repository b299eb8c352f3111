//! Every corner of framing as a table: what nats-server 2.14 answers to these bytes, and where
//! this decoder is stricter on purpose.
//!
//! Absent: generated input (see `splits`).

use fanfare_protocol::decode::{Step, check_frame_end, next};
use fanfare_protocol::limits::{DecodeLimits, MAX_CONTROL_LINE};

use crate::outcome::{self, Outcome};

const UNKNOWN: &str = "-ERR Unknown Protocol Operation";
const TOO_LONG: &str = "-ERR maximum control line exceeded";
const TOO_LARGE: &str = "-ERR Maximum Payload Violation";
const COUNT: &str = "silent: wrong number of arguments";
const SIZE: &str = "silent: bad or missing message size";
const HEADER_SIZE: &str = "silent: bad or missing header size";
const CR: &str = "silent: carriage return inside an argument";
const FROM_CLIENT: &str = "silent: -ERR from a client";
const INFO: &str = "silent: INFO without a JSON object";

/// Checks a stream's operations and its end, which is the last of the expected texts.
fn check(stream: impl AsRef<[u8]>, expected: &[&str]) {
    let stream = stream.as_ref();
    let Outcome { mut ops, end } = outcome::of(stream, &DecodeLimits::default());
    ops.push(end);
    assert_eq!(ops, expected, "for {}", stream.escape_ascii());
}

#[test]
fn verbs_are_case_insensitive() {
    check("connect {}\r\ncOnNeCt {}\r\n", &["CONNECT [{}]", "CONNECT [{}]", "more"]);
    check("Sub foo 1\r\nuNsuB 1\r\n", &["SUB [foo] - [1]", "UNSUB [1] -", "more"]);
    check(
        "pUb foo 1\r\nx\r\nPub foo 1\r\ny\r\n",
        &["PUB [foo] [] [x]", "PUB [foo] [] [y]", "more"],
    );
    check("hpUB foo 0 1\r\nx\r\n", &["PUB [foo] [] h0 [x]", "more"]);
    check("ping\r\nPoNg\r\n", &["PING", "PONG", "more"]);
    check("info {}\r\n+ok\r\n", &["ignored", "ignored", "more"]);
    check("-err x\r\n", &[FROM_CLIENT]);
}

#[test]
fn blanks_between_and_behind_arguments_do_not_count() {
    check("PUB\tfoo\t 1 \t\r\nx\r\n", &["PUB [foo] [] [x]", "more"]);
    check("PUB  foo 1\r\nx\r\n", &["PUB [foo] [] [x]", "more"]);
    check("HPUB  foo 0 1\r\nx\r\n", &["PUB [foo] [] h0 [x]", "more"]);
    check("PUB   foo  bar   1\r\nx\r\n", &["PUB [foo] [bar] [x]", "more"]);
    check("HPUB \t foo 0  1 \r\nx\r\n", &["PUB [foo] [] h0 [x]", "more"]);
    check("SUB \t foo   q \t 1  \r\n", &["SUB [foo] [q] [1]", "more"]);
    check("UNSUB  1\t5 \r\n", &["UNSUB [1] 5", "more"]);
}

#[test]
fn nothing_is_skipped_before_a_verb() {
    check(" PING\r\n", &[UNKNOWN]);
    check("\r\nPING\r\n", &[UNKNOWN]);
    check("PING\r\n\r\n", &["PING", UNKNOWN]);
    check("PING\r\n\n", &["PING", UNKNOWN]);
    check("\0", &[UNKNOWN]);
    check("PUB\0foo 1\r\nx\r\n", &[UNKNOWN]);
    check("HPUB\0foo 0 1\r\nx\r\n", &[UNKNOWN]);
}

#[test]
fn a_bare_line_feed_ends_a_control_line_but_not_a_payload() {
    check("PING\nSUB foo 1\n", &["PING", "SUB [foo] - [1]", "more"]);
    check("PUB foo 1\nx\r\n", &["PUB [foo] [] [x]", "more"]);
    check("CONNECT {}\n", &["CONNECT [{}]", "more"]);
    check("PUB foo 1\r\nx\n", &[UNKNOWN]);
}

#[test]
fn a_payload_of_another_length_than_its_size_is_found_at_its_end() {
    check("PUB foo 3\r\nhello\r\n", &[UNKNOWN]);
    check("PUB foo 5\r\nhel\r\nPING\r\n", &[UNKNOWN]);
    check("PUB foo 0\r\n\r\n", &["PUB [foo] [] []", "more"]);
    check("PUB foo 0\r\nx\r\n", &[UNKNOWN]);
    check("PUB foo 4\r\na\r\nb\r\n", &["PUB [foo] [] [a\\r\\nb]", "more"]);
}

#[test]
fn the_rest_of_lines_without_arguments_is_ignored() {
    check("PING xyz\r\nPINGxyz\r\n", &["PING", "PING", "more"]);
    check("PONG foo\r\nPONG\rfoo\r\r\n", &["PONG", "PONG", "more"]);
    check("+OK foo\r\n+OK\r\n", &["ignored", "ignored", "more"]);
}

#[test]
fn connect_and_info_need_no_blank_and_all_others_do() {
    check("CONNECT{}\r\n", &["CONNECT [{}]", "more"]);
    check("CONNECT\t\t{a: 1}  \r\n", &["CONNECT [{a: 1}  ]", "more"]);
    check("CONNECT\r\n", &["CONNECT []", "more"]);
    check("INFO{}\r\nINFO null\r\n", &["ignored", "ignored", "more"]);
    for verb in ["SUB", "UNSUB", "PUB", "HPUB", "-ERR"] {
        check(format!("{verb}\r\n"), &[UNKNOWN]);
        check(format!("{verb}\n"), &[UNKNOWN]);
        check(format!("{verb}x"), &[UNKNOWN]);
    }
}

#[test]
fn wrong_argument_counts_close_in_silence() {
    for line in ["SUB \r\n", "SUB foo\r\n", "SUB a b c d\r\n", "UNSUB \r\n", "UNSUB 1 2 3\r\n"] {
        check(line, &[COUNT]);
    }
    for line in ["PUB \r\n", "PUB \n", "PUB foo\r\n", "PUB a b c 2\r\n", "PUB a b c 99999999\r\n"] {
        check(line, &[COUNT]);
    }
    for line in ["HPUB \r\n", "HPUB foo\r\n", "HPUB foo 2\r\n", "HPUB a b 0 2 9\r\n"] {
        check(line, &[COUNT]);
    }
    check("SUB a b c d e f g h\r\n", &[COUNT]);
}

#[test]
fn sizes_are_one_to_nine_digits() {
    for size in ["-1", "+1", "x", "1x", "1.0", "0x1", "1234567890", "0000000000", "\u{661}"] {
        check(format!("PUB foo {size}\r\n"), &[SIZE]);
        check(format!("HPUB foo 0 {size}\r\n"), &[SIZE]);
        check(format!("HPUB foo {size} 1\r\n"), &[HEADER_SIZE]);
    }
    check("PUB a 000000002\r\nxy\r\n", &["PUB [a] [] [xy]", "more"]);
    check("PUB foo 5 2\r\nxy\r\n", &["PUB [foo] [5] [xy]", "more"]);
    check("PUB foo 5 x\r\n", &[SIZE]);
}

#[test]
fn a_header_may_be_empty_but_not_longer_than_its_message() {
    check("HPUB foo 2 5\r\nhhxyz\r\n", &["PUB [foo] [] h2 [hhxyz]", "more"]);
    check("HPUB foo rep 5 5\r\nABCDE\r\n", &["PUB [foo] [rep] h5 [ABCDE]", "more"]);
    check("HPUB foo 0 0\r\n\r\n", &["PUB [foo] [] h0 []", "more"]);
    check("HPUB foo 6 5\r\n", &[HEADER_SIZE]);
    check("HPUB foo 999999999 99999999\r\n", &[HEADER_SIZE]);
    check("HPUB foo x 99999999\r\n", &[HEADER_SIZE]);
}

#[test]
fn the_largest_message_is_judged_on_its_control_line() {
    check("PUB foo 1048576\r\n", &["payload"]);
    check("PUB foo 1048577\r\n", &[TOO_LARGE]);
    check("PUB foo 99999999\r", &["more"]);
    check("PUB foo 99999999\n", &[TOO_LARGE]);
    check("HPUB foo 5 1048577\r\n", &[TOO_LARGE]);
    check("HPUB foo 1048576 1048576\r\n", &["payload"]);
}

#[test]
fn what_only_servers_send_is_no_operation() {
    for line in ["MSG a 1 1\r\n", "HMSG a 1 1 1\r\n", "RS+ a b\r\n", "LS+ a\r\n", "A+ x\r\n"] {
        check(line, &[UNKNOWN]);
    }
    check("RMSG a b 2\r\n", &[UNKNOWN]);
    check("LMSG a\r\n", &[UNKNOWN]);
}

#[test]
fn info_must_be_an_object_and_err_is_refused() {
    for text in ["{bad", "", "[]", "1", "\"x\"", "{} x", "nul", "{\"a\":\"\t\"}"] {
        check(format!("INFO {text}\r\n"), &[INFO]);
    }
    check("INFO {\"port\":1}\r\n", &["ignored", "more"]);
    check("-ERR 'x'\r\n", &[FROM_CLIENT]);
    check("-ERR \r\n", &[FROM_CLIENT]);
    check("-X", &[UNKNOWN]);
}

#[test]
fn unsubscribe_takes_a_bad_maximum_as_none() {
    check("UNSUB 1 5\r\n", &["UNSUB [1] 5", "more"]);
    check("UNSUB 1 999999999\r\n", &["UNSUB [1] 999999999", "more"]);
    for max in ["0", "-1", "x", "1234567890"] {
        check(format!("UNSUB 1 {max}\r\n"), &["UNSUB [1] -", "more"]);
    }
}

#[test]
fn arguments_are_any_bytes_but_blanks_and_line_ends() {
    let stream = b"SUB \xff\x00.\x0b *&\xc3\xa9 \x01\r\n";
    check(stream, &["SUB [\\xff\\x00.\\x0b] [*&\\xc3\\xa9] [\\x01]", "more"]);
    check(b"PUB a\x00b\x7f 1\r\nx\r\n", &["PUB [a\\x00b\\x7f] [] [x]", "more"]);
}

#[test]
fn a_carriage_return_inside_an_argument_is_refused() {
    // Stricter than nats-server, which drops the last byte of the line or splits at the CR.
    check("PUB fo\ro 1\r\n", &[CR]);
    check("PUB foo 1\r\r\nx\r\n", &[CR]);
    check("SUB foo\rbar 1\r\n", &[CR]);
    check("CONNECT {}\r \r\n", &[CR]);
    check("SUB foo\rb", &[CR]);
    check("SUB foo\r", &["more"]);
    check("PUB \rfoo 1\r\n", &[CR]);
    check(format!("SUB {}\rx", "a".repeat(MAX_CONTROL_LINE)), &[CR]);
    check(format!("SUB {}\rx", "a".repeat(MAX_CONTROL_LINE + 1)), &[TOO_LONG]);
}

#[test]
fn a_control_line_is_bounded_by_its_arguments() {
    let word = |len: usize| "a".repeat(len);
    let max = MAX_CONTROL_LINE;
    for end in ["\r\n", "\n"] {
        let subject = word(max - 2);
        check(format!("PUB {subject} 0{end}\r\n"), &[&format!("PUB [{subject}] [] []"), "more"]);
        check(format!("PUB {} 0{end}\r\n", word(max - 1)), &[TOO_LONG]);
        check(format!("SUB {} 1{end}", word(max - 1)), &[TOO_LONG]);
        check(format!("UNSUB {}{end}", word(max + 1)), &[TOO_LONG]);
        check(format!("INFO {}{end}", word(max + 1)), &[TOO_LONG]);
        check(format!("-ERR {}{end}", word(max + 1)), &[TOO_LONG]);
        let json = format!("{{{}}}", word(max - 2));
        check(format!("CONNECT {json}{end}"), &[&format!("CONNECT [{json}]"), "more"]);
        check(format!("CONNECT {json} {end}"), &[TOO_LONG]);
    }
    check(format!("PUB a 0{}\r\n", " ".repeat(max)), &[TOO_LONG]);
    check(format!("PUB{}a 0\r\n\r\n", " ".repeat(max)), &["PUB [a] [] []", "more"]);
}

#[test]
fn a_line_without_end_fails_as_soon_as_it_is_too_long() {
    let max = MAX_CONTROL_LINE;
    for verb in ["PUB ", "SUB ", "UNSUB \t", "CONNECT", "INFO ", "-ERR ", "PING", "PONG ", "+OK"] {
        let fill = if verb == "PONG " { max - 1 } else { max };
        let full = format!("{verb}{}", "x".repeat(fill));
        check(&full, &["more"]);
        check(format!("{full}\r"), &["more"]);
        check(format!("{full}x"), &[TOO_LONG]);
    }
    // Stricter than nats-server, which skips blanks and ignored text without end.
    check(format!("PUB{}", " ".repeat(max)), &["more"]);
    check(format!("PUB{}", " ".repeat(max + 1)), &[TOO_LONG]);
    check(format!("PING{}\r\n", " ".repeat(max + 1)), &[TOO_LONG]);
    check(format!("PING{}\r\n", " ".repeat(max)), &["PING", "more"]);
}

#[test]
fn an_error_is_told_as_soon_as_the_bytes_decide_it() {
    // Each input fails, and one byte less does not.
    let inputs = [
        "X",
        "PX",
        "PUX",
        "PUBX",
        "PIX",
        "HM",
        "HPUBx",
        "UNSUB\r",
        "SUB\r",
        "CONNECX",
        "+K",
        "-X",
        "M",
        "PUB foo 5\r\nhelloX",
        "PUB foo 5\r\nhello\n",
        "PUB foo 5\r\nhello\rX",
        "PUB a 9999999\n",
        "SUB a b c d\n",
        "PUB \rx",
        "-ERR x\n",
        "INFO {\n",
    ];
    let limits = DecodeLimits::default();
    for input in inputs {
        let (last, before) = input.as_bytes().split_last().unwrap();
        assert!(next(input.as_bytes(), &limits).is_err(), "{input:?} fails");
        assert!(next(before, &limits).is_ok(), "{input:?} is open before {last:?}");
    }
}

#[test]
fn a_step_says_how_much_it_took_or_needs() {
    let limits = DecodeLimits::default();
    let stream = b"PUB foo 5\r\nhello\r\nPING\r\n";
    let Ok(Step::Op(_, used)) = next(stream, &limits) else { panic!("a whole operation") };
    assert_eq!(used, 18);
    let Ok(Step::Payload { line, line_len }) = next(&stream[..17], &limits) else {
        panic!("all but the last byte")
    };
    assert_eq!((line.total_len, line_len), (5, 11));
    assert_eq!(next(&stream[..10], &limits), Ok(Step::More));
    assert_eq!(next(b"", &limits), Ok(Step::More));
}

#[test]
fn a_frame_ends_in_cr_lf_and_nothing_else() {
    assert_eq!(check_frame_end(*b"\r\n"), Ok(()));
    for tail in [*b"\n\r", *b"\r\r", *b"\n\n", *b"xy", *b"\rx"] {
        let error = check_frame_end(tail).expect_err("not a frame's end");
        assert_eq!(outcome::error_text(&error), UNKNOWN);
    }
}
