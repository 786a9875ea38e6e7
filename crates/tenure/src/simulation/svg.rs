//! A report drawn: a lane for each layer on one axis of time, readable in light and dark.

use super::text::layer_name;
use super::{Script, since_start};
use std::fmt::Write as _;
use tenure_protocol::Timestamp;
use tenure_protocol::simulate::{Layer, LayerKind, Outcome, Report};

const LEFT: f64 = 230.0;
const RIGHT: f64 = 230.0;
const CHART: f64 = 640.0;
const WIDTH: f64 = LEFT + CHART + RIGHT;
const LANE: f64 = 40.0;
const LINE: f64 = 20.0;

const STYLE: &str = "\
svg{--ground:#ffffff;--ink:#1d2733;--soft:#5b6876;--line:#d5dbe2;--session:#2563c9;--offline:#0f7b6c;\
--online:#7a4fc0;--token:#9a6700;--upstream:#b03a7a;--no:#c2262e}\
@media (prefers-color-scheme:dark){svg{--ground:#12181f;--ink:#e8edf2;--soft:#a3b0bd;--line:#36424e;\
--session:#74a7ff;--offline:#4cc9b4;--online:#b99af0;--token:#e3b341;--upstream:#f08cc0;--no:#ff8087}}\
text{font:13px system-ui,sans-serif;fill:var(--ink)}.soft{fill:var(--soft);font-size:12px}\
.title{font-size:16px;font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}\
.grid{stroke:var(--line);stroke-width:1}.ground{fill:var(--ground)}.no{fill:var(--no)}\
.session{--c:var(--session)}.offline{--c:var(--offline)}.online{--c:var(--online)}.token{--c:var(--token)}.upstream{--c:var(--upstream)}\
.bar{fill:var(--c);fill-opacity:.28}.edge{stroke:var(--c);stroke-width:2}.dot{fill:var(--c)}\
.idle{stroke:var(--c);stroke-width:2;stroke-dasharray:2 3;fill:none}";

/// Time on paper. Stories have seconds and months in one picture, so gaps are compressed: a gap a
/// thousand times as long is drawn about eleven times as wide.
struct Axis {
    /// Instants with something to see, and where they are drawn.
    points: Vec<(Timestamp, f64)>,
}

impl Axis {
    fn new(mut instants: Vec<Timestamp>) -> Self {
        instants.sort_unstable();
        instants.dedup();
        let seconds = |gap: i64| f64::from(i32::try_from(gap / 1000).unwrap_or(i32::MAX));
        let gaps = instants.windows(2).map(|pair| match pair {
            [one, next] => seconds(next.millis_since(*one)).max(1.0).powf(0.35),
            _ => 0.0,
        });
        let gaps: Vec<f64> = gaps.collect();
        let whole = gaps.iter().sum::<f64>().max(1.0);
        let mut x = LEFT;
        let mut points = Vec::new();
        for (index, at) in instants.into_iter().enumerate() {
            if let Some(gap) = index.checked_sub(1).and_then(|before| gaps.get(before)) {
                x += gap / whole * CHART;
            }
            points.push((at, x));
        }
        Self { points }
    }

    fn x(&self, at: Timestamp) -> f64 {
        let after = self.points.partition_point(|(instant, _)| *instant <= at);
        let before = after
            .checked_sub(1)
            .and_then(|index| self.points.get(index));
        let Some((from, left)) = before else {
            return LEFT;
        };
        let Some((to, right)) = self.points.get(after) else {
            return *left;
        };
        let seconds = |span: i64| f64::from(i32::try_from(span / 1000).unwrap_or(i32::MAX));
        let share = seconds(at.millis_since(*from)) / seconds(to.millis_since(*from)).max(1.0);
        left + (right - left) * share.min(1.0)
    }
}

pub fn draw(script: &Script, report: &Report) -> String {
    let axis = Axis::new(instants(script, report));
    let lanes = f64::from(u32::try_from(report.layers.len()).unwrap_or(u32::MAX));
    let events = f64::from(u32::try_from(script.events.len()).unwrap_or(u32::MAX));
    let top = 84.0;
    let below = top + lanes * LANE;
    let height = below + 58.0 + events * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\"><title>{title}</title><style>{STYLE}</style>\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\
         <text class=\"title\" x=\"20\" y=\"30\">{title}</text>",
        title = escaped(script.title.as_deref().unwrap_or("Simulation")),
    );
    grid(&mut svg, &axis, (top, below));
    markers(&mut svg, &axis, script, report);
    let mut y = top;
    for layer in &report.layers {
        lane(&mut svg, &axis, layer, y);
        y += LANE;
    }
    legend(&mut svg, script, report, below + 46.0);
    svg.push_str("</svg>\n");
    svg
}

fn instants(script: &Script, report: &Report) -> Vec<Timestamp> {
    let mut instants = vec![super::START];
    instants.extend(script.events.iter().map(|step| step.event.at));
    for layer in &report.layers {
        instants.push(layer.since);
        instants.extend(layer.end.iter().map(|end| end.at));
        instants.extend(layer.refused_from.iter().map(|end| end.at));
        let last = layer.deadlines.last();
        instants.extend(last.and_then(|deadlines| deadlines.absolute));
    }
    instants
}

