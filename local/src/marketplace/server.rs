//! The server, and a handle for the process that runs it.

use std::sync::{Arc, Mutex, OnceLock};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::calls::Call;
use super::changes::{ChangeSet, ChangeSetLog};
use super::entities::{Lists, NewExperience};
use super::faults::{Faults, Refused};
use super::identity::Identity;
use super::requests::NewProductRequest;
use super::shared::{Settings, Shared, now};
use super::store::Store;

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

    /// Delivers an event of a procurement request. Returns the id of the request.
    pub async fn product_request(&self, event: NewProductRequest) -> Result<String, Refused> {
        Ok(self.shared.product_request(event).await?)
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

    /// Gives a product a name in the Discovery API.
    pub fn set_name(&self, product: &str, name: &str) {
        let (product, name) = (product.to_owned(), name.to_owned());
        self.shared.with(|store| store.names.insert(product, name));
    }

    /// Sets whether the Discovery API has a product. By default it has every product, because the
    /// ids of tests are made up.
    pub fn set_live(&self, product: &str, live: bool) {
        self.shared.with(|store| store.set_live(product, live));
    }
}
