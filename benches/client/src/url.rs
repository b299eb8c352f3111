//! Where a server is and who we are to it, as a person types it: `nats://user:pass@host:port`,
//! `tls://host`, `ws://host`, `wss://host`, `host`, `host:port`, or several of these with commas
//! between them.
//!
//! Absent: looking names up and connecting (see `link`).

use std::fmt;

use crate::credentials::Credentials;
use crate::secret::Secret;
use crate::wire::Wire;

/// The port of a URL that names none.
pub const DEFAULT_PORT: u16 = 4222;

/// The ports of URLs for WebSocket that name none.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// The server of a command that names none.
pub const DEFAULT_URL: &str = "nats://127.0.0.1:4222";

/// One server's place and the credentials that its URL carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// What the part before `@` says.
    pub credentials: Credentials,
    /// What the server speaks.
    pub wire: Wire,
    /// Whether the scheme demands TLS.
    pub wants_tls: bool,
    /// Whether the scheme demands WebSocket.
    pub wants_frames: bool,
}

impl ServerUrl {
    /// Reads a list of URLs with commas between them; the result is never empty.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UrlError> {
        Self::parse_list_as(text, None)
    }

    /// The same for servers that speak `asked`.
    pub fn parse_list_as(text: &str, asked: Option<Wire>) -> Result<Vec<Self>, UrlError> {
        let parts: Vec<&str> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return Err(UrlError::new(text, "there is no server in it"));
        }
        parts.into_iter().map(|part| Self::parse_as(part, asked)).collect()
    }

    /// Reads one URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        Self::parse_as(text, None)
    }

    /// Reads one URL of a server that speaks `asked`; what a scheme says must not differ.
    pub fn parse_as(text: &str, asked: Option<Wire>) -> Result<Self, UrlError> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let wire = match scheme {
            None => asked.unwrap_or_default(),
            Some(scheme) => Wire::of_scheme(scheme).unwrap_or_default(),
        };
        if asked.is_some_and(|asked| asked != wire) {
            return Err(UrlError::new(
                text,
                "its scheme is not of the protocol that is spoken here",
            ));
        }
        let (rest, wants_tls, wants_frames, default_port) = match text.split_once("://") {
            None => (text, false, false, wire.default_port()),
            Some((_, rest)) if wire != Wire::Nats => (rest, false, false, wire.default_port()),
            Some(("nats" | "tcp", rest)) => (rest, false, false, DEFAULT_PORT),
            Some(("tls", rest)) => (rest, true, false, DEFAULT_PORT),
            Some(("ws", rest)) => (rest, false, true, HTTP_PORT),
            Some(("wss", rest)) => (rest, true, true, HTTPS_PORT),
            Some(_) => {
                let why =
                    "the scheme has to be nats://, tls://, ws://, wss://, redis:// or mqtt://";
                return Err(UrlError::new(text, why));
            }
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user_part, place) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((user, place)) => (Some(user), place),
        };
        let (host, port) = parse_place(text, place, default_port)?;
        let credentials = match user_part {
            None => Credentials::None,
            Some(part) => parse_credentials(text, part)?,
        };
        Ok(Self { host, port, credentials, wire, wants_tls, wants_frames })
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is not a server's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlError {
    text: String,
    reason: &'static str,
}

impl UrlError {
    fn new(text: &str, reason: &'static str) -> Self {
        // A password must not be repeated on a terminal, so the part before the `@` is left out.
        let shown = text.rsplit_once('@').map_or(text, |(_, place)| place);
        Self { text: shown.to_owned(), reason }
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "“{}” is not a server's URL: {}", self.text, self.reason)
    }
}

impl std::error::Error for UrlError {}

fn parse_place(text: &str, place: &str, default: u16) -> Result<(String, u16), UrlError> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(UrlError::new(text, "the bracket of the IPv6 address is not closed"));
        };
        (host, after.strip_prefix(':'))
    } else if place.matches(':').count() > 1 {
        (place, None)
    } else {
        match place.split_once(':') {
            None => (place, None),
            Some((host, port)) => (host, Some(port)),
        }
    };
    if host.is_empty() || host.contains(['/', ' ', '?', '#']) {
        return Err(UrlError::new(text, "there is no host in it"));
    }
    let port = match port {
        None | Some("") => default,
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(UrlError::new(text, "the port has to be a number from 1 to 65535")),
        },
    };
    Ok((host.to_owned(), port))
}

