//! What a WebSocket listener asks of the HTTP request before the first frame.
//!
//! Absent: the request itself (`io::websocket`), and who such clients are (`access`).

/// What `websocket { … }` says beside address, TLS and users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocket {
    /// A page's origin must be the listener's own.
    pub same_origin: bool,
    /// Origins that pages may have; empty for all.
    pub allowed_origins: Vec<Origin>,
    /// Time for the request, in nanoseconds.
    pub handshake_timeout_ns: u64,
    /// Messages may be compressed, if the client wants it.
    pub compression: bool,
    /// Cookies that stand for what CONNECT leaves out.
    pub cookies: Cookies,
    /// Headers that are added to the answer.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Time between PINGs to a silent client, in nanoseconds; everybody's when absent.
    pub ping_interval_ns: Option<u64>,
    /// Time to come in, in nanoseconds; everybody's when absent.
    pub entry_timeout_ns: Option<u64>,
}

impl WebSocket {
    /// `handshake_timeout` unless the file says otherwise.
    pub const HANDSHAKE_TIMEOUT_NS: u64 = 5_000_000_000;
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            same_origin: false,
            allowed_origins: Vec::new(),
            handshake_timeout_ns: Self::HANDSHAKE_TIMEOUT_NS,
            compression: false,
            cookies: Cookies::default(),
            headers: Vec::new(),
            ping_interval_ns: None,
            entry_timeout_ns: None,
        }
    }
}

/// Names of cookies; each stands for one member of CONNECT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cookies {
    /// For `jwt`.
    pub jwt: Option<Box<str>>,
    /// For `user`.
    pub user: Option<Box<str>>,
    /// For `pass`.
    pub pass: Option<Box<str>>,
    /// For `auth_token`.
    pub token: Option<Box<str>>,
}

/// Where a web page comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The scheme, in lower case.
    pub scheme: Box<str>,
    /// Host and port.
    pub place: Place,
}

/// A host, in lower case, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A name, or an address without brackets.
    pub host: Box<str>,
    /// The port as it was written, or the scheme's own.
    pub port: Box<str>,
}

/// Why a text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginError {
    /// It is no absolute URL.
    Malformed,
    /// It names no host.
    NoHost,
}

impl Origin {
    /// Reads an origin, or any URL of one.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Malformed)?;
        let mut letters = scheme.bytes();
        let is_first_good = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
        let is_rest_good =
            letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let is_clean = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_first_good || !is_rest_good || !is_clean {
            return Err(OriginError::Malformed);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        if host.is_empty() {
            return Err(OriginError::NoHost);
        }
        let scheme = scheme.to_ascii_lowercase();
        let place = Place::parse(host, scheme == "https").ok_or(OriginError::Malformed)?;
        Ok(Self { scheme: scheme.into(), place })
    }
}

impl Place {
    /// Reads `host` or `host:port`; the port is the one of the scheme unless it is named.
    pub fn parse(text: &str, is_secure: bool) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port).filter(|port| !port.is_empty()))
            }
            _ => (text, None),
        };
        let bare = match host.strip_prefix('[') {
            Some(inside) => inside.strip_suffix(']')?,
            None if host.contains([':', '[', ']']) => return None,
            None => host,
        };
        let port = port.unwrap_or(if is_secure { "443" } else { "80" });
        (!bare.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()))
            .then(|| Self { host: bare.to_ascii_lowercase().into(), port: port.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_host_and_port() {
        let check = |text: &str, scheme: &str, host: &str, port: &str| {
            let place = Place { host: host.into(), port: port.into() };
            let origin = Origin { scheme: scheme.into(), place };
            assert_eq!(Origin::parse(text), Ok(origin), "{text}");
        };
        check("http://Example.COM", "http", "example.com", "80");
        check("HTTPS://example.com", "https", "example.com", "443");
        check("https://example.com:80/path?x#y", "https", "example.com", "80");
        check("http://u:p@example.com:8080", "http", "example.com", "8080");
        check("http://[::1]", "http", "::1", "80");
        check("http://[::1]:81", "http", "::1", "81");
        check("chrome-extension://abc", "chrome-extension", "abc", "80");
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["", "null", "example.com", "://a", "http:/a", "1http://a", "http://a b"] {
            assert_eq!(Origin::parse(text), Err(OriginError::Malformed), "{text}");
        }
        for text in ["http://a:x", "http://::1", "http://[::1", "http://a]"] {
            assert_eq!(Origin::parse(text), Err(OriginError::Malformed), "{text}");
        }
        for text in ["http://", "http:///x", "http://u@/"] {
            assert_eq!(Origin::parse(text), Err(OriginError::NoHost), "{text}");
        }
    }
}
