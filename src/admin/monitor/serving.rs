//! Requests of the monitoring port: who may ask, what is where, and how an answer looks there.
//!
//! Absent: the answers (`answer`). Nothing is answered before it is clear that the asker may ask,
//! but whether the broker works: those who ask that have no credentials.

use std::time::{Duration, Instant};

use mio::Events;
use subtle::ConstantTimeEq;

use super::answer::Endpoint;
use super::options::Options;
use super::refusal::Refusal;
use super::{Monitor, page};
use crate::config::Secret;
use crate::config::monitoring::HttpAuth;
use crate::io::http::{Method, Request, Response};

impl Monitor {
    /// Answers whoever has asked.
    pub(super) fn serve(&mut self, events: &Events) {
        let Some(mut http) = self.http.take() else { return };
        http.handle_events(&self.poll, events, &self.log);
        self.has_requests = true;
        let begun = Instant::now();
        for n in 0..REQUESTS_PER_LOOP {
            // Health comes first, and every second time in its turn, so that it holds nobody up.
            let is_urgent = |request: &Request| n % 2 == 0 && self.asks_for_health(request);
            let Some((asker, request)) = http.poll_request(is_urgent) else {
                self.has_requests = false;
                break;
            };
            let response = if http.is_full() && !self.asks_for_health(&request) {
                let headers = "Retry-After: 1\r\n";
                Response { headers, ..Response::plain(503, "too many answers are being sent\n") }
            } else {
                self.respond(&request)
            };
            http.respond(asker, &response, request.method);
            if begun.elapsed() >= LOOP_TIME {
                break;
            }
        }
        self.http = Some(http);
    }

    fn respond(&mut self, request: &Request) -> Response {
        if request.method == Method::Other {
            let response = Response::plain(405, "405 method not allowed\n");
            return Response { headers: "Allow: GET, HEAD\r\n", ..response };
        }
        let Some(path) = self.path_of(request) else { return not_found() };
        let known = match path {
            "/subscriptionsz" => "/subsz",
            path => path,
        };
        if known != Endpoint::Healthz.path() && !self.may_ask(request.authorization.as_ref()) {
            let headers = "WWW-Authenticate: Basic realm=\"monitoring\"\r\n";
            return Response { headers, ..Response::plain(401, "401 unauthorized\n") };
        }
        if known == "/" {
            *self.requests.entry("/").or_default() += 1;
            return page::at(&request.path);
        }
        if known == "/metrics" {
            *self.requests.entry("/metrics").or_default() += 1;
            return self.exposition(request);
        }
        let Some(endpoint) = Endpoint::of_path(known) else { return not_found() };
        *self.requests.entry(endpoint.path()).or_default() += 1;
        let callback = request.value("callback");
        if !callback.is_empty() && self.news.config.monitoring.auth.is_some() {
            // A script of any page could read what a browser's credentials open.
            return Response::plain(400, "callback is not for a port with http_auth");
        }
        let options = Options::from_query(request, endpoint.names());
        let answer = options.and_then(|options| self.answer(endpoint, &options));
        shown(endpoint, answer, callback)
    }

    /// The path behind the common beginning, if there is one.
    fn path_of<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let base = &self.news.config.monitoring.base_path;
        match request.path.strip_prefix(base.as_str())? {
            "" => Some("/"),
            path => path.starts_with('/').then_some(path),
        }
    }

    fn asks_for_health(&self, request: &Request) -> bool {
        self.path_of(request) == Some(Endpoint::Healthz.path())
    }

    fn exposition(&mut self, request: &Request) -> Response {
        let content_type = if request.takes_openmetrics {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        };
        self.begin_asking();
        match self.metrics(request.takes_openmetrics) {
            Ok(text) => {
                let headers = "X-Content-Type-Options: nosniff\r\n";
                Response { status: 200, content_type, body: text.into_bytes(), headers }
            }
            Err(error) => Response::plain(503, error.to_string()),
        }
    }

    /// Whether somebody who shows this may look.
    fn may_ask(&self, shown: Option<&Secret>) -> bool {
        let Some(auth) = &self.news.config.monitoring.auth else { return true };
        let Some((scheme, shown)) = shown.and_then(|shown| shown.expose().split_once(' ')) else {
            return false;
        };
        let is_same = |shown: &[u8], known: &[u8]| bool::from(shown.ct_eq(known));
        match auth {
            HttpAuth::Token(token) if scheme.eq_ignore_ascii_case("bearer") => {
                is_same(shown.trim().as_bytes(), token.expose().as_bytes())
            }
            // A browser can only ask a person for a user and a password.
            HttpAuth::Token(token) => {
                let decoded = data_encoding::BASE64.decode(shown.trim().as_bytes());
                let password = |pair: &[u8]| {
                    let at = pair.iter().position(|byte| *byte == b':')?;
                    pair.get(at + 1..).map(<[u8]>::to_vec)
                };
                let password = decoded.ok().and_then(|pair| password(&pair));
                scheme.eq_ignore_ascii_case("basic")
                    && password.is_some_and(|shown| is_same(&shown, token.expose().as_bytes()))
            }
            HttpAuth::Basic { user, password } => {
                let decoded = data_encoding::BASE64.decode(shown.trim().as_bytes());
                let known = format!("{user}:{}", password.expose());
                scheme.eq_ignore_ascii_case("basic")
                    && decoded.is_ok_and(|decoded| is_same(&decoded, known.as_bytes()))
            }
        }
    }
}

fn not_found() -> Response {
    Response::plain(404, "404 page not found\n")
}

/// An answer as HTTP carries it.
fn shown(endpoint: Endpoint, answer: Result<String, Refusal>, callback: &str) -> Response {
    let (status, body) = match answer {
        Ok(json) => (200, json),
        // Whoever asks for health is told of illness in JSON, too.
        Err(refusal) if endpoint == Endpoint::Healthz => (refusal.status, refusal.why),
        Err(refusal) => return Response::plain(refusal.status, refusal.why),
    };
    if callback.is_empty() {
        let headers = "Access-Control-Allow-Origin: *\r\n";
        let content_type = "application/json";
        return Response { status, content_type, body: body.into_bytes(), headers };
    }
    if !is_function(callback) {
        return Response::plain(400, "callback must be the name of a function");
    }
    let body = format!("{callback}({body})").into_bytes();
    let headers = "X-Content-Type-Options: nosniff\r\n";
    Response { status, content_type: "application/javascript", body, headers }
}

/// Whether a text is the name of a function and nothing that a browser could run in its place.
fn is_function(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_$.".contains(&byte);
    name.len() <= CALLBACK_BYTES_MAX && name.bytes().all(is_plain)
}

/// Requests that are answered before errands and the clock are looked at again.
const REQUESTS_PER_LOOP: usize = 8;
/// Time after which they are looked at, however few requests were answered.
const LOOP_TIME: Duration = Duration::from_millis(20);
/// Bytes of a function's name.
const CALLBACK_BYTES_MAX: usize = 128;
