//! The server: the store behind the API, change sets that end after their time, and a handle for
//! the process that runs it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::calls::Call;
use super::changes::{ChangeSet, ChangeSetLog};
use super::entities::{Lists, NewExperience};
use super::error::ApiError;
use super::events::{Accounts, deliver};
use super::faults::{Faults, Refused};
use super::identity::Identity;
use super::quotas::Quotas;
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
        let Some(accounts) = self.accounts.get().filter(|_| self.settings().events) else {
            return;
        };
        let admins: Vec<String> = self.with(|store| {
            let org = store
                .orgs
                .iter()
                .find(|org| org.management_account == set.owner);
            org.map(|org| org.accounts().cloned().collect())
                .unwrap_or_default()
        });
        for account in admins {
            deliver(accounts, set, &account).await;
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

/// A running emulator. It ends when this is dropped.
pub struct Emulator {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Emulator {
    /// Starts on a free port of loopback.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            store: Mutex::new(Store {
                quotas: settings.quotas,
                ..Store::default()
            }),
            settings: Mutex::new(settings),
            identity: Identity::default(),
            accounts: OnceLock::new(),
            runtime: tokio::runtime::Handle::current(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let app = super::http::router(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the emulator has ended");
            }
        });
        Ok(Self {
            shared,
            address,
            serving,
        })
    }

    /// `http://127.0.0.1:<port>`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the access to STS, EventBridge and SQS: a configuration for each account. Call it once.
    pub fn connect(
        &self,
        accounts: impl Fn(&str) -> aws_config::SdkConfig + Send + Sync + 'static,
    ) {
        let _ = self.shared.accounts.set(Arc::new(accounts));
    }

    /// Changes how the emulator behaves from now on.
    pub fn set(&self, settings: Settings) {
        self.shared.set(settings);
    }

    /// Replaces the faults. Counters and the generator of probabilities start again.
    pub fn set_faults(&self, faults: Faults) -> Result<(), Refused> {
        Ok(self.shared.with(|store| store.faults.set(faults))?)
    }

    /// The active faults, with what is left of their counts.
    pub fn faults(&self) -> Faults {
        self.shared.with(|store| store.faults.get().clone())
    }

    /// Starts a change set of another administrator. It holds the lock on the experience for
    /// `seconds`, succeeds, and changes nothing. Returns its id.
    pub fn foreign_lock(&self, experience: &str, seconds: f64) -> Result<String, Refused> {
        Ok(self.shared.foreign_lock(experience, seconds)?)
    }

    /// Makes the API answer that the change set does not exist. It still ends.
    pub fn vanish(&self, change_set: &str) -> Result<(), Refused> {
        Ok(self.shared.with(|store| store.vanish(change_set))?)
    }

    /// Cancels a change set as an administrator. Refused with 423 unless it is PREPARING.
    pub fn cancel(&self, change_set: &str) -> Result<(), Refused> {
        Ok(self.shared.cancel(change_set)?)
    }

    /// Adds an organization, or delegated administrators to it.
    pub fn add_org(
        &self,
        management_account: &str,
        delegated_admins: impl IntoIterator<Item = String>,
    ) {
        self.shared
            .with(|store| store.add_org(management_account, delegated_admins));
    }

    /// Creates an experience without a change set. Returns its id.
    pub fn add_experience(&self, new: NewExperience) -> String {
        self.shared.with(|store| store.add_experience(new, now()))
    }

    /// The lists of an experience. None if it has no policy.
    pub fn lists(&self, experience: &str) -> Option<Lists> {
        self.shared.with(|store| store.lists(experience))
    }

    /// Changes the lists of an experience without a change set and without an event.
    pub fn set_lists(&self, experience: &str, lists: Lists) {
        self.shared
            .with(|store| store.set_lists(experience, lists, now()));
    }

    /// Every change set, in the order in which they were started.
    pub fn change_sets(&self) -> Vec<ChangeSetLog> {
        self.shared.with(|store| {
            store
                .started
                .iter()
                .filter_map(|id| store.change_sets.get(id))
                .map(ChangeSet::log)
                .collect()
        })
    }

    /// Every call, in the order in which they were answered.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.with(|store| store.calls.all())
    }

    /// Makes the Discovery API know products again.
    pub fn add_products(&self, ids: impl IntoIterator<Item = String>) {
        self.shared
            .with(|store| ids.into_iter().for_each(|id| store.set_live(&id, true)));
    }

    /// Sets whether the Discovery API has a product. By default it has every product, because the
    /// ids of tests are made up.
    pub fn set_live(&self, product: &str, live: bool) {
        self.shared.with(|store| store.set_live(product, live));
    }
}
