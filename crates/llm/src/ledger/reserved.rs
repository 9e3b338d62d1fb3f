//! What requests in flight are expected to take, set aside in the ledger: so runs at the same time keep the day's caps
//! together. What a run has set aside ends when it is settled, or when its process is gone.

use rusqlite::{Connection, params};

use super::writer::add_spend;
use super::{Spend, process, spend_of, today};
use crate::settings::Daily;

/// How long a batch counts with what it is expected to take: it ends within a day, and is collected soon after.
pub(super) const BATCH_SECONDS: i64 = 2 * 86_400;

/// The cap that `after` is above, in words.
pub(super) fn cap(daily: &Daily, after: Spend) -> Option<String> {
    let above = |most: Option<u64>, count: u64| most.filter(|most| count > *most);
    if let Some(most) = above(daily.requests, after.requests) {
        return Some(spec::text::count(most, "request"));
    }
    if let Some(most) = above(daily.tokens, after.tokens) {
        return Some(format!("{most} tokens"));
    }
    daily.money.filter(|most| after.money > *most).map(|most| format!("{most} (money)"))
}

/// What today has cost so far, with what others than `holder` have set aside.
///
/// Of a process that is gone nothing is set aside any more; its requests count, for they may have been paid.
pub(super) fn day_with_others(connection: &Connection, holder: &str) -> rusqlite::Result<Spend> {
    let mut statement = connection.prepare_cached(
        "SELECT holder, requests, tokens, money, expires FROM reservations WHERE holder <> ?1 ORDER BY holder",
    )?;
    let others = statement.query_map([holder], |row| {
        let spend =
            Spend { requests: row.get::<_, i64>(1)? as u64, tokens: row.get::<_, i64>(2)? as u64, money: row.get(3)? };
        Ok((row.get::<_, String>(0)?, spend, row.get::<_, i64>(4)?))
    })?;
    let others: Vec<(String, Spend, i64)> = others.collect::<rusqlite::Result<_>>()?;
    let (day, now) = (today(), chrono::Utc::now().timestamp());
    let mut sum = Spend::default();
    for (other, spend, expires) in others {
        if expires < now || process::is_gone(&other) {
            set(connection, &other, Spend::default(), 0)?;
            add_spend(connection, &day, Spend { requests: spend.requests, ..Spend::default() })?;
        } else {
            sum += spend;
        }
    }
    sum += spend_of(connection, &day)?;
    Ok(sum)
}

/// Writes down what `holder`, a run or the token of a batch, has set aside.
pub(super) fn set(connection: &Connection, holder: &str, spend: Spend, expires: i64) -> rusqlite::Result<()> {
    if spend == Spend::default() {
        let mut statement = connection.prepare_cached("DELETE FROM reservations WHERE holder = ?1")?;
        return statement.execute([holder]).map(|_| ());
    }
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO reservations (holder, requests, tokens, money, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    statement.execute(params![holder, spend.requests as i64, spend.tokens as i64, spend.money, expires])?;
    Ok(())
}
