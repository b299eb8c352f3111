//! Where a monitoring port is, as a person types it: `http://user:pass@host:port/base`, `host`.
//!
//! Absent: asking it (`http`). Passwords and tokens are in no error and no display.

use std::fmt;

use data_encoding::BASE64;
use fanfare_bench::secret::Secret;

/// A monitoring port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Whether TLS is spoken there.
    pub is_secure: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// What stands in front of `/varz`; empty, or begins with a slash and does not end with one.
    pub base: String,
    /// What stands in the header `Authorization`.
    pub authorization: Option<Secret>,
}

/// Why a text is not the URL of a monitoring port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteError(&'static str);

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--url is not the URL of a monitoring port such as {DEFAULT_URL}: {}", self.0)
    }
}

impl std::error::Error for SiteError {}

impl Site {
    /// Reads a URL. What has no scheme is http, and then also the port may be left out.
    pub fn parse(text: &str) -> Result<Self, SiteError> {
        let (is_secure, rest, default) = match text.trim().split_once("://") {
            None => (false, text.trim(), DEFAULT_PORT),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest, 80),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest, 443),
            Some(_) => return Err(SiteError("the scheme has to be http:// or https://")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = place_of(place, default)?;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !is_plain(host) {
            return Err(SiteError("there is no host in it"));
        }
        if !is_plain(path) || path.contains(['?', '#']) {
            return Err(SiteError("what follows the host has to be a plain path"));
        }
        let authorization = match user {
            None => None,
            Some(user) => Some(basic_of_url(user)?),
        };
        let (host, base) = (host.to_owned(), path.trim_end_matches('/').to_owned());
        Ok(Self { is_secure, host, port, base, authorization })
    }

    /// The same with a user and a password.
    pub fn with_user(mut self, user: &str, password: &Secret) -> Self {
        self.authorization = Some(basic(user.as_bytes(), password.expose().as_bytes()));
        self
    }

    /// The same with a token. What could not stand in a header is left out; no token has it.
    pub fn with_token(mut self, token: &Secret) -> Self {
        let token: String = token.expose().chars().filter(char::is_ascii_graphic).collect();
        self.authorization = Some(Secret::new(format!("Bearer {token}")));
        self
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

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.place(), self.base)
    }
}

fn place_of(place: &str, default: u16) -> Result<(&str, u16), SiteError> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let closed = rest.split_once(']');
        let (host, after) = closed.ok_or(SiteError("the bracket of the address is not closed"))?;
        (host, after.strip_prefix(':'))
    } else if place.matches(':').count() > 1 {
        (place, None)
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        None => default,
        Some(port) => {
            port.parse().map_err(|_| SiteError("the port is not a number up to 65535"))?
        }
    };
    Ok((host, port))
}

/// `user:password` of a URL, where anything may be written as `%41`.
fn basic_of_url(text: &str) -> Result<Secret, SiteError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Ok(basic(&unescaped(user)?, &unescaped(password)?))
}

fn basic(user: &[u8], password: &[u8]) -> Secret {
    Secret::new(format!("Basic {}", BASE64.encode(&[user, b":", password].concat())))
}

fn unescaped(text: &str) -> Result<Vec<u8>, SiteError> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(digits.ok_or(SiteError("a % in it has no two digits behind it"))?);
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    Ok(bytes)
}

/// The URL of a command that names none.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8222";
/// The usual port of monitoring.
const DEFAULT_PORT: u16 = 8222;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match Site::parse(text) {
            Ok(site) => site.to_string(),
            Err(error) => error.0.to_owned(),
        }
    }

    #[test]
    fn urls_are_read_and_written() {
        for (text, url) in [
            ("http://127.0.0.1:8222", "http://127.0.0.1:8222"),
            ("HTTPS://h/base/", "https://h:443/base"),
            ("http://h", "http://h:80"),
            ("h", "http://h:8222"),
            ("h:1/a/b", "http://h:1/a/b"),
            ("[::1]", "http://[::1]:8222"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("nats://h", "the scheme has to be http:// or https://"),
            ("", "there is no host in it"),
            ("http://:1", "there is no host in it"),
            ("h:x", "the port is not a number up to 65535"),
            ("h:70000", "the port is not a number up to 65535"),
            ("[::1", "the bracket of the address is not closed"),
            ("http://h/a?b", "what follows the host has to be a plain path"),
            ("http://h\r\nX", "there is no host in it"),
        ] {
            assert_eq!(shown(text), url, "{text}");
        }
    }

    #[test]
    fn credentials_of_a_url_are_for_the_header_and_for_nobody_to_see() {
        let site = Site::parse("http://me:p%40ss@h").expect("a site");
        let expected = format!("Basic {}", BASE64.encode(b"me:p@ss"));
        assert_eq!(site.authorization.as_ref().map(Secret::expose), Some(&*expected));
        assert!(!format!("{site} {site:?}").contains("ss@"));
        assert!(Site::parse("http://me:%4@h").is_err());
        let site = site.with_token(&Secret::new("t\r\nok"));
        assert_eq!(site.authorization.as_ref().map(Secret::expose), Some("Bearer tok"));
    }
}
