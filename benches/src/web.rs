//! What an HTTP probe costs from its slot to its row, beside `blackbox_exporter`: fresh connections to one nginx on the same machine, plain
//! and with a full TLS 1.3 handshake.
//!
//! Both probers are asked for the same probes at the same pace, one after the other; nginx's own time is nobody's. `blackbox_exporter`
//! stores nothing: Prometheus would, on top of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::bare::Bare;
use crate::cpu;
use crate::figure::{Table, machine};
use crate::running::{self, free_address};

/// Plain probes a second, and those with TLS: what both probers reach on one core.
const PLAIN: usize = 1_000;
/// What Pingu reaches beside nginx.
const BUSY: usize = 4_000;
const TLS: usize = 600;
/// Connections that ask `blackbox_exporter`.
const ASKERS: usize = 8;
/// What nginx answers.
const BODY: usize = 1_024;
/// Of this many targets that are probed once a minute the memory is told.
const MANY: usize = 10_000;

/// Measures `program` for `span` a figure.
pub fn measure(program: &Path, span: Duration) -> anyhow::Result<Table> {
    let mut table = Table {
        title: "HTTP probes, each on a connection of its own".to_owned(),
        machine: machine(),
        figures: Vec::new(),
    };
    let farm = Farm::start()?;
    let roots = farm.roots.to_string_lossy().into_owned();
    let environment = [("SSL_CERT_FILE", roots.as_str())];
    for (what, scheme, address, rate, hold, ratio) in [
        ("a plain probe", "http", farm.plain, PLAIN, 60.0, Some(8.0)),
        ("a plain probe", "http", farm.plain, BUSY, 60.0, None),
        (
            "a probe with TLS 1.3",
            "https",
            farm.tls,
            TLS,
            300.0,
            Some(4.0),
        ),
    ] {
        let url = format!("{scheme}://{address}/");
        eprintln!("{rate} targets over {scheme}");
        let seen = running::watch(program, &targets(rate, 1, &url), &environment, span)?;
        ensure!(
            seen.produced > 0.0 && seen.not_up == 0.0,
            "{} of {} probes were not up",
            seen.not_up,
            seen.produced
        );
        let ours = seen.cpu.as_secs_f64() * 1e6 / seen.produced;
        let how = format!(
            "processor time of Pingu, its row stored in SQLite; {rate} a second, {} s",
            span.as_secs()
        );
        table.add(what, how, (ours, "µs"), Some(hold));
        let roots = (scheme == "https").then_some(farm.roots.as_path());
        let bare = Bare::new(address, roots, BODY)?.cost(rate, span)?;
        let how = "processor time of bare sockets: nothing judged, nothing stored; same pace";
        table.add(what, how, (bare, "µs"), None);
        table.add(what, "Pingu to bare sockets", (ours / bare, "times"), None);
        let Some(ratio) = ratio else { continue };
        let Some(blackbox) = Blackbox::start(&farm)? else {
            eprintln!("blackbox_exporter is not installed: nothing to compare with");
            continue;
        };
        let theirs = blackbox.cost(&url, rate, span)?;
        table.add(
            what,
            "processor time of blackbox_exporter, stored nowhere; same pace",
            (theirs, "µs"),
            None,
        );
        let how = format!("blackbox_exporter to Pingu; hold: at least {ratio}");
        table.add(what, how, (theirs / ours, "times"), None);
    }
    let url = format!("http://{}/", farm.plain);
    let seen = running::watch(
        program,
        &targets(MANY, 60, &url),
        &environment,
        span.max(Duration::from_secs(60)),
    )?;
    table.add(
        "memory",
        format!("resident, {MANY} targets once a minute"),
        (seen.resident as f64 / 1e6, "MB"),
        Some(120.0),
    );
    Ok(table)
}

fn targets(count: usize, interval: u32, url: &str) -> String {
    let mut text =
        format!("defaults: {{interval_seconds: {interval}, timeout_ms: 900}}\ntargets:\n");
    for number in 0..count {
        let _ = writeln!(
            text,
            "  - {{name: t{number}, type: http, url: '{url}?{number}'}}"
        );
    }
    text
}

/// nginx with a page, plain and over TLS.
struct Farm {
    folder: TempDir,
    plain: SocketAddr,
    tls: SocketAddr,
    /// Who signed its certificate.
    roots: PathBuf,
    nginx: Child,
}

