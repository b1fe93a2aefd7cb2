//! Runs over time: allows above the line, denies below it, and a mark above those that were held or
//! failed. The table has the same data.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::html::{count, escaped, number, time};
use pmp_sync_domain::records::RunRecord;

const TOP: f64 = 34.0;
const BOTTOM: f64 = 196.0;
/// Width of the numbers at the axis, in pixels. Everything else is as wide as there is room: horizontal places are percentages, so that
/// texts keep their size in a narrow window.
const NUMBERS: f64 = 56.0;
/// The number of times on the axis. Every other one is hidden in a narrow window.
const TICKS: i32 = 5;

pub(crate) fn section(runs: &[RunRecord], older: bool) -> String {
    let mut text = format!(
        "<section id=\"runs\" aria-labelledby=\"runs-title\">\n<h2 id=\"runs-title\">Runs <span class=\"n\">{}</span></h2>\n",
        number(runs.len())
    );
    if runs.is_empty() {
        text.push_str("<p class=\"calm\">No run yet.</p>\n</section>\n");
        return text;
    }
    if older {
        text.push_str("<p>These are the newest. Older ones: <code>pmp-sync history</code>.</p>\n");
    }
    text.push_str(&plot(runs));
    text.push_str(
        "<ul class=\"legend\"><li><span class=\"key allow\"></span> planned allows, above the line</li><li><span class=\"key deny\"></span> planned denies, below it</li>\
         <li class=\"s-held\"><span class=\"glyph\">‖</span> something held</li><li class=\"s-blocked\"><span class=\"glyph\">×</span> something failed</li></ul>\n",
    );
    text.push_str(&table(runs));
    text.push_str("</section>\n");
    text
}

