//! The state that all requests share: the store, the settings, the callers' identities; and change
//! sets that end after their time.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::ChangeSet;
use super::error::ApiError;
use super::events::{Accounts, deliver, envelope};
use super::identity::Identity;
use super::quotas::Quotas;
use super::requests::{self, NewProductRequest};
use super::store::Store;

/// The longest time that a foreign change set may hold a lock, in seconds.
const MOST_LOCKED: f64 = 3_600.0;

/// How the emulator behaves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Settings {
    /// How long a change set takes, in seconds.
    pub change_set_seconds: f64,
    /// False to deliver no events.
    pub events: bool,
    /// The quotas that are enforced.
    #[serde(default)]
    pub quotas: Quotas,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            change_set_seconds: 1.0,
            events: true,
            quotas: Quotas::default(),
        }
    }
}

pub(crate) struct Shared {
    pub(crate) store: Mutex<Store>,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) identity: Identity,
    pub(crate) accounts: OnceLock<Accounts>,
    /// Change sets run on this runtime, whichever thread starts them.
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Shared {
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        work(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        self.with(|store| store.quotas = settings.quotas);
    }

    /// The account behind the signature of a request.
    pub(crate) async fn caller(&self, authorization: Option<&str>) -> Result<String, ApiError> {
        // Any account may ask STS for the account of a key.
        let sts = self
            .accounts
            .get()
            .map(|accounts| aws_sdk_sts::Client::new(&accounts("000000000000")));
        self.identity.account(authorization, sts.as_ref()).await
    }

    /// Runs a change set: it takes its time, ends, and is announced.
    pub(crate) fn run(self: &Arc<Self>, id: String) {
        let seconds = self.settings().change_set_seconds;
        self.run_for(id, seconds);
    }

    /// Like [`Self::run`], within `seconds`.
    pub(crate) fn run_for(self: &Arc<Self>, id: String, seconds: f64) {
        let shared = Arc::clone(self);
        let seconds = seconds.clamp(0.0, 86_400.0);
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_secs_f64(seconds * 0.3)).await;
            if !shared.with(|store| store.begin_applying(&id)) {
                return;
            }
            tokio::time::sleep(Duration::from_secs_f64(seconds * 0.7)).await;
            if let Some(set) = shared.with(|store| store.finish(&id, now())) {
                shared.announce(&set).await;
            }
        });
    }

    /// Starts a foreign change set that holds the lock for `seconds`. Returns its id.
    pub(crate) fn foreign_lock(
        self: &Arc<Self>,
        experience: &str,
        seconds: f64,
    ) -> Result<String, ApiError> {
        if !(0.0..=MOST_LOCKED).contains(&seconds) {
            let message = format!("seconds must be 0 to {MOST_LOCKED}");
            return Err(ApiError::validation(message));
        }
        let id = self.with(|store| store.foreign_lock(experience, now()))?;
        self.run_for(id.clone(), seconds);
        Ok(id)
    }

    /// Cancels a change set as an administrator, and announces that.
    pub(crate) fn cancel(self: &Arc<Self>, id: &str) -> Result<(), ApiError> {
        let answer = self.with(|store| store.cancel(id, now()))?;
        if let Some(set) = answer.cancelled {
            let shared = Arc::clone(self);
            self.runtime
                .spawn(async move { shared.announce(&set).await });
        }
        Ok(())
    }

    /// Delivers the event of a finished change set.
    pub(crate) async fn announce(&self, set: &ChangeSet) {
        self.put(&set.owner, |account| envelope(set, account)).await;
    }

    /// Makes an event of a procurement request, and delivers it. Returns the id of the request.
    pub(crate) async fn product_request(
        &self,
        event: NewProductRequest,
    ) -> Result<String, ApiError> {
        let (owner, made, number) = self.with(|store| {
            let experience = store.experiences.get(&event.experience);
            let owner = experience.map(|experience| experience.owner.clone());
            let missing = || ApiError::not_found(event.experience.clone());
            let owner = owner.ok_or_else(missing)?;
            // Counted for each event, so that none has the id of another.
            let made = store.make_id("pr");
            Ok::<_, ApiError>((owner, made, store.made))
        })?;
        let request = event.request.clone().unwrap_or(made);
        self.put(&owner, |account| {
            Some(requests::envelope(&event, &request, number, account, now()))
        })
        .await;
        Ok(request)
    }

    /// Puts an event of an owner's entity on the buses of its organization.
    async fn put(&self, owner: &str, event: impl Fn(&str) -> Option<Value>) {
        let Some(accounts) = self.accounts.get().filter(|_| self.settings().events) else {
            return;
        };
        let admins: Vec<String> = self.with(|store| {
            let org = store
                .orgs
                .iter()
                .find(|org| org.management_account == owner);
            org.map(|org| org.accounts().cloned().collect())
                .unwrap_or_default()
        });
        for account in admins {
            if let Some(event) = event(&account) {
                deliver(accounts, &event, &account).await;
            }
        }
    }
}

/// The clock of the emulator.
#[expect(
    clippy::disallowed_methods,
    reason = "the emulator is an edge: it is the service's clock"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
