//! `/health`: is Pingu measuring? Always answered with 200, within two seconds.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use crate::model::Timestamp;
use crate::storage::Stats;

/// What is left of the two seconds is for everything else.
const DATABASE_DEADLINE: Duration = Duration::from_millis(1500);
const SHORTEST_STALE_AFTER: u64 = 30;

/// How Pingu is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    /// The database answers, and results are as fresh as the targets' intervals promise.
    ok: bool,
    /// The database answers.
    db: bool,
    thresholds: Thresholds,
    stats: HealthStats,
}

/// The limits that `ok` is judged by.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Thresholds {
    /// The newest result may be this old: 1.5 times the largest interval, at least 30 s; 0 when no target is enabled.
    #[schema(example = 180)]
    stale_after_seconds: u64,
}

/// What `ok` is judged from.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct HealthStats {
    enabled_targets: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_result_ts: Option<Timestamp>,
    seconds_since_last_result: Option<u64>,
}

/// Is Pingu measuring?
#[utoipa::path(get, path = "/health", tag = "fixed", responses((status = 200, body = Health)))]
pub async fn health(State(state): State<ApiState>) -> Json<Health> {
    let answer = tokio::time::timeout(DATABASE_DEADLINE, state.snapshots.stats()).await;
    let now = state.clock.now();
    Json(match answer {
        Ok(Ok(stats)) => judge(&stats, state.started, now),
        Ok(Err(_)) | Err(_) => Health {
            generated_at: now,
            ok: false,
            db: false,
            thresholds: Thresholds::default(),
            stats: HealthStats::default(),
        },
    })
}

fn judge(stats: &Stats, started: Timestamp, now: Timestamp) -> Health {
    let stale_after = match stats.enabled_targets {
        0 => 0,
        _ => stale_after(stats.largest_interval),
    };
    let age = stats.last_result.map(|last| now.since(last));
    let limit = Duration::from_secs(stale_after);
    // without any result yet, the process is as old as the silence
    let silence = age.unwrap_or_else(|| now.since(started));
    Health {
        generated_at: now,
        ok: stats.enabled_targets == 0 || silence <= limit,
        db: true,
        thresholds: Thresholds {
            stale_after_seconds: stale_after,
        },
        stats: HealthStats {
            enabled_targets: stats.enabled_targets,
            last_result_ts: stats.last_result,
            seconds_since_last_result: age.map(|age| age.as_secs()),
        },
    }
}

/// max(30, ceil(1.5 × interval)), exact in microseconds.
fn stale_after(interval: Duration) -> u64 {
    let doubled = interval.as_micros() * 3;
    let seconds = doubled.div_ceil(2_000_000);
    u64::try_from(seconds)
        .unwrap_or(u64::MAX)
        .max(SHORTEST_STALE_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_771_811_632_223_350);

    fn stats(enabled: u64, interval: u64, age: Option<u64>) -> Stats {
        Stats {
            enabled_targets: enabled,
            largest_interval: Duration::from_secs(interval),
            last_result: age.map(|age| START.saturating_sub(Duration::from_secs(age))),
        }
    }

    #[test]
    fn stale_is_one_and_a_half_intervals_but_never_under_thirty_seconds() {
        for (millis, expected) in [
            (100, 30),
            (20_000, 30),
            (20_001, 31),
            (60_000, 90),
            (120_000, 180),
        ] {
            assert_eq!(stale_after(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn old_results_are_not_ok() {
        let ok = |stats| judge(&stats, START, START).ok;
        assert!(ok(stats(19, 120, Some(180))));
        assert!(!ok(stats(19, 120, Some(181))));
        assert!(ok(stats(0, 0, Some(100_000))));
        assert!(ok(stats(0, 0, None)));
    }

    #[test]
    fn a_first_start_is_ok_until_a_result_is_overdue() {
        let ok = |age| {
            judge(
                &stats(1, 60, None),
                START,
                START.saturating_add(Duration::from_secs(age)),
            )
            .ok
        };
        assert!(ok(90));
        assert!(!ok(91));
    }
}
