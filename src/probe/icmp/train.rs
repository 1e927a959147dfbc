//! The packets of one probe, and what they say together.
//!
//! Pure. A packet that this host could not send, or whose reply it may have lost itself, is no part of any figure: loss is what the
//! network and the target did. One reply is enough for `up`; the latency is the median of the round trips.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use pingu_icmp::{IcmpError, LocalError, Outcome};

use super::verdict;
use crate::model::{Detail, Observation, Packets, Reason, TrainSpec, micros};

/// A train that is under way.
#[derive(Debug)]
pub struct Train {
    pub spec: TrainSpec,
    packets: Vec<Packet>,
    ended: u8,
}

/// What became of one packet.
#[derive(Debug, Clone, Copy)]
enum Packet {
    /// Nothing yet.
    Open,
    Answered {
        rtt: Duration,
        /// When the reply came, as far as that is known.
        arrived: Option<Instant>,
        damaged: bool,
    },
    Silent,
    Refused(IcmpError),
    /// Not the target's: the engine's word on why.
    Local(LocalError),
}

impl Train {
    pub fn new(spec: TrainSpec) -> Self {
        Self {
            spec,
            packets: vec![Packet::Open; usize::from(spec.packets)],
            ended: 0,
        }
    }

    /// Notes what became of a packet, and says whether that was the last one.
    pub fn note(&mut self, number: u8, sent_at: Option<Instant>, outcome: &Outcome) -> bool {
        let packet = &mut self.packets[usize::from(number)];
        if matches!(packet, Packet::Open) {
            self.ended += 1;
        }
        *packet = match *outcome {
            Outcome::Reply(reply) => Packet::Answered {
                rtt: reply.rtt,
                arrived: sent_at.map(|sent| sent + reply.rtt),
                damaged: reply.damaged_at.is_some(),
            },
            Outcome::Timeout => Packet::Silent,
            Outcome::IcmpError(error) => Packet::Refused(error),
            Outcome::Local(error) => Packet::Local(error),
        };
        self.ended == self.spec.packets
    }

    /// What the packets say of `address`, each of which was waited for so long. Packets that are open count as not sent.
    pub fn observe(&self, address: IpAddr, timeout: Duration) -> Observation {
        let packets = self.packets();
        let mut measurement = verdict::measurement(
            address,
            packets.median_us.map(|us| Duration::from_micros(us.into())),
        );
        let (sent, received) = (packets.sent, packets.received);
        measurement.detail = (sent > 0).then(|| {
            Box::new(Detail {
                packets: Some(packets),
                ..Detail::default()
            })
        });
        if received > 0 {
            return Observation::up(measurement);
        }
        let mut newest_first = self.packets.iter().rev();
        if sent == 0 {
            let error = newest_first.find_map(|packet| match packet {
                Packet::Local(error) => Some(verdict::advice(error)),
                _ => None,
            });
            let text = error.unwrap_or_else(|| "no packet could be sent".to_owned());
            return Observation::unknown(Reason::Local, text, measurement);
        }
        let refused = newest_first.find_map(|packet| match packet {
            Packet::Refused(error) => Some(verdict::told(error, address)),
            _ => None,
        });
        if let Some(text) = refused {
            return Observation::down(Reason::Unreachable, text, measurement);
        }
        let packets = if sent == 1 { "packet" } else { "packets" };
        let text = format!(
            "no reply to {sent} {packets} within {} ms each",
            timeout.as_millis()
        );
        Observation::down(Reason::Timeout, text, measurement)
    }

    /// Whether the target, or the way to it, has said anything yet.
    pub fn has_heard(&self) -> bool {
        let heard =
            |packet: &Packet| matches!(packet, Packet::Answered { .. } | Packet::Refused(_));
        self.packets.iter().any(heard)
    }

    fn packets(&self) -> Packets {
        let micros = |duration| u32::try_from(micros(duration)).unwrap_or(u32::MAX);
        let judged = self.packets.iter().filter_map(|packet| match packet {
            Packet::Open | Packet::Local(_) => None,
            Packet::Answered { rtt, .. } => Some(Some(micros(*rtt))),
            Packet::Silent | Packet::Refused(_) => Some(None),
        });
        let rtts_us: Vec<Option<u32>> = judged.collect();
        let received: Vec<u32> = rtts_us.iter().copied().flatten().collect();
        let mut sorted = received.clone();
        sorted.sort_unstable();
        let steps = received.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
        let damaged = |packet: &&Packet| matches!(packet, Packet::Answered { damaged: true, .. });
        let jitter = steps.clone().map(u64::from).sum::<u64>() / steps.len().max(1) as u64;
        Packets {
            sent: rtts_us.len() as u16,
            received: received.len() as u16,
            min_us: sorted.first().copied(),
            median_us: median(&sorted),
            max_us: sorted.last().copied(),
            jitter_us: (received.len() > 1).then_some(jitter as u32),
            reordered: self.reordered(),
            corrupted: self.packets.iter().filter(damaged).count() as u16,
            rtts_us,
            ..Packets::default()
        }
    }

