//! What befalls a target: its answer at any slot, a pure function of the seed.
//!
//! Latencies follow the way to the site, the hour of the day and a tail that is mostly short. Packets get lost now and then. Troubles
//! begin on a day and last from minutes to hours: of a target alone, of a whole site, or of the prober, whose results are then
//! `unknown`.

use std::f64::consts::TAU;
use std::time::Duration;

use pingu::model::{
    Detail, HttpVersion, Measurement, Observation, Phases, ProbeResult, Reason, TargetId, Timestamp,
};

use crate::dice::Dice;
use crate::town::{Kind, Resident};

const MINUTE: f64 = 60e6;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: i64 = 86_400_000_000;

/// Days between two renewals of a certificate, and how long each is valid.
const RENEWED_AFTER: i64 = 60;
const VALID_FOR: i64 = 90;

/// A target and what is known of its days so far.
#[derive(Debug)]
pub struct Life<'a> {
    resident: &'a Resident,
    seed: u64,
    /// Tells this one's dice from the others'.
    number: u64,
    loss: f64,
    /// How often a day brings trouble.
    frailty: f64,
    /// How much slower it is in the busiest hour.
    swing: f64,
    /// HTTP: how long the server ponders, in microseconds.
    pondering: f64,
    /// The day that `troubles` are those of.
    day: i64,
    troubles: Vec<Trouble>,
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    since: i64,
    until: i64,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    /// The prober's own.
    Blind,
    Unreachable,
    Silent,
    Refused,
    /// An HTTP status, quickly given.
    Status(u16),
    /// Everything takes so many times as long.
    Slow(f64),
}

impl<'a> Life<'a> {
    pub fn new(seed: u64, number: u64, resident: &'a Resident) -> Self {
        let mut dice = Dice::of(&[seed, 1, number]);
        Self {
            resident,
            seed,
            number,
            loss: dice.magnitude(0.000_05, 0.004),
            frailty: dice.magnitude(0.01, 0.8),
            swing: dice.between(0.05, 0.6),
            pondering: dice.magnitude(15_000.0, 280_000.0),
            day: i64::MIN,
            troubles: Vec::new(),
        }
    }

    /// The result of a slot. Cheapest where slots are asked for in order: a day's troubles are thrown once.
    pub fn result(&mut self, slot: Timestamp) -> ProbeResult {
        let at = slot.as_micros();
        if at.div_euclid(DAY) != self.day {
            self.day = at.div_euclid(DAY);
            self.troubles = self.troubles();
        }
        let mut dice = Dice::of(&[self.seed, 2, self.number, at.cast_unsigned()]);
        let trouble = self
            .troubles
            .iter()
            .find(|it| (it.since..it.until).contains(&at));
        let observation = self.observe(at, trouble.map(|it| it.what), &mut dice);
        let lag = Duration::from_micros((60.0 * dice.tail()) as u64);
        let target = TargetId(self.resident.id);
        ProbeResult::new(target, slot, lag, self.resident.slow_after, observation)
    }

