use std::path::Path;

use tempfile::TempDir;

use super::run;

/// A workspace of one package `a` and, without files, `b`, with these rules.
fn workspace(rules: &str, files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n");
    write("a/Cargo.toml", "[package]\nname = \"a\"\n");
    write("b/Cargo.toml", "[package]\nname = \"b\"\n");
    write(
        "xtask/layers.toml",
        &format!("[packages]\na = {{}}\nb = {{}}\n{rules}"),
    );
    for (name, text) in files {
        write(name, text);
    }
    folder
}

fn violations(rules: &str, files: &[(&str, &str)]) -> Vec<String> {
    let folder = workspace(rules, files);
    let told = run(folder.path()).err().unwrap_or_default();
    told.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn a_dependency_that_is_not_stated_is_told_with_its_line() {
    let manifest = "[package]\nname = \"a\"\n[dev-dependencies]\nb.workspace = true\n";
    let told = violations("", &[("a/Cargo.toml", manifest)]);
    assert_eq!(
        told[0],
        "a/Cargo.toml:4: the tests of a may not depend on b"
    );
    let folder = workspace("", &[("a/Cargo.toml", manifest)]);
    let rules = "[packages]\na = { tests_use = [\"b\"] }\nb = {}\n";
    std::fs::write(folder.path().join("xtask/layers.toml"), rules).unwrap();
    run(folder.path()).unwrap();
    let manifest = manifest.replace("dev-dependencies", "dependencies");
    std::fs::write(folder.path().join("a/Cargo.toml"), manifest).unwrap();
    let told = run(folder.path()).unwrap_err();
    assert!(
        told.starts_with("a/Cargo.toml:4: a may not depend on b\n"),
        "{told}"
    );
}

#[test]
fn a_package_that_is_not_stated_is_told() {
    let folder = workspace("", &[]);
    std::fs::write(
        folder.path().join("xtask/layers.toml"),
        "[packages]\na = {}\n",
    )
    .unwrap();
    let told = run(folder.path()).unwrap_err();
    assert!(
        told.contains("b/Cargo.toml: b is not in xtask/layers.toml"),
        "{told}"
    );
}

#[test]
fn a_circle_is_told_with_every_step() {
    let told = violations(
        "",
        &[
            ("a/src/lib.rs", "mod x;\nmod y;\npub use self::x::X;"),
            ("a/src/x.rs", "\nuse crate::y::Y;\npub struct X(Y);"),
            ("a/src/y.rs", "mod z;\npub use self::z::Y;"),
            (
                "a/src/y/z.rs",
                "pub struct Y;\nfn f() { let _ = crate::X; }",
            ),
        ],
    );
    assert_eq!(
        told,
        [
            "a circle of 2 files:",
            "    a/src/x.rs:2: x uses y::z (`crate::y::Y`)",
            "    a/src/y/z.rs:2: y::z uses x (`crate::X`)",
            "1 violations of xtask/layers.toml",
        ]
    );
}

#[test]
fn what_is_only_handed_on_or_tested_makes_no_circle() {
    let told = violations(
        "",
        &[
            (
                "a/src/lib.rs",
                "mod x;\nmod y;\npub use self::x::X;\npub const N: u8 = 1;",
            ),
            (
                "a/src/x.rs",
                "use crate::N;\npub struct X;\n#[cfg(test)]\nmod tests { use crate::y::f; }",
            ),
            ("a/src/y.rs", "pub fn f() -> super::x::X { super::x::X }"),
        ],
    );
    assert_eq!(told, Vec::<String>::new());
}

const RULES: &str = "[modules.a]\nlayers = [[\"low\"], [\"parts\", \"crate\"]]\napart = [\"parts\"]\n\
    never = [{ from = \"low\", to = \"low::apply\", why = \"low only looks\" }]\n";

#[test]
fn an_import_against_the_layers_is_told() {
    let told = violations(
        RULES,
        &[
            ("a/src/lib.rs", "mod low;\nmod parts;"),
            (
                "a/src/low.rs",
                "mod apply;\nfn f() {\n    apply::g();\n    crate::parts::one::h();\n}",
            ),
            ("a/src/low/apply.rs", "pub fn g() {}"),
            ("a/src/parts.rs", "pub mod one;\nmod two;"),
            ("a/src/parts/one.rs", "pub fn h() {}"),
            (
                "a/src/parts/two.rs",
                "use super::one::{self, h};\nuse crate::low;",
            ),
        ],
    );
    assert_eq!(
        told,
        [
            "a/src/low.rs:3: low uses low::apply (`apply::g`): low only looks",
            "a/src/low.rs:4: low uses parts::one (`crate::parts::one::h`): parts::one is in a higher layer",
            "a/src/parts/two.rs:1: parts::two uses parts::one (`super::one`): nothing in parts uses another part of it",
            "3 violations of xtask/layers.toml",
        ]
    );
}

#[test]
fn a_module_without_a_layer_is_told() {
    let files = [("a/src/lib.rs", "mod more;"), ("a/src/more.rs", "")];
    let told = violations(RULES, &files);
    assert_eq!(
        told[0],
        "a/src/more.rs: more is in no layer of xtask/layers.toml"
    );
}

/// The tree as it is.
#[test]
fn the_workspace_keeps_to_its_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    if let Err(told) = run(root) {
        panic!("{told}");
    }
}
