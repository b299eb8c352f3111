//! Accounts of operators, fetched from a web server when a client names one that is not known.
//!
//! Absent: what an account's JWT says, and who waits for it (`doorkeeper`). Whatever clients name,
//! each account is fetched once at a time, and one that was not there is not asked for again for a
//! while. Threads wait for the network here, and nobody waits for them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tls::Outgoing;
use super::web::{Site, WebError};
use crate::core::auth::key::KeyKind;

/// Where accounts are fetched from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The web server.
    pub(crate) site: Site,
    /// How TLS is spoken with it, if it is.
    pub(crate) tls: Option<Arc<Outgoing>>,
}

/// What became of a fetch.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The account's public key.
    pub(crate) account: Box<str>,
    /// Its JWT, or in words why there is none.
    pub(crate) result: Result<String, String>,
}

/// See the module's head.
pub(crate) struct Resolver(Arc<Shared>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// A resolver; `tell` must not wait.
    pub(crate) fn new(tell: impl Fn(Fetched) + Send + Sync + 'static) -> Self {
        let tell = Box::new(tell);
        Self(Arc::new(Shared { work: Mutex::default(), came: Condvar::new(), tell }))
    }

    /// Fetches from there from now on; from nowhere without one.
    pub(crate) fn set_origin(&self, origin: Option<Origin>) {
        let mut work = self.0.lock();
        work.origin = origin.map(Arc::new);
        work.absent.clear();
    }

    /// What was told of an account has been taken in: it is not under way any more, and rests.
    pub(crate) fn settle(&self, account: &str) {
        let mut work = self.0.lock();
        if !work.under_way.remove(account) {
            return;
        }
        let now = Instant::now();
        if work.absent.len() >= ABSENT_MAX {
            work.absent.retain(|_, until| *until > now);
        }
        if work.absent.len() < ABSENT_MAX {
            work.absent.insert(account.into(), now + REST);
        }
    }

    /// Fetches an account. Says whether that is under way: `tell` hears of it then, and says so by
    /// [`Resolver::settle`].
    pub(crate) fn want(&self, account: &str) -> bool {
        let mut work = self.0.lock();
        if work.origin.is_none() || !KeyKind::Account.is_key(account) {
            return false;
        }
        if work.under_way.contains(account) {
            return true;
        }
        let now = Instant::now();
        if work.absent.get(account).is_some_and(|until| *until > now) {
            return false;
        }
        if work.under_way.len() >= UNDER_WAY_MAX || !Shared::staff(&self.0, &mut work) {
            return false;
        }
        work.under_way.insert(account.into());
        work.waiting.push_back(account.into());
        drop(work);
        self.0.came.notify_one();
        true
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.came.notify_all();
    }
}

/// What the threads share.
struct Shared {
    work: Mutex<Work>,
    came: Condvar,
    tell: Box<dyn Fn(Fetched) + Send + Sync>,
}

/// What is to be done, and what was.
#[derive(Default)]
struct Work {
    origin: Option<Arc<Origin>>,
    waiting: VecDeque<Box<str>>,
    /// Accounts that wait, are fetched, or are not settled yet.
    under_way: HashSet<Box<str>>,
    /// Accounts that were fetched a moment ago, and until when they are not again.
    absent: HashMap<Box<str>, Instant>,
    threads: usize,
    idle: usize,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that a thread is there for one more account.
    fn staff(shared: &Arc<Self>, work: &mut Work) -> bool {
        if work.idle > work.waiting.len() || work.threads >= THREADS_MAX {
            return true;
        }
        let shared = Arc::clone(shared);
        let builder = std::thread::Builder::new().name("resolver".to_owned());
        if builder.spawn(move || shared.run()).is_ok() {
            work.threads += 1;
        }
        work.threads > 0
    }