    /// Those that began today or yesterday, as none lasts a day.
    fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for day in [self.day - 1, self.day] {
            let mut add = |dice: &mut Dice, minutes: (f64, f64), what| {
                let since = day * DAY + (dice.unit() * DAY as f64) as i64;
                let length = dice.magnitude(minutes.0 * MINUTE, minutes.1 * MINUTE);
                let until = since + length as i64;
                troubles.push(Trouble { since, until, what });
            };
            let today = day.cast_unsigned();
            let mut all = Dice::of(&[self.seed, 3, today]);
            if all.chance(0.03) {
                add(&mut all, (1.0, 6.0), What::Blind);
            }
            let mut site = Dice::of(&[self.seed, 4, self.resident.site, today]);
            if site.chance(0.04) {
                add(&mut site, (3.0, 120.0), What::Unreachable);
            }
            let mut own = Dice::of(&[self.seed, 5, self.number, today]);
            if own.chance(self.frailty) {
                let what = self.trouble(&mut own);
                add(&mut own, (2.0, 420.0), what);
            }
        }
        troubles
    }

    fn trouble(&self, dice: &mut Dice) -> What {
        let slow = What::Slow(dice.between(3.0, 9.0));
        let kinds = match self.resident.kind {
            Kind::Device(_) => [What::Silent, What::Silent, What::Unreachable, slow, slow],
            Kind::Web => [
                What::Status(503),
                What::Status(404),
                What::Silent,
                slow,
                slow,
            ],
            Kind::Api => [
                What::Status(503),
                What::Refused,
                What::Status(500),
                slow,
                slow,
            ],
        };
        kinds[(dice.unit() * kinds.len() as f64) as usize]
    }

    fn observe(&self, at: i64, trouble: Option<What>, dice: &mut Dice) -> Observation {
        let address = self.resident.address;
        let timeout = self.resident.timeout;
        let mut measurement = Measurement {
            resolved_ip: Some(address.into()),
            ..Measurement::default()
        };
        let (mut slower, mut status) = (1.0, 200);
        match trouble {
            Some(What::Blind) => {
                let text = "no way from here to it: network is unreachable";
                return Observation::unknown(Reason::Local, text, Measurement::default());
            }
            Some(What::Unreachable) => {
                let text = format!("{address} cannot be reached: no route to host");
                return Observation::down(Reason::Unreachable, text, measurement);
            }
            Some(What::Refused) => {
                let text = format!("{address} refused the connection");
                return Observation::down(Reason::Refused, text, measurement);
            }
            Some(What::Slow(times)) => slower = times,
            Some(What::Status(code)) => status = code,
            Some(What::Silent) | None => {}
        }
        let mut latency = match self.resident.kind {
            Kind::Device(answer_us) => self.echo(at, answer_us, slower, dice),
            _ => self.exchange(at, status, slower, &mut measurement, dice),
        };
        if trouble == Some(What::Silent) || dice.chance(self.loss * slower) {
            latency = Duration::MAX;
        }
        if latency >= timeout {
            let lost = Measurement {
                resolved_ip: measurement.resolved_ip,
                ..Measurement::default()
            };
            let text = format!("no reply within {} ms", timeout.as_millis());
            return Observation::down(Reason::Timeout, text, lost);
        }
        measurement.latency = Some(latency);
        if measurement.status_code.is_some_and(|code| code >= 400) {
            let text = format!("status {status}, expected 200 to 399");
            return Observation::down(Reason::Status, text, measurement);
        }
        Observation::up(measurement)
    }

    fn echo(&self, at: i64, answer_us: f64, slower: f64, dice: &mut Dice) -> Duration {
        let load = 1.0 + self.swing * load(at);
        let hops = self.resident.distance * (1.0 + 0.02 * load * dice.tail());
        let answer = answer_us * load * (0.8 + 0.2 * dice.tail());
        Duration::from_micros(((hops + answer) * slower) as u64)
    }

    /// Fills in what an HTTP exchange has besides its whole time, which is the sum of its phases.
    fn exchange(
        &self,
        at: i64,
        status: u16,
        slower: f64,
        measurement: &mut Measurement,
        dice: &mut Dice,
    ) -> Duration {
        let load = 1.0 + self.swing * load(at);
        let trip = self.resident.distance + 250.0;
        let mut trips = |count: f64, more: f64| {
            let micros = trip * count * (1.0 + 0.02 * load * dice.tail()) + more * dice.tail();
            Some(micros as u32)
        };
        let pondering = if status == 200 {
            self.pondering * load * slower
        } else {
            2_000.0
        };
        let secure = self.resident.kind == Kind::Web;
        let phases = Phases {
            dns_us: trips(0.0, 900.0),
            connect_us: trips(1.0, 40.0),
            tls_us: if secure { trips(1.0, 2_400.0) } else { None },
            ttfb_us: trips(1.0, pondering * 0.7),
            transfer_us: trips(0.1, 1_500.0),
        };
        measurement.status_code = Some(status);
        measurement.detail = Some(Box::new(Detail {
            phases: Some(phases),
            cert_expires_at: secure.then(|| self.certificate(at)),
            http_version: Some(HttpVersion::One),
            ..Detail::default()
        }));
        let Phases {
            dns_us,
            connect_us,
            tls_us,
            ttfb_us,
            transfer_us,
        } = phases;
        let all = [dns_us, connect_us, tls_us, ttfb_us, transfer_us];
        Duration::from_micros(all.into_iter().flatten().map(u64::from).sum())
    }

    fn certificate(&self, at: i64) -> Timestamp {
        let phase = (self.number * 7) as i64 % RENEWED_AFTER * DAY;
        let issued = (at - phase).div_euclid(RENEWED_AFTER * DAY) * RENEWED_AFTER * DAY + phase;
        Timestamp::from_micros(issued + VALID_FOR * DAY)
    }
}

