//! Samples of how long services of other accounts take, for the accounts that export them.
//!
//! Absent: when an answer comes (`relay`). A sample is decided on with the request, kept with the
//! answer that is awaited, and published in the exporter's account when the first answer is there.
//! Its form is nats-server's `ServiceLatency`; what it says of the responder is its account alone.

use fanfare_protocol::header::Headers;
use fanfare_protocol::json::Object;

use super::event_text::{date, id};
use super::rng::Rng;
use super::time::Instant;
use crate::config::access::{Latency, Sampling};

/// A request that is sampled.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Where the sample goes, in the exporter's account.
    pub(crate) subject: Box<str>,
    /// The requester, as JSON.
    pub(crate) requester: Vec<u8>,
    /// The requester's round trip time in nanoseconds.
    pub(crate) rtt_ns: u64,
    pub(crate) started: Instant,
    /// Unix time of the start, in milliseconds.
    pub(crate) wall_ms: u64,
}

/// Whether a request is sampled.
pub(crate) fn samples(latency: &Latency, headers: &[u8], rng: &mut Rng) -> bool {
    match latency.sampling {
        Sampling::Percent(share) => rng.below(100) < u32::from(share),
        Sampling::Headers => asks(Headers::new(headers)),
    }
}

/// The JSON of a sample.
pub(crate) fn render(
    sample: &Sample,
    responder: &str,
    now: Instant,
    wall_ms: u64,
    rng: &mut Rng,
) -> Vec<u8> {
    let total = now.since_ns(sample.started).saturating_add(sample.rtt_ns);
    let mut out = Vec::with_capacity(512);
    let mut object = Object::begin(&mut out);
    object.text("type", "io.nats.server.metric.v1.service_latency");
    object.text("id", &id(rng));
    object.text("timestamp", &date(wall_ms));
    object.number("status", 200);
    object.raw("requestor", &sample.requester);
    let mut by = Vec::new();
    let mut inner = Object::begin(&mut by);
    inner.text("acc", responder);
    inner.end();
    object.raw("responder", &by);
    object.text("start", &date(sample.wall_ms));
    object.number("service", total.saturating_sub(sample.rtt_ns));
    object.number("system", 0);
    object.number("total", total);
    object.end();
    out
}

/// Whether the headers of a tracing system ask for a sample.
fn asks(headers: Headers<'_>) -> bool {
    let is_odd = |text: &[u8]| {
        let digit = text.last().and_then(|byte| char::from(*byte).to_digit(16));
        digit.is_some_and(|digit| digit & 1 == 1)
    };
    if let Some(uber) = headers.get(b"Uber-Trace-Id") {
        return is_odd(uber);
    }
    if let Some(sampled) = headers.get(b"X-B3-Sampled") {
        return sampled == b"1";
    }
    if headers.get(b"X-B3-TraceId").is_some() {
        return true;
    }
    if let Some(b3) = headers.get(b"B3") {
        return match b3.split(|byte| *byte == b'-').nth(2) {
            Some(sampled) => sampled != b"0",
            None => b3 != b"0",
        };
    }
    headers.get(b"Traceparent").or_else(|| headers.get(b"traceparent")).is_some_and(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_tracing_systems_decide() {
        let block = |header: &str| format!("NATS/1.0\r\n{header}\r\n\r\n");
        for (header, asked) in [
            ("Uber-Trace-Id: a:b:c:1", true),
            ("Uber-Trace-Id: a:b:c:0", false),
            ("X-B3-Sampled: 1", true),
            ("X-B3-Sampled: 0", false),
            ("X-B3-TraceId: abc", true),
            ("B3: 80f1-e457-1-05e3", true),
            ("B3: 80f1-e457-0-05e3", false),
            ("B3: 0", false),
            ("traceparent: 00-4bf9-00f0-01", true),
            ("traceparent: 00-4bf9-00f0-00", false),
            ("Other: 1", false),
        ] {
            assert_eq!(asks(Headers::new(block(header).as_bytes())), asked, "{header}");
        }
    }

    #[test]
    fn a_sample_says_when_and_how_long() {
        let sample = Sample {
            subject: "lat".into(),
            requester: b"{\"acc\":\"B\"}".to_vec(),
            rtt_ns: 5,
            started: Instant::from_ns(100),
            wall_ms: 1_700_000_000_000,
        };
        let json = render(&sample, "A", Instant::from_ns(400), 1_700_000_000_001, &mut Rng::new(1));
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["requestor"]["acc"], "B");
        assert_eq!(json["responder"]["acc"], "A");
        assert_eq!((&json["service"], &json["total"]), (&300.into(), &305.into()));
        assert_eq!(json["start"], "2023-11-14T22:13:20.000Z");
    }
}
