//! The one writer of the archive: a thread that takes what the links hand over into the tail, and makes
//! it durable in batched transactions.
//!
//! A transaction that fails changes nothing here: what it held waits, up to the bounds, for the next
//! try; what has no room while the disk is full or gone is dropped and counted, and live values go on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use perigee_part::Timestamp;
use perigee_xtce::Database;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::blocks::Blocks;
use super::completeness::Completeness;
use super::haul::Haul;
use super::intake::Intake;
use super::offline;
use super::retention;
use super::schema::{self, Writable};
use super::segment::{Column, ParameterKey};
use super::status::Status;
use super::summary::Summary;
use super::tail::{ContainerKey, Growing, KEY_BITS, Names, Tail};
use super::{ArchiveError, Settings};
use crate::alarms::AlarmRecord;
use crate::links::{LinkId, Links};

/// After a failed transaction, the next try comes so much later.
const RETRY: Duration = Duration::from_secs(1);
/// How often what is not to be kept is removed.
const RETENTION_EVERY: Duration = Duration::from_secs(2);
/// So long it may take before what has come in meanwhile is served; then it goes on.
const RETENTION_BUDGET: Duration = Duration::from_millis(50);
/// Completeness runs and alarm changes that may wait while nothing can be written.
const MAX_WAITING_ROWS: usize = 100_000;

/// The tail as writer and readers share it; nothing while the archive has not been opened.
pub(crate) type SharedTail = Arc<Mutex<Option<Tail>>>;

pub(crate) fn lock(tail: &SharedTail) -> MutexGuard<'_, Option<Tail>> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which containers hold a parameter, as far as the database has it.
#[derive(Debug, Default)]
pub(crate) struct Members {
    known: HashSet<(ParameterKey, ContainerKey)>,
    /// Written in the transaction that is open.
    new: Vec<(ParameterKey, ContainerKey)>,
}

impl Members {
    /// A transaction begins; what one before it wrote and did not commit is not in the database.
    pub(crate) fn begin(&mut self) {
        self.new.clear();
    }

    /// What was written is durable.
    pub(crate) fn committed(&mut self) {
        self.known.extend(self.new.drain(..));
    }
}

/// The writer and all that it keeps between transactions.
pub(crate) struct Writer {
    settings: Settings,
    database: Arc<Database>,
    links: Arc<Links>,
    intake: Arc<Intake>,
    tail: SharedTail,
    status: Arc<Status>,
    /// By number: only the last word on each alarm is written. They wait for an archive that is not open yet.
    alarms: BTreeMap<i64, AlarmRecord>,
    open: Option<Open>,
}

/// The archive, once it is open.
struct Open {
    writable: Writable,
    blocks: Blocks,
    completeness: Completeness,
    link_keys: HashMap<LinkId, i64>,
    new_links: Vec<LinkId>,
    members: Members,
    unsaved_values: u64,
}

impl Writer {
    pub(crate) fn new(
        settings: Settings,
        database: Arc<Database>,
        links: Arc<Links>,
        intake: Arc<Intake>,
        tail: SharedTail,
        status: Arc<Status>,
    ) -> Self {
        Self { settings, database, links, intake, tail, status, alarms: BTreeMap::new(), open: None }
    }

    /// Opens the archive and puts the journal back into the tail.
    pub(crate) fn open(&mut self) -> Result<(), ArchiveError> {
        let writable = schema::open_writer(&self.settings.path)?;
        let connection = &writable.connection;
        retention::sweep(connection)?;
        *lock(&self.tail) = Some(recover(connection, &self.database)?);
        let mut link_keys = HashMap::new();
        let mut links = connection.prepare("SELECT key, name FROM link")?;
        let mut rows = links.query([])?;
        while let Some(row) = rows.next()? {
            link_keys.insert(self.links.number(row.get_ref(1)?.as_str().unwrap_or_default()), row.get(0)?);
        }
        drop(rows);
        drop(links);
        let numbers: HashMap<i64, LinkId> = link_keys.iter().map(|(&link, &key)| (key, link)).collect();
        let completeness =
            Completeness::restore(connection, |key| numbers.get(&key).copied().unwrap_or_default())?;
        let known = connection
            .prepare("SELECT parameter, container FROM member")?
            .query_map([], |row| Ok((ParameterKey(row.get(0)?), ContainerKey(row.get(1)?))))?
            .collect::<Result<_, _>>()?;
        self.status.set_octets(retention::used_octets(connection)?);
        self.open = Some(Open {
            writable,
            blocks: Blocks::default(),
            completeness,
            link_keys,
            new_links: Vec::new(),
            members: Members { known, new: Vec::new() },
            unsaved_values: 0,
        });
        self.status.working();
        Ok(())
    }

