//! What every request and every live client shares: the neighbours, the hub, the limits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use perigee_access::Access;
use perigee_part::http::Refusal;
use perigee_part::http::axum::http::StatusCode;
use perigee_part::{PartError, Timestamp};
use perigee_xtce::Database;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::http::assets::Assets;
use crate::http::database::encode_parameters;
use crate::http::input::internal;
use crate::live::hub::Hub;
use crate::metrics::Metrics;
use crate::supervisors::Supervisors;

/// Passwords that are checked, one after the other, or wait for it. Each takes a thread; more are refused.
const PASSWORDS: usize = 16;

/// One for each built part.
pub(crate) struct Station {
    pub(crate) config: Config,
    pub(crate) access: Access,
    pub(crate) telemetry: perigee_telemetry::Handle,
    pub(crate) links: perigee_link::Handle,
    pub(crate) database: Arc<Database>,
    /// The answer of `GET /api/parameters`.
    pub(crate) parameters: Bytes,
    pub(crate) assets: Assets,
    pub(crate) metrics: Metrics,
    /// Whom to ask about units.
    pub(crate) supervisors: Supervisors,
    pub(crate) started: Timestamp,
    /// One permit for each live client that may be there.
    pub(crate) places: Arc<Semaphore>,
    /// One permit for each query of the archive that may run.
    queries: Arc<Semaphore>,
    /// One permit for each password that may be checked or wait to be.
    passwords: Arc<Semaphore>,
    hub: Mutex<Hub>,
    /// Cancelled when the part stops: live clients say goodbye.
    pub(crate) stopping: CancellationToken,
}

impl Station {
    pub(crate) fn new(
        config: Config,
        telemetry: perigee_telemetry::Handle,
        links: perigee_link::Handle,
        access: Access,
        assets: Assets,
        metrics: Metrics,
    ) -> Result<Self, PartError> {
        let database = telemetry.database();
        let parameters = encode_parameters(&database).map_err(|e| PartError::Failed(e.to_string()))?;
        Ok(Self {
            parameters: parameters.into(),
            places: Arc::new(Semaphore::new(config.max_clients)),
            queries: Arc::new(Semaphore::new(config.max_queries)),
            passwords: Arc::new(Semaphore::new(PASSWORDS)),
            hub: Mutex::new(Hub::new(database.parameters().len())),
            stopping: CancellationToken::new(),
            started: Timestamp::now(),
            config,
            access,
            telemetry,
            links,
            database,
            assets,
            metrics,
            supervisors: Supervisors::default(),
        })
    }

    /// Who follows what. Held for as long as it takes to encode a batch, never across a wait.
    pub(crate) fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does work that computes for long or waits for a disk, away from the tasks that serve clients.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = tokio::task::spawn_blocking(move || work(&self)).await;
        done.map_err(|error| internal(&error.to_string()))
    }

    /// The same for work that checks a password: refused at once when many are being checked already.
    pub(crate) async fn check_password<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let Ok(place) = Arc::clone(&self.passwords).try_acquire_owned() else {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many logins at a time")
                .hint("try again in a second"));
        };
        self.blocking(move |station| {
            let _place = place;
            work(station)
        })
        .await
    }

    /// The same for a query of the archive: few at a time, and not for ever. One that takes too long keeps
    /// its place until it ends.
    pub(crate) async fn query<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let limit = self.config.query;
        let queries = Arc::clone(&self.queries);
        let answer = timeout(limit, async {
            let place = queries.acquire_owned().await;
            self.blocking(move |station| {
                let _place = place;
                work(station)
            })
            .await
        });
        answer.await.unwrap_or_else(|_| {
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "timeout",
                "the archive did not answer in time",
            )
            .hint("ask for a shorter time or for fewer points"))
        })
    }
}