/// Of an hour: 0 by night, 1 in the early afternoon, less at weekends.
fn load(at: i64) -> f64 {
    let hour = (at.rem_euclid(DAY)) as f64 / HOUR;
    let height = 0.5 - 0.5 * ((hour - 2.0) / 24.0 * TAU).cos();
    // 1970 began on a Thursday
    let weekend = (at.div_euclid(DAY) + 3).rem_euclid(7) >= 5;
    height * height * if weekend { 0.4 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use pingu::model::Outcome;

    use super::*;
    use crate::town::residents;

    const MIDNIGHT: i64 = 1_771_804_800_000_000;

    fn day(seed: u64) -> Vec<Vec<ProbeResult>> {
        let town = residents(seed, 100, Duration::from_secs(60), 8000);
        let lives = town.iter().enumerate();
        lives
            .map(|(number, resident)| {
                let mut life = Life::new(seed, number as u64, resident);
                let slots =
                    (0..1440).map(|minute| Timestamp::from_micros(MIDNIGHT + minute * 60_000_000));
                slots.map(|slot| life.result(slot)).collect()
            })
            .collect()
    }

    #[test]
    fn a_seed_is_a_history_and_another_seed_another() {
        assert_eq!(day(1), day(1));
        assert_ne!(day(1), day(2));
    }

    #[test]
    fn a_slot_has_one_result_whatever_was_asked_before() {
        let town = residents(1, 10, Duration::from_secs(60), 8000);
        let slot = Timestamp::from_micros(MIDNIGHT + DAY / 2);
        let mut asked = Life::new(1, 7, &town[7]);
        asked.result(Timestamp::from_micros(MIDNIGHT + 3 * DAY));
        assert_eq!(asked.result(slot), Life::new(1, 7, &town[7]).result(slot));
    }

    #[test]
    fn a_day_has_all_that_a_day_has() {
        let day = day(4);
        let all: Vec<_> = day.iter().flatten().collect();
        let share = |what: fn(&ProbeResult) -> bool| {
            all.iter().filter(|it| what(it)).count() as f64 / all.len() as f64
        };
        let down = share(|it| it.outcome() == Outcome::Down);
        assert!((0.001..0.05).contains(&down), "{down}");
        assert!(share(|it| it.slow) > 0.0);
        let status = |code| {
            all.iter()
                .any(|it| it.observation.measurement.status_code == Some(code))
        };
        assert!(status(200) && status(503));
        for results in &day {
            let latencies = || {
                results
                    .iter()
                    .filter_map(|it| it.observation.measurement.latency)
            };
            let (least, most) = (latencies().min().unwrap(), latencies().max().unwrap());
            assert!(least > Duration::from_micros(200) && most < Duration::from_secs(3));
            assert!(most > least.mul_f64(1.05));
        }
    }
}
