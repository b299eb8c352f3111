//! Plots as inline SVG: bars, curves over percentiles, the course of a rate.
//!
//! Absent: scripts and anything that a page would have to load.

use std::fmt::Write;

use crate::figure::Unit;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// How long it is.
    pub value: f64,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it stands for.
    pub label: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Horizontal bars, one below the other, with their values behind them.
pub fn bars(bars: &[Bar], unit: Unit) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let height = bars.len() as f64 * BAR_STEP + 6.0;
    let mut svg = opened(height);
    for (index, bar) in bars.iter().enumerate() {
        let y = index as f64 * BAR_STEP + 4.0;
        let width = bar.value / most * (WIDTH - BAR_LEFT - 110.0);
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{BAR_LEFT:.0}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"18\" class=\"c{}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            BAR_LEFT - 8.0,
            y + 14.0,
            escaped(&bar.label),
            width.max(1.0),
            index % COLOURS,
            BAR_LEFT + width + 8.0,
            y + 14.0,
            escaped(&unit.show(bar.value)),
        );
    }
    svg + "</svg>"
}

/// Durations over percentiles, both on logarithmic axes: each step to the right leaves a tenth.
pub fn percentiles(curves: &[Curve]) -> String {
    let place = |percent: f64| -((100.0 - percent).max(0.000_01) / 100.0).log10();
    let transformed: Vec<Curve> = curves
        .iter()
        .map(|curve| Curve {
            label: curve.label.clone(),
            points: curve.points.iter().map(|(p, v)| (place(*p), v.max(0.1).log10())).collect(),
        })
        .collect();
    let last = extent(&transformed, |point| point.0).1.ceil().max(1.0);
    let mut x_ticks = vec![(place(50.0), "50 %".to_owned())];
    for (digits, label) in [(1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")] {
        if digits <= last {
            x_ticks.push((digits, label.to_owned()));
        }
    }
    let (low, high) = extent(&transformed, |point| point.1);
    let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
    let mut y_ticks = Vec::new();
    let mut power = low;
    while power <= high {
        y_ticks.push((power, Unit::Micros.show(10f64.powf(power))));
        power += 1.0;
    }
    plot(&transformed, (0.0, last), (low, high), &x_ticks, &y_ticks)
}

/// Rates over seconds, from zero.
pub fn course(curves: &[Curve]) -> String {
    let last = extent(curves, |point| point.0).1.max(0.1);
    let most = extent(curves, |point| point.1).1.max(1.0) * 1.05;
    let tick = |part: f64, of: f64| part * of / 4.0;
    let x_ticks: Vec<(f64, String)> = (0..=4)
        .map(|part| tick(f64::from(part), last))
        .map(|at| (at, format!("{at:.1} s")))
        .collect();
    let y_ticks: Vec<(f64, String)> = (0..=4)
        .map(|part| tick(f64::from(part), most))
        .map(|rate| (rate, Unit::PerSecond.show(rate.round())))
        .collect();
    plot(curves, (0.0, last), (0.0, most), &x_ticks, &y_ticks)
}

/// A text that may stand between tags and in attributes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn plot(
    curves: &[Curve],
    x_range: (f64, f64),
    y_range: (f64, f64),
    x_ticks: &[(f64, String)],
    y_ticks: &[(f64, String)],
) -> String {
    let legend = curves.len() as f64 * 18.0;
    let mut svg = opened(HEIGHT + legend);
    let (right, bottom) = (WIDTH - 36.0, HEIGHT - 26.0);
    let x_of = |x: f64| LEFT + (x - x_range.0) / (x_range.1 - x_range.0) * (right - LEFT);
    let y_of = |y: f64| bottom - (y - y_range.0) / (y_range.1 - y_range.0) * (bottom - TOP);
    for (x, label) in x_ticks {
        let at = x_of(*x);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} {TOP:.0}V{bottom:.0}\"/>\
             <text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            escaped(label)
        );
    }
    for (y, label) in y_ticks {
        let at = y_of(*y);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT:.0} {at:.1}H{right:.0}\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            escaped(label)
        );
    }
    for (index, curve) in curves.iter().enumerate() {
        let mut path = String::new();
        for (number, (x, y)) in curve.points.iter().enumerate() {
            let command = if number == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", x_of(*x), y_of(*y));
        }
        let class = index % COLOURS;
        let y = HEIGHT + index as f64 * 18.0 + 12.0;
        let _ = write!(
            svg,
            "<path class=\"line l{class}\" d=\"{path}\"/>\
             <path class=\"line l{class}\" d=\"M{LEFT:.0} {:.0}h24\"/>\
             <text x=\"{:.0}\" y=\"{y:.0}\">{}</text>",
            y - 4.0,
            LEFT + 32.0,
            escaped(&curve.label)
        );
    }
    svg + "</svg>"
}

fn opened(height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH:.0} {height:.0}\" xmlns=\"http://www.w3.org/2000/svg\">")
}

fn extent(curves: &[Curve], of: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
    let values = curves.iter().flat_map(|curve| curve.points.iter().map(&of));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) }
}

/// How many colours the page's style has.
pub const COLOURS: usize = 6;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 90.0;
const TOP: f64 = 10.0;
const BAR_LEFT: f64 = 280.0;
const BAR_STEP: f64 = 26.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_place() {
        assert_eq!(escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
        let svg = bars(&[Bar { label: "<script>".into(), value: 1.0 }], Unit::Count);
        assert!(!svg.contains("<script>"));
    }

    #[test]
    fn every_bar_and_curve_is_drawn_inside_the_picture() {
        let bar = |value| Bar { label: "x".into(), value };
        let svg = bars(&[bar(1.0), bar(0.0)], Unit::Count);
        assert_eq!(svg.matches("<rect").count(), 2);
        let curve =
            Curve { label: "x".into(), points: vec![(0.0, 10.0), (50.0, 20.0), (99.99, 1e6)] };
        let svg = percentiles(&[curve.clone(), curve]);
        assert_eq!(svg.matches("class=\"line l").count(), 4);
        for piece in svg.split(['M', 'L']).skip(1) {
            let x: f64 = piece.split(' ').next().unwrap().parse().unwrap_or(0.0);
            assert!((0.0..=WIDTH).contains(&x), "{piece}");
        }
    }

    #[test]
    fn a_plot_without_points_has_no_broken_numbers() {
        let empty = Curve { label: "x".into(), points: Vec::new() };
        for svg in [percentiles(std::slice::from_ref(&empty)), course(&[empty]), course(&[])] {
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
