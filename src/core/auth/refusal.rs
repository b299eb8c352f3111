//! What a refused client is told, why its connection ends, and what the operator's log says.
//!
//! Absent: who is refused (`authority`). The client learns no more than that it was refused; a line
//! of the log names the user and the reason, and never a secret.

use std::fmt;

use fanfare_protocol::error::ProtocolError;

use super::{AuthRequest, Refusal};
use crate::core::close::CloseReason;

/// When a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// At its CONNECT, or the operation in its place.
    Connecting,
    /// Later: its time has run out, or it may no longer be there after a reload.
    Connected,
}

impl Refusal {
    /// What the client is told.
    ///
    /// nats-server tells a connecting client nothing but the violation, whatever the reason
    /// (`authViolation`); only who was in is told that it expired or was revoked.
    pub fn error(self, stage: Stage) -> ProtocolError {
        match (stage, self) {
            (Stage::Connected, Self::Expired) => ProtocolError::UserAuthenticationExpired,
            (Stage::Connected, Self::AccountExpired) => ProtocolError::AccountAuthenticationExpired,
            (Stage::Connected, Self::Revoked) => ProtocolError::UserAuthenticationRevoked,
            (_, Self::AccountFull) => ProtocolError::MaxAccountConnections,
            (_, Self::UserFull | Self::AddressFull) => ProtocolError::MaxConnections,
            (Stage::Connecting | Stage::Connected, _) => ProtocolError::AuthorizationViolation,
        }
    }

    /// Why the connection ends.
    pub fn close_reason(self, stage: Stage) -> CloseReason {
        match (stage, self) {
            (_, Self::Proxy) => CloseReason::ProxyRequired,
            (_, Self::ProxyUntrusted) => CloseReason::ProxyNotTrusted,
            (_, Self::AccountFull) => CloseReason::MaxAccountConnectionsExceeded,
            (_, Self::UserFull | Self::AddressFull) => CloseReason::MaxConnectionsExceeded,
            (Stage::Connected, Self::Expired | Self::AccountExpired) => {
                CloseReason::AuthenticationExpired
            }
            (Stage::Connected, Self::Revoked) => CloseReason::CredentialsRevoked,
            (Stage::Connecting | Stage::Connected, _) => CloseReason::AuthorizationViolation,
        }
    }
}

/// The reason, for the operator.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "credentials unknown or wrong",
            Self::ConnectionType => "connection type not allowed",
            Self::Jwt => "JWT not valid",
            Self::Expired => "JWT expired",
            Self::Revoked => "JWT revoked",
            Self::AccountExpired => "account expired",
            Self::Restricted => "address or time not allowed",
            Self::Proxy => "proxy connection required",
            Self::ProxyUntrusted => "proxy is not trusted",
            Self::Callout => "refused by the auth callout",
            Self::AccountFull => "account has no room for another connection",
            Self::UserFull => "user has no room for another connection",
            Self::AddressFull => "address has no room for another connection",
        })
    }
}

/// What the log says of a refused client, behind the address and `cid` that begin every line of a
/// client; the words are nats-server's, followed by the reason.
#[derive(Debug, Clone, Copy)]
pub struct RefusalLine<'a> {
    /// What was asked.
    pub request: &'a AuthRequest,
    /// Who was meant, if the broker found out: the user of a certificate or a JWT, or the one of
    /// clients without credentials.
    pub meant: Option<&'a str>,
    /// The reason.
    pub refusal: Refusal,
}

