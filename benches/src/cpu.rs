//! Processor time, which other programs on the machine change far less than time on the wall.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// User and system time of this process so far, all threads.
pub fn own() -> Duration {
    of("self")
}

/// That of the calling thread, which must live until it is asked for it.
pub fn of_thread() -> Duration {
    let id = rustix::thread::gettid().as_raw_nonzero();
    of(&format!("self/task/{id}"))
}

/// That of a Postgres server: the first process, those it started, and those of them that have ended.
pub fn cluster(folder: &Path) -> Duration {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).expect("the server runs");
    let pid = file.lines().next().expect("its process").to_owned();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("the server runs");
    let children: Duration = children.split_whitespace().map(of).sum();
    of(&pid) + ended(&pid) + children
}

/// User and system time of a process so far, all threads; nothing of one that is gone.
pub fn of(process: &str) -> Duration {
    ticks(process, 13)
}

fn ended(process: &str) -> Duration {
    ticks(process, 15)
}

/// The sum of two neighbouring fields of `/proc/<pid>/stat` (`proc_pid_stat(5)`, counted from 0); nothing for a process that is gone.
fn ticks(process: &str, field: usize) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // the name may hold anything, but no field after it holds a bracket
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(field - 2).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let before = own();
        let mut sum = 0_u64;
        while own() < before + Duration::from_millis(50) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(own() > before);
    }
}
