//! What requests may ask: windows of time, limits, filters.
//!
//! Unknown parameters are ignored; a known one with a value that it does not take is a 400 that names it. A parameter that is
//! given twice counts as its last, but for `tag` and `target`, of which all count.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use jiff::tz::TimeZone;

use super::cursor::{Position, Scope};
use super::error::ApiError;
use crate::model::{Timestamp, Window};
use crate::storage::Status;

/// How many items a list has when nobody says, and at the most.
pub const DEFAULT_LIMIT: usize = 200;
pub const MAX_LIMIT: usize = 1000;
/// How many buckets a series has when nobody says, and at the most.
pub const DEFAULT_POINTS: usize = 300;
pub const MAX_POINTS: usize = 1000;
/// The most beats that a target tells.
pub const MAX_BEATS: usize = 120;

/// The query string as it came.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::bad_request("invalid_query", "the query string is malformed"))?;
        Ok(Self(pairs))
    }
}

/// What `status` takes.
pub const STATUSES: [&str; 3] = ["enabled", "disabled", "all"];

/// What `tz` takes.
pub fn zones() -> impl Iterator<Item = String> {
    let names = jiff::tz::db().available();
    names.map(|name| name.to_string()).filter(|name| {
        let zone = TimeZone::get(name);
        zone.is_ok_and(|zone| zone.iana_name() == Some(name))
    })
}

impl Parameters {
    /// What was given last under this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    /// Everything that was given under this name.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// `since` is inclusive, `until` exclusive.
    pub fn span(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let since = self.instant("since")?;
        let until = self.instant("until")?;
        if since.zip(until).is_some_and(|(since, until)| since > until) {
            return Err(ApiError::bad_request(
                "invalid_range",
                "since must not be after until",
            ));
        }
        Ok((since, until))
    }

    fn instant(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        // an unescaped + of an offset arrives as a space; one between date and time is a space
        let text = match text.rfind(' ') {
            Some(at) if at > "2026-02-23 ".len() => format!("{}+{}", &text[..at], &text[at + 1..]),
            _ => text.to_owned(),
        };
        let parsed = Timestamp::from_str(&text).map(Some);
        parsed.map_err(|error| {
            ApiError::bad_request("invalid_time", format!("invalid {name}: {error}"))
        })
    }

    pub fn limit(&self) -> Result<usize, ApiError> {
        let limit = self.count("limit", "invalid_limit", DEFAULT_LIMIT)?;
        Ok(limit.min(MAX_LIMIT))
    }

    /// How many items a page has, of a list that has pages only for who asks for them.
    pub fn page(&self) -> Result<Option<usize>, ApiError> {
        if self.text("limit").or(self.text("cursor")).is_none() {
            return Ok(None);
        }
        self.limit().map(Some)
    }

    /// Where the page before ended; nothing where the list begins.
    pub fn position(&self, scope: &Scope) -> Result<Option<Position>, ApiError> {
        let cursor = self.text("cursor");
        cursor.map(|cursor| scope.position(cursor)).transpose()
    }

    pub fn points(&self) -> Result<usize, ApiError> {
        let points = self.count("points", "invalid_points", DEFAULT_POINTS)?;
        Ok(points.min(MAX_POINTS))
    }

    /// A whole number above zero; one that is too high counts as `most`.
    pub fn bounded(
        &self,
        name: &str,
        code: &'static str,
        default: usize,
        most: usize,
    ) -> Result<usize, ApiError> {
        Ok(self.count(name, code, default)?.min(most))
    }

    /// How many beats each target tells; nothing where none are asked for.
    pub fn beats(&self) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.text("beats") else {
            return Ok(None);
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let beats = text.parse().ok().filter(|_| digits);
        let beats = beats.filter(|beats| (1..=MAX_BEATS).contains(beats));
        let wrong = || {
            let message = format!("invalid beats, expected a whole number from 1 to {MAX_BEATS}");
            ApiError::bad_request("invalid_beats", message)
        };
        beats.ok_or_else(wrong).map(Some)
    }

    /// The time zone that `tz` names; UTC when it names none.
    pub fn zone(&self) -> Result<TimeZone, ApiError> {
        let unknown = || {
            let message = "unknown time zone, expected a name like Europe/Berlin or UTC";
            ApiError::bad_request("invalid_tz", message)
        };
        let name = self.zone_name();
        let zone = TimeZone::get(name).map_err(|_| unknown())?;
        // names in another case are found too, and would be another name of the same answer
        let is_exact = zone.iana_name() == Some(name);
        is_exact.then_some(zone).ok_or_else(unknown)
    }

    pub fn zone_name(&self) -> &str {
        self.text("tz").unwrap_or("UTC")
    }

    /// A whole number above zero.
    fn count(&self, name: &str, code: &'static str, default: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // a number beyond what fits is above the maximum like any other
        let count = if digits {
            text.parse().unwrap_or(usize::MAX)
        } else {
            0
        };
        if count == 0 {
            let message = format!("invalid {name}, expected a whole number above zero");
            return Err(ApiError::bad_request(code, message));
        }
        Ok(count)
    }

    pub fn window(&self) -> Result<Window, ApiError> {
        let text = self.text("window").unwrap_or("1h");
        text.parse()
            .map_err(|error| ApiError::bad_request("invalid_window", format!("{error}")))
    }

    /// Whether incidents are wanted that go on, or that have ended.
    pub fn open(&self) -> Result<Option<bool>, ApiError> {
        match self.text("open") {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::bad_request(
                "invalid_open",
                "invalid open, expected true or false",
            )),
        }
    }

    pub fn status(&self) -> Result<Status, ApiError> {
        match self.text("status") {
            None | Some("enabled") => Ok(Status::Enabled),
            Some("disabled") => Ok(Status::Disabled),
            Some("all") => Ok(Status::All),
            Some(_) => Err(ApiError::bad_request(
                "invalid_status",
                "invalid status, expected enabled, disabled or all",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Parameters(pairs.collect())
    }

    #[test]
    fn limits_are_clamped_or_refused() {
        let limit = |text| parameters(&[("limit", text)]).limit().ok();
        assert_eq!(parameters(&[]).limit().ok(), Some(200));
        for (text, expected) in [
            ("1", Some(1)),
            ("1000", Some(1000)),
            ("1001", Some(1000)),
            ("99999999999999999999999", Some(1000)),
            ("0", None),
            ("000", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("ten", None),
            ("", None),
            ("١", None),
        ] {
            assert_eq!(limit(text), expected, "{text}");
        }
    }

    #[test]
    fn a_span_runs_forward() {
        let (early, late) = ("2026-02-23T00:00:00Z", "2026-02-23T00:00:01Z");
        assert!(
            parameters(&[("since", early), ("until", late)])
                .span()
                .is_ok()
        );
        assert!(
            parameters(&[("since", early), ("until", early)])
                .span()
                .is_ok()
        );
        assert!(
            parameters(&[("since", late), ("until", early)])
                .span()
                .is_err()
        );
    }

    #[test]
    fn an_unescaped_offset_is_understood() {
        for text in [
            "2026-02-23T01:00:00 01:00",
            "2026-02-23 01:00:00 01:00",
            "2026-02-23 01:00:00+01:00",
            "2026-02-23 00:00:00Z",
        ] {
            let (since, _) = parameters(&[("since", text)]).span().unwrap();
            let since = since.map(|since| since.to_string());
            assert_eq!(
                since.as_deref(),
                Some("2026-02-23T00:00:00.000000Z"),
                "{text}"
            );
        }
    }
}
