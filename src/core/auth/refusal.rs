//! What a refused client is told, why its connection ends, and what the operator's log says.
//!
//! Absent: who is refused (`authority`). The client learns no more than that it was refused; a line
//! of the log names the user and the reason, and never a secret.

use std::fmt;

use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::error::ProtocolError;

use super::Refusal;
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
            Self::Gone => "user removed, or moved to another account",
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

/// Who a client said it is, for a line of the log; the words are nats-server's (`getAuthUser`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimant {
    /// The owner of a public key.
    Key(Box<str>),
    /// A user.
    User(Box<str>),
    /// The user of a JWT, which is not believed before it has been read.
    Jwt,
    /// Somebody with a token, which is nobody's to see.
    Token,
    /// It said nothing.
    Nobody,
}

impl Claimant {
    /// Who a CONNECT speaks of.
    pub fn of(options: &ConnectOptions) -> Self {
        if let Some(key) = &options.nkey {
            return Self::Key(key.clone());
        }
        if let Some(user) = &options.user {
            return Self::User(user.clone());
        }
        match (&options.jwt, &options.auth_token) {
            (Some(_), _) => Self::Jwt,
            (None, Some(_)) => Self::Token,
            (None, None) => Self::Nobody,
        }
    }
}

/// What stands between the words and the reason. A name cannot write lines of its own: it is quoted
/// and escaped.
impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, " - Nkey {key:?}"),
            Self::User(user) => write!(f, " - User {user:?}"),
            Self::Jwt => f.write_str(" - JWT User \"\""),
            Self::Token => f.write_str(" - Token \"[REDACTED]\""),
            Self::Nobody => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_log_names_the_user_and_no_secret() {
        let text = |text: &str| Some(Box::<str>::from(text));
        let all = ConnectOptions {
            user: text("bob"),
            pass: text("s3cret-pass"),
            auth_token: text("s3cret-token"),
            nkey: text("UABC"),
            sig: text("s3cret-sig"),
            jwt: text("s3cret-jwt"),
            proxy_sig: text("s3cret-proxy"),
            ..ConnectOptions::default()
        };
        let keyless = ConnectOptions { nkey: None, ..all.clone() };
        let nameless = ConnectOptions { user: None, ..keyless.clone() };
        let token = ConnectOptions { jwt: None, ..nameless.clone() };
        let nothing = ConnectOptions { auth_token: None, ..token.clone() };
        for (options, who) in [
            (all, " - Nkey \"UABC\""),
            (keyless, " - User \"bob\""),
            (nameless, " - JWT User \"\""),
            (token, " - Token \"[REDACTED]\""),
            (nothing, ""),
        ] {
            let line = Claimant::of(&options);
            assert_eq!(line.to_string(), who);
            assert!(!format!("{line:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_name_cannot_write_lines_of_its_own() {
        let line = Claimant::User("a\n[1] [INF] all is well\r\x1b[2J\"".into()).to_string();
        assert!(line.chars().all(|letter| !letter.is_control()), "{line}");
    }
}
