//! Any text behind CONNECT is options or a refusal, and options survive being written again.
//!
//! Absent: which texts are refused (the tables of the tests say so).
#![no_main]

use fanfare_protocol::client_encode;
use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::decode::{self, Step};
use fanfare_protocol::limits::DecodeLimits;
use fanfare_protocol::op::ClientOp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Ok(options) = ConnectOptions::parse(json) else { return };
    let mut line = Vec::new();
    client_encode::connect(&mut line, &options);
    let limits = DecodeLimits { control_line_max: usize::MAX, ..DecodeLimits::default() };
    let step = decode::next(&line, &limits);
    let Ok(Step::Op(ClientOp::Connect(written), used)) = step else { panic!("{step:?}") };
    assert_eq!(used, line.len());
    assert_eq!(ConnectOptions::parse(written), Ok(options));
});
