//! A supervisor that is a process of its own, for tests of what it does to the system: this program, started once more.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use perigee_files::SearchPath;
use perigee_init::control::{Client, Reply, Request, UnitStatus};
use perigee_init::supervisor::{Ending, Fstab, Settings, Supervisor};
use perigee_init::system::SystemFiles;
use perigee_units::machine::Verb;
use perigee_units::unit::UnitName;

/// Where the process finds its folder.
pub(crate) const FOLDER: &str = "PERIGEE_TEST_SUPERVISOR";

/// The test that the process runs.
pub(crate) const TEST: &str = "supervised::a_supervisor";

/// The process, and its folder with units, log and run-time files.
pub(crate) struct Supervised {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) process: Child,
}

impl Supervised {
    /// Starts the process by a command that ends in this program with [`TEST`], and waits until it answers.
    pub(crate) fn begin(folder: tempfile::TempDir, command: &mut Command) -> Supervised {
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let command =
            command.env(FOLDER, folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap();
        let supervised = Supervised { folder, process };
        supervised.until("it answers", || supervised.client());
        supervised
    }

    /// Waits for something to be there.
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = look() {
                return found;
            }
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "not within 20 s: {what}\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn client(&self) -> Option<Client> {
        Client::connect(&self.folder.path().join("run")).ok()
    }

    pub(crate) fn ask(&self, request: &Request) -> Vec<Reply> {
        let answer =
            Client::connect(&self.folder.path().join("run")).and_then(|mut client| client.all(request));
        answer.unwrap_or_else(|error| {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            let state = perigee_process::stranger::look(self.process.id() as i32);
            panic!("{request:?}: {error:?}; {state:?}\n{log}")
        })
    }

    pub(crate) fn act(&self, verb: Verb, unit: &str) -> Vec<Reply> {
        let units = vec![unit.to_owned()];
        self.ask(&Request::Do { verb, units, active_only: false, or_restart: false, wait: true })
    }

    pub(crate) fn status(&self, unit: &str) -> UnitStatus {
        match self.ask(&Request::Status { units: vec![unit.to_owned()] }).remove(0) {
            Reply::Unit(status) => *status,
            other => panic!("{other:?}"),
        }
    }
}

/// The supervisor, where this program was started for that; else an empty test.
#[test]
fn a_supervisor() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let config = folder.join("system.conf");
    if !config.exists() {
        fs::write(&config, "").unwrap();
    }
    let table = folder.join("fstab");
    let fstab = table.exists().then(|| Fstab { file: table, folder: folder.join("generated") });
    let settings = Settings {
        search: SearchPath::new(vec![folder.to_owned(), folder.join("generated")]),
        runtime: folder.join("run"),
        target: UnitName::parse("default.target").unwrap(),
        is_first: folder.join("first").exists(),
        console: true,
        system: SystemFiles::File(config),
        fstab,
        log: None,
    };
    if let Ending::Exit(status) = Supervisor::new(settings).unwrap().run().unwrap() {
        std::process::exit(status.into());
    }
}
