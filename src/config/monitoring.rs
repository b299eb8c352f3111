//! Where the broker lets itself be looked at, and by whom.
//!
//! Absent: what is shown there. The certificates of `https` are those of the classic listener.

use super::secret::Secret;

/// See the module's head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// Name or IP address to listen at; that of the classic listener when empty.
    pub host: String,
    /// Port of HTTP, if it is spoken; 0 asks the system for any free one.
    pub http: Option<u16>,
    /// Port of HTTP inside TLS, likewise.
    pub https: Option<u16>,
    /// What all paths begin with (`http_base_path`): empty, or with a slash in front and none
    /// behind.
    pub base_path: String,
    /// Who may look (`http_auth`); everybody who reaches the port when absent.
    pub auth: Option<HttpAuth>,
}

impl Monitoring {
    /// What cannot be, as nats-server says it.
    pub fn check(&self, has_tls: bool) -> Result<(), String> {
        let shown = |port: u16| if port == 0 { -1 } else { i32::from(port) };
        match (self.http, self.https) {
            (Some(http), Some(https)) => Err(format!(
                "can't specify both HTTP ({}) and HTTPs ({}) ports",
                shown(http),
                shown(https)
            )),
            (None, Some(_)) if !has_tls => Err("TLS cert and key required for HTTPS".to_owned()),
            _ => Ok(()),
        }
    }
}

/// What somebody must show who wants to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAuth {
    /// A name and a password (`Authorization: Basic`).
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token (`Authorization: Bearer`).
    Token(Secret),
}
