//! The terminal: keys and answers come in, pictures go out.
//!
//! Absent: what is on them (`view`) and what keys mean (`keys`). However the program ends, the
//! terminal is left as it was found.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

use crate::keys::{self, Effect, Extent};
use crate::model::Model;
use crate::poll::{Answer, Poller, Source, Wanted};
use crate::view;

/// What can happen.
enum Happening {
    Key(KeyEvent),
    /// The terminal has another size.
    Resize,
    Answer(Answer),
    /// The program is to end.
    End,
    /// The terminal is gone.
    Lost(io::Error),
}

/// Shows a server until somebody has seen enough.
pub fn run(source: Source, mut model: Model) -> io::Result<()> {
    let (sender, happenings) = channel();
    let answers = sender.clone();
    let poller = Poller::start(source, wanted(&model), move |answer| {
        answers.send(Happening::Answer(answer)).is_ok()
    })?;
    follow_signals(sender.clone())?;
    let mut terminal = ratatui::try_init()?;
    follow_keys(sender);
    let shown = show(&mut terminal, &mut model, &poller, &happenings);
    ratatui::restore();
    shown
}

fn show(
    terminal: &mut DefaultTerminal,
    model: &mut Model,
    poller: &Poller,
    happenings: &Receiver<Happening>,
) -> io::Result<()> {
    loop {
        terminal.draw(|frame| view::draw(frame, model, Instant::now()))?;
        // Something that is counted in seconds may be on the screen.
        let mut next = match happenings.recv_timeout(REDRAW_AFTER) {
            Ok(happening) => Some(happening),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // All that has happened is one picture.
        while let Some(happening) = next {
            let size = terminal.size()?;
            let extent =
                Extent { rows: model.rows().len(), visible: view::visible_rows(model, size) };
            match follow(model, happening, extent)? {
                Effect::Quit => return Ok(()),
                Effect::Ask => poller.want(wanted(model)),
                Effect::Draw => {}
            }
            next = happenings.try_recv().ok();
        }
    }
}

fn follow(model: &mut Model, happening: Happening, extent: Extent) -> io::Result<Effect> {
    match happening {
        Happening::Key(key) => return Ok(keys::handle(key, &mut model.wishes, extent)),
        Happening::Answer(Ok(sample)) => model.handle_sample(*sample),
        Happening::Answer(Err(trouble)) => {
            model.handle_trouble(trouble.to_string(), Instant::now());
        }
        Happening::Resize => {}
        Happening::End => return Ok(Effect::Quit),
        Happening::Lost(error) => return Err(error),
    }
    Ok(Effect::Draw)
}

fn wanted(model: &Model) -> Wanted {
    Wanted { interval: model.wishes.interval, sort: model.wishes.sort }
}

/// Reads keys for as long as the process lives: nothing can wake who waits for one.
fn follow_keys(sender: Sender<Happening>) {
    thread::spawn(move || {
        loop {
            let happening = match event::read() {
                Ok(Event::Key(key)) => Happening::Key(key),
                Ok(Event::Resize(..)) => Happening::Resize,
                Ok(_) => continue,
                Err(error) => {
                    // Nobody listens any more when the program is about to end.
                    let _ = sender.send(Happening::Lost(error));
                    return;
                }
            };
            if sender.send(happening).is_err() {
                return;
            }
        }
    });
}

fn follow_signals(sender: Sender<Happening>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            // As above.
            let _ = sender.send(Happening::End);
        }
    });
    Ok(())
}

/// How old a picture may become.
const REDRAW_AFTER: Duration = Duration::from_secs(1);
