//! What the archive lets go: what is older than so many days, and the oldest when the file is too large.
//!
//! Each step removes a bounded number of rows in one short transaction and gives a bounded number of
//! pages back to the file system, so that no writing waits for it long; steps follow each other until
//! nothing is due.

use rusqlite::{Connection, Transaction};

use super::tail::series_of;

/// Rows that one step removes at most, of all tables together.
const STEP_ROWS: u64 = 512;
/// What a span takes, roughly.
const SPAN_OCTETS: u64 = 64;
/// Pages that one step gives back at most: 4 MiB.
const STEP_PAGES: u32 = 1024;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Nanoseconds since reception; `None`: for ever.
    pub(crate) age_ns: Option<i64>,
    /// Octets of the file; `None`: as many as there are.
    pub(crate) octets: Option<u64>,
}

/// Tables that grow with what is received, and how a row of each is removed.
const TABLES: [(&str, &str); 5] = [
    ("SELECT id, received_last FROM frame ORDER BY id LIMIT 1", "DELETE FROM frame WHERE id = ?1"),
    ("SELECT id, received_last FROM packet ORDER BY id LIMIT 1", "DELETE FROM packet WHERE id = ?1"),
    ("SELECT id, received_last FROM segment WHERE state = 0 ORDER BY received_last LIMIT 1", REMOVE_SEGMENT),
    ("SELECT id, received FROM span ORDER BY received LIMIT 1", "DELETE FROM span WHERE id = ?1"),
    // One that has not ended is kept whatever its age.
    (
        "SELECT id, ended FROM alarm WHERE ended IS NOT NULL ORDER BY ended LIMIT 1",
        "DELETE FROM alarm WHERE id = ?1",
    ),
];

const REMOVE_SEGMENT: &str = "DELETE FROM segment WHERE id = ?1";

/// Removes a little of what is not to be kept; gives the number of rows that went.
pub(crate) fn step(connection: &mut Connection, keep: Retention, now_ns: i64) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    let mut removed = remove_replaced(&transaction)?;
    let horizon = keep.age_ns.map(|age| now_ns.saturating_sub(age));
    let excess = match keep.octets {
        Some(octets) => used_octets(&transaction)?.saturating_sub(octets),
        None => 0,
    };
    let mut freed = 0;
    while removed < STEP_ROWS {
        let Some((table, id, received)) = oldest(&transaction)? else { break };
        if horizon.is_none_or(|horizon| received >= horizon) && freed >= excess {
            break;
        }
        freed += remove(&transaction, table, id)?;
        removed += 1;
    }
    transaction.commit()?;
    // Not for the few pages that the next transaction fills again.
    if removed > 0 || free_pages(connection)? > u64::from(STEP_PAGES) {
        give_back(connection, STEP_PAGES)?;
    }
    Ok(removed)
}

/// Gives at most so many free pages back to the file system.
pub(crate) fn give_back(connection: &Connection, pages: u32) -> rusqlite::Result<()> {
    // The statement answers with a row for each page, and has done its work only when the last is read.
    connection.pragma(None, "incremental_vacuum", pages, |_| Ok(()))
}

fn free_pages(connection: &Connection) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, "freelist_count", |row| row.get(0))
}

/// Marks what a killed reprocessing left, to be removed with the next steps. Call it with the writer's lock.
pub(crate) fn sweep(connection: &Connection) -> rusqlite::Result<usize> {
    // The second condition is what the index of hidden segments asks for.
    connection.execute("UPDATE segment SET state = 2 WHERE state = 1 AND state <> 0", [])
}

