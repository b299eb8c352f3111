//! The Rust client library `async-nats` against the broker.
//!
//! Absent: what the library does by itself (parsing, time-outs of its own); only what needs a
//! broker that behaves.

use std::future::Future;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::broker::{Broker, Settings};
use crate::wire::DEADLINE;

/// Runs a test to its end, but not for ever.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, test).await.expect("in time") });
}

/// A client that is connected.
async fn connect(broker: &Broker) -> Client {
    async_nats::connect(broker.url()).await.unwrap()
}

/// Waits until the broker has executed all that the client has said: its own message to itself
/// comes behind it. (The library's `flush` only hands the bytes to the kernel.)
async fn fence(client: &Client) {
    let inbox = client.new_inbox();
    let mut own = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, "".into()).await.unwrap();
    own.next().await.unwrap();
}

/// A client that is connected, and what happens to its connection from now on.
async fn observed(broker: &Broker) -> (Client, UnboundedReceiver<Event>) {
    let (tell, mut events) = unbounded_channel();
    let options = ConnectOptions::new().event_callback(move |event| {
        let _ = tell.send(event);
        async {}
    });
    let client = options.connect(broker.url()).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Connected)));
    (client, events)
}

#[test]
fn publishes_reach_subscribers_in_order() {
    let broker = Broker::start();
    run(async {
        let (reader, writer) = (connect(&broker).await, connect(&broker).await);
        let mut exact = reader.subscribe("news.today").await.unwrap();
        let mut star = reader.subscribe("news.*").await.unwrap();
        let mut tail = reader.subscribe("news.>").await.unwrap();
        let mut other = reader.subscribe("news").await.unwrap();
        fence(&reader).await;
        for number in 0..1000 {
            writer.publish("news.today", format!("{number}").into()).await.unwrap();
        }
        writer.publish("news.deep.down", "last".into()).await.unwrap();
        writer.publish("news", "end".into()).await.unwrap();
        fence(&writer).await;
        for number in 0..1000 {
            for subscription in [&mut exact, &mut star, &mut tail] {
                let message = subscription.next().await.unwrap();
                assert_eq!(message.subject.as_str(), "news.today");
                assert_eq!(message.payload, format!("{number}"));
            }
        }
        assert_eq!(tail.next().await.unwrap().payload, "last");
        assert_eq!(other.next().await.unwrap().payload, "end");
    });
}

#[test]
fn a_queue_group_shares_the_work() {
    let broker = Broker::start();
    run(async {
        let mut members = Vec::new();
        for _ in 0..4 {
            let client = connect(&broker).await;
            let subscription = client.queue_subscribe("work", "team".into()).await.unwrap();
            fence(&client).await;
            members.push((client, subscription));
        }
        let writer = connect(&broker).await;
        for number in 0..400 {
            writer.publish("work", format!("{number}").into()).await.unwrap();
        }
        fence(&writer).await;
        let mut seen = vec![false; 400];
        for (client, mut subscription) in members {
            // Draining ends the stream once everything that was sent to it has come.
            fence(&client).await;
            subscription.drain().await.unwrap();
            let mut count = 0;
            while let Some(message) = subscription.next().await {
                let number: usize = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
                assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
                count += 1;
            }
            assert!(count > 30, "{count} of 400 for one of four");
        }
        assert!(seen.iter().all(|&came| came));
    });
}

#[test]
fn requests_are_answered() {
    let broker = Broker::start();
    run(async {
        let (service, client) = (connect(&broker).await, connect(&broker).await);
        let mut requests = service.subscribe("double").await.unwrap();
        fence(&service).await;
        let answers = async {
            while let Some(request) = requests.next().await {
                let number: u64 = std::str::from_utf8(&request.payload).unwrap().parse().unwrap();
                let reply = request.reply.unwrap();
                service.publish(reply, format!("{}", number * 2).into()).await.unwrap();
            }
        };
        let questions = async {
            for number in 0..200_u64 {
                let answer = client.request("double", format!("{number}").into()).await.unwrap();
                assert_eq!(answer.payload, format!("{}", number * 2));
            }
        };
        tokio::select! {
            () = answers => panic!("the service ended"),
            () = questions => {}
        }
    });
}

#[test]
fn nobody_there_is_told_at_once() {
    let broker = Broker::start();
    run(async {
        let client = connect(&broker).await;
        let refusal = client.request("nobody", "?".into()).await.unwrap_err();
        assert_eq!(refusal.kind(), async_nats::RequestErrorKind::NoResponders);
    });
}

#[test]
fn headers_arrive_as_they_were_sent() {
    let broker = Broker::start();
    run(async {
        let client = connect(&broker).await;
        let mut subscription = client.subscribe("foo").await.unwrap();
        let mut headers = HeaderMap::new();
        headers.append("Fruit", "apple");
        headers.append("Fruit", "pear");
        headers.insert("fruit", "other case");
        client.publish_with_headers("foo", headers.clone(), "x".into()).await.unwrap();
        let message = subscription.next().await.unwrap();
        assert_eq!(message.headers.unwrap(), headers);
        assert_eq!(message.payload, "x");
    });
}

