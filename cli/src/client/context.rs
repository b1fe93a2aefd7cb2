//! Access to the management account. The names of all resources derive from the name of the stacks.

use std::time::Duration;

use aws_config::SdkConfig;
use pmp_sync_aws::bus::EventBus;
use pmp_sync_aws::caller;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::system::SystemEntropy;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::{RunError, ServiceError};
use pmp_sync_domain::ports::{Entropy as _, StoredConfig};
use pmp_sync_domain::records::Found;
use tokio::sync::OnceCell;

use super::access::sdk_config_for;
use super::memory::Memory;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::Common;
use crate::output;

/// How long to wait for STS: the requester is reported as well as possible, and delays nothing.
const WHO: Duration = Duration::from_secs(3);

/// Clients for the management account, with the credentials of its profile if one is named.
pub(crate) struct Context {
    pub(crate) config: SdkConfig,
    /// The requester, once it was asked for.
    requester: OnceCell<Option<String>>,
    pub(crate) ledger: Ledger,
    pub(crate) bus: EventBus,
    pub(crate) producer: String,
    /// What the completion of command lines offers.
    pub(crate) memory: Memory,
    /// The options of the commands that are shown.
    pub(crate) flags: Flags,
}

impl Context {
    pub(crate) async fn new(common: &Common) -> Result<Self, Failure> {
        let config = sdk_config_for(common.management_profile.as_deref()).await?;
        Ok(Self::with(common, config))
    }

    /// Creates the context with an existing SDK configuration.
    pub(crate) fn with(common: &Common, config: SdkConfig) -> Self {
        Self {
            // The command writes no item that expires.
            ledger: Ledger::new(&config, format!("{}-ledger", common.name), 0),
            bus: EventBus::new(&config, &common.name),
            producer: format!("{}-producer", common.name),
            memory: Memory::of(common),
            flags: Flags::of(common),
            requester: OnceCell::new(),
            config,
        }
    }

    /// The requester: the ARN of the principal, or the user of this machine if STS does not answer.
    pub(crate) async fn requester(&self) -> Option<String> {
        let ask = async || {
            let told = caller::principal(&self.config, WHO).await.ok();
            told.or_else(|| std::env::var("USER").ok())
        };
        self.requester.get_or_init(ask).await.clone()
    }

    /// Writes a note with commands in it.
    pub(crate) fn note(&self, text: &str) {
        output::note(&self.flags.text(text));
    }

    /// The items of a query. Those that cannot be read are told, and hide no others.
    pub(crate) fn readable<T>(&self, found: Found<T>) -> Vec<T> {
        for item in &found.unreadable {
            self.note(&unreadable(&item.error));
        }
        found.items
    }

    /// An item. None if it cannot be read, which is told.
    pub(crate) fn if_readable<T>(
        &self,
        read: Result<T, ServiceError>,
    ) -> Result<Option<T>, Failure> {
        match read {
            Err(error) if error.is_unreadable() => {
                self.note(&unreadable(&error));
                Ok(None)
            }
            read => Ok(Some(read?)),
        }
    }

    /// Reads the configuration in force. An error if there is none.
    pub(crate) async fn stored_config(&self) -> Result<StoredConfig, Failure> {
        let stored = self.ledger.current_config().await?;
        if let Some(config) = stored
            .as_ref()
            .and_then(|stored| Config::parse(&stored.text).ok())
        {
            self.memory.saw_config(&config);
        }
        stored.ok_or_else(|| Failure::Fault(Box::new(RunError::NoConfig.record())))
    }
}

/// An item of the ledger that cannot be read, in words.
fn unreadable(error: &ServiceError) -> String {
    output::fault(None, &error.item_fault())
}

/// Reads the text of a stored configuration.
pub(crate) fn parsed(stored: &StoredConfig) -> Result<Config, Failure> {
    Config::parse(&stored.text).map_err(|invalid| {
        Failure::Fault(Box::new(
            RunError::Config(stored.version, invalid.to_string()).record(),
        ))
    })
}

/// Creates an id for a request, by which its run is found.
pub(crate) fn request_id() -> String {
    format!("{:032x}", SystemEntropy.bits())
}
