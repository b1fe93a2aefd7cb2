//! `pmp-sync why`: explains the state of products on the member experiences. The producer answers,
//! because it alone reaches the members.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Args;
use pmp_sync_domain::answers::why::{
    MOST_PRODUCTS, Verdict, WhyAnswer, WhyLink, WhyReport, WhyRequest,
};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::wire::WHY_REQUESTED;

use crate::client::context::Context;
use crate::client::invoke::ask_showing;
use crate::client::scope;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::{Common, Narrowing};
use crate::output;

/// What is asked.
#[derive(Debug, Args)]
pub(crate) struct WhyOptions {
    /// The products.
    #[arg(value_name = "PRODUCT", required_unless_present = "file")]
    products: Vec<ProductId>,
    /// Read products from a file as well, one on a line; - is stdin. Skips lines that begin with #.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    narrowing: Narrowing,
}

pub(crate) async fn run(common: &Common, options: &WhyOptions) -> Result<(), Failure> {
    let products = products_of(options)?;
    let context = Context::new(common).await?;
    let scope = scope::of(&options.narrowing, &context).await?;
    let request = WhyRequest { scope, products };
    let step = "the producer looks at the members";
    let report: WhyReport = ask_showing(&context, WHY_REQUESTED, request, step).await?;
    if common.json {
        output::json(&report)?;
    } else {
        show(&report, &context.flags)?;
    }
    outcome(&report)
}

/// The products of the command line and of the file, each once.
fn products_of(options: &WhyOptions) -> Result<Vec<ProductId>, Failure> {
    let mut products = options.products.clone();
    if let Some(file) = &options.file {
        let text = if file == Path::new("-") {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(file)
        };
        let read = text.and_then(|text| lines(&text));
        products.extend(read.map_err(Failure::file(file))?);
    }
    let mut known = BTreeSet::new();
    products.retain(|product| known.insert(product.clone()));
    let refused = |message: String, remedy: &str| Failure::CommandLine {
        message,
        remedy: remedy.to_owned(),
    };
    if products.is_empty() {
        let words = "no product is named".to_owned();
        return Err(refused(words, "name one, or give a file that has some"));
    }
    if products.len() > MOST_PRODUCTS {
        let words = format!(
            "{} products are named, and {MOST_PRODUCTS} are answered at once",
            products.len()
        );
        return Err(refused(words, "ask in several commands"));
    }
    Ok(products)
}

/// The products of a file, one on a line.
fn lines(text: &str) -> std::io::Result<Vec<ProductId>> {
    let numbered = text.lines().map(str::trim).zip(1_usize..);
    let told = numbered.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    told.map(|(line, number)| {
        let wrong = |error| Error::new(ErrorKind::InvalidData, format!("line {number}: {error}"));
        ProductId::new(line).map_err(wrong)
    })
    .collect()
}

fn show(report: &WhyReport, flags: &Flags) -> Result<(), Failure> {
    output::note(&format!(
        "by version {} of the configuration",
        report.config_version
    ));
    if report.links.is_empty() && report.left_out.is_empty() {
        output::note("no link is in this scope");
        return Ok(());
    }
    if !report.links.is_empty() {
        let header = "PRODUCT, MEMBER, EXPERIENCE, ANSWER, SINCE, WHAT TO DO";
        output::table(header, rows(report, flags))?;
    }
    for note in notes(report) {
        output::note(&note);
    }
    Ok(())
}

/// What concerns whole experiences.
fn notes(report: &WhyReport) -> Vec<String> {
    let mut notes = Vec::new();
    for link in &report.links {
        let experience = output::or_star(link.experience.as_ref());
        let name = format!("{} {experience}", link.member);
        notes.extend(output::invalid(&name, &link.invalid));
        let other = link.other_installation.as_ref();
        notes.extend(other.map(|other| output::contested(&name, other)));
    }
    for link in &report.left_out {
        let name = format!("{} {}", link.member, link.experience);
        notes.push(output::fault(Some(&name), &link.fault));
    }
    notes
}