    /// The connection, for what is read once before the writer runs.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.open.as_ref().map(|open| &open.writable.connection)
    }

    /// Works until the intake is closed and empty. When it opens the archive, `opened` gets the alarms that it
    /// holds which have not ended, and the number of the next.
    pub(crate) fn run(mut self, mut opened: impl FnMut(Vec<AlarmRecord>, i64)) {
        let mut next_commit = Instant::now() + self.settings.commit_every;
        let mut next_retention = Instant::now();
        loop {
            let delivery = self.intake.take(next_commit.min(next_retention));
            let (urgent, closed) = (delivery.urgent, delivery.closed);
            if self.open.is_none() && (closed || Instant::now() >= next_commit) {
                self.reopen(&mut opened);
            }
            for haul in &delivery.hauls {
                self.apply(haul);
            }
            self.keep_alarms(delivery.alarms);
            self.intake.applied(delivery.hauls);
            let full = self.open.as_ref().is_some_and(|open| {
                open.unsaved_values >= self.settings.commit_values
                    || open.blocks.octets() >= self.settings.tail_octets
            });
            let failing = self.status.is_failing();
            if Instant::now() >= next_commit || closed || (!failing && (urgent || full)) {
                let committed = self.commit();
                next_commit = Instant::now() + if committed { self.settings.commit_every } else { RETRY };
            }
            if closed {
                break;
            }
            if Instant::now() >= next_retention {
                let more = !self.status.is_failing() && self.retain();
                next_retention = Instant::now() + if more { Duration::ZERO } else { RETENTION_EVERY };
            }
        }
    }

    fn reopen(&mut self, opened: &mut impl FnMut(Vec<AlarmRecord>, i64)) {
        let alarms = self.open().and_then(|()| {
            let connection = self.connection().ok_or(ArchiveError::NotOpen)?;
            offline::open_alarms(connection)
        });
        match alarms {
            Ok((alarms, next)) => opened(alarms, next),
            Err(error) => {
                self.open = None;
                self.status.failing(&error.to_string());
            }
        }
    }

    fn apply(&mut self, haul: &Haul) {
        let full = self.settings.tail_octets * 2;
        let Some(open) = &mut self.open else {
            return self.status.dropped(haul);
        };
        let failing = self.status.is_failing();
        if let std::collections::hash_map::Entry::Vacant(vacant) = open.link_keys.entry(haul.link) {
            vacant.insert(0);
            open.new_links.push(haul.link);
        }
        if failing && open.blocks.octets() > full {
            self.status.dropped_octets(haul);
        } else {
            open.blocks.apply(haul, self.settings.frames, self.settings.packets);
        }
        if open.completeness.backlog() < MAX_WAITING_ROWS {
            open.completeness.apply(haul);
        }
        let Some(batch) = haul.batch.as_deref().filter(|_| self.settings.values) else { return };
        let mut tail = lock(&self.tail);
        let Some(tail) = tail.as_mut() else { return };
        if failing && tail.footprint() > full {
            self.status.dropped_values(batch.values.entries.len() as u64);
            return;
        }
        let lost = tail.apply(batch, Instant::now());
        self.status.dropped_values(lost);
        open.unsaved_values += batch.values.entries.len() as u64;
    }

    fn keep_alarms(&mut self, alarms: Vec<AlarmRecord>) {
        let mut lost = 0;
        for alarm in alarms {
            if self.alarms.len() < MAX_WAITING_ROWS || self.alarms.contains_key(&alarm.id) {
                self.alarms.insert(alarm.id, alarm);
            } else {
                lost += 1;
            }
        }
        if lost > 0 {
            tracing::warn!(target: "telemetry", lost, "alarm changes were not archived: too many wait for the disk");
        }
    }

    /// Makes durable what waits; says whether it is.
    fn commit(&mut self) -> bool {
        let started = Instant::now();
        match self.try_commit() {
            Ok(values) => {
                self.status.committed(values, started.elapsed());
                self.intake.committed();
                true
            }
            Err(error) => {
                self.status.failing(&error.to_string());
                false
            }
        }
    }

    fn try_commit(&mut self) -> Result<u64, ArchiveError> {
        let Some(open) = &mut self.open else { return Err(ArchiveError::NotOpen) };
        let mut guard = lock(&self.tail);
        let tail = guard.as_mut().ok_or(ArchiveError::NotOpen)?;
        let due = tail.due(self.settings.bounds(), Instant::now());
        let transaction = open.write(tail, &due, &self.alarms, &self.links)?;
        // History may go on while the disk works. Only this thread changes the tail.
        drop(guard);
        transaction.commit()?;
        if let Some(tail) = lock(&self.tail).as_mut() {
            tail.mark_journaled();
            tail.remove(&due);
            tail.names.new = Default::default();
        }
        open.blocks.committed();
        open.completeness.committed();
        open.members.committed();
        self.alarms.clear();
        open.new_links.clear();
        Ok(std::mem::take(&mut open.unsaved_values))
    }

    /// Removes what is not to be kept for as long as the budget lasts; says whether there may be more.
    fn retain(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        let connection = &mut open.writable.connection;
        let started = Instant::now();
        loop {
            let step = retention::step(connection, self.settings.retention, Timestamp::now().0);
            match step.and_then(|removed| Ok((removed, retention::used_octets(connection)?))) {
                Ok((removed, octets)) => {
                    self.status.removed(removed);
                    self.status.set_octets(octets);
                    if removed == 0 {
                        return false;
                    }
                }
                Err(error) => {
                    self.status.failing(&error.to_string());
                    return false;
                }
            }
            if started.elapsed() >= RETENTION_BUDGET {
                return true;
            }
        }
    }
}

