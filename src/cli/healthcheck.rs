//! `pingu healthcheck`: asks the Pingu of these settings for `/livez`, for containers that hold no other program which could.
//!
//! Alive, not ready: who restarts what is unhealthy should do so when Pingu is stuck, and never because a database is away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use super::Failure;
use super::run::reachable;
use super::style::print;
use crate::config::Settings;

/// For connecting, asking and each piece of the answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// Far more than the answer has.
const LONGEST_ANSWER: u64 = 64 * 1024;

pub fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let address = reachable(settings.listen);
    if address.port() == 0 {
        return Err(Failure::Settings(
            "LISTEN has port 0, which is another one at each start: healthcheck cannot know it"
                .to_owned(),
        ));
    }
    ask(address).with_context(|| format!("asking http://{address}/livez"))?;
    print("alive\n")?;
    Ok(ExitCode::SUCCESS)
}

fn ask(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    write!(
        stream,
        "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("not alive: {status}");
    }
    Ok(())
}
