//! The thread that asks the server again and again.
//!
//! Absent: what becomes of the answers (`model`). One question is under way at a time, so that a
//! slow server is asked less often and never twice at once.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use fanfare_bench::tls::TlsClient;
use serde::de::DeserializeOwned;

use crate::http::{self, Trouble};
use crate::model::Sample;
use crate::site::Site;
use crate::snapshot::Status;
use crate::sort::Sort;

/// Whom to ask.
#[derive(Debug, Clone)]
pub struct Source {
    /// The monitoring port.
    pub site: Site,
    /// Needed where that speaks TLS.
    pub tls: Option<TlsClient>,
}

/// What is asked for, and how often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// The time from one question to the next.
    pub interval: Duration,
    /// By what the server chooses the connections of its page.
    pub sort: Sort,
}

/// Whether a server has `/statusz`; one that has not may be followed by one that has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPort {
    /// As far as we know.
    Present,
    /// It is not asked for so many times.
    Absent {
        /// How many.
        pause: u32,
    },
}

/// What came of a question.
pub type Answer = Result<Box<Sample>, Trouble>;

impl Source {
    /// Asks once.
    pub fn sample(&self, sort: Sort, status: &mut StatusPort) -> Answer {
        let asked_at = Instant::now();
        let totals = self.fetch("/varz")?;
        let at = Instant::now();
        let path = format!("/connz?auth=1&sort={}&limit={PAGE_LEN}", sort.asked());
        let page = self.fetch(&path)?;
        let status = self.status(status)?;
        Ok(Box::new(Sample { at, took: at - asked_at, totals, page, status }))
    }

    fn status(&self, port: &mut StatusPort) -> Result<Option<Status>, Trouble> {
        if let StatusPort::Absent { pause } = port {
            *pause = pause.saturating_sub(1);
            if *pause > 0 {
                return Ok(None);
            }
        }
        match self.fetch("/statusz") {
            Ok(status) => {
                *port = StatusPort::Present;
                Ok(Some(status))
            }
            Err(Trouble::Status(404)) => {
                *port = StatusPort::Absent { pause: STATUS_PAUSE };
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let bytes = http::get(&self.site, self.tls.as_ref(), path)?;
        // The library would also read an array, and find that all is missing.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Trouble::Malformed);
        }
        serde_json::from_slice(&bytes).map_err(|_| Trouble::Malformed)
    }
}

/// The thread; it ends when this is dropped and the question under way is answered.
#[derive(Debug)]
pub struct Poller(Sender<Wanted>);

impl Poller {
    /// Begins to ask; each answer is given to `take`, which says whether to go on.
    pub fn start(
        source: Source,
        wanted: Wanted,
        mut take: impl FnMut(Answer) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, orders) = channel();
        thread::Builder::new().name("poll".to_owned()).spawn(move || {
            let mut wanted = wanted;
            let mut status = StatusPort::Present;
            while take(source.sample(wanted.sort, &mut status)) {
                match next(&orders, wanted) {
                    Some(next) => wanted = next,
                    None => return,
                }
            }
        })?;
        Ok(Self(sender))
    }

    /// Changes what is asked for; the next question follows at once.
    pub fn want(&self, wanted: Wanted) {
        // The thread only ends before us when nobody takes its answers.
        let _ = self.0.send(wanted);
    }
}

/// Waits until it is time, or until something else is wanted; none when nobody wants anything.
fn next(orders: &Receiver<Wanted>, wanted: Wanted) -> Option<Wanted> {
    match orders.recv_timeout(wanted.interval) {
        Ok(first) => Some(orders.try_iter().last().unwrap_or(first)),
        Err(RecvTimeoutError::Timeout) => Some(wanted),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

/// How many times a server without `/statusz` is not asked for it.
const STATUS_PAUSE: u32 = 30;
/// Connections of one page: what a server gives without being asked for more.
const PAGE_LEN: usize = 1024;