fn grid(svg: &mut String, axis: &Axis, (top, below): (f64, f64)) {
    let mut free = 0.0;
    for (at, x) in &axis.points {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{below}\"/>"
        );
        let text = since_start(*at);
        let half = 4.0 * f64::from(u32::try_from(text.len()).unwrap_or(0)) + 4.0;
        if x - half >= free {
            let _ = write!(
                svg,
                "<text class=\"soft mid\" x=\"{x:.1}\" y=\"{:.1}\">{text}</text>",
                below + 16.0
            );
            free = x + half;
        }
    }
}

fn is_refused(outcome: &Outcome) -> bool {
    !matches!(outcome.word, "ok" | "repeat")
}

/// The events above the lanes: their numbers in the list below. Several at one place are one mark.
fn markers(svg: &mut String, axis: &Axis, script: &Script, report: &Report) {
    let outcomes = script.events.iter().zip(&report.outcomes);
    let mut places: Vec<(f64, usize, usize, bool)> = Vec::new();
    for (number, (step, (_, outcome))) in (1..).zip(outcomes) {
        let (x, refused) = (axis.x(step.event.at), is_refused(outcome));
        match places.last_mut() {
            Some(last) if x - last.0 < 44.0 => {
                last.2 = number;
                last.3 |= refused;
            }
            _ => places.push((x, number, number, refused)),
        }
    }
    let _ = write!(
        svg,
        "<text class=\"soft\" x=\"20\" y=\"64\">events</text>\
         <text class=\"soft end\" x=\"{:.1}\" y=\"30\">long gaps of time are drawn shorter</text>",
        WIDTH - 20.0
    );
    for (x, first, last, refused) in places {
        let class = if refused { "mid no" } else { "mid" };
        let number = if first == last {
            first.to_string()
        } else {
            format!("{first}–{last}")
        };
        let mark = if refused { "✕" } else { "▾" };
        let _ = write!(
            svg,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"62\">{number}</text>\
             <text class=\"{class}\" x=\"{x:.1}\" y=\"76\">{mark}</text>"
        );
    }
}

fn lane(svg: &mut String, axis: &Axis, layer: &Layer, y: f64) {
    let class = match layer.kind {
        LayerKind::Upstream => "upstream",
        LayerKind::Session => "session",
        LayerKind::OfflineFamily => "offline",
        LayerKind::OnlineFamily => "online",
        LayerKind::AccessToken | LayerKind::IdToken => "token",
    };
    let middle = y + LANE / 2.0;
    let start = axis.x(layer.since);
    let end = layer.end.as_ref();
    let stop = end.map_or(LEFT + CHART, |end| axis.x(end.at));
    let _ = write!(
        svg,
        "<g class=\"{class}\"><text x=\"20\" y=\"{:.1}\">{}</text>\
         <rect class=\"bar\" x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\" rx=\"3\"/>",
        middle + 4.0,
        escaped(&layer_name(layer)),
        middle - 8.0,
        (stop - start).max(2.0),
    );
    // What would have been its last instant, had it been used.
    if let Some(absolute) = layer.deadlines.last().and_then(|last| last.absolute) {
        let x = axis.x(absolute);
        if x > stop {
            let _ = write!(
                svg,
                "<path class=\"idle\" d=\"M{stop:.1} {middle:.1}H{x:.1}M{x:.1} {:.1}v12\"/>",
                middle - 6.0
            );
        }
    }
    for activity in &layer.activities {
        let _ = write!(
            svg,
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"4\"/>",
            axis.x(*activity)
        );
    }
    if let Some(refused) = &layer.refused_from {
        let x = axis.x(refused.at);
        let _ = write!(
            svg,
            "<path class=\"idle\" d=\"M{x:.1} {:.1}v20\"/>",
            middle - 10.0
        );
    }
    let words = match end {
        Some(end) => format!("{} {} · {}", since_start(end.at), end.by, end.rule),
        None => super::text::open_end(layer).to_owned(),
    };
    let words = if words.chars().count() > 34 {
        words.split(" · ").next().unwrap_or_default().to_owned()
    } else {
        words
    };
    let _ = write!(
        svg,
        "<line class=\"edge\" x1=\"{stop:.1}\" y1=\"{:.1}\" x2=\"{stop:.1}\" y2=\"{:.1}\"/>\
         <text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        middle - 11.0,
        middle + 11.0,
        LEFT + CHART + 14.0,
        middle + 4.0,
        escaped(&words),
    );
}

fn legend(svg: &mut String, script: &Script, report: &Report, top: f64) {
    let outcomes = script.events.iter().zip(&report.outcomes);
    let mut y = top;
    for (number, (step, (at, outcome))) in (1..).zip(outcomes) {
        let class = if is_refused(outcome) { "no" } else { "" };
        let reason = outcome
            .reason
            .map_or(String::new(), |reason| format!(" ({})", reason.name()));
        let _ = write!(
            svg,
            "<text class=\"soft end\" x=\"40\" y=\"{y:.1}\">{number}</text>\
             <text class=\"soft\" x=\"54\" y=\"{y:.1}\">{}</text>\
             <text class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\">{}{reason}</text>\
             <text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            since_start(*at),
            outcome.word,
            LEFT + 240.0,
            escaped(&step.words),
        );
        y += LINE;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
