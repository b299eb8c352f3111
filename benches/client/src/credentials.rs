//! What a client shows to be let in, from options, URLs and the files that `nsc` and `nk` write.
//!
//! Absent: how it travels (`target`). No secret of these is ever shown: not in errors, not in
//! debug output.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use fanfare_protocol::connect::ConnectOptions;
use nkeys::{KeyPair, KeyPairType};
use serde_json::Value;

use crate::named_file::{self, FileError};
use crate::secret::Secret;

/// What a client shows to be let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// A token.
    Token(Secret),
    /// A user and a password.
    User {
        /// The user's name.
        name: String,
        /// The password, possibly empty.
        password: Secret,
    },
    /// A user's key.
    Nkey(Signer),
    /// A JWT and the key of the user that it names.
    Creds(Box<Creds>),
}

/// What a file of credentials holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creds {
    file: String,
    jwt: Secret,
    signer: Signer,
    /// When the JWT ends, in seconds since 1970.
    expires_s: Option<u64>,
}

/// A key that signs what the server asks to be signed.
#[derive(Clone)]
pub struct Signer {
    public: String,
    key: Arc<KeyPair>,
}

impl Credentials {
    /// Reads a file with a user's JWT and seed, as `nsc` writes it.
    pub fn from_creds_file(path: &Path) -> Result<Self, FileError> {
        let bytes = named_file::read(CREDS, path)?;
        let wrong = |reason: &str| FileError::new(CREDS, path, reason);
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong(NO_CREDS))?;
        let mut blocks = blocks(text).into_iter();
        let jwt = blocks.next().ok_or_else(|| wrong(NO_CREDS))?;
        let seed = blocks.next().ok_or_else(|| {
            wrong(
                "it has one block only; a user's JWT and, behind it, the user's seed belong there",
            )
        })?;
        let claims = claims(jwt).ok_or_else(|| wrong("its first block is not a JWT"))?;
        let signer = Signer::of_user(seed).map_err(|reason| {
            FileError::new(CREDS, path, format!("its second block is not a user's seed: {reason}"))
        })?;
        if claims.get("sub").and_then(Value::as_str) != Some(&signer.public) {
            return Err(wrong("its JWT and its seed belong to different users"));
        }
        Ok(Self::Creds(Box::new(Creds {
            file: path.display().to_string(),
            jwt: Secret::new(jwt),
            signer,
            expires_s: claims.get("exp").and_then(Value::as_u64).filter(|end| *end > 0),
        })))
    }

    /// Reads a file with a user's seed, bare or between lines of dashes.
    pub fn from_nkey_file(path: &Path) -> Result<Self, FileError> {
        let bytes = named_file::read(NKEY, path)?;
        let wrong = |reason: &str| {
            FileError::new(NKEY, path, format!("it does not hold a user's seed (SU…): {reason}"))
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not text"))?;
        let mut lines = text.lines().map(str::trim);
        let seed = lines.find(|line| {
            let mut bytes = line.bytes();
            bytes.next() == Some(b'S') && bytes.all(|byte| byte.is_ascii_alphanumeric())
        });
        let seed = seed.ok_or_else(|| wrong("no line of it looks like one"))?;
        Signer::of_user(seed).map(Self::Nkey).map_err(wrong)
    }

    /// Whether a signature of the server's nonce is a part of them.
    pub fn needs_nonce(&self) -> bool {
        match self {
            Self::Nkey(_) | Self::Creds(_) => true,
            Self::None | Self::Token(_) | Self::User { .. } => false,
        }
    }

    /// Puts them into a CONNECT. A server that asks for no signature gets none.
    pub fn fill_in(&self, options: &mut ConnectOptions, nonce: Option<&str>) {
        match self {
            Self::None => {}
            Self::Token(token) => options.auth_token = Some(token.expose().into()),
            Self::User { name, password } => {
                options.user = Some(name.as_str().into());
                options.pass = Some(password.expose().into());
            }
            Self::Nkey(signer) => {
                options.nkey = Some(signer.public.as_str().into());
                options.sig = nonce.and_then(|nonce| signer.signature(nonce)).map(Into::into);
            }
            Self::Creds(creds) => {
                options.jwt = Some(creds.jwt.expose().into());
                options.sig = nonce.and_then(|nonce| creds.signer.signature(nonce)).map(Into::into);
            }
        }
    }

    /// What to look at when a server has refused them, as the end of a sentence.
    pub fn advice(&self) -> String {
        match self {
            Self::None => "it wants credentials: give --user and --pass, --token, --nkey or \
                           --creds"
                .to_owned(),
            Self::Token(_) => "the token is wrong, or the server takes none".to_owned(),
            Self::User { name, .. } => format!("the user {name:?} or the password is wrong"),
            Self::Nkey(signer) => format!("it does not know the user {}", signer.public),
            Self::Creds(creds) => creds.advice(unix_now_s()),
        }
    }
}

impl Creds {
    fn advice(&self, now_s: u64) -> String {
        match self.expires_s {
            Some(end_s) if end_s <= now_s => {
                format!("the JWT in {} expired {} ago", self.file, rough_length(now_s - end_s))
            }
            _ => format!(
                "it does not accept the JWT in {}, of the user {}",
                self.file, self.signer.public
            ),
        }
    }
}

impl Signer {
    /// The key that a user's seed stands for; the reason when it is none.
    fn of_user(seed: &str) -> Result<Self, &'static str> {
        // The library's own error is not repeated: it may quote a part of the seed.
        let key = KeyPair::from_seed(seed)
            .map_err(|_| "it has the wrong length, a wrong letter or a wrong check sum")?;
        match key.key_pair_type() {
            KeyPairType::User => Ok(Self { public: key.public_key(), key: Arc::new(key) }),
            _ => Err("it is the seed of an account, an operator or a server"),
        }
    }

    /// The signature of a nonce, as it stands in a CONNECT.
    fn signature(&self, nonce: &str) -> Option<String> {
        // A key that was made from a seed is able to sign, so there always is one.
        self.key.sign(nonce.as_bytes()).ok().map(|bytes| BASE64URL_NOPAD.encode(&bytes))
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Eq for Signer {}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.public).finish()
    }
}

/// How long something is, in the largest unit of which there is more than one.
pub fn rough_length(seconds: u64) -> String {
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    match units.iter().find(|(length, _)| seconds >= 2 * length) {
        Some((length, name)) => format!("{} {name}", seconds / length),
        None => format!("{seconds} s"),
    }
}

/// What stands between the lines `---BEGIN …---` and `---END …---`, block by block.
fn blocks(text: &str) -> Vec<&str> {
    let is_fence = |line: &str| line.starts_with("---") && line.ends_with("---");
    let mut blocks = Vec::new();
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if is_fence(line) {
            is_inside = line.contains("BEGIN");
        } else if is_inside && !line.is_empty() {
            blocks.push(line);
            // A JWT and a seed have one line each.
            is_inside = false;
        }
    }
    blocks
}

/// The claims of a JWT, read without checking its signature, which is the server's business.
fn claims(jwt: &str) -> Option<Value> {
    let mut parts = jwt.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()
}

fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

const CREDS: &str = "--creds";
const NKEY: &str = "--nkey";
const NO_CREDS: &str = "it holds no credentials; a user's JWT and seed belong there, each between \
                        lines with BEGIN and END, as nsc writes them";

#[cfg(test)]
mod tests;
