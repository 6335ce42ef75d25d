//! The part: mounts the routes when it is built, delivers while it runs.

use std::sync::Arc;
use std::time::Duration;

use perigee_access::Access;
use perigee_part::{Context, Part, PartError, Running, Services};
use tokio::time::timeout;

use crate::config::Config;
use crate::http::assets::{Asset, Assets};
use crate::http::routes::router;
use crate::live::deliver::deliver;
use crate::metrics::Metrics;
use crate::station::Station;
use crate::supervisors::Supervisors;

/// Name of the part: configuration table, metric prefix, log target.
pub const NAME: &str = "fanout";

/// How long clients that do not read may hold up the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Checks the configuration and mounts the page and the API. `assets` are the page's files, `supervisors` those who know the
/// units.
///
/// # Errors
/// A configuration that cannot work, or an address that the system refuses.
pub fn build(
    config: Config,
    telemetry: perigee_telemetry::Handle,
    links: perigee_link::Handle,
    access: Access,
    assets: Vec<Asset>,
    supervisors: Supervisors,
    services: &Services,
) -> Result<(Box<dyn Part>, Handle), PartError> {
    config.check()?;
    let listen = config.listen;
    let metrics = Metrics::register(&services.metrics);
    let mut station = Station::new(config, telemetry, links, access, Assets::new(assets), metrics)?;
    station.supervisors = supervisors;
    let station = Arc::new(station);
    let address = services.http.mount(listen, router(&station))?;
    Ok((Box::new(Fanout { station }), Handle { address }))
}

/// How others see the fan-out.
#[derive(Clone, Debug)]
pub struct Handle {
    address: std::net::SocketAddr,
}

impl Handle {
    /// The address of the page and the API; it differs from the configured one where the port is 0.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }
}

struct Fanout {
    station: Arc<Station>,
}

impl Part for Fanout {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run(self: Box<Self>, context: Context) -> Running {
        Box::pin(async move {
            let station = self.station;
            // Clients go when the part is dropped, too.
            let _stopping = station.stopping.clone().drop_guard();
            tokio::select! {
                () = deliver(&station, || context.ready()) => {}
                () = context.drain.cancelled() => {}
            }
            station.stopping.cancel();
            let all = u32::try_from(station.config.max_clients).unwrap_or(u32::MAX);
            // Those who do not read what waits for them cannot be told; their connections end with the listener.
            let _ = timeout(FAREWELL, station.places.acquire_many(all)).await;
            Ok(())
        })
    }
}