    /// Replies that came before that of an earlier packet.
    fn reordered(&self) -> u16 {
        let mut latest: Option<Instant> = None;
        let mut count = 0;
        for packet in &self.packets {
            if let Packet::Answered {
                arrived: Some(arrived),
                ..
            } = packet
            {
                count += u16::from(latest.is_some_and(|latest| *arrived < latest));
                latest = latest.max(Some(*arrived));
            }
        }
        count
    }
}

/// Of an even number the mean of the middle two.
fn median(sorted: &[u32]) -> Option<u32> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = if sorted.len().is_multiple_of(2) {
        sorted[sorted.len() / 2 - 1]
    } else {
        upper
    };
    Some(lower.midpoint(upper))
}

#[cfg(test)]
mod tests {
    use pingu_icmp::{Clock, IcmpErrorKind, Reply};

    use super::*;
    use crate::model::Outcome as Verdict;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const TIMEOUT: Duration = Duration::from_millis(100);

    fn train(outcomes: &[Outcome]) -> Observation {
        let began = Instant::now();
        let mut train = Train::new(TrainSpec {
            packets: outcomes.len() as u8,
            interval_ms: 10,
        });
        for (number, outcome) in outcomes.iter().enumerate() {
            let sent = began + train.spec.interval() * number as u32;
            let last = train.note(number as u8, Some(sent), outcome);
            assert_eq!(last, number + 1 == outcomes.len());
        }
        train.observe(ADDRESS, TIMEOUT)
    }

    fn reply(ms: u64) -> Outcome {
        Outcome::Reply(Reply {
            rtt: Duration::from_millis(ms),
            clock: Clock::Kernel,
            from: ADDRESS,
            ttl: None,
            payload_bytes: 56,
            damaged_at: None,
        })
    }

    const REFUSED: Outcome = Outcome::IcmpError(IcmpError {
        kind: IcmpErrorKind::HostUnreachable,
        icmp_type: 3,
        code: 1,
        from: ADDRESS,
        mtu: None,
    });
    const LOCAL: Outcome = Outcome::Local(LocalError::ReceiveOverflow);

    fn packets(observation: &Observation) -> Packets {
        let detail = observation.measurement.detail.clone();
        detail.unwrap().packets.unwrap()
    }

    #[test]
    fn the_figures_are_those_of_the_replies() {
        let seen = train(&[
            reply(4),
            Outcome::Timeout,
            reply(1),
            LOCAL,
            reply(3),
            reply(9),
        ]);
        assert_eq!(seen.verdict.outcome(), Verdict::Up);
        assert_eq!(
            packets(&seen),
            Packets {
                sent: 5,
                received: 4,
                min_us: Some(1000),
                median_us: Some(3500),
                max_us: Some(9000),
                jitter_us: Some((3000 + 2000 + 6000) / 3),
                rtts_us: vec![Some(4000), None, Some(1000), Some(3000), Some(9000)],
                ..Packets::default()
            }
        );
        assert_eq!(seen.measurement.latency, Some(Duration::from_micros(3500)));
    }

    #[test]
    fn replies_that_overtake_are_counted() {
        // sent at 0, 10, 20, 30 ms: they arrive at 35, 15, 45, 44
        let seen = train(&[reply(35), reply(5), reply(25), reply(14)]);
        assert_eq!(packets(&seen).reordered, 2);
    }

    #[test]
    fn without_a_reply_the_reason_is_what_was_heard() {
        for (outcomes, outcome, text) in [
            (
                vec![Outcome::Timeout, Outcome::Timeout],
                Verdict::Down,
                "no reply to 2 packets within 100 ms each",
            ),
            (
                vec![Outcome::Timeout, REFUSED, LOCAL],
                Verdict::Down,
                "host unreachable, says the target itself (ICMP type 3, code 1)",
            ),
            (
                vec![LOCAL, Outcome::Timeout],
                Verdict::Down,
                "no reply to 1 packet within 100 ms each",
            ),
            (
                vec![LOCAL, LOCAL],
                Verdict::Unknown,
                "waiting for the reply: the receive queue overflowed",
            ),
        ] {
            let seen = train(&outcomes);
            assert_eq!(seen.verdict.outcome(), outcome);
            assert_eq!(seen.verdict.failure().unwrap().error.as_str(), text);
        }
    }

    #[test]
    fn one_reply_has_no_jitter() {
        let seen = packets(&train(&[reply(4), Outcome::Timeout]));
        assert_eq!((seen.jitter_us, seen.median_us), (None, Some(4000)));
    }
}
