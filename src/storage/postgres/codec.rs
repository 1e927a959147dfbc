//! Values to parameters, rows of Postgres to values.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::super::StoreError;
use super::super::plan::Existing;
use super::super::row::{Owner, ResultColumns, TargetColumns};
use crate::model::{StoredResult, TargetId, Timestamp};

/// 2000-01-01T00:00:00Z, from where Postgres counts its microseconds.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// A `timestamptz`. Instants outside of the years 0 to 9999 become the nearest one within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub Timestamp);

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let within = self.0.clamp(Timestamp::MIN, Timestamp::MAX);
        out.put_i64(within.as_micros() - POSTGRES_EPOCH);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp::from_micros(
            micros.saturating_add(POSTGRES_EPOCH),
        )))
    }

    accepts!(TIMESTAMPTZ);
}

/// A column, or the fault that it is not what this program wrote.
pub fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, StoreError> {
    row.try_get(index)
        .map_err(|error| StoreError::Fault(format!("column {index}: {error}")))
}

pub fn instant(row: &Row, index: usize) -> Result<Timestamp, StoreError> {
    column::<Instant>(row, index).map(|Instant(instant)| instant)
}

/// Reads the eleven columns that `result_window` and `latest` begin with.
pub fn stored_result(row: &Row, owner: &Owner) -> Result<StoredResult, StoreError> {
    let number = |index| column::<i32>(row, index).map(i64::from);
    let columns = ResultColumns {
        slot: instant(row, 0)?,
        id: column(row, 1)?,
        lag_us: number(2)?,
        latency_us: column::<Option<i32>>(row, 3)?.map(i64::from),
        detail: column(row, 4)?,
        verdict_key: number(5)?,
        slow: column(row, 6)?,
        reason: column(row, 7)?,
        status_code: number(8)?,
        resolved_ip: column(row, 9)?,
        error: column(row, 10)?,
    };
    columns.result(owner)
}

/// Reads id, name and location from three columns on.
pub fn owner(row: &Row, first: usize) -> Result<Owner, StoreError> {
    Ok(Owner {
        target: TargetId(column(row, first)?),
        target_name: column::<&str>(row, first + 1)?.into(),
        location: column::<&str>(row, first + 2)?.into(),
    })
}

/// Reads the columns of `targets_list` and `target_find`.
pub fn existing(row: &Row) -> Result<Existing, StoreError> {
    let columns = TargetColumns {
        id: TargetId(column(row, 0)?),
        slug: column(row, 1)?,
        name: column(row, 2)?,
        present: column(row, 3)?,
        enabled: column(row, 4)?,
        interval_us: column(row, 5)?,
        timeout_us: column(row, 6)?,
        slow_after_us: column(row, 7)?,
        group: column(row, 8)?,
        tags: column(row, 9)?,
        description: column(row, 10)?,
        spec: column(row, 11)?,
        fail_after: column::<i16>(row, 12)?.into(),
        recover_after: column::<i16>(row, 13)?.into(),
        created_at: instant(row, 14)?,
    };
    columns.existing()
}
