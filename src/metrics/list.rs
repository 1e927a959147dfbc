//! The names of metrics and what each means: a contract with dashboards and alerts, which a test keeps.

use prometheus_client::registry::{Registry, Unit};

use super::Metrics;

impl Metrics {
    /// What becomes of results. At rest: produced + recovered = stored + duplicate + quarantined + dropped + spooled + waiting.
    pub(super) fn register_results(&self, r: &mut Registry) {
        r.register(
            "results_produced",
            "Results that probes handed over; with recovered, the sum of stored, duplicate, quarantined, dropped, spooled and waiting",
            self.produced.clone(),
        );
        r.register(
            "results_recovered",
            "Results of an earlier process that were found in the spool when this one opened it",
            self.recovered.clone(),
        );
        r.register(
            "results_stored",
            "Results stored in the database",
            self.stored.clone(),
        );
        r.register(
            "results_duplicate",
            "Results whose slot was stored already",
            self.duplicate.clone(),
        );
        r.register(
            "results_quarantined",
            "Results that the database cannot take; the newest are kept in the spool file",
            self.quarantined.clone(),
        );
        r.register(
            "results_dropped",
            "Results given up, by the reason",
            self.dropped.clone(),
        );
        r.register(
            "results_waiting",
            "Results in memory that wait to be stored",
            self.waiting.clone(),
        );
        r.register(
            "results_spooled",
            "Results in the spool that wait to be stored",
            self.spooled.clone(),
        );
        r.register_with_unit(
            "spool",
            "What the spool takes on disk",
            Unit::Bytes,
            self.spool_bytes.clone(),
        );
        r.register_with_unit(
            "spool_oldest_timestamp",
            "The slot at which the oldest part of the spool begins; 0 while it is empty",
            Unit::Seconds,
            self.spool_oldest.clone(),
        );
        r.register(
            "flush_failures",
            "Batches that the database did not take",
            self.flush_failures.clone(),
        );
    }

    /// What becomes of history.
    pub(super) fn register_retention(&self, r: &mut Registry) {
        r.register(
            "retention_dropped",
            "Days of history that were dropped for their age",
            self.days_dropped.clone(),
        );
        r.register(
            "retention_held",
            "Days that are older than they are to be kept, and stay until their roll-ups are made",
            self.days_held.clone(),
        );
        r.register_with_unit(
            "history_oldest_timestamp",
            "When the oldest day begins that is kept; 0 where there is none",
            Unit::Seconds,
            self.history_oldest.clone(),
        );
        r.register(
            "retention_failures",
            "Times that dropping history was put off: the database was away, or the table in use",
            self.retention_failures.clone(),
        );
        r.register_with_unit(
            "retention_success_timestamp",
            "When retention last left nothing behind",
            Unit::Seconds,
            self.retention_succeeded.clone(),
        );
    }

    /// What results mean.
    pub(super) fn register_incidents(&self, r: &mut Registry) {
        r.register(
            "incidents_open",
            "Incidents that go on at this location",
            self.incidents_open.clone(),
        );
        r.register(
            "incidents_opened",
            "Incidents that this process opened",
            self.incidents_opened.clone(),
        );
        r.register(
            "incidents_ended",
            "Incidents that this process saw end, by how",
            self.incidents_ended.clone(),
        );
        r.register(
            "incidents_waiting",
            "Incidents of which the newest state is not stored yet",
            self.incidents_waiting.clone(),
        );
        r.register(
            "incidents_dropped",
            "Incidents given up: too many waited for the database, or it cannot take them",
            self.incidents_dropped.clone(),
        );
    }

    pub(super) fn register_rest(&self, r: &mut Registry) {
        r.register(
            "slots_missed",
            "Slots whose probe could not be started in time",
            self.missed.clone(),
        );
        r.register_with_unit(
            "lag",
            "From a slot to the start of its probe",
            Unit::Seconds,
            self.lag.clone(),
        );
        r.register(
            "probe_panics",
            "Probes that ended in a fault of Pingu's own",
            self.panics.clone(),
        );
        r.register(
            "targets",
            "Targets that are being probed",
            self.targets.clone(),
        );
        r.register(
            "config_reloads",
            "Changes of the targets file by what became of them",
            self.reloads.clone(),
        );
        r.register(
            "config_valid",
            "1 while the targets file is in use as it stands",
            self.config_valid.clone(),
        );
        r.register_with_unit(
            "config_loaded_timestamp",
            "When the targets in use were loaded",
            Unit::Seconds,
            self.config_time.clone(),
        );
    }

    /// What readers cost.
    pub(super) fn register_serving(&self, r: &mut Registry) {
        let serving = &self.serving;
        r.register(
            "http_requests",
            "Requests that were answered, by route and class of status; page is what is no route, unread what could not be read",
            serving.requests.clone(),
        );
        r.register_with_unit(
            "http_request_duration",
            "From a request's headers to those of its answer",
            Unit::Seconds,
            serving.durations.clone(),
        );
        r.register(
            "http_shed",
            "Requests that were refused because too many were under way, by the bound that had no room",
            serving.shed.clone(),
        );
        r.register(
            "http_connections",
            "Connections of readers that are open",
            serving.connections.clone(),
        );
        r.register(
            "http_connections_evicted",
            "Connections that were closed to make room for others: idle ones, or with an answer that was not read",
            serving.evicted.clone(),
        );
        r.register(
            "event_streams",
            "Event streams that are open",
            serving.streams.clone(),
        );
        r.register(
            "event_streams_left_behind",
            "Event streams that were ended because their reader was too slow",
            serving.left_behind.clone(),
        );
    }
}