impl Open {
    fn write(
        &mut self,
        tail: &Tail,
        due: &[i64],
        alarms: &BTreeMap<i64, AlarmRecord>,
        links: &Links,
    ) -> rusqlite::Result<Transaction<'_>> {
        let transaction =
            self.writable.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.members.begin();
        save_names(&transaction, &tail.names)?;
        for &link in &self.new_links {
            transaction.execute("INSERT OR IGNORE INTO link (name) VALUES (?1)", [&*links.name(link)])?;
            let key = transaction.query_row(
                "SELECT key FROM link WHERE name = ?1",
                [&*links.name(link)],
                |row| row.get(0),
            )?;
            self.link_keys.insert(link, key);
        }
        let link = |link| self.link_keys.get(&link).copied();
        self.blocks.save(&transaction, link)?;
        self.completeness.save(&transaction, link)?;
        save_alarms(&transaction, alarms.values())?;
        for growing in tail.numbered(due) {
            save_segment(&transaction, growing, 0, &mut self.members)?;
            transaction.prepare_cached("DELETE FROM journal WHERE segment = ?1")?.execute([growing.id])?;
        }
        let mut journal = transaction
            .prepare_cached("INSERT INTO journal (segment, container, block) VALUES (?1, ?2, ?3)")?;
        let mut block = Vec::new();
        for growing in tail.unsaved().filter(|growing| !due.contains(&growing.id)) {
            block.clear();
            growing.segment.encode_journal(&mut block);
            journal.execute(params![growing.id, growing.container.0, block])?;
        }
        drop(journal);
        Ok(transaction)
    }
}

