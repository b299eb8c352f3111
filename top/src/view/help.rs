//! The help: every key and what it does, over everything else.
//!
//! Absent: what keys do (`keys`).

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::{bold, strong};
use crate::keys::HELP;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(keys, what)| {
            Line::from(vec![
                Span::styled(format!(" {keys:<14}"), strong(Color::Cyan)),
                (*what).into(),
            ])
        })
        .collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let [row] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(area);
    let [place] = Layout::horizontal([Constraint::Length(WIDTH)]).flex(Flex::Center).areas(row);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(strong(Color::Cyan))
        .title(Span::styled(" Keys ", bold()));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

/// Columns of the box.
const WIDTH: u16 = 66;
