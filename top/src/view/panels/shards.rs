//! The event loops of the server: how busy each is, and how many clients it has.
//!
//! Absent: servers that do not tell. Where there is no room for all, the busiest are shown.

use fanfare_bench::figure::Unit;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::{bold, faint};
use super::{bar, panel};
use crate::snapshot::{Shard, Status};
use crate::table::compact;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, status: &Status) {
    let block = panel("Shards");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let room = usize::from(inner.height);
    let mut shards: Vec<&Shard> = status.shards.iter().collect();
    let mut lines = Vec::new();
    if shards.len() > room {
        shards
            .sort_by(|a, b| b.busy_percent.total_cmp(&a.busy_percent).then(a.shard.cmp(&b.shard)));
        shards.truncate(room.saturating_sub(1));
        let more = status.shards.len() - shards.len();
        lines.push(Line::styled(format!("and {more} less busy ones"), faint()));
    }
    let shown = shards.into_iter().map(line);
    frame.render_widget(Paragraph::new(shown.chain(lines).collect::<Vec<_>>()), inner);
}

fn line(shard: &Shard) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("{:>2} ", shard.shard), faint())];
    spans.extend(bar(shard.busy_percent / 100.0, BAR_LEN));
    spans.push(Span::styled(format!("{:>4.0} %", shard.busy_percent), bold()));
    let clients = compact(Unit::Count, shard.connections as f64);
    spans.push(Span::styled(format!("{clients:>6} cl"), faint()));
    Line::from(spans)
}

/// Columns of the panel.
pub(super) const WIDTH: u16 = 28;
const BAR_LEN: usize = 8;
