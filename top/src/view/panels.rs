//! The server as a whole: what moves through it, with the past as small charts, and how it fares.
//!
//! Absent: connections. A small terminal has two lines instead of panels.

mod shards;

use fanfare_bench::figure::{self, Unit};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph, Sparkline};

use super::{bold, faint, strong};
use crate::history::History;
use crate::model::{Model, Rates, Sample};
use crate::snapshot::{Times, Totals};
use crate::span;
use crate::table::compact;

/// Lines that the panels take.
pub(super) fn height(area: Rect, sample: &Sample) -> u16 {
    let lines_of_status = u16::from(sample.status.is_some());
    match (area.width, area.height) {
        (0..78, _) | (_, 0..18) => 2,
        (_, 18..34) => 6 + lines_of_status,
        _ => 8 + lines_of_status,
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, sample: &Sample) {
    let rates = model.rates.unwrap_or_default();
    if area.height < 6 {
        return small(frame, area, rates, &sample.totals);
    }
    let has_shards = sample.status.is_some() && area.width >= WITH_SHARDS_MIN;
    let widths = [
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Length(if has_shards { shards::WIDTH } else { 0 }),
        Constraint::Length(SERVER_WIDTH),
    ];
    let [messages, bytes, loops, server] = Layout::horizontal(widths).areas(area);
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
    if let Some(status) = sample.status.as_ref().filter(|_| has_shards) {
        shards::draw(frame, loops, status);
    }
    let block = panel("Server");
    let inner = block.inner(server);
    frame.render_widget(block, server);
    frame.render_widget(Paragraph::new(server_lines(sample)), inner);
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

fn server_lines(sample: &Sample) -> Vec<Line<'static>> {
    let totals = &sample.totals;
    let cores = totals.cores.max(1);
    let most = match totals.max_connections {
        0 => String::new(),
        most => format!(" of {most}"),
    };
    let mut cpu = vec![
        name("cpu"),
        Span::styled(format!("{:.0} %", totals.cpu), bold()),
        Span::styled(format!(" of {cores} cores "), faint()),
    ];
    cpu.extend(bar(totals.cpu / (cores as f64 * 100.0), BAR_LEN));
    let mut lines = vec![
        Line::from(cpu),
        Line::from(vec![name("memory"), Span::styled(Unit::Bytes.show(totals.mem as f64), bold())]),
        Line::from(vec![
            name("clients"),
            Span::styled(totals.connections.to_string(), bold()),
            Span::styled(most, faint()),
            Span::styled(", subs ", faint()),
            Span::styled(compact(Unit::Count, totals.subscriptions as f64), bold()),
        ]),
    ];
    if let Some(status) = &sample.status {
        lines.push(latency(&status.latency));
    }
    lines.push(slow(sample));
    lines
}

/// How long messages take.
fn latency(times: &Times) -> Line<'static> {
    if times.window_count == 0 {
        return Line::from(vec![name("latency"), Span::styled("nothing delivered", faint())]);
    }
    Line::from(vec![
        name("latency"),
        Span::styled("p50 ", faint()),
        Span::styled(span::short(times.p50_us / 1e6), bold()),
        Span::styled(" p99 ", faint()),
        Span::styled(span::short(times.p99_us / 1e6), bold()),
    ])
}

/// Clients closed for being slow, and why; or for being silent.
fn slow(sample: &Sample) -> Line<'static> {
    let totals = &sample.totals;
    let style = if totals.slow_consumers > 0 { strong(Color::Yellow) } else { bold() };
    let mut spans = vec![name("slow"), Span::styled(totals.slow_consumers.to_string(), style)];
    let reasons = sample.status.iter().flat_map(|status| status.slow_consumers.named());
    let reasons: Vec<String> = reasons.map(|(name, count)| format!(" {name} {count}")).collect();
    if reasons.is_empty() {
        spans.push(Span::styled(", stale ", faint()));
        spans.push(Span::styled(totals.stale_connections.to_string(), bold()));
    } else {
        spans.push(Span::styled(reasons.concat(), faint()));
    }
    Line::from(spans)
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

/// A share as a bar of a few cells, in a colour that fits.
fn bar(share: f64, len: usize) -> [Span<'static>; 2] {
    let colour = match share {
        _ if share >= 0.9 => Color::Red,
        _ if share >= 0.7 => Color::Yellow,
        _ => Color::Green,
    };
    let full = figure::whole((share.clamp(0.0, 1.0) * len as f64).round());
    let full = usize::try_from(full).map_or(len, |full| full.min(len));
    [Span::styled("━".repeat(full), strong(colour)), Span::styled("─".repeat(len - full), faint())]
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
/// Columns of a terminal that has room for shards, too.
const WITH_SHARDS_MIN: u16 = 112;
