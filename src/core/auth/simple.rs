//! The ways in that need no table of users, for all clients or for those that come one way.
//!
//! Absent: deciding (`authority`), which asks in here what a client meets.

use super::authority::{Authority, AuthorityError};
use super::password::Stored;
use super::users::Users;
use crate::config::Secret;
use crate::config::access::ConnectionType;

/// What clients that come one way meet instead of what others do.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) token: Option<Stored>,
    pub(super) single: Option<(Box<str>, Stored)>,
    pub(super) guest: Option<Guest>,
}

/// The ways in that need no table of users.
#[derive(Debug, Clone, Copy)]
pub(super) struct Simple<'a> {
    pub(super) token: Option<&'a Stored>,
    pub(super) single: Option<&'a (Box<str>, Stored)>,
    pub(super) guest: Option<&'a Guest>,
}

/// Whom clients without credentials become.
#[derive(Debug)]
pub(super) enum Guest {
    /// `no_auth_user`.
    User(Box<str>),
    /// Nobody in `$G`: the file's only users are those of the system account.
    Global,
}

impl Authority {
    /// The same for clients that come this way: what is asked of WebSocket clients alone is told
    /// to them even if a guest among them need not answer.
    pub fn is_required_of(&self, way: ConnectionType) -> bool {
        self.is_required() || way == ConnectionType::WebSocket && self.websocket.is_some()
    }

    /// Whether everybody who comes this way is let in into `$G` without a word.
    pub fn is_open_to(&self, way: ConnectionType) -> bool {
        !self.asks_of(way) && self.delegation.operator.is_none()
    }

    /// Whether clients that come this way are asked for anything.
    pub(super) fn asks_of(&self, way: ConnectionType) -> bool {
        let Simple { token, single, guest } = self.simple(way);
        self.users.has_names()
            || self.users.has_keys()
            || token.is_some()
            || single.is_some()
            || guest.is_some()
    }

    /// What clients that come this way meet beside the table of users.
    pub(super) fn simple(&self, way: ConnectionType) -> Simple<'_> {
        match &self.websocket {
            Some(Own { token, single, guest }) if way == ConnectionType::WebSocket => {
                Simple { token: token.as_ref(), single: single.as_ref(), guest: guest.as_ref() }
            }
            Some(_) | None => Simple {
                token: self.token.as_ref(),
                single: self.single.as_ref(),
                guest: self.guest.as_ref(),
            },
        }
    }
}

pub(super) fn token(written: Option<&Secret>) -> Option<Stored> {
    written.map(Stored::new).filter(|token| !token.is_empty())
}

pub(super) fn single(written: Option<&(Box<str>, Secret)>) -> Option<(Box<str>, Stored)> {
    written.map(|(name, pass)| (name.clone(), Stored::new(pass)))
}

pub(super) fn guest(written: Option<&str>, users: &Users) -> Result<Option<Guest>, AuthorityError> {
    match written {
        Some(name) if users.by_name(name).or_else(|| users.by_key(name)).is_none() => {
            Err(AuthorityError::UnknownNoAuthUser(name.into()))
        }
        Some(name) => Ok(Some(Guest::User(name.into()))),
        None => Ok(None),
    }
}
