//! The picture of a server in a terminal of any size.
//!
//! Absent: the terminal and its keys (`screen`). Colours are the terminal's own sixteen, so that
//! they fit whatever theme there is; nothing is said by colour alone.

mod connections;
mod help;
mod panels;

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect, Size};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::model::{Model, Standing};
use crate::span;

/// Draws the model.
pub fn draw(frame: &mut Frame<'_>, model: &Model, now: Instant) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        frame.render_widget(Paragraph::new("too small"), area);
        return;
    }
    let parts = parts(model, area);
    title(frame, parts.title, model);
    banner(frame, parts.banner, model, now);
    match &model.sample {
        Some(sample) => {
            panels::draw(frame, parts.panels, model, sample);
            connections::draw(frame, parts.connections, model);
        }
        None => waiting(frame, parts.connections, model, now),
    }
    footer(frame, parts.footer, model);
    if model.wishes.shows_help {
        help::draw(frame, area);
    }
}

/// Connections that a terminal of this size shows.
pub fn visible_rows(model: &Model, size: Size) -> usize {
    let area = Rect::new(0, 0, size.width, size.height);
    usize::from(parts(model, area).connections.height.saturating_sub(connections::FRAME_HEIGHT))
}

/// Where things stand.
struct Parts {
    title: Rect,
    banner: Rect,
    panels: Rect,
    connections: Rect,
    footer: Rect,
}

fn parts(model: &Model, area: Rect) -> Parts {
    let is_lost = matches!(model.standing, Standing::Lost { .. }) && model.sample.is_some();
    let heights = [
        Constraint::Length(1),
        Constraint::Length(u16::from(is_lost)),
        Constraint::Length(model.sample.as_ref().map_or(0, |sample| panels::height(area, sample))),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [title, banner, panels, connections, footer] = Layout::vertical(heights).areas(area);
    Parts { title, banner, panels, connections, footer }
}

fn title(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let mut spans = vec![Span::styled(" fanfare top ", strong(Color::Cyan))];
    if let Some(sample) = &model.sample {
        let totals = &sample.totals;
        spans.push(Span::styled(short_name(&totals.server_name), bold()));
        spans.push(Span::raw(format!("  {}  up {}", totals.program(), totals.uptime)));
    }
    let badge = badge(model);
    let width = u16::try_from(badge.width()).unwrap_or(u16::MAX);
    let [left, right] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(width)]).areas(area);
    let used: usize = spans.iter().map(Span::width).sum();
    if used + model.place.len() + 2 < usize::from(left.width) {
        spans.push(Span::styled(format!("  {}", model.place), faint()));
    }
    frame.render_widget(Line::from(spans), left);
    frame.render_widget(badge, right);
}

/// A server without a name of its own is named by its id, which is long.
fn short_name(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    format!("{}…", name.chars().take(NAME_MAX - 1).collect::<String>())
}

fn badge(model: &Model) -> Line<'static> {
    let every = span::short(model.wishes.interval.as_secs_f64());
    let (text, colour) = match &model.standing {
        _ if model.wishes.is_paused => ("‖ paused".to_owned(), Color::Yellow),
        Standing::Waiting => ("… asking".to_owned(), Color::Yellow),
        Standing::Live => (format!("● every {every}"), Color::Green),
        Standing::Lost { .. } => ("○ no answer".to_owned(), Color::Red),
    };
    Line::from(Span::styled(format!(" {text} "), strong(colour))).alignment(Alignment::Right)
}

/// What is shown is old: says why, and since when.
fn banner(frame: &mut Frame<'_>, area: Rect, model: &Model, now: Instant) {
    let Standing::Lost { why, since } = &model.standing else { return };
    let ago = span::short(now.saturating_duration_since(*since).as_secs_f64().max(1.0).floor());
    let text = format!(" No answer for {ago}: {why}. Trying again; the figures are old.");
    let style = Style::default().fg(Color::Red).add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(text).style(style), area);
}

/// There has been no answer yet.
fn waiting(frame: &mut Frame<'_>, area: Rect, model: &Model, now: Instant) {
    let mut lines = vec![Line::raw(""), Line::from(format!("Asking {} …", model.place))];
    if let Standing::Lost { why, since } = &model.standing {
        let ago = now.saturating_duration_since(*since).as_secs_f64().floor().max(1.0);
        lines.push(Line::raw(""));
        lines.push(Line::styled(why.clone(), strong(Color::Red)));
        lines.push(Line::raw(""));
        let text = format!("Trying again, for {} so far.", span::short(ago));
        lines.push(Line::styled(text, faint()));
    }
    let paragraph = Paragraph::new(lines).alignment(Alignment::Center);
    frame.render_widget(paragraph.wrap(ratatui::widgets::Wrap { trim: true }), area);
}

fn footer(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let wishes = &model.wishes;
    let line = if wishes.is_typing {
        Line::from(vec![
            Span::styled(" filter: ", strong(Color::Cyan)),
            Span::raw(wishes.filter.clone()),
            Span::styled("▏", strong(Color::Cyan)),
            Span::styled("  Enter keeps it, Esc clears it", faint()),
        ])
    } else {
        let keys = [
            ("q", "quit"),
            ("←→", "sort"),
            ("r", "reverse"),
            ("/", "filter"),
            ("p", "pause"),
            ("t", if wishes.shows_totals { "rates" } else { "totals" }),
            ("?", "help"),
        ];
        let shown = keys.iter().flat_map(|(key, name)| {
            [Span::styled(format!(" {key}"), strong(Color::Cyan)), Span::raw(format!(" {name} "))]
        });
        Line::from(shown.collect::<Vec<_>>())
    };
    frame.render_widget(line, area);
}

/// For what stands behind the rest.
fn faint() -> Style {
    Style::default().add_modifier(Modifier::DIM)
}

fn bold() -> Style {
    Style::default().add_modifier(Modifier::BOLD)
}

fn strong(colour: Color) -> Style {
    bold().fg(colour)
}

/// Smallest terminal that anything can be shown in.
const WIDTH_MIN: u16 = 20;
const HEIGHT_MIN: u16 = 5;
/// Longest name of a server in the title.
const NAME_MAX: usize = 24;

#[cfg(test)]
mod tests;
