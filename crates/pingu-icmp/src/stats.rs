//! The engine's counters: what was sent, what came of it, what was not believed.
//!
//! Promises: every packet received and every request taken is counted exactly
//! once in the group it belongs to; reading never waits for the engine. A
//! completion that was delivered is already counted. Leaves out: rates and
//! per-peer figures.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals since the engine started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// Where the engine thread publishes its totals.
        #[derive(Debug, Default)]
        pub struct Published {
            $($name: AtomicU64,)*
        }

        impl Published {
            pub fn store(&self, stats: &Stats) {
                $(self.$name.store(stats.$name, Ordering::Relaxed);)*
            }

            pub fn load(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Requests taken from the queue: the sum of the four outcomes and those under way.
    taken,
    /// Packets the kernel accepted.
    sent,
    /// Requests that ended with a reply.
    replies,
    /// Requests that ended with a timeout.
    timeouts,
    /// Requests that ended with an ICMP error.
    icmp_errors,
    /// Requests that ended with a local error, stopped ones included.
    local_errors,
    /// First replies of ours that came after the timeout or after an ICMP error.
    late,
    /// Replies of ours that came again.
    duplicate,
    /// Late and duplicate ones beyond what the sink is told ([`crate::Afterword`]).
    untold,
    /// Replies of ours, whenever they came, whose payload was not what was sent.
    corrupted,
    /// Replies of ours whose slot serves a later request: late or duplicate, long ago.
    stale,
    /// Replies to another process: another identifier. Normal beside a running ping(8).
    foreign,
    /// Replies with our identifier, but a cookie we never made or another sequence.
    forged,
    /// Replies with a cookie of ours from an address that was not asked.
    wrong_peer,
    /// Packets too short, cut, or with a header that makes no sense.
    malformed,
    /// Packets whose checksum is wrong.
    bad_checksum,
    /// ICMP errors that quote a packet that is not under way here.
    foreign_errors,
    /// Messages that end no probe: redirects, source quenches.
    notices,
    /// Packets that found the receive queue full, as the kernel counts them: on a
    /// raw socket with those that the filter would have kept out anyway.
    overflows,
    /// Replies timed by the monotonic clock for want of a usable kernel stamp.
    monotonic,
    /// Times the wall clock was seen to be stepped.
    clock_steps,
    /// Errors of the system calls that wait or receive; each was survived.
    system_errors,
    /// Times a socket was opened after the start: it had failed, or could not be
    /// opened before.
    reopened,
    /// Panics of the sink; the completions it was given are lost to it.
    sink_panics,
}
