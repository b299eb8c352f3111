//! A PROXY header is found the same way however its bytes come, and enough bytes bring an answer.
//!
//! Absent: which headers are good.
#![no_main]

use fanfare_protocol::proxy::{LENGTH_MAX, PREFIX_MAX, ProxyStep, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    assert!(bytes.len() < PREFIX_MAX || whole != Ok(ProxyStep::More));
    if let Ok(ProxyStep::Header { length, .. }) = whole {
        assert!((8..=LENGTH_MAX).contains(&length));
    }
    for end in 0..bytes.len().min(2 * PREFIX_MAX) {
        let part = parse(&bytes[..end]);
        assert!(part == Ok(ProxyStep::More) || part == whole, "an answer stays");
    }
});