/// The drawn height of a count.
fn height(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

/// The next round number that is not below `most`.
fn round(most: usize) -> usize {
    let mut step = 1_usize;
    loop {
        for factor in [1, 2, 3, 4, 5, 6, 8] {
            if step.saturating_mul(factor) >= most {
                return step.saturating_mul(factor);
            }
        }
        step = step.saturating_mul(10);
    }
}

fn plot(runs: &[RunRecord]) -> String {
    let begins = runs.iter().map(|run| run.started_at);
    let (first, last) = (begins.clone().min(), begins.max());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let span = last.duration_since(first).as_secs_f64().max(60.0);
    let width = (70.0 / height(runs.len())).clamp(0.3, 1.6);
    let x = |at: Timestamp| {
        let part = at.duration_since(first).as_secs_f64() / span;
        width / 2.0 + part * (100.0 - width)
    };
    let most = |of: fn(&RunRecord) -> usize| runs.iter().map(of).max().unwrap_or_default();
    let (up, down) = (
        round(most(|run| run.totals.allow)),
        round(most(|run| run.totals.deny)),
    );
    // One scale for both, so that equal counts have equal lengths.
    let scale = (BOTTOM - TOP) / height(up + down);
    let zero = TOP + height(up) * scale;
    let held = runs.iter().filter(|run| run.totals.held > 0).count();
    let failed = runs.iter().filter(|run| run.totals.failed > 0).count();
    let mut text = format!(
        "<div class=\"plot\" role=\"img\" aria-label=\"{} over time: up to {} and {} in one; {held} held something, {failed} failed on something. The table below has the same.\">\n",
        count(runs.len(), "run"),
        count(most(|run| run.totals.allow), "allow"),
        count(most(|run| run.totals.deny), "deny"),
    );
    let rules = [(TOP, up), (zero, 0), (BOTTOM, down)];
    let _ = write!(
        text,
        "<svg class=\"numbers\" width=\"{NUMBERS}\" height=\"228\">"
    );
    for (at, value) in rules {
        let _ = write!(
            text,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            NUMBERS - 8.0,
            at + 4.0,
            number(value)
        );
    }
    text.push_str("</svg>\n<svg class=\"area\" height=\"228\">\n");
    for (at, _) in rules {
        let _ = writeln!(
            text,
            "<line class=\"rule\" x1=\"0\" x2=\"100%\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
        );
    }
    for tick in 0..TICKS {
        let part = f64::from(tick) / f64::from(TICKS - 1);
        let at = jiff::SignedDuration::try_from_secs_f64(span * part).ok();
        let at = at
            .and_then(|after| first.checked_add(after).ok())
            .unwrap_or(last);
        let anchor = match tick {
            0 => "start",
            _ if tick == TICKS - 1 => "end",
            _ => "middle",
        };
        let minor = if tick % 2 == 1 { " minor" } else { "" };
        let _ = writeln!(
            text,
            "<text class=\"axis{minor}\" x=\"{:.1}%\" y=\"218\" text-anchor=\"{anchor}\">{}</text>",
            part * 100.0,
            label(at, span)
        );
    }
    for run in runs {
        text.push_str(&bar(run, x(run.started_at), width, zero, scale));
    }
    text.push_str("</svg>\n</div>\n");
    text
}

fn bar(run: &RunRecord, x: f64, width: f64, zero: f64, scale: f64) -> String {
    let left = x - width / 2.0;
    let (up, down) = (
        height(run.totals.allow) * scale,
        height(run.totals.deny) * scale,
    );
    let mut text = format!(
        "<g><title>{} {}: {} allow, {} deny, {} held, {} failed</title>",
        crate::html::utc(run.started_at),
        run.status.as_str(),
        number(run.totals.allow),
        number(run.totals.deny),
        number(run.totals.held),
        number(run.totals.failed)
    );
    if run.totals.allow + run.totals.deny == 0 {
        let _ = write!(
            text,
            "<circle class=\"none\" cx=\"{x:.2}%\" cy=\"{zero:.1}\" r=\"2\"/>"
        );
    }
    if run.totals.allow > 0 {
        let up = up.max(1.5);
        let _ = write!(
            text,
            "<rect class=\"allow\" x=\"{left:.2}%\" y=\"{:.1}\" width=\"{width:.2}%\" height=\"{up:.1}\"/>",
            zero - up
        );
    }
    if run.totals.deny > 0 {
        let _ = write!(
            text,
            "<rect class=\"deny\" x=\"{left:.2}%\" y=\"{zero:.1}\" width=\"{width:.2}%\" height=\"{:.1}\"/>",
            down.max(1.5)
        );
    }
    for (of, class, sign, y) in [
        (run.totals.held, "held", "‖", 24.0),
        (run.totals.failed, "failed", "×", 12.0),
    ] {
        if of > 0 {
            let _ = write!(
                text,
                "<text class=\"mark {class}\" x=\"{x:.2}%\" y=\"{y}\" text-anchor=\"middle\">{sign}</text>"
            );
        }
    }
    text.push_str("</g>\n");
    text
}

/// A time on the axis, with the date if the plot covers more than a day or two.
fn label(at: Timestamp, span: f64) -> String {
    let form = if span > 2.0 * 86_400.0 {
        "%b %d %H:%M"
    } else if span > 600.0 {
        "%H:%M"
    } else {
        "%H:%M:%S"
    };
    at.strftime(form).to_string()
}

fn table(runs: &[RunRecord]) -> String {
    let mut text = String::from(
        "<details class=\"runs\"><summary>The runs as a table</summary>\n<div class=\"scroll\" role=\"region\" aria-label=\"Runs, as a table\" tabindex=\"0\"><table><thead><tr>\
         <th scope=\"col\">Run</th><th scope=\"col\">Status</th><th scope=\"col\">For</th><th scope=\"col\">Began (UTC)</th><th scope=\"col\">Completed (UTC)</th>\
         <th scope=\"col\" class=\"r\">Allow</th><th scope=\"col\" class=\"r\">Deny</th><th scope=\"col\" class=\"r\">Held</th><th scope=\"col\" class=\"r\">Failed</th></tr></thead>\n<tbody>\n",
    );
    for run in runs {
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td></tr>",
            run.run,
            run.status.as_str(),
            escaped(&kinds(run).join(", ")),
            time(run.started_at),
            run.completed_at.map_or_else(|| "–".to_owned(), time),
            number(run.totals.allow),
            number(run.totals.deny),
            number(run.totals.held),
            number(run.totals.failed)
        );
    }
    text.push_str("</tbody></table></div></details>\n");
    text
}

/// What asked for it, each kind once.
fn kinds(run: &RunRecord) -> Vec<&str> {
    let mut kinds: Vec<_> = run
        .requests
        .iter()
        .map(|request| request.kind.as_str())
        .collect();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (most, end) in [
            (0, 1),
            (1, 1),
            (3, 3),
            (11, 20),
            (310, 400),
            (5_001, 6_000),
            (801, 1_000),
        ] {
            assert_eq!(round(most), end);
        }
    }
}
