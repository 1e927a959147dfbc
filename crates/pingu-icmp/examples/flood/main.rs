//! What a probe costs: CPU µs of the whole process, user and system, the kernel's
//! answering on loopback within it.
//!
//! `flood` prints a table: flat out, 10,000 a second in ticks of 1 ms, with and
//! without stamps of sending, memory, and fping(8) beside it if it is installed.
//! The rows are run in turn, round after round, since the machine's mood changes:
//! compare within a column. It needs root, for a network namespace of its own.
//!
//! `flood PROBES [WINDOW] [stamps|plain] [datagram|raw] [RATE]` is one run, here.

mod run;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 9;
const SETUP: &str = "
    ip link set lo up
    echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
    exec \"$@\"
";
const FPING_TARGETS: u32 = 10_000;

/// A row of the table: its name, how many probes, and the arguments of a run, or fping's.
type Row = (&'static str, u32, &'static [&'static str], bool);

const ROWS: [Row; 7] = [
    (
        "flat out, stamps both ways",
        200_000,
        &["200000", "1024", "stamps", "datagram"],
        false,
    ),
    (
        "flat out, raw socket",
        200_000,
        &["200000", "1024", "stamps", "raw"],
        false,
    ),
    (
        "flat out, stamps of receiving only",
        200_000,
        &["200000", "1024", "plain", "datagram"],
        false,
    ),
    (
        "10,000/s, stamps both ways",
        20_000,
        &["20000", "1024", "stamps", "datagram", "10000"],
        false,
    ),
    (
        "10,000/s, stamps of receiving only",
        20_000,
        &["20000", "1024", "plain", "datagram", "10000"],
        false,
    ),
    (
        "fping -i 0 (flat out)",
        FPING_TARGETS,
        &["-q", "-r", "0", "-t", "1000", "-i", "0"],
        true,
    ),
    (
        "fping -i 0.1 (10,000/s asked)",
        FPING_TARGETS,
        &["-q", "-r", "0", "-t", "1000", "-i", "0.1"],
        true,
    ),
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None => inside_a_namespace(),
        Some("table") => table(),
        Some("memory") => run::memory(),
        Some(_) => run::one(&arguments),
    }
}

fn inside_a_namespace() -> Result<(), Failure> {
    let status = Command::new("unshare")
        .args(["--net", "sh", "-euc", SETUP, "sh"])
        .arg(std::env::current_exe()?)
        .arg("table")
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the measurement failed: it needs root, unshare(1) and ip(8)".into())
    }
}

fn table() -> Result<(), Failure> {
    let with_fping = Command::new("fping")
        .arg("-v")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    let mut costs: Vec<Vec<f64>> = vec![Vec::new(); ROWS.len()];
    for round in 0..ROUNDS {
        eprint!("\rround {} of {ROUNDS}", round + 1);
        for ((_, probes, arguments, is_fping), costs) in ROWS.iter().zip(&mut costs) {
            if !is_fping {
                costs.push(cost(&std::env::current_exe()?, arguments, "", *probes)?);
            } else if with_fping {
                let mut targets = String::new();
                for number in 0..FPING_TARGETS {
                    writeln!(targets, "{}", run::peer(u64::from(number)))?;
                }
                costs.push(cost("fping".as_ref(), arguments, &targets, *probes)?);
            }
        }
    }
    eprintln!();
    let fping = ROWS.iter().zip(&costs).filter(|row| row.0.3);
    let bases: Vec<f64> = fping.map(|(_, costs)| median(costs)).collect();
    println!(
        "{:<36} {:>8} {:>8} {:>10}",
        "CPU µs per probe", "least", "median", "fping is"
    );
    for ((name, _, arguments, is_fping), costs) in ROWS.iter().zip(&costs) {
        if costs.is_empty() {
            println!("{name:<36} {:>8} {:>8}", "not", "there");
            continue;
        }
        let paced = arguments.contains(&"10000");
        let ratio = bases[usize::from(paced)] / median(costs);
        let ratio = if *is_fping || !ratio.is_finite() {
            String::new()
        } else {
            format!("{ratio:.1} x")
        };
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{name:<36} {least:>8.2} {:>8.2} {ratio:>10}", median(costs));
    }
    Command::new(std::env::current_exe()?)
        .arg("memory")
        .status()?;
    Ok(())
}

/// CPU µs per probe of a program.
fn cost(
    program: &std::path::Path,
    arguments: &[&str],
    input: &str,
    probes: u32,
) -> Result<f64, Failure> {
    let before = children()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no pipe to the program")?
        .write_all(input.as_bytes())?;
    child.wait()?;
    Ok((children()? - before) / f64::from(probes))
}

/// CPU µs of all children that ended.
fn children() -> Result<f64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let spent = usage.user_time() + usage.system_time();
    Ok(spent.num_microseconds() as f64)
}

fn median(costs: &[f64]) -> f64 {
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
