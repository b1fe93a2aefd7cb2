//! `pmp-sync why`: explains the state of products on the member experiences. The producer answers,
//! because it alone reaches the members.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use pmp_sync_domain::answers::why::{
    MOST_PRODUCTS, Why, WhyAnswer, WhyLink, WhyReport, WhyRequest,
};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::Standing;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::sync_state::Verdict;
use pmp_sync_domain::wire::WHY_REQUESTED;

use crate::client::context::Context;
use crate::client::invoke::ask_showing;
use crate::client::products::{Mentions, Named, Resolved, must_exist, named, resolve};
use crate::client::scope;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::{Common, Narrowing};
use crate::output::{self, column};

/// What is asked.
#[derive(Debug, Args)]
pub(crate) struct WhyOptions {
    /// The products: each by its id, its name, a part of its name, or the URL of its page in AWS Marketplace.
    #[arg(value_name = "PRODUCT", required_unless_present = "file")]
    products: Vec<String>,
    /// Read products from a file as well, one on a line; - is stdin. Skips lines that begin with #.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    narrowing: Narrowing,
}

pub(crate) async fn run(common: &Common, options: &WhyOptions) -> Result<(), Failure> {
    let texts = texts_of(options)?;
    let context = Context::new(common).await?;
    let scope = scope::of(&options.narrowing, &context).await?;
    let resolved = resolve(&context, &texts).await?;
    let request = WhyRequest {
        scope,
        products: each_once(&resolved),
    };
    let step = "the producer looks at the members";
    let report: WhyReport = ask_showing(&context, WHY_REQUESTED, request, step).await?;
    must_exist(&context, &unheard_of(&resolved, &report)).await?;
    let mut report = named(&context, report).await;
    // The ledger may not know the product of a page that AWS Marketplace was asked for.
    let known = resolved.into_iter();
    let known = known.filter_map(|product| Some((product.id, product.name?)));
    report.names.complete(known);
    if common.json {
        output::json(&report)?;
    } else {
        show(&report, &context.flags)?;
    }
    outcome(&report.answer)
}

impl Mentions for WhyReport {
    fn products(&self) -> BTreeSet<ProductId> {
        let answers = self.links.iter().flat_map(|link| &link.answers);
        answers.map(|answer| answer.product.clone()).collect()
    }
}

/// The products that were resolved, each once.
fn each_once(resolved: &[Resolved]) -> Vec<ProductId> {
    let mut known = BTreeSet::new();
    let ids = resolved.iter().map(|product| &product.id);
    ids.filter(|id| known.insert((*id).clone()))
        .cloned()
        .collect()
}

/// Products of which nothing is known and that no list has. "In sync" is true of them, and says nothing.
fn unheard_of(resolved: &[Resolved], report: &WhyReport) -> Vec<ProductId> {
    let is_unlisted =
        |standing: Option<Standing>| standing.is_none_or(|is| is == Standing::Unlisted);
    let is_nowhere = |product: &ProductId| {
        let answers = report.links.iter().flat_map(|link| &link.answers);
        let of_product: Vec<_> = answers
            .filter(|answer| answer.product == *product)
            .collect();
        let mut all = of_product.iter();
        // Without an answer nobody has looked.
        !of_product.is_empty()
            && all.all(|answer| {
                is_unlisted(answer.desired)
                    && is_unlisted(answer.standing)
                    && matches!(answer.why, Why::InSync { run: None, .. })
            })
    };
    let unknown = resolved.iter().filter(|product| !product.is_known);
    let nowhere = unknown.filter(|product| is_nowhere(&product.id));
    nowhere.map(|product| product.id.clone()).collect()
}

