//! The page.

use std::fmt::Write as _;

use pmp_sync_domain::link::Mode;
use pmp_sync_domain::time::in_whole_seconds;

use crate::code::{coded, products};
use crate::html::{age, count, escaped, in_script, number, source_hash, time, unbroken};
use crate::members;
use crate::model::{Attention, AttentionKind, Concerned, Kind, Model, State};
use crate::{edits, headline, plot, requests, week};

/// No state, but counted and chosen beside the states.
const STALE: AttentionKind = AttentionKind::Stale;

const STYLE: &str = include_str!("../assets/report.css");
/// The page's script, in three files with one purpose each.
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("../assets/data.js"),
    include_str!("../assets/panel.js"),
    include_str!("../assets/grid.js"),
    include_str!("../assets/report.js"),
);

/// The number of items of a kind that are shown at once. A click shows the others.
const SHOWN: usize = 6;

/// Renders the whole page, which needs no other file.
pub fn render(model: &Model) -> String {
    // It consists of strings, numbers and lists, so serialization cannot fail.
    let data = serde_json::to_string(&coded(model)).unwrap_or_else(|_| "null".to_owned());
    let data = in_whole_seconds(&data);
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        source_hash(SCRIPT),
        source_hash(STYLE)
    );
    let name = escaped(&model.name);
    let mut page = String::with_capacity(data.len() + STYLE.len() + SCRIPT.len() + 100_000);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{name}: where every member stands</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#matrix\">Skip to the matrix</a>\n"
    );
    page.push_str(&head(model, &name));
    page.push_str("<main>\n");
    page.push_str(&glance(model));
    page.push_str(&week::section(model));
    page.push_str(&attention(model));
    page.push_str(&matrix());
    page.push_str(&members::section(model));
    page.push_str(&edits::section(model));
    page.push_str(&requests::section(model));
    page.push_str(&plot::section(&model.runs, model.older_runs));
    page.push_str("</main>\n");
    let _ = write!(
        page,
        "<aside id=\"panel\" class=\"panel\" role=\"region\" aria-labelledby=\"panel-title\" hidden></aside>\n\
         <p id=\"said\" class=\"unseen\" role=\"status\" aria-live=\"polite\"></p>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        in_script(&data)
    );
    page
}

fn head(model: &Model, name: &str) -> String {
    format!(
        "<header class=\"head\">\n<div><h1>{name}</h1>\n{}<p class=\"sub\">{} × {} · configuration {} · <span class=\"nb\">{} UTC</span></p></div>\n\
         <nav aria-label=\"Sections\">{}<a href=\"#attention\">Needs attention</a><a href=\"#matrix\">Matrix</a>\
         <a href=\"#members\">Members</a><a href=\"#edits\">Outside edits</a><a href=\"#requests\">Requests</a><a href=\"#runs\">Runs</a></nav>\n\
         <button id=\"theme\" type=\"button\" class=\"quiet\" hidden>Dark colours</button>\n</header>\n",
        headline::line(model),
        count(model.links.len(), "member experience"),
        count(products(model).len(), "product"),
        model.config_version,
        time(model.made_at),
        model
            .week
            .as_ref()
            .map_or("", |_| "<a href=\"#week\">This week</a>"),
    )
}

/// The tiles: member experiences by state.
fn glance(model: &Model) -> String {
    let counts = &model.counts;
    let states = State::ALL.iter().map(|state| {
        let count = counts.states.get(state).copied().unwrap_or_default();
        (state.as_str(), state.sign(), state.text(), count)
    });
    let stale = (STALE.as_str(), STALE.sign(), "stale", counts.stale);
    let mut text = String::from(
        "<section id=\"glance\" aria-labelledby=\"glance-title\">\n<h2 id=\"glance-title\" class=\"unseen\">At a glance: member experiences</h2>\n<ul class=\"tiles\">\n",
    );
    for (state, glyph, words, of) in states.chain([stale]) {
        let none = if of == 0 { " none" } else { "" };
        let _ = writeln!(
            text,
            "<li><button type=\"button\" class=\"tile s-{state}{none}\" data-state=\"{state}\" aria-pressed=\"false\">\
             <span class=\"glyph\" aria-hidden=\"true\">{glyph}</span><b>{}</b> <span>{words}</span></button></li>",
            number(of)
        );
    }
    text.push_str("</ul>\n</section>\n");
    text
}

