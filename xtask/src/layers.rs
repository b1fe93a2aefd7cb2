//! `layers`: that packages and modules use each other only in the direction that xtask/layers.toml states, and
//! that the files of a package use each other in no circle.

mod cycles;
mod modules;
mod packages;
mod rules;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use self::modules::{Crate, Use};
use self::packages::Package;
use self::rules::{Modules, Rules};

/// Looks at the workspace. What is wrong is the error, a line for each violation.
pub(crate) fn run(root: &Path) -> Result<String, String> {
    let path = root.join("xtask/layers.toml");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let rules = Rules::parse(&text)?;
    let packages = packages::read(root)?;
    let mut wrong = Vec::new();
    let mut files = 0;
    for package in &packages {
        wrong.extend(dependencies(package, &rules));
        for file in &package.crates {
            let read = Crate::read(root, file)?;
            let uses = read.uses();
            files += read.modules.len();
            if let Some(rules) = rules.modules.get(&package.name) {
                wrong.extend(directions(&read, &uses, rules));
            }
            wrong.extend(circles(&read, &uses));
        }
    }
    if wrong.is_empty() {
        return Ok(format!(
            "{} packages, {files} files: every import goes the stated way",
            packages.len()
        ));
    }
    let count = wrong.len();
    Err(format!(
        "{}\n{count} violations of xtask/layers.toml",
        wrong.join("\n")
    ))
}

fn dependencies(package: &Package, rules: &Rules) -> Vec<String> {
    let manifest = package.manifest.display();
    let Some((uses, tests_use)) = rules.packages.get(&package.name) else {
        return vec![format!(
            "{manifest}: {} is not in xtask/layers.toml",
            package.name
        )];
    };
    let is_wrong = |name: &String, is_dev: bool| {
        let is_stated = uses.contains(name) || is_dev && tests_use.contains(name);
        !is_stated && *name != package.name
    };
    let wrong = package.dependencies.iter();
    let wrong = wrong.filter(|of| is_wrong(&of.name, of.is_dev));
    wrong
        .map(|of| {
            let tests = if of.is_dev { "the tests of " } else { "" };
            format!(
                "{manifest}:{}: {tests}{} may not depend on {}",
                of.line, package.name, of.name
            )
        })
        .collect()
}

/// What a file uses, and where.
fn told(read: &Crate, of: &Use) -> String {
    let module = |place: usize| read.modules.get(place);
    let (Some(from), Some(to)) = (module(of.from), module(of.to)) else {
        return String::new();
    };
    format!(
        "{}:{}: {} uses {} (`{}`)",
        from.file.display(),
        of.line,
        from.name(),
        to.name(),
        of.written
    )
}

fn directions(read: &Crate, uses: &[Use], rules: &Modules) -> Vec<String> {
    let mut wrong = Vec::new();
    if !rules.layers.is_empty() {
        for module in &read.modules {
            if rules.layer(&module.name()).is_none() {
                let file = module.file.display();
                wrong.push(format!(
                    "{file}: {} is in no layer of xtask/layers.toml",
                    module.name()
                ));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for of in uses {
        let module = |place: usize| read.modules.get(place);
        if let (Some(from), Some(to)) = (module(of.from), module(of.to))
            && let Some(objection) = rules.objection(&from.name(), &to.name())
            && seen.insert((of.from, of.to))
        {
            wrong.push(format!("{}: {objection}", told(read, of)));
        }
    }
    wrong
}

fn circles(read: &Crate, uses: &[Use]) -> Vec<String> {
    let circles = cycles::cycles(uses).into_iter();
    circles
        .map(|circle| {
            let steps: Vec<_> = circle
                .iter()
                .map(|of| format!("    {}", told(read, of)))
                .collect();
            format!("a circle of {} files:\n{}", circle.len(), steps.join("\n"))
        })
        .collect()
}

#[cfg(test)]
mod tests;