/// Octets of the file that hold something.
pub(crate) fn used_octets(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// The table, id and time of the row that was received first (of an alarm: that ended). Ids of frames and
/// packets ascend with reception.
fn oldest(transaction: &Transaction<'_>) -> rusqlite::Result<Option<(usize, i64, i64)>> {
    let mut oldest: Option<(usize, i64, i64)> = None;
    for (table, (first, _)) in TABLES.iter().enumerate() {
        let mut first = transaction.prepare_cached(first)?;
        let mut rows = first.query([])?;
        if let Some(row) = rows.next()? {
            let (id, received) = (row.get(0)?, row.get(1)?);
            if oldest.is_none_or(|(_, _, before)| received < before) {
                oldest = Some((table, id, received));
            }
        }
    }
    Ok(oldest)
}

/// Removes a row; gives the octets that it held, roughly.
fn remove(transaction: &Transaction<'_>, table: usize, id: i64) -> rusqlite::Result<u64> {
    let (_, delete) = TABLES[table];
    let octets = match table {
        0 => size(transaction, "SELECT length(block) FROM frame WHERE id = ?1", id)?,
        1 => size(transaction, "SELECT length(block) FROM packet WHERE id = ?1", id)?,
        2 => remove_series(transaction, id)?,
        3 => SPAN_OCTETS,
        _ => size(transaction, "SELECT length(details) FROM alarm WHERE id = ?1", id)?,
    };
    transaction.prepare_cached(delete)?.execute([id])?;
    Ok(octets)
}

fn size(transaction: &Transaction<'_>, query: &str, id: i64) -> rusqlite::Result<u64> {
    transaction.prepare_cached(query)?.query_row([id], |row| row.get(0))
}

fn remove_series(transaction: &Transaction<'_>, segment: i64) -> rusqlite::Result<u64> {
    let series = series_of(segment);
    let octets = transaction
        .prepare_cached("SELECT coalesce(sum(length(data)), 0) FROM series WHERE id >= ?1 AND id < ?2")?
        .query_row(series, |row| row.get(0))?;
    transaction.prepare_cached("DELETE FROM series WHERE id >= ?1 AND id < ?2")?.execute(series)?;
    Ok(octets)
}

/// Removes a few of the segments that others have taken the place of.
pub(crate) fn remove_replaced(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let mut replaced =
        transaction.prepare_cached("SELECT id FROM segment WHERE state = 2 AND state <> 0 LIMIT ?1")?;
    let ids: Vec<i64> =
        replaced.query_map([STEP_ROWS as i64], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for &id in &ids {
        remove_series(transaction, id)?;
        transaction.prepare_cached(REMOVE_SEGMENT)?.execute([id])?;
    }
    Ok(ids.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::schema::open_writer;

    #[test]
    fn free_pages_are_given_back_by_the_thousand() {
        let state = tempfile::tempdir().unwrap();
        let mut writable = open_writer(&state.path().join("archive.db")).unwrap();
        let connection = &mut writable.connection;
        for id in 0..8 {
            connection
                .execute("INSERT INTO frame VALUES (?1, 1, 1, 0, 0, 1, zeroblob(1 << 20))", [id])
                .unwrap();
        }
        let pages = |connection: &Connection| {
            connection.pragma_query_value(None, "page_count", |row| row.get::<_, u64>(0)).unwrap()
        };
        let before = pages(connection);
        let keep = Retention { age_ns: Some(1), octets: None };
        assert_eq!(step(connection, keep, 100).unwrap(), 8);
        // A page of pointers to pages may go with them.
        assert!(matches!(before - pages(connection), given if given.abs_diff(STEP_PAGES.into()) < 4));
        assert_eq!(step(connection, keep, 100).unwrap(), 0);
        // Those above what the next transactions will fill.
        assert!(free_pages(connection).unwrap() <= u64::from(STEP_PAGES));
    }
    #[test]
    fn spans_and_ended_alarms_go_by_reception_and_by_size() {
        let state = tempfile::tempdir().unwrap();
        let mut writable = open_writer(&state.path().join("archive.db")).unwrap();
        let connection = &mut writable.connection;
        connection
            .execute_batch(
                "INSERT INTO span (id, link, first, last, count, sequence, missing, received) VALUES
                    (1, 1, 10, 20, 1, 1, 0, 900), -- a dump from the on-board memory
                    (2, 1, 5000, 6000, 1, 1, 0, 100), -- a clock that is ahead
                    (3, 1, 800, 800, 1, 1, 0, 800);
                 INSERT INTO alarm VALUES (1, 'P', 10, 850, '{}'), (2, 'P', 10, 100, '{}'), (3, 'P', 10, NULL, '{}')",
            )
            .unwrap();
        let left = |connection: &Connection, table| {
            let mut ids = connection.prepare(&format!("SELECT id FROM {table} ORDER BY id")).unwrap();
            ids.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        let by_age = Retention { age_ns: Some(500), octets: None };
        assert_eq!(step(connection, by_age, 1000).unwrap(), 2);
        assert_eq!((left(connection, "span"), left(connection, "alarm")), (vec![1, 3], vec![1, 3]));
        assert_eq!(step(connection, Retention { age_ns: None, octets: Some(0) }, 1000).unwrap(), 3);
        assert_eq!((left(connection, "span"), left(connection, "alarm")), (vec![], vec![3]));
    }
}
