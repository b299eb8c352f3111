//! The server as a whole: what moves through it, with the past as small charts, and how it fares.
//!
//! Absent: connections. A small terminal has two lines instead of panels.

use fanfare_bench::figure::{self, Unit};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph, Sparkline};

use super::{bold, faint, strong};
use crate::history::History;
use crate::model::{Model, Rates, Sample};
use crate::snapshot::Totals;
use crate::table::compact;

/// Lines that the panels take.
pub(super) fn height(area: Rect) -> u16 {
    match (area.width, area.height) {
        (0..78, _) | (_, 0..18) => 2,
        (_, 18..34) => 6,
        _ => 8,
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, sample: &Sample) {
    let rates = model.rates.unwrap_or_default();
    if area.height < 6 {
        return small(frame, area, rates, &sample.totals);
    }
    let widths = [Constraint::Fill(1), Constraint::Fill(1), Constraint::Length(SERVER_WIDTH)];
    let [messages, bytes, server] = Layout::horizontal(widths).areas(area);
    let past = &model.past;
    let has_rates = model.rates.is_some();
    let figure = |unit: Unit, value| if has_rates { unit.show(value) } else { "…".to_owned() };
    flow(
        frame,
        messages,
        "Messages",
        [
            (figure(Unit::PerSecond, rates.in_msgs), &past.in_msgs),
            (figure(Unit::PerSecond, rates.out_msgs), &past.out_msgs),
        ],
    );
    flow(
        frame,
        bytes,
        "Bytes",
        [
            (figure(Unit::BytesPerSecond, rates.in_bytes), &past.in_bytes),
            (figure(Unit::BytesPerSecond, rates.out_bytes), &past.out_bytes),
        ],
    );
    let block = panel("Server");
    let inner = block.inner(server);
    frame.render_widget(block, server);
    frame.render_widget(Paragraph::new(server_lines(&sample.totals)), inner);
}

/// What comes in and goes out, each with its past.
fn flow(frame: &mut Frame<'_>, area: Rect, title: &'static str, both: [(String, &History); 2]) {
    let block = panel(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let halves = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(inner);
    let colours = [Color::Green, Color::Blue];
    for (((figure, history), half), (name, colour)) in
        both.into_iter().zip(halves).zip(["in ", "out"].into_iter().zip(colours))
    {
        let parts = [Constraint::Length(1), Constraint::Min(0)];
        let [head, chart] = Layout::vertical(parts).areas(half);
        let line = Line::from(vec![
            Span::styled(format!("{name} "), faint()),
            Span::styled(figure, strong(colour)),
        ]);
        frame.render_widget(line, head);
        let data = history.tail(usize::from(chart.width));
        let sparkline = Sparkline::default().data(data).style(Style::default().fg(colour));
        frame.render_widget(sparkline, chart);
    }
}

fn server_lines(totals: &Totals) -> Vec<Line<'static>> {
    let cores = totals.cores.max(1);
    let share = totals.cpu / (cores as f64 * 100.0);
    let load = match share {
        _ if share >= 0.9 => Color::Red,
        _ if share >= 0.7 => Color::Yellow,
        _ => Color::Green,
    };
    let slow = if totals.slow_consumers > 0 { strong(Color::Yellow) } else { bold() };
    let most = match totals.max_connections {
        0 => String::new(),
        most => format!(" of {most}"),
    };
    vec![
        Line::from(vec![
            name("cpu"),
            Span::styled(format!("{:.0} %", totals.cpu), bold()),
            Span::styled(format!(" of {cores} cores "), faint()),
            Span::styled("━".repeat(full_cells(share)), strong(load)),
            Span::styled("─".repeat(BAR_LEN - full_cells(share)), faint()),
        ]),
        Line::from(vec![name("memory"), Span::styled(Unit::Bytes.show(totals.mem as f64), bold())]),
        Line::from(vec![
            name("clients"),
            Span::styled(totals.connections.to_string(), bold()),
            Span::styled(most, faint()),
            Span::styled(", subs ", faint()),
            Span::styled(compact(Unit::Count, totals.subscriptions as f64), bold()),
        ]),
        Line::from(vec![
            name("slow"),
            Span::styled(totals.slow_consumers.to_string(), slow),
            Span::styled(", stale ", faint()),
            Span::styled(totals.stale_connections.to_string(), bold()),
        ]),
    ]
}

/// Two lines, for a terminal that has no room for panels.
fn small(frame: &mut Frame<'_>, area: Rect, rates: Rates, totals: &Totals) {
    let flow = Line::from(vec![
        Span::styled(" in ", faint()),
        Span::styled(Unit::PerSecond.show(rates.in_msgs), strong(Color::Green)),
        Span::raw(format!(" {}", Unit::BytesPerSecond.show(rates.in_bytes))),
        Span::styled("  out ", faint()),
        Span::styled(Unit::PerSecond.show(rates.out_msgs), strong(Color::Blue)),
        Span::raw(format!(" {}", Unit::BytesPerSecond.show(rates.out_bytes))),
    ]);
    let parts = [
        (" cpu ", format!("{:.0} %", totals.cpu)),
        ("  mem ", compact(Unit::Bytes, totals.mem as f64)),
        ("  conns ", totals.connections.to_string()),
        ("  subs ", compact(Unit::Count, totals.subscriptions as f64)),
        ("  slow ", totals.slow_consumers.to_string()),
    ];
    let state =
        parts.into_iter().flat_map(|(name, value)| [Span::styled(name, faint()), Span::raw(value)]);
    let lines = vec![flow, Line::from(state.collect::<Vec<_>>())];
    frame.render_widget(Paragraph::new(lines), area);
}

fn name(text: &str) -> Span<'static> {
    Span::styled(format!("{text:<8}"), faint())
}

/// How many cells of a bar stand for a share.
fn full_cells(share: f64) -> usize {
    let full = share.clamp(0.0, 1.0) * BAR_LEN as f64;
    usize::try_from(figure::whole(full.round())).map_or(BAR_LEN, |full| full.min(BAR_LEN))
}

fn panel(title: &'static str) -> Block<'static> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(faint())
        .title(Span::styled(format!(" {title} "), bold()))
}

/// Columns of the panel about the server.
const SERVER_WIDTH: u16 = 34;
const BAR_LEN: usize = 6;
