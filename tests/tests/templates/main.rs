//! What the templates must say and the emulator of AWS does not enforce.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod notices;
mod queues;
mod roles;

use std::collections::BTreeSet;

use serde_yaml_ng::Value;

fn template(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("a template is YAML")
}

fn management() -> Value {
    template(include_str!("../../../infra/management.yaml"))
}

fn access() -> Value {
    template(include_str!("../../../infra/member-access.yaml"))
}

fn member() -> Value {
    template(include_str!("../../../infra/member.yaml"))
}

/// A value by the names on its way; `!Ref` and the like are looked through.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |value, name| {
        let value = if let Value::Tagged(tagged) = value {
            &tagged.value
        } else {
            value
        };
        match name.parse::<usize>() {
            Ok(place) => &value[place],
            Err(_) => &value[name],
        }
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) => text(&tagged.value),
        Value::String(text) => text.clone(),
        other => panic!("{other:?} is not text"),
    }
}

fn of_type<'a>(template: &'a Value, kind: &str) -> Vec<&'a Value> {
    let resources = template["Resources"].as_mapping().unwrap().values();
    resources
        .filter(|resource| resource["Type"] == kind)
        .collect()
}

fn statements(role: &Value) -> Vec<&Value> {
    let policies = at(role, "Properties/Policies").as_sequence().unwrap();
    policies
        .iter()
        .flat_map(|policy| {
            // One that depends on a condition: `!If`, with the condition before it.
            let policy = match policy {
                Value::Tagged(tagged) => &tagged.value[1],
                policy => policy,
            };
            at(policy, "PolicyDocument/Statement")
                .as_sequence()
                .unwrap()
        })
        .collect()
}

fn actions(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::Sequence(actions) => actions.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

#[test]
fn the_ledger_is_recoverable_encrypted_protected_and_forgets_runs() {
    let template = management();
    let ledger = at(&template, "Resources/Ledger");
    assert_eq!(ledger["DeletionPolicy"], "RetainExceptOnCreate");
    assert_eq!(
        *at(
            ledger,
            "Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled"
        ),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/SSESpecification/SSEEnabled"),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/TimeToLiveSpecification/AttributeName"),
        "expires_at"
    );
    assert_eq!(
        *at(ledger, "Properties/TimeToLiveSpecification/Enabled"),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/DeletionProtectionEnabled"),
        Value::Bool(true)
    );
    assert_eq!(
        *at(ledger, "Properties/LocalSecondaryIndexes/0/IndexName"),
        "open"
    );
}

#[test]
fn stacks_tell_the_release_of_their_template() {
    for template in [management(), access(), member()] {
        let release = at(&template, "Outputs/Release/Value");
        assert_eq!(text(release), env!("CARGO_PKG_VERSION"));
    }
}

/// The plain way: what infra/README.md has whoever goes it give is what the templates ask for.
#[test]
fn the_parameters_of_the_plain_way_are_those_without_a_default() {
    let readme = include_str!("../../../infra/README.md");
    for (file, template) in [
        ("management.yaml", management()),
        ("member-access.yaml", access()),
        ("member.yaml", member()),
    ] {
        let mark = format!("--template-file {file}");
        let call = readme.split(&mark).nth(1).unwrap();
        let call = call.split("\n    aws ").next().unwrap();
        let call = call.split("\n\n").next().unwrap();
        let given = call
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let given: BTreeSet<_> = given.map(|(name, _)| name.to_owned()).collect();
        let parameters = template["Parameters"].as_mapping().unwrap().iter();
        let needed = parameters.filter(|(_, parameter)| parameter.get("Default").is_none());
        let needed: BTreeSet<_> = needed.map(|(name, _)| text(name)).collect();
        assert_eq!(given, needed, "{file}");
    }
}
