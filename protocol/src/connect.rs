//! The options of a client's `CONNECT`, read as strictly as nats-server reads them.
//!
//! Absent: what the options cause. Credentials must never be printed: the debug form hides them.

use core::fmt;
use std::borrow::Cow;

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
    /// Reads the JSON of a `CONNECT`.
    pub fn parse(json: &[u8]) -> Result<Self, ConnectError> {
        check_text(json)?;
        let mut reader = serde_json::Deserializer::from_slice(json);
        let refused = |error: serde_json::Error| ConnectError::Json(error.to_string());
        let options = reader.deserialize_any(OptionsVisitor).map_err(refused)?;
        reader.end().map_err(refused)?;
        Ok(options)
    }

    fn read_value<'de, A: MapAccess<'de>>(
        &mut self,
        key: &[u8],
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            b"verbose" => set(&mut self.verbose, map.next_value::<Option<bool>>()?),
            b"pedantic" => set(&mut self.pedantic, map.next_value::<Option<bool>>()?),
            b"echo" => set(&mut self.echo, map.next_value::<Option<bool>>()?),
            b"tls_required" => set(&mut self.tls_required, map.next_value::<Option<bool>>()?),
            b"headers" => set(&mut self.headers, map.next_value::<Option<bool>>()?),
            b"no_responders" => set(&mut self.no_responders, map.next_value::<Option<bool>>()?),
            b"new_account" => set(&mut self.new_account, map.next_value::<Option<bool>>()?),
            b"protocol" => set(&mut self.protocol, map.next_value::<Option<i64>>()?),
            b"user" => set(&mut self.user, text_of(map)?),
            b"pass" => set(&mut self.pass, text_of(map)?),
            b"auth_token" => set(&mut self.auth_token, text_of(map)?),
            b"nkey" => set(&mut self.nkey, text_of(map)?),
            b"sig" => set(&mut self.sig, text_of(map)?),
            b"jwt" => set(&mut self.jwt, text_of(map)?),
            b"name" => set(&mut self.name, text_of(map)?),
            b"lang" => set(&mut self.lang, text_of(map)?),
            b"version" => set(&mut self.version, text_of(map)?),
            b"account" => set(&mut self.account, text_of(map)?),
            b"proxy_sig" => set(&mut self.proxy_sig, text_of(map)?),
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

/// Keeps the old value where the JSON says null.
fn set<T>(option: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *option = value;
    }
}

/// A text: `None` is null, `Some(None)` is empty.
fn text_of<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Option<Box<str>>>, A::Error> {
    let text = map.next_value::<Option<Text<'de>>>()?;
    Ok(text.map(|Text(bytes)| {
        let text = String::from_utf8_lossy(&bytes);
        (!text.is_empty()).then(|| text.into())
    }))
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

struct OptionsVisitor;

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = ConnectOptions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(ConnectOptions::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut options = ConnectOptions::default();
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
