//! Pictures of models, looked at as text.
//!
//! Absent: a terminal; that is the matter of a test that runs the binary in one.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::model::Wishes;
use crate::model::tests::{connection, sample};
use crate::snapshot::{Shard, SlowReasons, Status, Times};
use crate::sort::Sort;

fn model() -> Model {
    let mut model = Model::new("http://h:8222".to_owned(), Wishes::default());
    let start = Instant::now();
    let all = |factor: u64| -> Vec<_> {
        (1..=30)
            .map(|n| connection(n, &format!("client-{n}"), [0, factor * n * 100, 0, 0]))
            .collect()
    };
    model.handle_sample(sample(start, 0, all(0)));
    model.handle_sample(sample(start + Duration::from_secs(1), 12_345, all(1)));
    model
}

fn picture(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let now = Instant::now() + Duration::from_secs(12);
    terminal.draw(|frame| draw(frame, model, now)).expect("a picture");
    let buffer = terminal.backend().buffer();
    let line = |y| -> String { (0..width).map(|x| buffer[(x, y)].symbol()).collect() };
    (0..height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_usual_terminal_has_panels_and_a_table() {
    let text = picture(&model(), 120, 30);
    for part in [
        "fanfare top n1  1.2.3  up 1h2m3s  http://h:8222",
        "● every 1s",
        "in  12.3 k/s",
        "out 37.0 k/s",
        "150 % of 4 cores ━━────",
        "clients 30 of 65536, subs 12",
        "slow    2, stale 0",
        "Connections 1–19 of 30 · per second",
        "MSGS TO▼",
        "q quit",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let first = text.lines().find(|line| line.contains("client-30")).expect("the busiest");
    assert!(first.contains("3.0k"), "{text}");
    assert!(text.contains('█'), "a chart:\n{text}");
}

#[test]
fn every_size_has_a_picture_and_small_ones_the_figures() {
    let model = model();
    for width in (1..140).step_by(13) {
        for height in (1..45).step_by(6) {
            let text = picture(&model, width, height);
            assert_eq!(text.lines().count(), usize::from(height));
        }
    }
    let small = picture(&model, 50, 12);
    for part in ["in 12.3 k/s", "conns 30", "slow 2", "client-30"] {
        assert!(small.contains(part), "no {part:?} in\n{small}");
    }
    let size = |width, height| visible_rows(&model, Size { width, height });
    assert_eq!((size(120, 30), size(50, 12), size(50, 3)), (19, 5, 0));
}

#[test]
fn what_is_lost_is_said_and_the_old_figures_stay() {
    let mut model = model();
    model.handle_trouble("nobody listens there".to_owned(), Instant::now());
    let text = picture(&model, 100, 24);
    assert!(text.contains("○ no answer"), "{text}");
    assert!(text.contains("No answer for 12s: nobody listens there."), "{text}");
    assert!(text.contains("client-30"), "{text}");

    let mut fresh = Model::new("http://h:8222".to_owned(), Wishes::default());
    assert!(picture(&fresh, 100, 24).contains("Asking http://h:8222 …"));
    fresh.handle_trouble("nobody listens there".to_owned(), Instant::now());
    let text = picture(&fresh, 100, 24);
    assert!(text.contains("nobody listens there"), "{text}");
    assert!(text.contains("Trying again, for 12s so far."), "{text}");
}

#[test]
fn wishes_are_shown() {
    let mut model = model();
    model.wishes.filter = "client-2".to_owned();
    model.wishes.sort = Sort::Cid;
    model.wishes.is_paused = true;
    model.wishes.shows_totals = true;
    let text = picture(&model, 120, 30);
    for part in ["1–11 of 11", "filter “client-2”", "CID▲", "‖ paused", "· totals", "t rates"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    model.wishes.filter = "nobody".to_owned();
    assert!(picture(&model, 120, 30).contains("no connection has “nobody” in it"));
    model.wishes.is_typing = true;
    assert!(picture(&model, 120, 30).contains("filter: nobody▏"));
    model.wishes.shows_help = true;
    let text = picture(&model, 120, 30);
    assert!(text.contains(" Keys ") && text.contains("half as often"), "{text}");
}

#[test]
fn a_page_of_more_connections_says_so_and_long_names_are_cut() {
    let mut model = Model::new("http://h:8222".to_owned(), Wishes::default());
    let mut many = sample(Instant::now(), 0, vec![connection(1, &"名前".repeat(30), [0; 4])]);
    many.page.total = 90_000;
    model.handle_sample(many);
    let text = picture(&model, 100, 24);
    assert!(text.contains("top 1 of 90000 by msgs_to"), "{text}");
    let line = text.lines().find(|line| line.contains('名')).expect("the connection");
    assert!(line.contains('…'), "{line}");
}

#[test]
fn a_server_that_tells_of_shards_has_them_shown() {
    let mut model = model();
    let shard = |shard: u64| Shard {
        shard,
        connections: 10 + shard,
        busy_percent: shard as f64 * 10.0,
        ..Shard::default()
    };
    let latency = Times { window_count: 9, p50_us: 800.0, p99_us: 12_000.0, max_us: 1.0 };
    let slow_consumers =
        SlowReasons { pending_bytes: 1, memory_budget: 1, ..SlowReasons::default() };
    let shards = (0..8).map(shard).collect();
    let status = Status { latency, slow_consumers, shards };
    model.sample.as_mut().expect("a sample").status = Some(status);
    let text = picture(&model, 130, 30);
    for part in [
        "latency p50 800µs p99 12ms",
        "slow    2 pending 1 memory 1",
        " 7 ━━━━━━──  70 %    17 cl",
        "and 4 less busy ones",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let narrow = picture(&model, 90, 30);
    assert!(narrow.contains("latency p50") && !narrow.contains("Shards"), "{narrow}");
}
