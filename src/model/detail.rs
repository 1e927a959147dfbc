//! What only some results have: where the time of an exchange went, what became of packets, and which way it took.

use serde::{Deserialize, Serialize};

use super::{ErrorText, HttpVersion, Timestamp};

/// The parts of a result that only some probes produce. Stored as JSON, so the field names are a storage format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<Packets>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_expires_at: Option<Timestamp>,
    /// Of the final answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<HttpVersion>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Hop>,
}

/// One step of an exchange that was redirected: what was asked there, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Hop {
    /// Without credentials, its query as `?…`, at most 200 bytes.
    #[schema(value_type = String)]
    pub url: ErrorText,
    pub status: u16,
    /// From the hop's beginning to the headers of its answer, in microseconds.
    pub took_us: u32,
}

/// Where the time of a probe over a connection went, in microseconds. A phase that did not happen is absent.
/// After redirects each phase is the sum over all hops. Before STARTTLS the dialogue in plain text is `ttfb_us`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Phases {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfb_us: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_us: Option<u32>,
}

/// What became of the packets of a probe, in microseconds where it is a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Packets {
    /// Those that left this machine.
    pub sent: u16,
    /// Those that were answered in time.
    pub received: u16,
    pub min_us: Option<u32>,
    /// The latency of the result.
    pub median_us: Option<u32>,
    pub max_us: Option<u32>,
    /// Mean difference of consecutive round trips.
    pub jitter_us: Option<u32>,
    /// The round trip of each packet in the order of sending; null where none came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rtts_us: Vec<Option<u32>>,
    /// Replies that came in another order than their packets were sent in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reordered: u16,
    /// Replies since the result before that came after their timeout.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u16,
    /// Replies since the result before that came again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u16,
    /// Replies since the result before whose content was changed on the way.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub corrupted: u16,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde takes"
)]
const fn is_zero(count: &u16) -> bool {
    *count == 0
}
