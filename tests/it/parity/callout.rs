//! A service that answers authorization callouts, as bridges to other directories do.
//!
//! Absent: a directory. Whom it lets in, and where, are options of the scenario. It speaks the
//! protocol itself, so that nothing of a client library stands between it and the server.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, XKey};
use serde_json::{Value, json};

use super::fixture::{account_key, curve_key, now, sign};
use super::link::Link;
use super::record::{Said, first, outline};
use super::scenario::Options;

/// A running service.
#[derive(Debug)]
pub(crate) struct Callout {
    told: Receiver<String>,
}

/// What the service knows.
struct Service {
    link: Link,
    issuer: KeyPair,
    curve: Option<XKey>,
    /// `user/password/account` of those who are let in.
    allowed: Vec<String>,
    tell: Sender<String>,
}

impl Callout {
    /// Connects a service and waits until it is subscribed.
    pub(crate) fn start(address: SocketAddr, options: &Options) -> Result<Self, String> {
        let option = |name: &str| options.get(name).cloned();
        let mut link = Link::open(address);
        let body = json!({
            "verbose": false, "headers": true, "name": "callout", "user": option("user"),
            "pass": option("pass")
        });
        let subscribe = "SUB $SYS.REQ.USER.AUTH 1";
        link.send(format!("CONNECT {body}\r\n{subscribe}\r\nPING\r\n").as_bytes());
        let (tell, told) = mpsc::channel();
        let mut service = Service {
            link,
            issuer: account_key(&option("issuer").ok_or("no issuer")?),
            curve: option("curve").map(|name| curve_key(&name)),
            allowed: option("allow").unwrap_or_default().split(' ').map(str::to_owned).collect(),
            tell,
        };
        while service.next()?.text != "PONG" {}
        thread::spawn(move || service.run());
        Ok(Self { told })
    }

    /// Outlines of the requests that came until now.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.try_iter().collect()
    }
}

impl Service {
    /// Answers until the server closes.
    fn run(mut self) -> Result<(), String> {
        loop {
            let said = self.next()?;
            let Some(reply) = &said.reply else { continue };
            let answer = self.answer(&said)?;
            let line = format!("PUB {reply} {}\r\n", answer.len());
            self.link.send(&[line.as_bytes(), &answer, b"\r\n"].concat());
        }
    }

    /// The next operation.
    fn next(&mut self) -> Result<Said, String> {
        loop {
            if let Some(said) = first(self.link.pending()) {
                self.link.consume(said.length);
                if said.text == "PING" {
                    self.link.send(b"PONG\r\n");
                }
                if said.text.starts_with("-ERR") {
                    return Err(said.text);
                }
                return Ok(said);
            }
            if !self.link.fill()? {
                return Err("the service was closed".to_owned());
            }
        }
    }

    /// What to say to one request.
    fn answer(&self, said: &Said) -> Result<Vec<u8>, String> {
        let (request, server) = self.opened(said)?;
        let middle = request.split('.').nth(1).ok_or("no JWT")?;
        let claims = BASE64URL_NOPAD.decode(middle.as_bytes()).map_err(|why| why.to_string())?;
        let claims: Value = serde_json::from_slice(&claims).map_err(|why| why.to_string())?;
        let _ = self.tell.send(outline(&claims));
        let asked = &claims["nats"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let who = [text(&asked["connect_opts"]["user"]), text(&asked["connect_opts"]["pass"])];
        let prefix = format!("{}/{}/", who[0], who[1]);
        let account = self.allowed.iter().find_map(|allowed| allowed.strip_prefix(&prefix));
        let issuer = self.issuer.public_key();
        let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
        let nats = match account {
            None => json!({"error": "not in the directory"}),
            Some(account) => {
                let user = json!({
                    "jti": "u", "iat": now(), "iss": issuer, "name": who[0], "aud": account,
                    "sub": asked["user_nkey"],
                    "nats": {
                        "pub": {"deny": ["forbidden"]}, "sub": {}, "subs": -1, "data": -1,
                        "payload": -1, "type": "user", "version": 2
                    }
                });
                json!({"jwt": sign(&self.issuer, &header, &user)?})
            }
        };
        let mut body = json!({
            "jti": "r", "iat": now(), "iss": issuer, "sub": asked["user_nkey"],
            "aud": asked["server_id"]["id"], "nats": nats
        });
        body["nats"]["type"] = json!("authorization_response");
        body["nats"]["version"] = json!(2);
        let answer = sign(&self.issuer, &header, &body)?.into_bytes();
        match (&self.curve, server) {
            (Some(curve), Some(server)) => {
                curve.seal(&answer, &server).map_err(|why| why.to_string())
            }
            _ => Ok(answer),
        }
    }

    /// The request's JWT, and the server's key if the request was encrypted with it.
    fn opened(&self, said: &Said) -> Result<(String, Option<XKey>), String> {
        let (headers, payload) = match said.payload.windows(4).position(|four| four == b"\r\n\r\n")
        {
            Some(end) => said.payload.split_at(end + 4),
            None => (&b""[..], &said.payload[..]),
        };
        let headers = String::from_utf8_lossy(headers);
        let named = headers.lines().find_map(|line| line.strip_prefix("Nats-Server-Xkey:"));
        let (payload, server) = match (&self.curve, named) {
            (Some(curve), Some(key)) => {
                let server = XKey::from_public_key(key.trim()).map_err(|why| why.to_string())?;
                let opened = curve.open(payload, &server).map_err(|why| why.to_string())?;
                (opened, Some(server))
            }
            (None, None) => (payload.to_vec(), None),
            _ => return Err("encrypted for somebody else, or not at all".to_owned()),
        };
        Ok((String::from_utf8(payload).map_err(|why| why.to_string())?, server))
    }
}