#[test]
fn draining_delivers_what_was_sent_before() {
    let broker = Broker::start();
    run(async {
        let (client, mut events) = observed(&broker).await;
        let mut subscription = client.subscribe("foo").await.unwrap();
        for number in 0..500 {
            client.publish("foo", format!("{number}").into()).await.unwrap();
        }
        // The library lets go of its subscriptions at the first bytes that come after `drain`, so
        // the messages have to be there by then.
        fence(&client).await;
        client.drain().await.unwrap();
        for number in 0..500 {
            assert_eq!(subscription.next().await.unwrap().payload, format!("{number}"));
        }
        assert!(subscription.next().await.is_none());
        loop {
            match events.recv().await {
                Some(Event::Closed) => break,
                Some(Event::Draining) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_subscription_ends_after_as_many_messages_as_it_asked_for() {
    let broker = Broker::start();
    run(async {
        let client = connect(&broker).await;
        let mut subscription = client.subscribe("foo").await.unwrap();
        subscription.unsubscribe_after(3).await.unwrap();
        for number in 0..10 {
            client.publish("foo", format!("{number}").into()).await.unwrap();
        }
        for number in 0..3 {
            assert_eq!(subscription.next().await.unwrap().payload, format!("{number}"));
        }
        assert!(subscription.next().await.is_none());
    });
}

#[test]
fn a_client_reconnects_and_subscribes_again_when_the_broker_restarts() {
    let settings = Settings::default().host("127.0.20.1");
    let broker = settings.start();
    run(async {
        let (client, mut events) = observed(&broker).await;
        let mut subscription = client.subscribe("foo").await.unwrap();
        client.publish("foo", "before".into()).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().payload, "before");
        let port = broker.address().port();
        broker.kill();
        assert!(matches!(events.recv().await, Some(Event::Disconnected)));
        let broker = settings.port(port).start();
        while !matches!(events.recv().await, Some(Event::Connected)) {}
        client.publish("foo", "after".into()).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().payload, "after");
        let other = connect(&broker).await;
        other.publish("foo", "from another".into()).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().payload, "from another");
    });
}

#[test]
fn the_largest_message_passes_and_a_larger_one_is_refused() {
    let broker = Settings::default().limit("max_payload", 100_000).start();
    run(async {
        let client = connect(&broker).await;
        assert_eq!(client.max_payload(), 100_000);
        let mut subscription = client.subscribe("foo").await.unwrap();
        let largest = vec![b'x'; 100_000];
        client.publish("foo", largest.clone().into()).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().payload, largest);
        let refusal = client.publish("foo", vec![b'x'; 100_001].into()).await.unwrap_err();
        assert_eq!(refusal.kind(), async_nats::client::PublishErrorKind::MaxPayloadExceeded);
    });
}

#[test]
fn thousands_of_subjects_are_kept_apart() {
    let broker = Broker::start();
    run(async {
        let client = connect(&broker).await;
        let mut subscriptions = Vec::new();
        for number in 0..2000 {
            subscriptions.push(client.subscribe(format!("many.{number}.x")).await.unwrap());
        }
        fence(&client).await;
        let writer = connect(&broker).await;
        for number in (0..2000).rev() {
            writer.publish(format!("many.{number}.x"), format!("{number}").into()).await.unwrap();
        }
        for (number, subscription) in subscriptions.iter_mut().enumerate() {
            assert_eq!(subscription.next().await.unwrap().payload, format!("{number}"));
        }
    });
}

#[test]
fn without_echo_a_client_does_not_hear_itself() {
    let broker = Broker::start();
    run(async {
        let quiet = ConnectOptions::new().no_echo().connect(broker.url()).await.unwrap();
        let mut subscription = quiet.subscribe("foo").await.unwrap();
        quiet.publish("foo", "own".into()).await.unwrap();
        // An answered request is a fence for who cannot hear itself.
        quiet.request("nobody", "?".into()).await.unwrap_err();
        let other = connect(&broker).await;
        other.publish("foo", "other".into()).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().payload, "other");
    });
}

#[test]
fn pings_of_the_broker_and_of_the_client_keep_a_connection() {
    let settings = Settings::default().limit("ping_interval", "100ms").limit("ping_max", 2);
    let broker = settings.start();
    run(async {
        let (tell, mut events) = unbounded_channel();
        let options = ConnectOptions::new()
            .ping_interval(Duration::from_millis(100))
            .event_callback(move |event| {
                let _ = tell.send(event);
                async {}
            });
        let client = options.connect(broker.url()).await.unwrap();
        assert!(matches!(events.recv().await, Some(Event::Connected)));
        // A raw connection on the same broker is the clock: it is cut after its third interval,
        // by which time the client would have been as well.
        let mut silent = broker.connect();
        let told = tokio::task::spawn_blocking(move || silent.rest()).await.unwrap();
        assert!(told.ends_with(b"-ERR 'Stale Connection'\r\n"));
        fence(&client).await;
        assert!(events.try_recv().is_err(), "nothing has happened to the connection");
    });
}
