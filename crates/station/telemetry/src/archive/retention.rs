//! What the archive lets go: what is older than so many days, and the oldest when the file is too large.
//!
//! Each step removes a bounded number of rows in one short transaction and gives a bounded number of
//! pages back to the file system, so that no writing waits for it long.

use rusqlite::{Connection, Transaction, params};

use super::tail::series_of;

/// Rows that one step removes at most, of frames, packets and segments together.
const STEP_ROWS: u64 = 512;
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
const TABLES: [(&str, &str); 3] = [
    ("SELECT id, received_last FROM frame ORDER BY id LIMIT 1", "DELETE FROM frame WHERE id = ?1"),
    ("SELECT id, received_last FROM packet ORDER BY id LIMIT 1", "DELETE FROM packet WHERE id = ?1"),
    ("SELECT id, received_last FROM segment WHERE state = 0 ORDER BY received_last LIMIT 1", REMOVE_SEGMENT),
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
    if let Some(horizon) = horizon {
        let few = params![horizon, STEP_ROWS as i64];
        transaction
            .execute("DELETE FROM span WHERE id IN (SELECT id FROM span WHERE last < ?1 LIMIT ?2)", few)?;
        transaction.execute(
            "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE ended < ?1 ORDER BY id LIMIT ?2)",
            few,
        )?;
    }
    transaction.commit()?;
    if removed > 0 {
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
    }
    Ok(removed)
}

/// Octets of the file that hold something.
pub(crate) fn used_octets(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// The table, id and time of the row that was received first. Ids ascend with reception.
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
        _ => remove_series(transaction, id)?,
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
    let mut replaced = transaction.prepare_cached("SELECT id FROM segment WHERE state = 2 LIMIT ?1")?;
    let ids: Vec<i64> =
        replaced.query_map([STEP_ROWS as i64], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for &id in &ids {
        remove_series(transaction, id)?;
        transaction.prepare_cached(REMOVE_SEGMENT)?.execute([id])?;
    }
    Ok(ids.len() as u64)
}