impl Farm {
    fn start() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("pingu-bench-")?;
        let (plain, tls) = (free_address()?, free_address()?);
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let roots = folder.path().join("cert.pem");
        fs::write(&roots, made.cert.pem())?;
        fs::write(
            folder.path().join("key.pem"),
            made.signing_key.serialize_pem(),
        )?;
        let page = "x".repeat(BODY);
        let at = folder.path().display();
        let text = format!(
            "daemon off; worker_processes 1; pid {at}/pid; error_log {at}/error.log crit;
             events {{ worker_connections 8192; }}
             http {{ access_log off; client_body_temp_path {at}/1; proxy_temp_path {at}/2; fastcgi_temp_path {at}/3;
                     uwsgi_temp_path {at}/4; scgi_temp_path {at}/5;
               server {{ listen {plain} backlog=4096; listen {tls} ssl backlog=4096;
                        ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;
                        ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off;
                        location / {{ return 200 \"{page}\"; }} }} }}"
        );
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, text)?;
        let nginx = Command::new("nginx")
            .arg("-c")
            .arg(&configuration)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .stderr(Stdio::inherit())
            .spawn()
            .context("starting nginx: it comes with Debian's package nginx-light")?;
        let farm = Self {
            folder,
            plain,
            tls,
            roots,
            nginx,
        };
        listening(plain)?;
        Ok(farm)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        // the master ends its worker only if it is asked to
        let pid = self.nginx.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
        let _ = self.nginx.wait();
    }
}

struct Blackbox {
    child: Child,
    address: SocketAddr,
}

impl Blackbox {
    /// Nothing where it is not installed.
    fn start(farm: &Farm) -> anyhow::Result<Option<Self>> {
        let configuration = farm.folder.path().join("blackbox.yml");
        let text = format!(
            "modules:\n  page:\n    prober: http\n    timeout: 900ms\n    http:\n      preferred_ip_protocol: ip4\n      tls_config: {{ca_file: {}}}\n",
            farm.roots.display()
        );
        fs::write(&configuration, text)?;
        let address = free_address()?;
        let child = Command::new("prometheus-blackbox-exporter")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("starting prometheus-blackbox-exporter"),
        };
        let blackbox = Self { child, address };
        listening(address)?;
        Ok(Some(blackbox))
    }

    /// Microseconds of processor time a probe.
    fn cost(&self, url: &str, rate: usize, span: Duration) -> anyhow::Result<f64> {
        let path = format!(
            "/probe?module=page&target={}",
            percent_encoding::utf8_percent_encode(url, percent_encoding::NON_ALPHANUMERIC)
        );
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: blackbox\r\nAccept-Encoding: identity\r\n\r\n");
        let id = self.child.id().to_string();
        let (before, start) = (cpu::of(&id), Instant::now());
        let every = Duration::from_secs_f64(ASKERS as f64 / rate as f64);
        let ask = || ask(self.address, &request, every, span);
        let asked: anyhow::Result<usize> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..ASKERS).map(|_| scope.spawn(ask)).collect();
            let asked = askers
                .into_iter()
                .map(|asker| asker.join().expect("no panic"));
            asked.sum()
        });
        let asked = asked?;
        let reached = asked as f64 / start.elapsed().as_secs_f64();
        eprintln!("blackbox_exporter: {reached:.0} probes a second");
        Ok(cpu::of(&id).saturating_sub(before).as_secs_f64() * 1e6 / asked as f64)
    }
}

impl Drop for Blackbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `request` again and again on one connection, as Prometheus does; how often that was.
fn ask(
    address: SocketAddr,
    request: &str,
    every: Duration,
    span: Duration,
) -> anyhow::Result<usize> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    let start = Instant::now();
    let mut asked = 0;
    while start.elapsed() < span {
        stream.get_mut().write_all(request.as_bytes())?;
        let answer = answer(&mut stream)?;
        ensure!(
            answer.contains("\nprobe_success 1\n"),
            "blackbox_exporter says:\n{answer}"
        );
        asked += 1;
        std::thread::sleep(
            (start + every * asked as u32).saturating_duration_since(Instant::now()),
        );
    }
    Ok(asked)
}

fn answer(stream: &mut impl BufRead) -> anyhow::Result<String> {
    let mut length = None;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        ensure!(
            stream.read_line(&mut line)? > 0,
            "the connection was closed"
        );
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse()?);
        }
    }
    let mut body = Vec::new();
    if let Some(length) = length {
        stream.take(length).read_to_end(&mut body)?;
        return Ok(String::from_utf8(body)?);
    }
    // chunks (RFC 9112 section 7.1)
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).context("the size of a chunk")?;
        stream.take(size).read_to_end(&mut body)?;
        stream.read_line(&mut line)?;
        if size == 0 {
            return Ok(String::from_utf8(body)?);
        }
    }
}

fn listening(address: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        ensure!(Instant::now() < deadline, "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
