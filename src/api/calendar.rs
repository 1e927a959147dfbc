//! `/targets/{id}/heatmap` and `/targets/{id}/uptime`: history by the hours and the days that people live by.
//!
//! Both are made of hours of UTC; an hour belongs to the local hour and day in which it begins, which is exact where a zone differs from
//! UTC by whole hours.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use jiff::{Zoned, civil};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::series::whole;
use super::summary::uptime_percent;
use super::{ApiState, Named};
use crate::model::{Summary, Timestamp};

const DAYS_OF_WEEK: usize = 7;
const HOURS_OF_DAY: usize = 24;
const DAY: Duration = Duration::from_secs(86_400);

const DEFAULT_WEEKS: usize = 4;
const MOST_WEEKS: usize = 53;
const DEFAULT_DAYS: usize = 366;
const MOST_DAYS: usize = 400;

/// What the hours of a week look like: seven rows from Monday on, of 24 hours each. An hour without results is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct Heatmap {
    target_id: Uuid,
    target_name: String,
    #[schema(example = "Europe/Berlin")]
    tz: String,
    weeks: usize,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// Half of the answers were not slower, in microseconds.
    p50_us: Vec<Vec<Option<u64>>>,
    total: Vec<Vec<Option<u64>>>,
    failed: Vec<Vec<Option<u64>>>,
}

/// Days, the newest first; those without results are absent.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimeDays {
    target_id: Uuid,
    target_name: String,
    #[schema(example = "Europe/Berlin")]
    tz: String,
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    items: Vec<UptimeDay>,
}

/// One day of the zone's calendar.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimeDay {
    #[schema(value_type = String, format = Date, example = "2026-02-23")]
    day: String,
    /// The share of up among up and down; null when there was neither.
    uptime_percent: Option<f64>,
    total_probes: u64,
    failed_probes: u64,
    unknown_probes: u64,
}

/// Typical latency by hour and weekday
#[utoipa::path(
    get, path = "/targets/{id}/heatmap", tag = "history",
    params(
        ("id" = String, Path, description = "the target's id or name"),
        ("weeks" = Option<u64>, Query, minimum = 1, description = "how many weeks back, at most 53 (more counts as 53); default 4"),
        ("tz" = Option<String>, Query, description = "a time zone of the IANA database; default UTC", example = "Europe/Berlin"),
    ),
    responses(
        (status = 200, body = Heatmap), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn heatmap(
    State(state): State<ApiState>,
    parameters: Parameters,
    Named(target): Named,
) -> Result<Json<Heatmap>, ApiError> {
    let weeks = parameters.bounded("weeks", "invalid_weeks", DEFAULT_WEEKS, MOST_WEEKS)?;
    let zone = parameters.zone()?;
    let until = state.clock.now();
    let since = until.saturating_sub(DAY * (weeks * DAYS_OF_WEEK) as u32);
    let hours = state.history.hours(target.id, since, until).await?;
    let mut cells: Vec<Option<Summary>> = vec![None; DAYS_OF_WEEK * HOURS_OF_DAY];
    for (at, summary) in &hours {
        let local = local(*at, &zone);
        let day = local.weekday().to_monday_zero_offset();
        let place = usize::try_from(i32::from(day) * 24 + i32::from(local.hour()));
        if let Some(cell) = place.ok().and_then(|place| cells.get_mut(place)) {
            cell.get_or_insert_default().merge(summary);
        }
    }
    let rows = |of: fn(&Summary) -> Option<u64>| {
        let row = |row: &[Option<Summary>]| row.iter().map(|it| it.as_ref().and_then(of)).collect();
        cells.chunks(HOURS_OF_DAY).map(row).collect()
    };
    Ok(Json(Heatmap {
        target_id: target.id.0,
        target_name: target.spec.name,
        tz: parameters.zone_name().to_owned(),
        weeks,
        since,
        until,
        p50_us: rows(|it| it.latency.quantile(0.5).map(whole)),
        total: rows(|it| Some(it.total)),
        failed: rows(|it| Some(it.down())),
    }))
}

/// Uptime of each day
#[utoipa::path(
    get, path = "/targets/{id}/uptime", tag = "history",
    params(
        ("id" = String, Path, description = "the target's id or name"),
        ("days" = Option<u64>, Query, minimum = 1, description = "how many days, today's included, at most 400 (more counts as 400); default 366"),
        ("tz" = Option<String>, Query, description = "a time zone of the IANA database; default UTC", example = "Europe/Berlin"),
    ),
    responses(
        (status = 200, body = UptimeDays), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn uptime(
    State(state): State<ApiState>,
    parameters: Parameters,
    Named(target): Named,
) -> Result<Json<UptimeDays>, ApiError> {
    let days = parameters.bounded("days", "invalid_days", DEFAULT_DAYS, MOST_DAYS)?;
    let zone = parameters.zone()?;
    let now = state.clock.now();
    let today = local(now, &zone).date();
    // a day has 25 hours at the most, and more of them than asked for are left out below
    let since = now.saturating_sub(Duration::from_secs(25 * 3600) * days as u32);
    let hours = state
        .history
        .hours(target.id, since.bucket(DAY), now)
        .await?;
    let mut sums: BTreeMap<civil::Date, Summary> = BTreeMap::new();
    for (at, summary) in &hours {
        sums.entry(local(*at, &zone).date())
            .or_default()
            .merge(summary);
    }
    let first = today.saturating_sub(jiff::Span::new().days(days as i64 - 1));
    let items = sums.range(first..=today).rev().map(|(day, sum)| UptimeDay {
        day: day.to_string(),
        uptime_percent: uptime_percent(sum),
        total_probes: sum.total,
        failed_probes: sum.down(),
        unknown_probes: sum.unknown,
    });
    Ok(Json(UptimeDays {
        target_id: target.id.0,
        target_name: target.spec.name,
        tz: parameters.zone_name().to_owned(),
        generated_at: now,
        items: items.collect(),
    }))
}

/// What clocks and calendars of the zone show.
fn local(at: Timestamp, zone: &TimeZone) -> Zoned {
    let instant = jiff::Timestamp::from_microsecond(at.as_micros());
    instant.unwrap_or_default().to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_belongs_to_the_local_day_that_it_begins_in() {
        let hour: Timestamp = "2026-03-28T23:00:00Z".parse().unwrap();
        for (zone, expected) in [
            ("UTC", "2026-03-28T23"),
            ("Europe/Berlin", "2026-03-29T00"),
            ("Asia/Kolkata", "2026-03-29T04"),
            ("America/Los_Angeles", "2026-03-28T16"),
        ] {
            let local = local(hour, &TimeZone::get(zone).unwrap());
            let shown = format!("{}T{:02}", local.date(), local.hour());
            assert_eq!(shown, expected, "{zone}");
        }
    }
}
