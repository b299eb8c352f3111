//! Any bytes can be looked at as a header block, and what is found there lies in them.
//!
//! Absent: which blocks are good.
#![no_main]

use fanfare_protocol::header::Headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|block: &[u8]| {
    let headers = Headers::new(block);
    let mut read = 0;
    for (key, value) in headers.iter() {
        assert!(!key.is_empty() && !key.contains(&b':'));
        assert!(headers.get(key).is_some());
        read += key.len() + b":".len() + value.len() + b"\r\n".len();
    }
    assert!(read <= block.len());
    assert!(headers.status().is_none() || headers.is_known_version());
    assert!(headers.description().is_none() || headers.status().is_some());
});
