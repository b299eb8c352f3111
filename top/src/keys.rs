//! What a key means.
//!
//! Absent: the terminal that it was pressed at.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::model::Wishes;

/// What follows from a key, beside changed wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing else.
    Draw,
    /// The server is to be asked differently.
    Ask,
    /// The end.
    Quit,
}

/// What the screen shows, as far as keys move in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Connections that there are.
    pub rows: usize,
    /// Connections that fit on the screen.
    pub visible: usize,
}

/// Follows a key.
pub fn handle(key: KeyEvent, wishes: &mut Wishes, extent: Extent) -> Effect {
    if key.kind == KeyEventKind::Release {
        return Effect::Draw;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if is_control => Effect::Quit,
        _ if wishes.shows_help => {
            wishes.shows_help = false;
            if key.code == KeyCode::Char('q') { Effect::Quit } else { Effect::Draw }
        }
        _ if wishes.is_typing => type_filter(key.code, wishes),
        _ => choose(key.code, wishes, extent),
    }
}

fn type_filter(code: KeyCode, wishes: &mut Wishes) -> Effect {
    match code {
        KeyCode::Enter => wishes.is_typing = false,
        KeyCode::Esc => {
            wishes.is_typing = false;
            wishes.filter.clear();
        }
        KeyCode::Backspace => {
            wishes.filter.pop();
        }
        KeyCode::Char(letter) if wishes.filter.chars().count() < FILTER_MAX => {
            wishes.filter.push(letter);
        }
        _ => {}
    }
    wishes.skipped = 0;
    Effect::Draw
}

fn choose(code: KeyCode, wishes: &mut Wishes, extent: Extent) -> Effect {
    let last = extent.rows.saturating_sub(extent.visible);
    let page = extent.visible.max(1);
    match code {
        KeyCode::Char('q') => return Effect::Quit,
        KeyCode::Char('s') | KeyCode::Right => return sort(wishes, true),
        KeyCode::Char('S') | KeyCode::Left => return sort(wishes, false),
        KeyCode::Char('r') => wishes.is_reversed = !wishes.is_reversed,
        KeyCode::Char('/' | 'f') => wishes.is_typing = true,
        KeyCode::Esc => wishes.filter.clear(),
        KeyCode::Char('p' | ' ') => wishes.is_paused = !wishes.is_paused,
        KeyCode::Char('t') => wishes.shows_totals = !wishes.shows_totals,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => wishes.shows_help = true,
        KeyCode::Char('+') => return pace(wishes, wishes.interval * 2),
        KeyCode::Char('-') => return pace(wishes, wishes.interval / 2),
        KeyCode::Down | KeyCode::Char('j') => wishes.skipped += 1,
        KeyCode::Up | KeyCode::Char('k') => wishes.skipped = wishes.skipped.saturating_sub(1),
        KeyCode::PageDown => wishes.skipped += page,
        KeyCode::PageUp => wishes.skipped = wishes.skipped.saturating_sub(page),
        KeyCode::Home => wishes.skipped = 0,
        KeyCode::End => wishes.skipped = last,
        _ => {}
    }
    wishes.skipped = wishes.skipped.min(last);
    Effect::Draw
}

fn sort(wishes: &mut Wishes, forward: bool) -> Effect {
    wishes.sort = wishes.sort.step(forward);
    wishes.is_reversed = false;
    wishes.skipped = 0;
    Effect::Ask
}

fn pace(wishes: &mut Wishes, interval: Duration) -> Effect {
    wishes.interval = interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
    Effect::Ask
}

/// The keys and what they do, for the help.
pub const HELP: [(&str, &str); 10] = [
    ("s →  S ←", "sort by the next column, by the one before"),
    ("r", "the other way round"),
    ("/", "filter: number, name, account, address, library"),
    ("Esc", "no filter"),
    ("t", "rates or totals of connections"),
    ("p space", "pause"),
    ("+ -", "ask half as often, twice as often"),
    ("↑ ↓ PgUp PgDn", "scroll"),
    ("?", "this help"),
    ("q Ctrl-C", "quit"),
];

/// How often a server may be asked at most.
pub const INTERVAL_MIN: Duration = Duration::from_millis(250);
/// How seldom it makes sense.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Longest filter.
const FILTER_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sort::Sort;

    fn press(wishes: &mut Wishes, codes: &[KeyCode]) -> Effect {
        let extent = Extent { rows: 100, visible: 10 };
        let mut effect = Effect::Draw;
        for &code in codes {
            effect = handle(KeyEvent::new(code, KeyModifiers::NONE), wishes, extent);
        }
        effect
    }

    fn typed(text: &str) -> Vec<KeyCode> {
        text.chars().map(KeyCode::Char).collect()
    }

    #[test]
    fn while_a_filter_is_typed_letters_are_letters() {
        let mut wishes = Wishes::default();
        press(&mut wishes, &typed("/quit"));
        assert_eq!((&*wishes.filter, wishes.is_typing), ("quit", true));
        press(&mut wishes, &[KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!((&*wishes.filter, wishes.is_typing), ("qui", false));
        assert_eq!(press(&mut wishes, &typed("q")), Effect::Quit);
        press(&mut wishes, &[KeyCode::Esc]);
        assert_eq!(wishes.filter, "");
        press(&mut wishes, &typed(&format!("/{}", "x".repeat(500))));
        assert_eq!(wishes.filter.len(), FILTER_MAX);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(handle(control_c, &mut wishes, Extent { rows: 0, visible: 0 }), Effect::Quit);
    }

    #[test]
    fn sorting_and_pace_change_what_is_asked() {
        let mut wishes = Wishes { sort: Sort::Cid, ..Wishes::default() };
        assert_eq!(press(&mut wishes, &typed("s")), Effect::Ask);
        assert_eq!(wishes.sort, Sort::Name);
        assert_eq!(press(&mut wishes, &[KeyCode::Left]), Effect::Ask);
        assert_eq!(wishes.sort, Sort::Cid);
        assert_eq!(press(&mut wishes, &typed("r")), Effect::Draw);
        assert!(wishes.is_reversed);
        press(&mut wishes, &typed("----------"));
        assert_eq!(wishes.interval, INTERVAL_MIN);
        press(&mut wishes, &typed("++++++++++"));
        assert_eq!(wishes.interval, INTERVAL_MAX);
    }

    #[test]
    fn scrolling_stops_at_both_ends() {
        let mut wishes = Wishes::default();
        press(&mut wishes, &[KeyCode::Up]);
        assert_eq!(wishes.skipped, 0);
        press(&mut wishes, &[KeyCode::PageDown, KeyCode::Down]);
        assert_eq!(wishes.skipped, 11);
        press(&mut wishes, &[KeyCode::End, KeyCode::PageDown]);
        assert_eq!(wishes.skipped, 90);
        press(&mut wishes, &[KeyCode::Home]);
        assert_eq!(wishes.skipped, 0);
    }

    #[test]
    fn any_key_leaves_the_help() {
        let mut wishes = Wishes::default();
        press(&mut wishes, &typed("?"));
        assert!(wishes.shows_help);
        assert_eq!(press(&mut wishes, &typed("s")), Effect::Draw);
        assert_eq!((wishes.shows_help, wishes.sort), (false, Sort::default()));
        press(&mut wishes, &typed("pt"));
        assert!(wishes.is_paused && wishes.shows_totals);
    }
}
