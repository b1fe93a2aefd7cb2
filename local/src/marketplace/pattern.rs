//! EventBridge event patterns: the part that rules on finished change sets use.

use serde_json::Value;

/// True when `event` matches `pattern`. An unknown kind of filter matches nothing.
pub(crate) fn matches(pattern: &Value, event: &Value) -> bool {
    let Value::Object(fields) = pattern else {
        return false;
    };
    fields.iter().all(|(name, wanted)| {
        let found = event.get(name);
        match wanted {
            Value::Object(_) => found.is_some_and(|found| matches(wanted, found)),
            Value::Array(choices) => choices.iter().any(|choice| any_value(choice, found)),
            _ => false,
        }
    })
}

/// An array in the event matches if one of its elements does.
fn any_value(choice: &Value, found: Option<&Value>) -> bool {
    match found {
        Some(Value::Array(elements)) => elements
            .iter()
            .any(|element| one_value(choice, Some(element))),
        other => one_value(choice, other),
    }
}

fn one_value(choice: &Value, found: Option<&Value>) -> bool {
    let Value::Object(filter) = choice else {
        return found == Some(choice);
    };
    let text = found.and_then(Value::as_str);
    filter.iter().all(|(kind, value)| match kind.as_str() {
        "exists" => value.as_bool() == Some(found.is_some()),
        "prefix" => text
            .zip(value.as_str())
            .is_some_and(|(text, prefix)| text.starts_with(prefix)),
        "suffix" => text
            .zip(value.as_str())
            .is_some_and(|(text, suffix)| text.ends_with(suffix)),
        "equals-ignore-case" => text
            .zip(value.as_str())
            .is_some_and(|(text, other)| text.eq_ignore_ascii_case(other)),
        "anything-but" => match (found, value) {
            (None, _) => false,
            (Some(found), Value::Array(others)) => !others.contains(found),
            (Some(found), Value::Object(_)) => !one_value(value, Some(found)),
            (Some(found), other) => found != other,
        },
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_rules_of_the_templates_match_what_they_are_for() {
        let event = |name: &str| json!({ "source": "aws.marketplacecatalog", "detail-type": "Change Set Failed", "detail": { "ChangeSetName": name } });
        let pattern = json!({
            "source": ["aws.marketplacecatalog"],
            "detail-type": ["Change Set Succeeded", "Change Set Failed"],
            "detail": { "ChangeSetName": [{ "prefix": "pmp-sync:" }] },
        });
        assert!(matches(&pattern, &event("pmp-sync:exp-1:4")));
        assert!(!matches(&pattern, &event("somebody else's")));
        assert!(!matches(
            &json!({ "source": ["aws.s3"] }),
            &event("pmp-sync:exp-1:4")
        ));
    }

    #[test]
    fn filters_say_what_eventbridge_says() {
        let event = json!({ "a": "Xy", "n": 3, "list": ["p", "q"] });
        assert!(matches(
            &json!({ "a": [{ "suffix": "y" }], "n": [3] }),
            &event
        ));
        assert!(matches(
            &json!({ "a": [{ "equals-ignore-case": "xY" }] }),
            &event
        ));
        assert!(matches(&json!({ "b": [{ "exists": false }] }), &event));
        assert!(!matches(&json!({ "a": [{ "exists": false }] }), &event));
        assert!(matches(
            &json!({ "a": [{ "anything-but": ["z"] }] }),
            &event
        ));
        assert!(!matches(
            &json!({ "a": [{ "anything-but": { "prefix": "X" } }] }),
            &event
        ));
        assert!(matches(&json!({ "list": ["q"] }), &event));
        assert!(!matches(
            &json!({ "a": [{ "cidr": "10.0.0.0/8" }] }),
            &event
        ));
    }
}