/// The texts of the command line and of the file.
fn texts_of(options: &WhyOptions) -> Result<Vec<String>, Failure> {
    let mut products = options.products.clone();
    if let Some(file) = &options.file {
        let text = if file == Path::new("-") {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(file)
        };
        products.extend(lines(&text.map_err(Failure::file(file))?));
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
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    let told = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    told.map(ToOwned::to_owned).collect()
}

fn show(named: &Named<WhyReport>, flags: &Flags) -> Result<(), Failure> {
    let report = &named.answer;
    output::note(&format!(
        "by version {} of the configuration",
        report.config_version
    ));
    if report.links.is_empty() && report.left_out.is_empty() {
        output::note("no link is in this scope");
        return Ok(());
    }
    if !report.links.is_empty() {
        let columns = [
            column("PRODUCT").leaves(2),
            column("NAME").folds(),
            column("MEMBER"),
            column("EXPERIENCE").leaves(1),
            column("ANSWER").folds().state(),
            column("SINCE"),
            column("WHAT TO DO").folds(),
        ];
        output::table(columns, rows(named, flags))?;
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
        let fault = link.fault.as_ref();
        notes.extend(fault.map(|fault| output::fault(Some(&name), fault)));
    }
    for link in &report.left_out {
        let name = format!("{} {}", link.member, link.experience);
        notes.push(output::fault(Some(&name), &link.fault));
    }
    notes
}

/// Rows product by product, in the order of the question.
fn rows(named: &Named<WhyReport>, flags: &Flags) -> Vec<Vec<String>> {
    let report = &named.answer;
    let most = report.links.iter().map(|link| link.answers.len()).max();
    let places = 0..most.unwrap_or_default();
    let of_place = |place| {
        let links = report.links.iter();
        links.filter_map(move |link| Some(row(link, link.answers.get(place)?, &named.names, flags)))
    };
    places.flat_map(of_place).collect()
}

fn row(link: &WhyLink, answer: &WhyAnswer, names: &Names, flags: &Flags) -> Vec<String> {
    let what_to_do = answer.what_to_do();
    vec![
        answer.product.to_string(),
        output::or_dash(names.of(&answer.product)),
        link.member.to_string(),
        output::or_star(link.experience.as_ref()),
        answer.words(),
        output::age(answer.why.since()),
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
            "of {}, {} in sync, {} differing, {} held, {} failing",
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
        let read = lines("# ours\n\n  prod-a \r\na name\n");
        assert_eq!(read, ["prod-a", "a name"]);
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
                .map(|number| format!("prod-{number}"))
                .chain(["prod-0".to_owned()])
                .collect(),
            file: None,
            narrowing: Narrowing::default(),
        };
        assert_eq!(texts_of(&options(3)).unwrap().len(), 3);
        assert_eq!(texts_of(&options(MOST_PRODUCTS)).unwrap().len(), 2_000);
        let refused = texts_of(&options(MOST_PRODUCTS + 1)).unwrap_err();
        assert_eq!(refused.exit_code(), 5);
    }

    fn report(answer: &str) -> WhyReport {
        serde_json::from_str(&format!(
            r#"{{ "schema": 1, "config_version": 1, "links": [{{ "member": "emea",
                "account": "222222222222", "experience": "exp-1", "management_experience": "exp-m",
                "mode": "mirror", "answers": [{answer}] }}] }}"#
        ))
        .unwrap()
    }

    /// Otherwise a typo in an id would be answered like a product that is where it should be.
    #[test]
    fn a_product_that_is_nowhere_is_no_answer() {
        let resolved = |is_known| Resolved {
            id: ProductId::new("prod-doesnotexist").unwrap(),
            name: None,
            is_known,
        };
        let nowhere = report(
            r#"{ "product": "prod-doesnotexist", "desired": "unlisted", "standing": "unlisted",
                "why": { "answer": "in_sync" } }"#,
        );
        let count = |known, report: &WhyReport| unheard_of(&[resolved(known)], report).len();
        assert_eq!(count(false, &nowhere), 1);
        assert_eq!(count(true, &nowhere), 0, "AWS Marketplace has it");
        for answer in [
            r#"{ "product": "prod-doesnotexist", "desired": "denied", "standing": "unlisted",
                "why": { "answer": "planned" } }"#,
            r#"{ "product": "prod-doesnotexist", "desired": "unlisted", "standing": "denied",
                "why": { "answer": "in_sync" } }"#,
        ] {
            assert_eq!(count(false, &report(answer)), 0, "{answer}");
        }
    }
}
