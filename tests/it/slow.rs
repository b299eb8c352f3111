//! Readers that stall: they alone are cut, and everyone else gets everything.
//!
//! Absent: rates and latencies beside slow readers; those are measured, not tested.

use std::net::TcpStream;

use socket2::{Domain, Socket, Type};

use crate::broker::{Broker, CONNECT, Kind, Settings, kind};
use crate::wire::Connection;

/// A client whose kernel takes little on its behalf, so that the broker has to keep what it does
/// not read.
fn narrow(broker: &Broker) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&broker.address().into()).unwrap();
    let mut connection = Connection::adopt(TcpStream::from(socket));
    assert!(connection.line().starts_with("INFO {"));
    connection.send(CONNECT);
    connection
}

/// Publishes numbered messages of `size` bytes, `batch` at a time, each batch read by `reader`
/// before the next one is sent.
fn feed(writer: &mut Connection, reader: &mut Connection, size: usize, batches: usize) {
    let batch = 16;
    for round in 0..batches {
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for number in 0..batch {
            let payload = format!("{:0size$}", round * batch + number);
            sent.extend_from_slice(format!("PUB foo {size}\r\n{payload}\r\n").as_bytes());
            expected.extend_from_slice(format!("MSG foo 1 {size}\r\n{payload}\r\n").as_bytes());
        }
        writer.send(sent);
        reader.expect(expected);
    }
}

#[test]
fn a_stalled_reader_is_cut_at_max_pending_and_others_get_everything() {
    let broker = Settings::default().limit("max_pending", 2_000_000).start();
    let mut stalled = narrow(&broker);
    stalled.send("SUB foo 1\r\n");
    stalled.fence("");
    let mut healthy = broker.client();
    healthy.send("SUB foo 1\r\n");
    healthy.fence("");
    let mut writer = broker.client();
    // The kernel's send buffer may take some megabytes before the broker has to keep anything.
    feed(&mut writer, &mut healthy, 16_000, 80);
    assert!(broker.log().find("Slow Consumer").is_some());
    let received = stalled.rest();
    assert!(received.starts_with(b"MSG foo 1 16000\r\n"));
    let text = String::from_utf8_lossy(&received);
    assert!(!text.contains("-ERR"), "a slow consumer is told nothing");
    // Up to the cut it got everything in order.
    for (number, message) in text.split("MSG foo 1 16000\r\n").skip(1).enumerate() {
        let message = message.strip_suffix("PING\r\n").unwrap_or(message);
        assert!(format!("{number:016000}\r\n").starts_with(message), "message {number}");
    }
    healthy.fence("");
    writer.fence("");
}

#[test]
fn a_stalled_reader_is_cut_at_the_write_deadline() {
    let broker = Settings::default().limit("write_deadline", "300ms").start();
    let mut stalled = narrow(&broker);
    stalled.send("SUB foo 1\r\n");
    stalled.fence("");
    let mut healthy = broker.client();
    healthy.send("SUB foo 1\r\n");
    healthy.fence("");
    let mut writer = broker.client();
    feed(&mut writer, &mut healthy, 16_000, 60);
    assert!(broker.log().find("Slow Consumer").is_some());
    assert!(stalled.rest().len() < 60 * 16 * 16_000);
    healthy.fence("");
}

#[test]
fn a_reader_that_resumes_in_time_gets_everything() {
    let broker = Settings::default().limit("write_deadline", "60s").start();
    let mut late = narrow(&broker);
    late.send("SUB foo 1\r\n");
    late.fence("");
    let mut healthy = broker.client();
    healthy.send("SUB foo 1\r\n");
    healthy.fence("");
    let mut writer = broker.client();
    let (size, batches) = (16_000, 60);
    feed(&mut writer, &mut healthy, size, batches);
    for number in 0..batches * 16 {
        late.expect(format!("MSG foo 1 {size}\r\n{number:0size$}\r\n"));
    }
    late.fence("");
}

#[test]
fn readers_that_stall_on_the_same_messages_share_them_in_memory() {
    let broker = Settings::default().limit("write_deadline", "60s").start();
    let mut stalled: Vec<_> = (0..200).map(|_| narrow(&broker)).collect();
    for client in &mut stalled {
        client.send("SUB foo 1\r\n");
        client.fence("");
    }
    let mut healthy = broker.client();
    healthy.send("SUB foo 1\r\n");
    healthy.fence("");
    let mut writer = broker.client();
    let before = broker.status("VmRSS");
    feed(&mut writer, &mut healthy, 16_000, 16);
    writer.fence("");
    let growth_kib = broker.status("VmRSS") - before;
    // 4 MB were published. The reference keeps them once for each of the 200.
    if kind() == Kind::Fanfare {
        assert!(growth_kib < 8 * 4 * 1024 + 48 * 1024, "{growth_kib} KiB more");
    }
    for client in &mut stalled {
        client.expect(format!("MSG foo 1 16000\r\n{:016000}\r\n", 0));
    }
}

#[test]
fn a_publisher_that_reads_nothing_of_its_own_is_cut_like_any_other() {
    let broker = Settings::default().limit("max_pending", 2_000_000).start();
    let mut own = narrow(&broker);
    own.send("SUB foo 1\r\n");
    own.fence("");
    let payload = "x".repeat(100_000);
    for _ in 0..300 {
        own.send(format!("PUB foo 100000\r\n{payload}\r\n"));
    }
    assert!(broker.log().find("Slow Consumer").is_some());
    broker.client().fence("");
}

#[test]
fn when_memory_for_unsent_messages_runs_out_the_largest_debtor_goes_first() {
    if kind() == Kind::Reference {
        return; // It bounds each client, and not all of them together.
    }
    let settings = Settings::default().shards(1).limit("write_deadline", "60s");
    let broker = settings.own_limit("max_pending_total", 8_000_000).start();
    let mut large = narrow(&broker);
    large.send("SUB foo 1\r\n");
    large.fence("");
    let mut small = narrow(&broker);
    small.send("SUB bar 1\r\n");
    small.fence("");
    let mut healthy = broker.client();
    healthy.send("SUB foo 1\r\n");
    healthy.fence("");
    let mut writer = broker.client();
    let payload = "y".repeat(1_000_000);
    for _ in 0..6 {
        writer.send(format!("PUB bar 1000000\r\n{payload}\r\n"));
    }
    // The kernel's buffers take some of this before the broker has to keep it.
    feed(&mut writer, &mut healthy, 16_000, 80);
    assert!(broker.log().find("Slow Consumer (Memory Budget)").is_some());
    assert!(large.rest().len() < 80 * 16 * 16_000);
    // The small debtor and the healthy reader lose nothing.
    small.expect(format!("MSG bar 1 1000000\r\n{payload}\r\n").repeat(6));
    small.fence("");
    healthy.fence("");
}