fn parse_credentials(text: &str, part: &str) -> Result<Credentials, UrlError> {
    let decode = |piece: &str| {
        percent_decoded(piece)
            .ok_or_else(|| UrlError::new(text, "a % in the user's part needs two hex digits"))
    };
    match part.split_once(':') {
        None => Ok(Credentials::Token(Secret::new(decode(part)?))),
        Some((name, password)) => {
            Ok(Credentials::User { name: decode(name)?, password: Secret::new(decode(password)?) })
        }
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> (String, u16) {
        let url = ServerUrl::parse(text).unwrap();
        (url.host, url.port)
    }

    #[test]
    fn every_form_of_a_place_is_read() {
        assert_eq!(place("nats://a:1"), ("a".into(), 1));
        assert_eq!(place("a"), ("a".into(), 4222));
        assert_eq!(place("a:77"), ("a".into(), 77));
        assert_eq!(place("nats://a/"), ("a".into(), 4222));
        assert_eq!(place("[::1]:5"), ("::1".into(), 5));
        assert_eq!(place("::1"), ("::1".into(), 4222));
        assert_eq!(place("nats://[fe80::1]"), ("fe80::1".into(), 4222));
    }

    #[test]
    fn credentials_are_decoded() {
        let url = ServerUrl::parse("nats://al%40ice:p%3Ass@h:1").unwrap();
        assert_eq!(
            url.credentials,
            Credentials::User { name: "al@ice".into(), password: Secret::new("p:ss") }
        );
        let url = ServerUrl::parse("s3cret@h").unwrap();
        assert_eq!(url.credentials, Credentials::Token(Secret::new("s3cret")));
    }

    #[test]
    fn the_scheme_tls_demands_tls() {
        let urls = ServerUrl::parse_list("tls://u:p@a:1,nats://b,c").unwrap();
        let wishes: Vec<bool> = urls.iter().map(|url| url.wants_tls).collect();
        assert_eq!(wishes, [true, false, false]);
        assert_eq!(urls[0].place(), "a:1");
    }

    #[test]
    fn the_schemes_of_websocket_demand_frames() {
        let urls = ServerUrl::parse_list("ws://a,wss://b,ws://c:8080/,nats://d").unwrap();
        let wishes: Vec<_> =
            urls.iter().map(|url| (url.wants_frames, url.wants_tls, url.port)).collect();
        let expected =
            [(true, false, 80), (true, true, 443), (true, false, 8080), (false, false, 4222)];
        assert_eq!(wishes, expected);
    }

    #[test]
    fn other_protocols_have_their_schemes_and_ports() {
        let redis = ServerUrl::parse("redis://a").unwrap();
        assert_eq!((redis.wire, redis.port), (Wire::Redis, 6379));
        let mqtt = ServerUrl::parse_as("a", Some(Wire::Mqtt)).unwrap();
        assert_eq!((mqtt.wire, mqtt.port), (Wire::Mqtt, 1883));
        assert!(ServerUrl::parse_as("nats://a", Some(Wire::Redis)).is_err());
        assert!(ServerUrl::parse_as("mqtt://a", Some(Wire::Mqtt)).is_ok());
    }

    #[test]
    fn a_list_keeps_its_order() {
        let list = ServerUrl::parse_list("a, nats://b:2 ,,c:3").unwrap();
        let places: Vec<String> = list.iter().map(ServerUrl::place).collect();
        assert_eq!(places, ["a:4222", "b:2", "c:3"]);
    }

    #[test]
    fn a_broken_url_is_refused_without_showing_the_password() {
        for text in ["", ",", "nats://", "a:0", "a:x", "a:70000", "http://a", "wsx://a", "[::1"] {
            assert!(ServerUrl::parse_list(text).is_err(), "{text}");
        }
        assert!(ServerUrl::parse("nats://u%zz:p@h").is_err());
        let error = ServerUrl::parse("nats://u:secret@h:x").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
