//! Events as the bus carries them, and the names and ids in them. The input is read as one event,
//! and line by line as names.

#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use pmp_sync_domain::ids::{
    AccountId, CHANGE_SET_PREFIX, ChangeSetId, ChangeSetName, ExperienceId, ExternalId,
    InstallationId, LaneId, MemberName, PolicyId, ProductId, RunId,
};
use pmp_sync_domain::wire::{Envelope, Scope, Trigger, Unreadable, WorkerMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(envelope) = serde_json::from_str::<Envelope>(text) {
        check_event(&envelope);
    }
    for line in text.split('\n') {
        check_names(line);
    }
});

fn check_event(envelope: &Envelope) {
    let written = serde_json::to_string(envelope).expect("an event can be written");
    let again: Envelope = serde_json::from_str(&written).expect("and read");
    assert_eq!(without_floats(&again), without_floats(envelope));
    match envelope.change_set() {
        Ok(event) => {
            assert_eq!(
                WorkerMessage::parse(&written),
                Ok(WorkerMessage::ChangeSet(event.clone()))
            );
            assert_eq!(
                Trigger::parse(&written),
                Ok(Trigger::ManagementChangeSet(event.clone()))
            );
            assert_eq!(event.is_ours(), event.name.starts_with(CHANGE_SET_PREFIX));
            if let Some(name) = event.lane() {
                assert!(event.is_ours());
                check_change_set_name(&name);
            }
        }
        Err(Unreadable::UnknownEvent { .. }) => {
            let message = WorkerMessage::parse(&written);
            assert!(matches!(
                message,
                Err(_) | Ok(WorkerMessage::ProductRequest(_))
            ));
        }
        Err(_) => {
            assert!(WorkerMessage::parse(&written).is_err());
            assert!(Trigger::parse(&written).is_err());
        }
    }
    if let Ok(scope) = Scope::deserialize_from(&envelope.detail) {
        let (member, experience) = ("emea".parse(), "exp-1".parse());
        let covers = scope.covers(&member.expect("a name"), &experience.expect("an id"));
        assert!(covers || !scope.is_everything());
    }
}

trait DeserializeFrom: DeserializeOwned {
    fn deserialize_from(value: &Value) -> serde_json::Result<Self> {
        serde_json::from_value(value.clone())
    }
}

impl DeserializeFrom for Scope {}

/// `serde_json` reads a float to within its last bit, which matters to nobody here.
fn without_floats(envelope: &Envelope) -> Envelope {
    fn replace(value: &mut Value) {
        match value {
            Value::Number(number) if number.is_f64() => *value = Value::Null,
            Value::Array(values) => values.iter_mut().for_each(replace),
            Value::Object(fields) => fields.values_mut().for_each(replace),
            _ => {}
        }
    }
    let mut envelope = envelope.clone();
    replace(&mut envelope.detail);
    envelope
}

fn check_names(text: &str) {
    check_id::<AccountId>(text);
    check_id::<ChangeSetId>(text);
    check_id::<ExternalId>(text);
    check_id::<MemberName>(text);
    check_id::<PolicyId>(text);
    check_id::<ProductId>(text);
    if let Some(experience) = check_id::<ExperienceId>(text) {
        for seq in [0, 12, 999_999_999] {
            let of = InstallationId::of_ledger(text);
            let name = ChangeSetName::new(experience.clone(), seq, of, u128::from(seq) << 20);
            check_change_set_name(&name);
            check_change_set_name(&ChangeSetName { mark: None, ..name });
        }
    }
    if let Some(run) = check_id::<RunId>(text) {
        check_run(run);
    }
    if let Ok(lane) = text.parse::<LaneId>() {
        assert_eq!(lane.to_string(), text);
        check_json(&lane);
    }
    if let Ok(name) = text.parse::<ChangeSetName>() {
        check_change_set_name(&name);
    }
}

/// What is read is written as it was, and as a JSON text.
fn check_id<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Debug + Display> + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let id = match text.parse::<T>() {
        Ok(id) => id,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    assert_eq!(id.to_string(), text);
    assert_eq!(
        serde_json::to_value(&id).ok(),
        Some(Value::String(text.to_owned()))
    );
    check_json(&id);
    Some(id)
}

fn check_json<T: PartialEq + Debug + Serialize + DeserializeOwned>(thing: &T) {
    let written = serde_json::to_string(thing).expect("it can be written");
    let again: T = serde_json::from_str(&written).expect("and read");
    assert_eq!(again, *thing);
}

fn check_change_set_name(name: &ChangeSetName) {
    let written = name.to_string();
    assert_eq!(written.parse().as_ref(), Ok(name), "{written}");
    // What the service takes for a name (StartChangeSet reference).
    assert!(written.len() <= 100, "{written}");
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "_+=.:@- ".contains(c);
    assert!(written.chars().all(is_taken), "{written}");
}

/// Runs that follow sort later, as text too, whatever the clock says.
fn check_run(run: RunId) {
    let newest: RunId = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
        .parse()
        .expect("the last run id");
    for now in [i64::MIN, 0, 1_767_225_600_000, i64::MAX] {
        let next = RunId::next(Some(run), now, u128::MAX);
        assert!(next > run || run == newest, "{next} after {run}");
        assert!(next.to_string() > run.to_string() || run == newest);
    }
}