impl fmt::Display for RefusalLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = &self.request.credentials;
        f.write_str("authentication error")?;
        if let Some(nkey) = &credentials.nkey {
            write!(f, " - Nkey {nkey:?}")?;
        } else if let Some(user) = &credentials.user {
            write!(f, " - User {user:?}")?;
        } else if credentials.jwt.is_some() {
            write!(f, " - JWT User {:?}", self.meant.unwrap_or_default())?;
        } else if let Some(user) = self.meant {
            write!(f, " - User {user:?}")?;
        } else if credentials.token.is_some() {
            f.write_str(" - Token \"[REDACTED]\"")?;
        }
        write!(f, ": {}", self.refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClientFacts, Credentials};
    use super::*;
    use crate::config::Secret;
    use crate::config::access::ConnectionType;

    const ALL: [Refusal; 10] = [
        Refusal::Credentials,
        Refusal::ConnectionType,
        Refusal::Jwt,
        Refusal::Expired,
        Refusal::Revoked,
        Refusal::AccountExpired,
        Refusal::Restricted,
        Refusal::Proxy,
        Refusal::ProxyUntrusted,
        Refusal::Callout,
    ];

    #[test]
    fn who_wants_in_learns_only_that_it_may_not() {
        for refusal in ALL {
            let error = refusal.error(Stage::Connecting);
            assert_eq!(error.to_string(), "Authorization Violation");
            assert!(error.closes());
        }
    }

    #[test]
    fn who_was_in_learns_why_it_must_leave() {
        for (refusal, text, reason) in [
            (Refusal::Expired, "User Authentication Expired", "Authentication Expired"),
            (Refusal::AccountExpired, "Account Authentication Expired", "Authentication Expired"),
            (Refusal::Revoked, "User Authentication Revoked", "Credentials Revoked"),
            (Refusal::Credentials, "Authorization Violation", "Authentication Failure"),
            (Refusal::Proxy, "Authorization Violation", "Proxy Required"),
            (Refusal::ProxyUntrusted, "Authorization Violation", "Proxy Not Trusted"),
        ] {
            assert_eq!(refusal.error(Stage::Connected).to_string(), text);
            assert_eq!(refusal.close_reason(Stage::Connected).to_string(), reason);
        }
        for refusal in ALL {
            assert!(refusal.error(Stage::Connected).closes());
            assert!(refusal.close_reason(Stage::Connected).flushes());
            assert!(refusal.close_reason(Stage::Connecting).flushes());
        }
    }

    fn line(credentials: Credentials, meant: Option<&str>) -> String {
        let request = AuthRequest {
            credentials,
            nonce: "n".into(),
            address: None,
            connection_type: ConnectionType::Standard,
            tls: None,
            map_certificate: false,
            wall_ms: 0,
            number: 1,
            client: ClientFacts::default(),
        };
        RefusalLine { request: &request, meant, refusal: Refusal::Credentials }.to_string()
    }

    #[test]
    fn the_log_names_the_user_and_no_secret() {
        let secret = |text: &str| Some(Secret::new(text));
        let all = Credentials {
            user: Some("bob".into()),
            pass: secret("s3cret-pass"),
            token: secret("s3cret-token"),
            nkey: Some("UABC".into()),
            sig: secret("s3cret-sig"),
            jwt: secret("s3cret-jwt"),
            proxy_sig: secret("s3cret-proxy"),
        };
        let keyless = Credentials { nkey: None, ..all.clone() };
        let nameless = Credentials { user: None, ..keyless.clone() };
        let token = Credentials { jwt: None, ..nameless.clone() };
        let nothing = Credentials { token: None, ..token.clone() };
        let why = "credentials unknown or wrong";
        for (credentials, meant, who) in [
            (all, None, " - Nkey \"UABC\""),
            (keyless, None, " - User \"bob\""),
            (nameless.clone(), None, " - JWT User \"\""),
            (nameless, Some("UXYZ"), " - JWT User \"UXYZ\""),
            (token, None, " - Token \"[REDACTED]\""),
            (nothing.clone(), Some("guest"), " - User \"guest\""),
            (nothing, None, ""),
        ] {
            let line = line(credentials, meant);
            assert_eq!(line, format!("authentication error{who}: {why}"));
            assert!(!line.contains("s3cret"));
        }
    }

    #[test]
    fn a_name_cannot_write_lines_of_its_own() {
        let user = Some("a\n[1] [INF] all is well\r\x1b[2J\"".into());
        let line = line(Credentials { user, ..Credentials::default() }, None);
        assert!(line.chars().all(|letter| !letter.is_control()), "{line}");
    }
}
