//! The words: values that every other room speaks in.
//!
//! Only values live here. Nothing in this module reads a clock, a socket, a file or a database, so that anything built on it can be
//! tested with plain data. The words and their meaning:
//!
//! * **target**: what is watched. **probe**: the act of measuring once. **result**: its stored record.
//! * **outcome**: `up`, `down` or `unknown`; **reason**: a stable code of why it was not up.
//! * **slot**: a scheduled instant of a target. **lag**: how late a probe started after its slot.
//! * **summary**: figures of a window of time.
//! * **incident**: a span in which a target is down.

mod certificate;
mod detail;
pub mod histogram;
mod http_version;
mod incident;
mod result;
mod secret;
mod slots;
mod spec;
mod summary;
mod target;
mod time;
mod window;

pub use certificate::{Certificate, Chain, Digest};
pub use detail::{Detail, Hop, Packets, Phases};
pub use histogram::Histogram;
pub use http_version::HttpVersion;
pub use incident::{Changes, Ended, Ending, Incident, IncidentRule, ReasonChange, StoredIncident};
pub use result::{
    ErrorText, Failure, Measurement, Observation, Outcome, ProbeResult, Reason, StoredResult,
    Verdict,
};
pub use secret::{BadReference, Secret, Unset};
pub use slots::Slots;
pub use spec::{
    Ask, BadEscape, ClientFiles, Credentials, DnsSpec, Expect, Family, Header, HeaderMatch, Host,
    HttpSpec, HttpVersions, IcmpSpec, InvalidProxy, JsonMatch, JsonPath, Kind, Login, Method,
    Pattern, Payload, ProbeSpec, Proxy, ProxyScheme, Rcode, Record, StartTls, Statuses, TcpSpec,
    TlsSpec, TrainSpec, Transport, Way,
};
pub use summary::{Latencies, Mean, Sample, Summary};
pub use target::{Declared, Target, TargetId, TargetMap, TargetSpec, default_slow_after};
pub use time::{InvalidTimestamp, Timestamp, micros};
pub use window::{InvalidWindow, Window};
