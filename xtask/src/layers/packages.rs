//! The packages of the workspace: what each depends on, and its crates.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// A dependency on another package of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// True of one that only tests have.
    pub(crate) is_dev: bool,
}

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    /// The root files of its library and binaries.
    pub(crate) crates: Vec<PathBuf>,
}

fn table(path: &Path) -> Result<(String, Table), String> {
    let wrong = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    Ok((text, table))
}

fn strings<'a>(table: &'a Table, section: &str, key: &str) -> impl Iterator<Item = &'a str> {
    let value = table.get(section).and_then(|section| section.get(key));
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str)
}

/// Every package of the workspace, in the order of its manifest.
pub(crate) fn read(root: &Path) -> Result<Vec<Package>, String> {
    let (_, workspace) = table(&root.join("Cargo.toml"))?;
    let members = strings(&workspace, "workspace", "members");
    let folders: Vec<_> = members.map(|member| root.join(member)).collect();
    let manifests = folders
        .iter()
        .map(|folder| table(&folder.join("Cargo.toml")));
    let manifests = manifests.collect::<Result<Vec<_>, _>>()?;
    let name = |table: &Table| {
        let name = table.get("package").and_then(|package| package.get("name"));
        name.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let names: Vec<_> = manifests.iter().map(|(_, table)| name(table)).collect();
    let packages = folders.iter().zip(&manifests).zip(&names);
    let packages = packages.map(|((folder, (text, table)), name)| Package {
        name: name.clone(),
        manifest: folder
            .strip_prefix(root)
            .unwrap_or(folder)
            .join("Cargo.toml"),
        dependencies: dependencies(text, table, &names),
        crates: crates(folder),
    });
    Ok(packages.collect())
}

fn dependencies(text: &str, table: &Table, names: &[String]) -> Vec<Dependency> {
    let mut found = Vec::new();
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        let all = table.get(section).and_then(Value::as_table);
        let of_workspace = all.into_iter().flatten().map(|(name, _)| name);
        for name in of_workspace.filter(|name| names.contains(name)) {
            let mut lines = text.lines().enumerate();
            let title = format!("[{section}]");
            let line = lines
                .by_ref()
                .find(|(_, line)| line.trim() == title)
                .and_then(|_| lines.find(|(_, line)| line.starts_with(name.as_str())));
            found.push(Dependency {
                name: name.clone(),
                line: line.map_or(0, |(number, _)| number + 1),
                is_dev: section == "dev-dependencies",
            });
        }
    }
    found
}

fn crates(folder: &Path) -> Vec<PathBuf> {
    let source = folder.join("src");
    let mut roots = vec![source.join("lib.rs"), source.join("main.rs")];
    if let Ok(entries) = std::fs::read_dir(source.join("bin")) {
        let binaries = entries.filter_map(|entry| Some(entry.ok()?.path()));
        roots.extend(binaries.map(|path| {
            if path.is_dir() {
                path.join("main.rs")
            } else {
                path
            }
        }));
    }
    roots.retain(|root| root.exists());
    roots.sort();
    roots
}
