//! A thread for what takes long: syncing to the disk, compressing closed files.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::names::{self, COMPRESSED, PART, PLAIN};

/// Jobs that may wait; one that finds no room is asked for again later.
const MOST_JOBS: usize = 8;

enum Job {
    /// Sync what was written.
    Sync(File),
    /// Compress every closed file of a folder.
    Compress(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Janitor {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Janitor {
    pub(crate) fn start() -> Janitor {
        let (jobs, work) = sync_channel(MOST_JOBS);
        let problem = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&problem);
        let thread = std::thread::Builder::new().name("janitor".into()).spawn(move || run(&work, &shared));
        if let Err(error) = &thread {
            *problem.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(format!("there is no thread that syncs and compresses: {error}"));
        }
        Janitor { jobs: Some(jobs), thread: thread.ok(), problem }
    }

    /// Returns whether it will be done.
    pub(crate) fn sync(&self, file: &File) -> bool {
        file.try_clone().is_ok_and(|file| self.give(Job::Sync(file)))
    }

    /// Compresses the closed files of a folder; when there is no room for the job, the next closed file brings it
    /// again.
    pub(crate) fn tidy(&self, folder: &Path, compress: bool) {
        if compress {
            self.give(Job::Compress(folder.to_owned()));
        }
    }

    /// What went wrong, once.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until all is done.
    pub(crate) fn finish(mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been told by its own message.
            let _ = thread.join();
        }
    }

    fn give(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }
}

fn run(work: &Receiver<Job>, problem: &Mutex<Option<String>>) {
    for job in work {
        let (done, what) = match job {
            Job::Sync(file) => (file.sync_data(), "the log cannot be synced".to_owned()),
            Job::Compress(folder) => (compress_all(&folder), format!("compressing in {}", folder.display())),
        };
        if let Err(error) = done {
            *problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{what}: {error}"));
        }
    }
}

fn compress_all(folder: &Path) -> io::Result<()> {
    let mut done = None;
    for file in names::closed(folder)? {
        if file.compressed {
            done = Some(file.span);
        } else if done == Some(file.span) {
            // Compressed already; a crash came before this.
            fs::remove_file(&file.path)?;
        } else {
            match compress(&file.path) {
                // Removed meanwhile, since there was too much.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// The plain file goes when the compressed one is safe under its name.
fn compress(plain: &Path) -> io::Result<()> {
    let name = plain.to_string_lossy();
    let stem = name.strip_suffix(PLAIN).unwrap_or(&name);
    let (whole, part) = (format!("{stem}{COMPRESSED}"), format!("{stem}{COMPRESSED}{PART}"));
    let write = || {
        let source = File::open(plain)?;
        let target = File::create(&part)?;
        target.set_permissions(source.metadata()?.permissions())?;
        let mut encoder = GzEncoder::new(BufWriter::with_capacity(1 << 16, target), Compression::new(3));
        io::copy(&mut BufReader::with_capacity(1 << 16, source), &mut encoder)?;
        let mut target = encoder.finish()?;
        target.flush()?;
        target.get_ref().sync_all()
    };
    let written: io::Result<()> = write();
    if let Err(error) = written {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    fs::rename(&part, &whole)?;
    fs::remove_file(plain)
}
