//! The pages of the codes: each that the sources know has one, and no other code has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every code in the sources below a folder.
fn codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("PMS-").skip(1) {
                let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
                if digits.len() == 4 {
                    found.insert(format!("PMS-{digits}"));
                }
            }
        }
    }
}

#[test]
fn every_code_has_a_page_with_what_to_do() {
    let mut known = BTreeSet::new();
    for folder in ["shared/domain/src", "producer/src", "worker/src"] {
        codes(&root().join(folder), &mut known);
    }
    assert!(known.len() > 20, "{known:?}");
    let without_page: Vec<_> = known
        .iter()
        .filter(|code| {
            let path = root().join("docs/errors").join(format!("{code}.md"));
            let page = std::fs::read_to_string(path).unwrap_or_default();
            !(page.starts_with(&format!("# {code}: ")) && page.contains("**What to do:**"))
        })
        .collect();
    assert_eq!(without_page, [] as [&String; 0]);
    let pages = std::fs::read_dir(root().join("docs/errors")).unwrap();
    let pages = pages.map(|entry| entry.unwrap().path());
    let pages = pages.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let without_code: Vec<_> = pages
        .filter(|name| name != "README" && !known.contains(name))
        .collect();
    assert_eq!(without_code, [] as [String; 0]);
}
