//! Runs a test's body in a network namespace of its own, by running this test
//! binary again under `unshare`, with only that test.
//!
//! A namespace that cannot be made fails the test and says why.

use std::process::Command;

const INSIDE: &str = "PINGU_ICMP_NAMESPACE";

/// Both families up on loopback, nothing else.
pub const LOOPBACK: &str = "ip link set lo up";

/// Loopback on which the kernel answers no echo.
pub const SILENT: &str = "
    ip link set lo up
    echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all
    echo 1 > /proc/sys/net/ipv6/icmp/echo_ignore_all
";

/// As `SILENT`, and datagram sockets are open to everybody.
pub const SILENT_OPEN: &str = "
    ip link set lo up
    echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all
    echo 1 > /proc/sys/net/ipv6/icmp/echo_ignore_all
    echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
";

/// Who runs the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Root with every capability.
    All,
    /// Without any capability, so that no raw socket can be opened.
    None,
}

/// Runs `body` after `setup` (a shell script) in a new network namespace. `test`
/// is the full name of the calling test.
pub fn inside(test: &str, setup: &str, rights: Rights, body: fn()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return body();
    }
    let drop_rights = match rights {
        Rights::All => "",
        Rights::None => "setpriv --bounding-set=-all --inh-caps=-all",
    };
    let script = format!("mount -t tmpfs none /run\n{setup}\nexec {drop_rights} \"$@\"");
    let binary = std::env::current_exe().expect("the path of the test binary");
    let run = Command::new("timeout")
        .args([
            "--kill-after=5",
            "300",
            "unshare",
            "--net",
            "--mount",
            "sh",
            "-euc",
            &script,
            "sh",
        ])
        .arg(binary)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .output()
        .expect("running `timeout` of coreutils");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(
        run.status.success() && stdout.contains("1 passed"),
        "{test} failed in its network namespace ({}).\n\
         Namespaces need root (CAP_SYS_ADMIN, CAP_NET_ADMIN) and the commands unshare, ip and setpriv.\n\
         --- its output\n{stdout}\n--- its errors\n{stderr}",
        run.status,
    );
}
