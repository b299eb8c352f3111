//! The JSON of what the broker says about itself and its clients in the system account.
//!
//! Absent: when it is said, and to whom (`events`). Names, order and types of the members are
//! nats-server's. A client's JWT is not among them: it is a credential, and kept nowhere.

use chrono::{DateTime, SecondsFormat};
use fanfare_protocol::info::ServerInfo;
use fanfare_protocol::json::Object;

use super::rng::Rng;

/// Who speaks, and the how many-eth time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker<'a> {
    pub(crate) info: &'a ServerInfo,
    pub(crate) tags: &'a [String],
    pub(crate) metadata: &'a [(String, String)],
    pub(crate) sequence: u64,
    pub(crate) wall_ms: u64,
}

impl Speaker<'_> {
    /// Appends the object that every event and answer has as its `server`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Self { info, tags, metadata, .. } = *self;
        let mut object = Object::begin(out);
        object.text("name", &info.server_name);
        object.text("host", &info.host);
        object.text("id", &info.server_id);
        object.text_if("cluster", &info.cluster);
        object.text_if("domain", &info.domain);
        object.text("ver", &info.version);
        object.list_if("tags", tags);
        if !metadata.is_empty() {
            let mut json = Vec::new();
            let mut inner = Object::begin(&mut json);
            for (key, value) in metadata {
                inner.text(key, value);
            }
            inner.end();
            object.raw("metadata", &json);
        }
        object.flag("jetstream", false);
        object.number("flags", 0);
        object.number("seq", self.sequence);
        object.text("time", &date(self.wall_ms));
        object.end();
    }
}

/// What an event says of a client; texts that are empty are left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct About<'a> {
    pub(crate) start_ms: u64,
    pub(crate) stop_ms: Option<u64>,
    pub(crate) host: &'a str,
    pub(crate) number: u64,
    pub(crate) account: &'a str,
    pub(crate) account_tag: &'a str,
    pub(crate) user: &'a str,
    pub(crate) name: &'a str,
    pub(crate) lang: &'a str,
    pub(crate) version: &'a str,
    pub(crate) rtt_ns: u64,
    pub(crate) issuer: &'a str,
    pub(crate) tags: &'a [String],
    pub(crate) client_type: &'a str,
}

impl About<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("start", &date(self.start_ms));
        object.text_if("host", self.host);
        object.number_if("id", self.number);
        object.text_if("acc", self.account);
        object.text_if("user", self.user);
        object.text_if("name", self.name);
        object.text_if("lang", self.lang);
        object.text_if("ver", self.version);
        object.number_if("rtt", self.rtt_ns);
        if let Some(stop_ms) = self.stop_ms {
            object.text("stop", &date(stop_ms));
        }
        object.text_if("issuer_key", self.issuer);
        object.text_if("name_tag", self.account_tag);
        object.list_if("tags", self.tags);
        object.text("kind", "Client");
        object.text("client_type", self.client_type);
        object.end();
    }
}

/// Messages and bytes of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flowed {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Flowed {
    fn write(self, object: &mut Object<'_>, key: &str) {
        let mut json = Vec::new();
        let mut inner = Object::begin(&mut json);
        inner.number("msgs", self.messages);
        inner.number("bytes", self.bytes);
        inner.end();
        object.raw(key, &json);
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    pub(crate) sent: Flowed,
    pub(crate) received: Flowed,
    pub(crate) reason: &'a str,
}

/// The event of a client that came, or left if there is an ending.
pub(crate) fn client(
    speaker: &Speaker<'_>,
    about: &About<'_>,
    ending: Option<Ending<'_>>,
    untold: u64,
    rng: &mut Rng,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let kind = if ending.is_some() { "client_disconnect" } else { "client_connect" };
    let mut object = Object::begin(&mut out);
    typed(&mut object, kind, speaker.wall_ms, rng);
    let mut json = Vec::new();
    speaker.write(&mut json);
    object.raw("server", &json);
    json.clear();
    about.write(&mut json);
    object.raw("client", &json);
    if let Some(ending) = ending {
        ending.sent.write(&mut object, "sent");
        ending.received.write(&mut object, "received");
        object.text("reason", ending.reason);
    }
    // Ours: events that there were too many of since the last one.
    object.number_if("untold", untold);
    object.end();
    out
}

/// Begins an event that says of what kind it is.
pub(crate) fn typed(object: &mut Object<'_>, kind: &str, wall_ms: u64, rng: &mut Rng) {
    object.text("type", &format!("io.nats.server.advisory.v1.{kind}"));
    object.text("id", &id(rng));
    object.text("timestamp", &date(wall_ms));
}

/// A name for an event that no other has.
pub(crate) fn id(rng: &mut Rng) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // INVARIANT: below 62.
    (0..22).map(|_| char::from(DIGITS[rng.below(62) as usize])).collect()
}

/// A moment as RFC 3339 writes it.
pub(crate) fn date(wall_ms: u64) -> String {
    let date = i64::try_from(wall_ms).ok().and_then(DateTime::from_timestamp_millis);
    date.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(ending: Option<Ending<'_>>, untold: u64) -> serde_json::Value {
        let info = ServerInfo { server_name: "n".into(), ..ServerInfo::default() };
        let metadata = [("k".to_owned(), "a \"quoted\" value".to_owned())];
        let speaker = Speaker {
            info: &info,
            tags: &["t:1".to_owned()],
            metadata: &metadata,
            sequence: 7,
            wall_ms: 1_700_000_000_000,
        };
        let about = About { number: 9, account: "A", user: "bo\"b", ..About::default() };
        let text = client(&speaker, &about, ending, untold, &mut Rng::new(1));
        serde_json::from_slice(&text).expect("JSON")
    }

    #[test]
    fn who_came_is_told_without_an_ending() {
        let event = json(None, 0);
        assert_eq!(event["type"], "io.nats.server.advisory.v1.client_connect");
        assert_eq!(event["server"]["tags"][0], "t:1");
        assert_eq!(event["server"]["metadata"]["k"], "a \"quoted\" value");
        assert_eq!((&event["server"]["seq"], &event["client"]["id"]), (&7.into(), &9.into()));
        assert_eq!(event["client"]["user"], "bo\"b");
        assert_eq!(event["client"].get("name"), None);
        assert_eq!((event.get("reason"), event.get("untold")), (None, None));
        assert_eq!(event["timestamp"], "2023-11-14T22:13:20.000Z");
    }

    #[test]
    fn who_left_is_told_with_what_flowed() {
        let sent = Flowed { messages: 1, bytes: 5 };
        let ending = Ending { sent, received: Flowed::default(), reason: "Client Closed" };
        let event = json(Some(ending), 3);
        assert_eq!(event["type"], "io.nats.server.advisory.v1.client_disconnect");
        assert_eq!(event["sent"]["bytes"], 5);
        assert_eq!(event["reason"], "Client Closed");
        assert_eq!(event["untold"], 3);
    }
}
