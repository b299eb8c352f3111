//! The options of a client's `CONNECT`, read as strictly as nats-server reads them.
//!
//! Absent: what the options cause. Credentials must never be printed: the debug form hides them.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

use serde_core::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::limits::MAX_JSON_DEPTH;

/// What a client said about itself. A text that is absent, null or empty is `None`.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Answer each operation with `+OK`.
    pub verbose: bool,
    /// Check publish subjects.
    pub pedantic: bool,
    /// Deliver the client's own messages to its own subscriptions.
    pub echo: bool,
    /// The client wants TLS; no server acts on it.
    pub tls_required: bool,
    /// The client understands message headers.
    pub headers: bool,
    /// The client wants to be told when a request reaches nobody.
    pub no_responders: bool,
    /// 0, or 1 for a client that understands an `INFO` at any time; other numbers are refused by
    /// the broker.
    pub protocol: i64,
    /// User name.
    pub user: Option<Box<str>>,
    /// Password.
    pub pass: Option<Box<str>>,
    /// Token.
    pub auth_token: Option<Box<str>>,
    /// The user's public key.
    pub nkey: Option<Box<str>>,
    /// The signature of the server's nonce.
    pub sig: Option<Box<str>>,
    /// The user's JWT.
    pub jwt: Option<Box<str>>,
    /// The client's name.
    pub name: Option<Box<str>>,
    /// The client's language.
    pub lang: Option<Box<str>>,
    /// The client library's version.
    pub version: Option<Box<str>>,
    /// An account; servers refuse it.
    pub account: Option<Box<str>>,
    /// A wish for a new account; servers refuse it.
    pub new_account: bool,
    /// A trusted proxy's signature of the nonce.
    pub proxy_sig: Option<Box<str>>,
}

/// What a client is before its `CONNECT`, and what a `CONNECT` leaves where it says nothing.
impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            verbose: true,
            pedantic: true,
            echo: true,
            tls_required: false,
            headers: false,
            no_responders: false,
            protocol: 0,
            user: None,
            pass: None,
            auth_token: None,
            nkey: None,
            sig: None,
            jwt: None,
            name: None,
            lang: None,
            version: None,
            account: None,
            new_account: false,
            proxy_sig: None,
        }
    }
}

/// Why the text behind `CONNECT` is refused; the connection closes without an `-ERR`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not JSON, not an object, or a value of the wrong type.
    Json(String),
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
    /// A control character inside a string.
    ControlCharacter,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(reason) => f.write_str(reason),
            Self::TooDeep => write!(f, "nested deeper than {MAX_JSON_DEPTH} levels"),
            Self::ControlCharacter => f.write_str("control character in a string"),
        }
    }
}

impl core::error::Error for ConnectError {}

impl ConnectOptions {
    /// Reads the JSON of a client's first `CONNECT`.
    pub fn parse(json: &[u8]) -> Result<Self, ConnectError> {
        Self::default().updated(json)
    }

    /// Reads the JSON of a later `CONNECT`: what it does not mention stays as it was, as
    /// nats-server has it.
    pub fn updated(&self, json: &[u8]) -> Result<Self, ConnectError> {
        check_text(json)?;
        let mut reader = serde_json::Deserializer::from_slice(json);
        let refused = |error: serde_json::Error| ConnectError::Json(error.to_string());
        let visitor = OptionsVisitor { options: self.clone() };
        let options = reader.deserialize_any(visitor).map_err(refused)?;
        reader.end().map_err(refused)?;
        Ok(options)
    }

    fn read_value<'de, A: MapAccess<'de>>(
        &mut self,
        key: &[u8],
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            b"verbose" => set(&mut self.verbose, map)?,
            b"pedantic" => set(&mut self.pedantic, map)?,
            b"echo" => set(&mut self.echo, map)?,
            b"tls_required" => set(&mut self.tls_required, map)?,
            b"headers" => set(&mut self.headers, map)?,
            b"no_responders" => set(&mut self.no_responders, map)?,
            b"new_account" => set(&mut self.new_account, map)?,
            b"protocol" => set(&mut self.protocol, map)?,
            b"user" => set_text(&mut self.user, map)?,
            b"pass" => set_text(&mut self.pass, map)?,
            b"auth_token" => set_text(&mut self.auth_token, map)?,
            b"nkey" => set_text(&mut self.nkey, map)?,
            b"sig" => set_text(&mut self.sig, map)?,
            b"jwt" => set_text(&mut self.jwt, map)?,
            b"name" => set_text(&mut self.name, map)?,
            b"lang" => set_text(&mut self.lang, map)?,
            b"version" => set_text(&mut self.version, map)?,
            b"account" => set_text(&mut self.account, map)?,
            b"proxy_sig" => set_text(&mut self.proxy_sig, map)?,
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<Box<str>>| secret.as_ref().map(|_| "***");
        f.debug_struct("ConnectOptions")
            .field("verbose", &self.verbose)
            .field("pedantic", &self.pedantic)
            .field("echo", &self.echo)
            .field("tls_required", &self.tls_required)
            .field("headers", &self.headers)
            .field("no_responders", &self.no_responders)
            .field("protocol", &self.protocol)
            .field("user", &self.user)
            .field("pass", &hidden(&self.pass))
            .field("auth_token", &hidden(&self.auth_token))
            .field("nkey", &self.nkey)
            .field("sig", &hidden(&self.sig))
            .field("jwt", &hidden(&self.jwt))
            .field("name", &self.name)
            .field("lang", &self.lang)
            .field("version", &self.version)
            .field("account", &self.account)
            .field("new_account", &self.new_account)
            .field("proxy_sig", &hidden(&self.proxy_sig))
            .finish()
    }
}

/// Reads a flag or a number; null leaves what was there.
fn set<'de, T, A>(option: &mut T, map: &mut A) -> Result<(), A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    if let Some(value) = map.next_value()? {
        *option = value;
    }
    Ok(())
}

/// Reads a text; null leaves what was there, an empty text takes it away.
fn set_text<'de, A>(option: &mut Option<Box<str>>, map: &mut A) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
{
    if let Some(Text(bytes)) = map.next_value()? {
        let text = String::from_utf8_lossy(&bytes);
        *option = (!text.is_empty()).then(|| text.into());
    }
    Ok(())
}

/// Whether the text is a JSON object, or null, which stands for an empty one.
pub(crate) fn is_object(json: &[u8]) -> bool {
    let starts = matches!(json.trim_ascii_start().first(), Some(b'{' | b'n'));
    starts && check_text(json).is_ok() && serde_json::from_slice::<IgnoredAny>(json).is_ok()
}

/// What the JSON reader does not check: depth, and control characters in strings, which it lets
/// pass because strings are read as bytes so that broken UTF-8 is mended as Go mends it.
fn check_text(json: &[u8]) -> Result<(), ConnectError> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in json {
        match byte {
            0..b' ' if in_string => return Err(ConnectError::ControlCharacter),
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(ConnectError::TooDeep);
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Holds what the JSON changes.
struct OptionsVisitor {
    options: ConnectOptions,
}

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = ConnectOptions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.options)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { mut options } = self;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            options.read_value(&key.to_ascii_lowercase(), &mut map)?;
        }
        Ok(options)
    }
}

/// A JSON string that need not be UTF-8.
struct Text<'de>(Cow<'de, [u8]>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(bytes)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(bytes.to_vec())))
    }
}