/// What needs attention, by kind.
fn attention(model: &Model) -> String {
    let total = model.attention.len();
    let mut text = format!(
        "<section id=\"attention\" aria-labelledby=\"attention-title\">\n<h2 id=\"attention-title\">Needs attention <span class=\"n\">{}</span></h2>\n",
        number(total)
    );
    if total == 0 {
        text.push_str("<p class=\"calm\">Nothing. No plan is held, no lane blocked, no change quarantined.</p>\n");
    }
    let mut kinds: Vec<_> = model.attention.iter().map(|item| item.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for of in kinds {
        let items = model.attention.iter().filter(|item| item.kind == of);
        let items = items.map(|item| card(item, model)).collect();
        text.push_str(&group(of, items));
    }
    text.push_str("</section>\n");
    text
}

fn group(of: AttentionKind, items: Vec<String>) -> String {
    let (class, glyph, words) = (of.as_str(), of.sign(), of.text());
    let mut text = format!(
        "<div class=\"group s-{class}\"><h3><span class=\"glyph\" aria-hidden=\"true\">{glyph}</span> {words} <span class=\"n\">{}</span></h3>\n<ul class=\"cards\">\n",
        number(items.len())
    );
    let more = items.len().saturating_sub(SHOWN);
    for (place, item) in items.into_iter().enumerate() {
        if place == SHOWN {
            let _ = write!(
                text,
                "</ul>\n<details><summary>{} more</summary>\n<ul class=\"cards\">\n",
                number(more)
            );
        }
        text.push_str(&item);
    }
    text.push_str(if more > 0 {
        "</ul></details></div>\n"
    } else {
        "</ul></div>\n"
    });
    text
}

/// One item in three columns: who, what, and the command.
fn card(item: &Attention, model: &Model) -> String {
    let mut text = if item.concerned.len() > 1 {
        concerned(&item.concerned)
    } else {
        let experience = item.experience.as_ref();
        let experience = experience.map_or_else(String::new, |experience| {
            format!(" <code>{}</code>", escaped(experience))
        });
        format!(
            "<li class=\"card\"><div><h4>{}{experience}</h4>",
            unbroken(&item.about)
        )
    };
    if let Some(since) = item.since {
        let _ = write!(
            text,
            "<p class=\"since\">since {} UTC ({})</p>",
            time(since),
            age(since, model.made_at)
        );
    }
    text.push_str("</div><div>");
    for message in &item.message {
        let _ = write!(text, "<p>{}</p>", unbroken(message));
    }
    if let Some(what) = &item.what_to_do {
        let _ = write!(text, "<p class=\"todo\">{}</p>", unbroken(what));
    }
    text.push_str("</div>");
    if let Some(command) = &item.command {
        text.push_str(&command_line(command));
    }
    text.push_str("</li>\n");
    text
}

/// The beginning of the card of an item about several member experiences.
fn concerned(all: &[Concerned]) -> String {
    let mut text = format!(
        "<li class=\"card\"><div><h4>{}</h4><details><summary>Which</summary><ul class=\"concerned\">",
        count(all.len(), "member experience")
    );
    for one in all {
        let (member, experience) = (escaped(&one.member), escaped(&one.experience));
        let _ = write!(text, "<li>{member} <code>{experience}</code></li>");
    }
    text.push_str("</ul></details>");
    text
}

/// A command with its copy button. Without scripts it is text to select.
pub(crate) fn command_line(command: &str) -> String {
    format!(
        "<div class=\"command\"><code>{}</code><button type=\"button\" class=\"copy\" hidden>Copy</button></div>",
        unbroken(command)
    )
}

/// The script fills it. The table of members shows the members too.
fn matrix() -> String {
    let states = State::ALL
        .iter()
        .map(|state| (state.as_str(), state.text()));
    let states = options("anything", states.chain([(STALE.as_str(), "stale")]));
    let kinds = options(
        "anything",
        Kind::ALL.iter().map(|kind| (kind.as_str(), kind.text())),
    );
    let modes = Mode::ALL.iter();
    let modes = options("any", modes.map(|mode| (mode.as_str(), mode.as_str())));
    format!(
        r#"<section id="matrix" aria-labelledby="matrix-title">
<h2 id="matrix-title">Matrix <span class="n" id="shown"></span></h2>
<p id="unscripted" class="calm">The matrix of products and its filters need scripts, which are not running here: this viewer or its security policy forbids them. Everything else on this page works without. <code>pmp-sync report --csv FILE</code> writes what the matrix shows as a table.</p>
<p class="paper calm">The matrix is not printed. <code>pmp-sync report --csv FILE</code> writes what it shows as a table.</p>
<form id="filters" class="filters" role="search" aria-label="What the matrix shows" hidden>
<label>Product<input id="q" type="search" autocomplete="off" spellcheck="false" placeholder="part of a name or id"></label>
<label>Member<input id="m" type="search" autocomplete="off" spellcheck="false" placeholder="name, account, experience"></label>
<label>Members that are<select id="state">{states}</select></label>
<label>Products that are<select id="why">{kinds}</select></label>
<label>Mode<select id="mode">{modes}</select></label>
<label>Size<select id="zoom"><option value="words">words</option><option value="signs">signs</option><option value="dense">dense</option></select></label>
<label class="check"><input id="diff" type="checkbox" checked> Only what differs</label>
<button id="clear" type="reset" class="quiet">Clear</button>
<button id="csv" type="button" class="quiet">CSV of what is shown</button>
</form>
<div id="grid" class="grid" role="grid" aria-label="Products by member experiences" aria-describedby="keys" aria-readonly="true" hidden></div>
<p id="nothing" class="calm" hidden></p>
<ul class="legend" id="legend" hidden></ul>
<p id="keys" class="keys" hidden>Arrow keys, Home, End, Page Up and Page Down move; Enter tells why; Escape closes.</p>
</section>
"#
    )
}

fn options<'a>(all: &str, choices: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = format!("<option value=\"\">{all}</option>");
    for (value, words) in choices {
        let _ = write!(text, "<option value=\"{value}\">{words}</option>");
    }
    text
}
