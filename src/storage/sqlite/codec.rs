//! Rows of SQLite to values.

use rusqlite::Row;

use super::super::StoreError;
use super::super::plan::Existing;
pub use super::super::row::{
    Owner, column_micros, detail_json, outcome, outcome_began, outcome_code, unreadable,
};
use super::super::row::{ResultColumns, TargetColumns};
use super::days::Day;
use super::store_error;
use crate::model::{StoredResult, TargetId, Timestamp};

/// Where the time of a row comes from: a full instant, or an offset in a day's table.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    Epoch,
    Day(Day),
}

/// Reads the eleven columns that `result_page` and `latest` begin with.
pub fn stored_result(
    row: &Row<'_>,
    origin: Origin,
    owner: &Owner,
) -> Result<StoredResult, StoreError> {
    let number = |index| row.get::<_, i64>(index).map_err(store_error);
    let at = number(0)?;
    let text = |index| -> Result<&str, StoreError> {
        row.get_ref(index)
            .map_err(store_error)?
            .as_str()
            .map_err(|error| unreadable("text", error))
    };
    let detail = row.get_ref(4).map_err(store_error)?;
    let columns = ResultColumns {
        slot: match origin {
            Origin::Epoch => Timestamp::from_micros(at),
            Origin::Day(day) => day.instant(at),
        },
        id: number(1)?,
        lag_us: number(2)?,
        latency_us: row.get(3).map_err(store_error)?,
        detail: detail
            .as_str_or_null()
            .map_err(|error| unreadable("text", error))?,
        verdict_key: number(5)?,
        slow: number(6)? != 0,
        reason: text(7)?,
        status_code: number(8)?,
        resolved_ip: text(9)?,
        error: text(10)?,
    };
    columns.result(owner)
}

pub fn target_id(text: &str) -> Result<TargetId, StoreError> {
    uuid::Uuid::parse_str(text)
        .map(TargetId)
        .map_err(|_| unreadable("target id", text))
}

/// Reads the columns of `targets_list` and `target_find`.
pub fn existing(row: &Row<'_>) -> Result<Existing, StoreError> {
    let number = |index| row.get::<_, i64>(index).map_err(store_error);
    let text = |index| row.get::<_, String>(index).map_err(store_error);
    let optional = |index| row.get::<_, Option<String>>(index).map_err(store_error);
    let flag = |index| row.get::<_, bool>(index).map_err(store_error);
    let columns = TargetColumns {
        id: target_id(&text(0)?)?,
        slug: optional(1)?,
        name: text(2)?,
        present: flag(3)?,
        enabled: flag(4)?,
        interval_us: number(5)?,
        timeout_us: number(6)?,
        slow_after_us: number(7)?,
        group: optional(8)?,
        tags: text(9)?,
        description: optional(10)?,
        spec: text(11)?,
        fail_after: number(12)?,
        recover_after: number(13)?,
        created_at: Timestamp::from_micros(number(14)?),
    };
    columns.existing()
}
