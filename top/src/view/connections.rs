//! The table of connections.
//!
//! Absent: what stands in its columns (`table`).

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, BorderType, Cell, Row as TableRow, Table};

use super::{bold, faint, strong};
use crate::model::{Model, Row, Standing};
use crate::sort::Sort;
use crate::table::{self, Column, Shown};

/// Lines around the rows: a border above and below, and the heads.
pub(super) const FRAME_HEIGHT: u16 = 3;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let rows = model.rows();
    let visible = usize::from(area.height.saturating_sub(FRAME_HEIGHT));
    // What was scrolled over may be gone by now.
    let skipped = model.wishes.skipped.min(rows.len().saturating_sub(visible));
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(faint())
        .title(title(model, rows.len(), skipped, visible));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let columns = table::fitting(inner.width);
    let shown = if model.wishes.shows_totals { Shown::Totals } else { Shown::Rates };
    let lines = rows.iter().skip(skipped).take(visible).map(|row| line(row, &columns, shown));
    let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
    let heads = columns.iter().map(|(column, _)| head(column, model));
    let mut table = Table::new(lines, widths).header(TableRow::new(heads)).column_spacing(1);
    if matches!(model.standing, Standing::Lost { .. }) {
        table = table.style(faint());
    }
    frame.render_widget(table, inner);
    if rows.is_empty() && inner.height > 2 {
        let why = match model.wishes.filter.as_str() {
            "" => "no connections".to_owned(),
            filter => format!("no connection has “{filter}” in it"),
        };
        let middle = Rect { y: inner.y + inner.height / 2, height: 1, ..inner };
        let line = Line::styled(why, faint()).alignment(Alignment::Center);
        frame.render_widget(line, middle);
    }
}

/// How many there are, and which are shown.
fn title(model: &Model, found: usize, skipped: usize, visible: usize) -> Line<'static> {
    let mut spans = vec![Span::styled(" Connections ", bold())];
    let last = found.min(skipped + visible);
    let page = model.sample.as_ref().map(|sample| &sample.page);
    let fetched = page.map_or(0, |page| page.connections.len());
    let all = page.map_or(0, |page| page.total);
    if found > 0 {
        spans.push(Span::raw(format!("{}–{last} of {found} ", skipped + 1)));
    }
    if all > fetched as u64 {
        let text = format!("· top {fetched} of {all} by {} ", model.wishes.sort.asked());
        spans.push(Span::raw(text));
    }
    if !model.wishes.filter.is_empty() {
        spans.push(Span::styled(
            format!("· filter “{}” ", model.wishes.filter),
            strong(Color::Cyan),
        ));
    }
    let unit = if model.wishes.shows_totals { "· totals " } else { "· per second " };
    spans.push(Span::styled(unit, faint()));
    Line::from(spans)
}

fn head(column: &Column, model: &Model) -> Cell<'static> {
    let is_chosen = column.sort == Some(model.wishes.sort);
    let style = if is_chosen {
        strong(Color::Cyan).add_modifier(Modifier::REVERSED)
    } else {
        bold().add_modifier(Modifier::UNDERLINED)
    };
    let arrow = match (is_chosen, is_ascending(model)) {
        (false, _) => "",
        (true, true) => "▲",
        (true, false) => "▼",
    };
    let text = Text::from(Line::styled(format!("{}{arrow}", column.title), style));
    Cell::from(if column.is_number { text.alignment(Alignment::Right) } else { text })
}

/// Numbers and names begin with the smallest, all else with the largest.
fn is_ascending(model: &Model) -> bool {
    let by_default = matches!(model.wishes.sort, Sort::Cid | Sort::Name);
    by_default != model.wishes.is_reversed
}

fn line(row: &Row, columns: &[(Column, u16)], shown: Shown) -> TableRow<'static> {
    let cells = columns.iter().map(|(column, width)| {
        let text = fitted(column.cell(row, shown), usize::from(*width));
        let style = match column.sort {
            Some(Sort::Pending) if row.connection.pending_bytes > 0 => strong(Color::Yellow),
            Some(Sort::Name) => bold(),
            _ if matches!(text.as_str(), "·" | "-") => faint(),
            _ => Style::default(),
        };
        let text = Text::styled(text, style);
        Cell::from(if column.is_number { text.alignment(Alignment::Right) } else { text })
    });
    TableRow::new(cells.collect::<Vec<_>>())
}

/// The text, cut where there is no room for all of it.
fn fitted(text: String, width: usize) -> String {
    if Span::raw(&*text).width() <= width {
        return text;
    }
    let mut cut = String::new();
    for letter in text.chars() {
        if Span::raw(format!("{cut}{letter}…")).width() > width {
            break;
        }
        cut.push(letter);
    }
    format!("{cut}…")
}
