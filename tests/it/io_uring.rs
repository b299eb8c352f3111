//! Sends by io_uring: the same bytes as without, and what a system that refuses it is told.
//!
//! Absent: speed, and the ring's own faults (the tests of `fanfare-uring`). Where this machine
//! refuses rings, the broker under test sends as ever, and the tests hold all the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::broker::{Kind, Settings, binary, kind, scratch};

/// Enough that a turn hands their sends over together.
const READERS: usize = 80;

/// Sizes of payloads: copied, at the border, and written from where they stand.
const SIZES: [usize; 7] = [0, 1, 128, 3_900, 4_096, 9_000, 40_000];

/// Has everybody published to one after the other, then all in one go.
fn everybody_hears_everything(how: &str) {
    let broker = Settings::default().shards(2).arguments(&["--io-uring", how]).start();
    let mut readers: Vec<_> = (0..READERS).map(|_| broker.client()).collect();
    for reader in &mut readers {
        reader.send("SUB news 7\r\n");
        reader.fence("");
    }
    let mut writer = broker.client();
    let payload = |n: usize| "abcdefghij".repeat(4_001)[n % 10..][..SIZES[n % 7]].to_owned();
    let put = |n: usize| {
        let text = payload(n);
        format!("PUB news {}\r\n{text}\r\n", text.len())
    };
    let heard = |n: usize| {
        let text = payload(n);
        format!("MSG news 7 {}\r\n{text}\r\n", text.len())
    };
    for n in 0..14 {
        if n == 9 {
            // Sends to these fail in the middle of the others.
            for reader in readers.drain(READERS / 2..READERS / 2 + 10) {
                reader.reset();
            }
        }
        writer.send(put(n));
        for reader in &mut readers {
            reader.expect(heard(n));
        }
    }
    writer.send((14..60).map(put).collect::<String>());
    for reader in &mut readers {
        reader.expect((14..60).map(heard).collect::<String>());
        reader.fence("");
    }
    assert!(!broker.log().so_far().contains("going on without"), "{}", broker.log().so_far());
}

#[test]
fn many_readers_hear_the_same_with_a_ring_and_without() {
    if kind() == Kind::Fanfare {
        for how in ["auto", "off"] {
            everybody_hears_everything(how);
        }
    }
}

/// One that does not read does not hold up the others, whose sends are in the same call.
#[test]
fn a_reader_that_stalls_is_cut_and_nobody_else() {
    if kind() == Kind::Reference {
        return;
    }
    let settings = Settings::default().shards(1).limit("max_pending", 1 << 20);
    let broker = settings.arguments(&["--io-uring", "auto"]).start();
    let mut readers: Vec<_> = (0..24).map(|_| broker.client()).collect();
    for reader in &mut readers {
        reader.send("SUB news 1\r\n");
        reader.fence("");
    }
    let mut stalled = broker.client();
    stalled.send("SUB news 1\r\n");
    stalled.fence("");
    let mut writer = broker.client();
    let text = "x".repeat(3_900);
    let mut left = 20_000;
    while !broker.log().so_far().contains("Slow Consumer") && left > 0 {
        writer.send(format!("PUB news 3900\r\n{text}\r\n"));
        for reader in &mut readers {
            reader.expect(format!("MSG news 1 3900\r\n{text}\r\n"));
        }
        left -= 1;
    }
    assert!(left > 0, "it was never cut");
    for reader in &mut readers {
        reader.fence("");
    }
}

/// The binary behind a filter that refuses `io_uring_setup`, as containers have one.
fn filtered() -> PathBuf {
    let filter = "\
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
# Load the number of the call; io_uring_setup, 425 everywhere, fails with EPERM.
code = struct.pack('HBBI' * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 425, 6, 0, 0, 0x50001,
                   6, 0, 0, 0x7fff0000)
room = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', 4, ctypes.addressof(room)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";
    let (script, shell) = (scratch("filter.py"), scratch("filtered"));
    fs::write(&script, filter).unwrap();
    let (python, program) = (script.display(), binary());
    let text = format!("#!/bin/sh\nexec python3 {python} {} \"$@\"\n", program.display());
    fs::write(&shell, text).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    shell
}

#[test]
fn a_system_that_refuses_is_done_without_unless_that_is_not_wanted() {
    if kind() == Kind::Reference {
        return;
    }
    let settings = Settings::default().executable(&filtered());
    let broker = settings.clone().arguments(&["-D", "--io-uring", "auto"]).start();
    broker.log().find("Doing without io_uring: ").unwrap();
    let mut client = broker.client();
    client.send("SUB a 1\r\nPUB a 1\r\nx\r\n");
    client.fence("MSG a 1 1\r\nx\r\n");
    let (status, text) = settings.arguments(&["--io-uring", "on"]).refused();
    assert!(!status.success(), "{text}");
    assert!(text.contains("io_uring is to be on, and the system refuses it"), "{text}");
}
