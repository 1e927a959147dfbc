//! How far a round trip is from the truth, idle and with two busy loops beside it.
//!
//! `accuracy [RATE]` (packets a second, 1,000 by default) needs root: it makes two
//! network namespaces and a veth pair between them. The far one holds each
//! request for 1 ms, in a process of its own. The truth is how long the packet was
//! there: an `AF_PACKET` socket on the far end of the pair has the kernel stamp
//! the request coming in and the reply going out, in nobody's way. What the pair
//! itself takes, both ways, counts as error.

mod far;
mod near;

use std::process::Command;

type Failure = Box<dyn std::error::Error>;

const SETUP: &str = "
    mount -t tmpfs none /run
    echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
    ip link set lo up
    ip netns add far
    ip link add near type veth peer name there netns far
    ip addr add 10.0.0.1/30 dev near
    ip link set near up
    ip -n far link set lo up
    ip -n far addr add 10.0.0.2/30 dev there
    ip -n far link set there up
    ip -n far route add local 10.7.0.0/16 dev lo
    ip netns exec far sh -c 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all'
    ip route add 10.7.0.0/16 via 10.0.0.2
    exec \"$@\"
";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, otherwise: u32| -> Result<u32, Failure> {
        let text = arguments.get(index);
        Ok(text.map_or(Ok(otherwise), |text| text.parse())?)
    };
    match arguments.first().map(String::as_str) {
        Some("near") => near::table(number(1, 1_000)?),
        Some("far") => far::respond(number(1, 0)? as usize),
        Some("busy") => loop {
            std::hint::spin_loop();
        },
        _ => {
            let rate = number(0, 1_000)?;
            let status = Command::new("unshare")
                .args(["--net", "--mount", "sh", "-euc", SETUP, "sh"])
                .arg(std::env::current_exe()?)
                .args(["near", &rate.to_string()])
                .status()?;
            if status.success() {
                Ok(())
            } else {
                Err("the measurement failed: it needs root, unshare(1) and ip(8)".into())
            }
        }
    }
}
