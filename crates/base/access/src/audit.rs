//! The audit record: `audit.jsonl`, one JSON object a line, only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::AccessError;
use crate::account::now_millis;
use crate::store::io_error;

#[derive(Debug)]
pub(crate) struct Audit {
    path: PathBuf,
    file: File,
}

#[derive(Serialize)]
struct Record<'a> {
    /// Milliseconds of the Unix epoch.
    time: u64,
    who: &'a str,
    what: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

impl Audit {
    pub(crate) fn open(state: &Path) -> Result<Self, AccessError> {
        let path = state.join("audit.jsonl");
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let file = options.open(&path).map_err(|source| io_error("opening", &path, source))?;
        Ok(Self { path, file })
    }

    pub(crate) fn record(
        &self,
        who: &str,
        what: &str,
        subject: &str,
        detail: &str,
    ) -> Result<(), AccessError> {
        tracing::info!(target: "audit", who, what, subject, detail);
        let failed = |source| io_error("writing", &self.path, source);
        let record = Record { time: now_millis(), who, what, subject, detail };
        let mut line = serde_json::to_vec(&record).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        // One write: lines of several processes do not mix.
        (&self.file).write_all(&line).map_err(failed)?;
        self.file.sync_data().map_err(failed)
    }
}