/// Reads names and journal of an archive.
pub(crate) fn recover(connection: &Connection, database: &Arc<Database>) -> Result<Tail, ArchiveError> {
    let parameters = connection
        .prepare("SELECT name, definition, key FROM parameter")?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), ParameterKey(row.get(2)?))))?
        .collect::<Result<_, _>>()?;
    let containers = connection
        .prepare("SELECT name, key FROM container")?
        .query_map([], |row| Ok((row.get(0)?, ContainerKey(row.get(1)?))))?
        .collect::<Result<_, _>>()?;
    let next_segment = connection.query_row(
        "SELECT max((SELECT coalesce(max(id), 0) FROM segment), (SELECT coalesce(max(segment), 0) FROM journal)) + 1",
        [],
        |row| row.get(0),
    )?;
    let mut tail = Tail::new(Names::new(Arc::clone(database), parameters, containers), next_segment);
    let mut journal = connection.prepare("SELECT segment, container, block FROM journal ORDER BY id")?;
    let mut rows = journal.query([])?;
    let now = Instant::now();
    while let Some(row) = rows.next()? {
        let block = row
            .get_ref(2)?
            .as_blob()
            .map_err(|_| ArchiveError::Damaged("a journal without octets".into()))?;
        tail.recover(row.get(0)?, ContainerKey(row.get(1)?), block, now)?;
    }
    tail.mark_journaled();
    Ok(tail)
}

pub(crate) fn save_names(transaction: &Transaction<'_>, names: &Names) -> rusqlite::Result<()> {
    let mut parameter =
        transaction.prepare_cached("INSERT INTO parameter (key, name, definition) VALUES (?1, ?2, ?3)")?;
    for (key, name, definition) in &names.new.parameters {
        parameter.execute(params![key.0, name, definition])?;
    }
    let mut container = transaction.prepare_cached("INSERT INTO container (key, name) VALUES (?1, ?2)")?;
    for (key, name) in &names.new.containers {
        container.execute(params![key.0, name])?;
    }
    Ok(())
}

/// Writes a finished segment.
pub(crate) fn save_segment(
    transaction: &Transaction<'_>,
    growing: &Growing,
    state: u8,
    members: &mut Members,
) -> rusqlite::Result<()> {
    let segment = &growing.segment;
    let (generated, received) = (segment.generated().iter(), segment.received().iter());
    let count: usize = segment.columns().iter().map(Column::len).sum();
    if segment.rows() == 0 {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT INTO segment (id, state, container, first, last, received_first, received_last, rows, count, times)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            growing.id,
            state,
            growing.container.0,
            generated.clone().min(),
            generated.max(),
            received.clone().min(),
            received.max(),
            segment.rows() as i64,
            count as i64,
            segment.finished_times()
        ])?;
    let mut series =
        transaction.prepare_cached("INSERT INTO series (id, summary, data) VALUES (?1, ?2, ?3)")?;
    let mut columns: Vec<_> = segment.columns().iter().collect();
    // In the order of their ids, so that the table grows at its end.
    columns.sort_unstable_by_key(|column| column.key);
    for column in columns {
        let id = growing.id << KEY_BITS | i64::from(column.key.0);
        let summary = Summary::of(column, segment.generated());
        series.execute(params![id, summary.encode(), column.finished()])?;
        let member = (column.key, growing.container);
        if !members.known.contains(&member) {
            members.new.push(member);
            transaction
                .prepare_cached("INSERT OR IGNORE INTO member (parameter, container) VALUES (?1, ?2)")?
                .execute(params![column.key.0, growing.container.0])?;
        }
    }
    Ok(())
}

fn save_alarms<'a>(
    transaction: &Transaction<'_>,
    alarms: impl Iterator<Item = &'a AlarmRecord>,
) -> rusqlite::Result<()> {
    let mut save = transaction.prepare_cached(
        "INSERT INTO alarm (id, parameter, triggered, ended, details) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET ended = ?4, details = ?5 WHERE parameter = ?2 AND triggered = ?3",
    )?;
    for alarm in alarms {
        let saved = save.execute(params![
            alarm.id,
            alarm.parameter,
            alarm.triggered.0,
            alarm.ended.map(|at| at.0),
            alarm.details()
        ])?;
        if saved == 0 {
            tracing::warn!(target: "telemetry", alarm = alarm.id, "an alarm was not archived: another has its number");
        }
    }
    Ok(())
}
