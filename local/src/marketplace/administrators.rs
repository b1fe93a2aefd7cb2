//! Acts of other administrators on change sets, on demand.

use jiff::Timestamp;
use serde_json::json;

use super::changes::{Change, ChangeSet, Status, Target};
use super::error::ApiError;
use super::operations::Answer;
use super::store::Store;

/// The name of a change set of another administrator.
const FOREIGN_NAME: &str = "Maria - rename before the audit";

impl Store {
    /// Starts a change set of another administrator. It holds the lock and changes nothing.
    pub(crate) fn foreign_lock(
        &mut self,
        experience: &str,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let found = self
            .experiences
            .get(experience)
            .ok_or_else(|| ApiError::not_found(format!("Entity {experience} does not exist")))?;
        if found.archived {
            // The change set would fail.
            return Err(ApiError::validation(format!("{experience} is archived")));
        }
        if let Some(lock) = self.lock_on(experience) {
            let message = format!("{experience} is locked by the change set {}", lock.id);
            return Err(ApiError::in_use(message));
        }
        let (owner, name) = (found.owner.clone(), found.name.clone());
        let id = self.make_id("cs").replace('-', "");
        let set = ChangeSet {
            id: id.clone(),
            name: FOREIGN_NAME.to_owned(),
            account: owner.clone(),
            owner,
            changes: vec![Change {
                kind: "UpdateExperience".to_owned(),
                name: None,
                experience: Target::Existing {
                    id: experience.to_owned(),
                    revision: None,
                },
                // It renames the experience to its own name.
                details: json!({ "Name": name }),
                errors: Vec::new(),
            }],
            status: Status::Preparing,
            failure: None,
            started: now,
            ended: None,
            foreign: true,
        };
        self.change_sets.insert(id.clone(), set);
        self.started.push(id.clone());
        Ok(id)
    }

    /// Makes the API forget a change set. It still ends, and the emulator's log keeps it.
    pub(crate) fn vanish(&mut self, id: &str) -> Result<(), ApiError> {
        if !self.change_sets.contains_key(id) {
            return Err(ApiError::not_found(format!(
                "Change set {id} does not exist"
            )));
        }
        self.faults.vanished.insert(id.to_owned());
        Ok(())
    }

    /// Cancels a change set through the API, as an administrator of its organization.
    pub(crate) fn cancel(&mut self, id: &str, now: Timestamp) -> Result<Answer, ApiError> {
        let owner = self.change_sets.get(id).map(|set| set.owner.clone());
        let input = json!({ "catalog": "AWSMarketplace", "changeSetId": id });
        self.cancel_change_set(&owner.unwrap_or_default(), &input, now)
    }
}
