//! What a server writes, byte for byte.
//!
//! Absent: error lines (see `error_table`).

use fanfare_protocol::info::ServerInfo;
use fanfare_protocol::{decimal, encode};

fn message(subject: &str, sid: &str, reply: &str, header_len: Option<u32>, len: u32) -> String {
    let mut out = Vec::new();
    encode::message_prefix(&mut out, subject.as_bytes(), header_len.is_some());
    out.extend_from_slice(sid.as_bytes());
    encode::message_suffix(&mut out, reply.as_bytes(), header_len, len);
    String::from_utf8(out).unwrap()
}

#[test]
fn message_heads_have_one_blank_between_arguments() {
    assert_eq!(message("foo", "1", "", None, 0), "MSG foo 1 0\r\n");
    assert_eq!(message("foo", "1", "rep", None, 12), "MSG foo 1 rep 12\r\n");
    assert_eq!(message("foo", "1", "", Some(7), 12), "HMSG foo 1 7 12\r\n");
    assert_eq!(message("foo", "1", "rep", Some(0), 1), "HMSG foo 1 rep 0 1\r\n");
}

#[test]
fn numbers_are_written_as_rust_writes_them() {
    let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
    for value in powers.flat_map(|power| [power - 1, power, power + 1]).chain([u64::MAX]) {
        let mut out = Vec::new();
        decimal::write_u64(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
    }
    for value in [0, 9, 10, 99, 100, 1_048_576, 999_999_999, u32::MAX] {
        let mut out = b"x".to_vec();
        decimal::write_u32(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), format!("x{value}"));
    }
}

#[test]
fn no_responders_is_a_message_of_headers_only() {
    let mut out = Vec::new();
    encode::no_responders(&mut out, b"_INBOX.1", b"7", b"svc.echo");
    let expected = "HMSG _INBOX.1 7 40 40\r\nNATS/1.0 503\r\nNats-Subject: svc.echo\r\n\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    // nats-server: 32 bytes and the subject.
    assert_eq!(encode::no_responders_len(b"svc.echo"), 40);
    let mut block = Vec::new();
    encode::no_responders_block(&mut block, b"");
    assert_eq!(block.len(), 32);
}

/// The expected line is nats-server 2.14's own, taken from its socket.
#[test]
fn info_stands_in_nats_servers_order() {
    let id = "NAPCNSCAKQZBH6ALEANNTLQWTT4TOEMUDE3AA5G5PZYJU7KQNINCCEZW";
    let info = ServerInfo {
        server_id: id.to_owned(),
        server_name: id.to_owned(),
        version: "2.14.0".to_owned(),
        proto: 1,
        git_commit: "0cbd01c".to_owned(),
        go: "go1.26.2".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 14777,
        headers: true,
        max_payload: 1_048_576,
        client_id: 5,
        client_ip: "127.0.0.1".to_owned(),
        api_lvl: 4,
        xkey: "XCXYZKWFRF3SOIG46TAI24DAFHM5NUBFN72MITXX4PHMJK7MGOOGXLAG".to_owned(),
        ..ServerInfo::default()
    };
    let expected = concat!(
        r#"INFO {"server_id":"NAPCNSCAKQZBH6ALEANNTLQWTT4TOEMUDE3AA5G5PZYJU7KQNINCCEZW","#,
        r#""server_name":"NAPCNSCAKQZBH6ALEANNTLQWTT4TOEMUDE3AA5G5PZYJU7KQNINCCEZW","#,
        r#""version":"2.14.0","proto":1,"git_commit":"0cbd01c","go":"go1.26.2","#,
        r#""host":"127.0.0.1","port":14777,"headers":true,"max_payload":1048576,"#,
        r#""client_id":5,"client_ip":"127.0.0.1","api_lvl":4,"#,
        r#""xkey":"XCXYZKWFRF3SOIG46TAI24DAFHM5NUBFN72MITXX4PHMJK7MGOOGXLAG"} "#,
        "\r\n",
    );
    let mut line = Vec::new();
    info.write_line(&mut line);
    assert_eq!(String::from_utf8(line).unwrap(), expected);
}

#[test]
fn info_leaves_out_what_says_nothing_and_keeps_what_is_always_sent() {
    let mut json = Vec::new();
    ServerInfo::default().write_json(&mut json);
    let expected = concat!(
        r#"{"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"#,
        r#""headers":false,"max_payload":0}"#,
    );
    assert_eq!(String::from_utf8(json).unwrap(), expected);
}

#[test]
fn info_sends_every_field_that_says_something() {
    let info = ServerInfo {
        auth_required: true,
        tls_required: true,
        tls_verify: true,
        tls_available: true,
        jetstream: true,
        nonce: "abc".to_owned(),
        cluster: "c".to_owned(),
        cluster_dynamic: true,
        domain: "d".to_owned(),
        connect_urls: vec!["a:1".to_owned(), "b:2".to_owned()],
        ws_connect_urls: vec!["w:3".to_owned()],
        ldm: true,
        connect_info: true,
        remote_account: "$G".to_owned(),
        acc_is_sys: true,
        ..ServerInfo::default()
    };
    let mut json = Vec::new();
    info.write_json(&mut json);
    let expected = concat!(
        r#"{"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"#,
        r#""headers":false,"auth_required":true,"tls_required":true,"tls_verify":true,"#,
        r#""tls_available":true,"max_payload":0,"jetstream":true,"nonce":"abc","cluster":"c","#,
        r#""cluster_dynamic":true,"domain":"d","connect_urls":["a:1","b:2"],"#,
        r#""ws_connect_urls":["w:3"],"ldm":true,"connect_info":true,"remote_account":"$G","#,
        r#""acc_is_sys":true}"#,
    );
    assert_eq!(String::from_utf8(json).unwrap(), expected);
}

#[test]
fn info_texts_are_escaped_and_stay_on_their_line() {
    let name = "a\"b\\c\r\n\t\u{1}\u{7f}\u{e9}".to_owned();
    let info = ServerInfo { server_name: name.clone(), ..ServerInfo::default() };
    let mut line = Vec::new();
    info.write_line(&mut line);
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
    let json = line.strip_prefix(b"INFO ").unwrap();
    let parsed: serde_json::Value = serde_json::from_slice(json).unwrap();
    assert_eq!(parsed["server_name"], name);
}
