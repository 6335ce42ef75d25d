//! The contract of parts, as tests that each part passes with a few lines of its own.
//!
//! ```text
//! #[test]
//! fn it_keeps_the_contract() {
//!     refuses_unknown_keys::<Config>("listen = '127.0.0.1:0'");
//!     let build = |services| build(test_config(), services).map(|(part, _)| part);
//!     Contract::new(build, || Box::pin(close_the_socket_and_open_it_again()))
//!         .load(|| Box::pin(send_until_dropped()))
//!         .check();
//! }
//! ```

use std::pin::Pin;
use std::time::{Duration, Instant};

use perigee_part::http::{Limits, Listeners};
use perigee_part::metrics::Registry;
use perigee_part::{Context, Part, PartError, Services};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Run = JoinHandle<Result<(), PartError>>;
type Building<'a> = dyn Fn(&Services) -> Result<Box<dyn Part>, PartError> + 'a;

/// Time for anything that should happen soon, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(10);
/// The grace period that a part gets here: the node's default.
const GRACE: Duration = Duration::from_secs(10);

/// Services of a node that does not run, with a state directory that goes with the second value.
pub fn services() -> (Services, TempDir) {
    let state = tempfile::tempdir().expect("a temporary directory");
    let services = Services {
        http: Listeners::new(Limits::default()),
        metrics: Registry::new(),
        state: state.path().to_owned(),
    };
    (services, state)
}

/// A table that is right is read, and refused by name once it holds a key that does not exist.
pub fn refuses_unknown_keys<Config: DeserializeOwned>(right: &str) {
    if let Err(error) = toml::from_str::<Config>(right) {
        panic!("the right table is refused: {error}");
    }
    let wrong = format!("no_such_key = 1\n{right}");
    match toml::from_str::<Config>(&wrong) {
        Ok(_) => panic!("`no_such_key` is taken"),
        Err(error) => {
            assert!(error.to_string().contains("no_such_key"), "the key is not named: {error}");
        }
    }
}

/// One part under test: how it is built, put to work, and robbed of what it depends on.
pub struct Contract<'a> {
    build: Box<Building<'a>>,
    load: Box<dyn Fn() -> Work + 'a>,
    loss: Box<dyn Fn() -> Work + 'a>,
}

impl<'a> Contract<'a> {
    /// The part that `build` builds, on ports that are free; called several times. `loss` takes away what the
    /// part depends on (a peer, a socket, a directory), and gives it back.
    pub fn new(
        build: impl Fn(&Services) -> Result<Box<dyn Part>, PartError> + 'a,
        loss: impl Fn() -> Work + 'a,
    ) -> Self {
        let idle = || Box::pin(std::future::pending()) as Work;
        Self { build: Box::new(build), load: Box::new(idle), loss: Box::new(loss) }
    }

    /// Work that goes on until its future is dropped.
    #[must_use]
    pub fn load(mut self, load: impl Fn() -> Work + 'a) -> Self {
        self.load = Box::new(load);
        self
    }

    /// Runs all tests of the contract.
    pub fn check(self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            self.works_and_drains().await;
            self.ends_when_dropped().await;
        });
    }

    /// Ready, at work, robbed, still there, drained under load with nothing left behind.
    async fn works_and_drains(&self) {
        let (services, _state) = services();
        let before = tasks();
        let (running, drain, serving) = self.start(&services).await;
        let load = tokio::spawn((self.load)());
        sleep(Duration::from_millis(300)).await;
        still_runs(&running, "under load");
        timeout(SOON, (self.loss)()).await.expect("the loss itself took too long");
        sleep(Duration::from_millis(300)).await;
        still_runs(&running, "after it lost what it depends on");
        let start = Instant::now();
        drain.cancel();
        let ended = timeout(GRACE, running).await.expect("does not drain within the grace period");
        ended.expect("panics while it drains").expect("fails while it drains");
        println!("drained under load in {:?}", start.elapsed());
        load.abort();
        // The listeners are the node's, and so are their tasks.
        serving.abort();
        no_task_left(before).await;
    }

    /// A part whose future is dropped is gone, with all that it had spawned.
    async fn ends_when_dropped(&self) {
        let (services, _state) = services();
        let before = tasks();
        let (running, _drain, serving) = self.start(&services).await;
        running.abort();
        serving.abort();
        no_task_left(before).await;
    }

    /// Builds and runs the part, and serves the listeners that it opened.
    async fn start(&self, services: &Services) -> (Run, CancellationToken, JoinHandle<()>) {
        let before = tasks();
        let part = (self.build)(services).expect("the part is built");
        assert_eq!(tasks(), before, "building spawns a task");
        let serving = tokio::spawn(services.http.clone().serve(CancellationToken::new()));
        let (drain, ready) = (CancellationToken::new(), CancellationToken::new());
        let running = tokio::spawn(part.run(Context::new(drain.clone(), ready.clone())));
        timeout(SOON, ready.cancelled()).await.expect("does not become ready");
        (running, drain, serving)
    }
}

fn still_runs(running: &Run, when: &str) {
    assert!(!running.is_finished(), "ended by itself {when}");
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Waits until there are no more tasks than `before`; aborted ones take a moment to go.
async fn no_task_left(before: usize) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while tasks() > before {
        assert!(Instant::now() < deadline, "{} tasks are left behind", tasks() - before);
        sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perigee_part::Running;

    /// Behaves as told.
    struct Actor(fn(Context) -> Running);

    impl Part for Actor {
        fn name(&self) -> &'static str {
            "actor"
        }

        fn run(self: Box<Self>, context: Context) -> Running {
            (self.0)(context)
        }
    }

    fn contract(run: fn(Context) -> Running) -> Contract<'static> {
        Contract::new(move |_| Ok(Box::new(Actor(run))), || Box::pin(async {}))
    }

    fn good(context: Context) -> Running {
        Box::pin(async move {
            context.ready();
            context.drain.cancelled().await;
            Ok(())
        })
    }

    fn leaves_a_task(context: Context) -> Running {
        Box::pin(async move {
            tokio::spawn(std::future::pending::<()>());
            good(context).await
        })
    }

    fn ends_early(context: Context) -> Running {
        Box::pin(async move {
            context.ready();
            Ok(())
        })
    }

    #[test]
    fn a_good_part_passes() {
        contract(good).check();
    }

    #[test]
    #[should_panic(expected = "tasks are left behind")]
    fn a_part_that_leaves_a_task_does_not() {
        contract(leaves_a_task).check();
    }

    #[test]
    #[should_panic(expected = "ended by itself under load")]
    fn a_part_that_ends_early_does_not() {
        contract(ends_early).check();
    }

    #[test]
    fn unknown_keys_are_looked_for() {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Strict {
            #[serde(rename = "a")]
            _a: u8,
        }
        refuses_unknown_keys::<Strict>("a = 1");
    }
}