/// Rows product by product, in the order of the question.
fn rows(report: &WhyReport, flags: &Flags) -> Vec<Vec<String>> {
    let most = report.links.iter().map(|link| link.answers.len()).max();
    let places = 0..most.unwrap_or_default();
    let of_place = |place| {
        let links = report.links.iter();
        links.filter_map(move |link| Some(row(link, link.answers.get(place)?, flags)))
    };
    places.flat_map(of_place).collect()
}

fn row(link: &WhyLink, answer: &WhyAnswer, flags: &Flags) -> Vec<String> {
    let what_to_do = answer.what_to_do();
    vec![
        answer.product.to_string(),
        link.member.to_string(),
        output::or_star(link.experience.as_ref()),
        answer.words(),
        output::time(answer.why.since()),
        output::or_dash(what_to_do.as_ref().map(|told| flags.advice(told))),
    ]
}

/// The exit code: that of the worst answer.
fn outcome(report: &WhyReport) -> Result<(), Failure> {
    let answers = report.links.iter().flat_map(|link| &link.answers);
    let verdicts: Vec<_> = answers.map(|answer| answer.why.verdict()).collect();
    let count = |of: Verdict| verdicts.iter().filter(|verdict| **verdict == of).count();
    let exit = match verdicts.iter().max() {
        None | Some(Verdict::InSync) => return Ok(()),
        Some(Verdict::Differs) => 2,
        Some(Verdict::Held) => 3,
        Some(Verdict::Fails) => 4,
    };
    Err(Failure::Told {
        exit,
        message: format!(
            "of {}, {} in sync; {} differ, {} held, {} failing",
            output::count(verdicts.len(), "answer"),
            count(Verdict::InSync),
            count(Verdict::Differs),
            count(Verdict::Held),
            count(Verdict::Fails)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_read_one_on_a_line() {
        let read = lines("# ours\n\n  prod-a \r\nprod-b\n").unwrap();
        let read: Vec<_> = read.iter().map(ProductId::as_str).collect();
        assert_eq!(read, ["prod-a", "prod-b"]);
        let error = lines("prod-a\nprod b\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2: \"prod b\""), "{error}");
    }

    #[test]
    fn another_installation_and_what_is_left_out_are_noted() {
        let report: WhyReport = serde_json::from_str(
            r#"{ "schema": 1, "config_version": 1,
                "links": [{ "member": "emea", "account": "222222222222", "experience": "exp-1",
                    "management_experience": "exp-m", "mode": "mirror", "answers": [],
                    "other_installation": { "installation": "0abc9", "change_set": "cs9",
                        "seen": "2026-01-01T11:00:00Z" } }],
                "left_out": [{ "member": "emea", "account": "222222222222", "experience": "exp-m",
                    "management_experience": "exp-m",
                    "fault": { "code": "PMS-2007", "message": "the path", "remedy": "nothing" } }] }"#,
        )
        .unwrap();
        let told = notes(&report);
        let [contested, left_out] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert!(
            contested.starts_with("emea exp-1: PMS-6002: another"),
            "{contested}"
        );
        assert_eq!(
            left_out,
            "emea exp-m: PMS-2007: the path\nwhat to do: nothing"
        );
        // They fail nothing.
        assert!(outcome(&report).is_ok());
    }

    #[test]
    fn a_product_is_asked_for_once_and_too_many_are_refused() {
        let options = |count: usize| WhyOptions {
            products: (0..count)
                .map(|number| ProductId::new(format!("prod-{number}")).unwrap())
                .chain([ProductId::new("prod-0").unwrap()])
                .collect(),
            file: None,
            narrowing: Narrowing::default(),
        };
        assert_eq!(products_of(&options(3)).unwrap().len(), 3);
        assert_eq!(products_of(&options(MOST_PRODUCTS)).unwrap().len(), 2_000);
        let refused = products_of(&options(MOST_PRODUCTS + 1)).unwrap_err();
        assert_eq!(refused.exit_code(), 5);
    }
}