    fn run(&self) {
        let mut work = self.lock();
        loop {
            if work.ended {
                return;
            }
            let Some(account) = work.waiting.pop_front() else {
                work.idle += 1;
                work = self.came.wait(work).unwrap_or_else(PoisonError::into_inner);
                work.idle -= 1;
                continue;
            };
            let origin = work.origin.clone();
            drop(work);
            let result = match origin {
                Some(origin) => fetch(&origin, &account).map_err(|error| error.to_string()),
                None => Err("there is no resolver any more".to_owned()),
            };
            (self.tell)(Fetched { account, result });
            work = self.lock();
        }
    }
}

fn fetch(origin: &Origin, account: &str) -> Result<String, WebError> {
    let body = origin.site.get(account, origin.tls.as_ref(), PATIENCE)?;
    let text = String::from_utf8(body).map_err(|_| WebError::Malformed)?;
    Ok(text.trim().to_owned())
}

/// Accounts that are fetched, or wait for it, at one time.
const UNDER_WAY_MAX: usize = 1024;
/// Accounts that are remembered as just fetched.
const ABSENT_MAX: usize = 16_384;
/// How long one that was fetched is not fetched again, as in nats-server.
const REST: Duration = Duration::from_secs(1);
/// How long a fetch may take, as in nats-server.
const PATIENCE: Duration = Duration::from_millis(1900);
/// Threads that wait for the network.
const THREADS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    use nkeys::KeyPair;

    use super::*;

    /// A web server that answers with the path it was asked for, once it is told to.
    fn server(listener: TcpListener, go: Receiver<()>) -> std::thread::JoinHandle<usize> {
        std::thread::spawn(move || {
            let mut asked = 0;
            while go.recv().is_ok() {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = [0; 1024];
                let length = stream.read(&mut question).unwrap();
                let question = String::from_utf8_lossy(&question[..length]).into_owned();
                let path = question.split(' ').nth(1).unwrap().to_owned();
                let text = format!("HTTP/1.1 200 OK\r\n\r\nJWT of {path}\n");
                stream.write_all(text.as_bytes()).unwrap();
                asked += 1;
            }
            asked
        })
    }

    #[test]
    fn an_account_is_fetched_once_at_a_time_and_not_again_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let (go, gone) = channel();
        let asked = server(listener, gone);
        let (told, heard) = channel();
        let resolver = Resolver::new(move |fetched| told.send(fetched).unwrap());
        let account = KeyPair::new_account().public_key();
        assert!(!resolver.want(&account), "there is no origin yet");
        let site = Site::parse(&address).unwrap();
        resolver.set_origin(Some(Origin { site, tls: None }));
        assert!(resolver.want(&account) && resolver.want(&account));
        for wrong in ["", "../../etc/passwd", &KeyPair::new_user().public_key()] {
            assert!(!resolver.want(wrong));
        }
        go.send(()).unwrap();
        let fetched = heard.recv().unwrap();
        assert_eq!(&*fetched.account, account);
        assert_eq!(fetched.result, Ok(format!("JWT of /v1/{account}")));
        assert!(resolver.want(&account), "nobody has taken it in yet");
        resolver.settle(&account);
        assert!(!resolver.want(&account), "it has just been fetched");
        drop(go);
        assert_eq!(asked.join().unwrap(), 1);
    }

    #[test]
    fn who_does_not_answer_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let (told, heard) = channel();
        let resolver = Resolver::new(move |fetched| told.send(fetched).unwrap());
        let site = Site::parse(&address).unwrap();
        resolver.set_origin(Some(Origin { site, tls: None }));
        let accounts: Vec<String> = (0..20).map(|_| KeyPair::new_account().public_key()).collect();
        assert!(accounts.iter().all(|account| resolver.want(account)));
        let mut failed: Vec<String> = accounts
            .iter()
            .map(|_| {
                let fetched = heard.recv().unwrap();
                assert!(fetched.result.is_err());
                fetched.account.into()
            })
            .collect();
        failed.sort();
        let mut accounts = accounts;
        accounts.sort();
        assert_eq!(failed, accounts);
    }
}
