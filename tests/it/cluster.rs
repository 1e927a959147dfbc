//! A real Postgres: started from the installed binaries in a folder of its own, gone when the tests end, however they end.
//!
//! One server for all tests of a process, a fresh database for each; tests of faults start servers of their own. With
//! `TEST_DATABASE_URL` the fresh databases are made on that server instead (its user must be allowed to create databases).
//! Nothing that is stored here outlives the tests, so nothing is ever flushed to the disk. The benches use it too, with a server's
//! usual settings.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Far more than a server takes to start on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Needs percent-encoding, as good passwords do.
pub const PASSWORD: &str = "se@cret/1";
/// `nobody`: the server refuses to be root.
const ORDINARY_USER: u32 = 65_534;

/// Starts the server whenever a line comes, and ends it when the pipe closes: that is when the tests are over, even if killed.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
pid=
while read -r _; do
    "$@" >> "$folder/log" 2>&1 < /dev/null &
    pid=$!
done
if [ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null; then
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children") 2>/dev/null
    wait "$pid"
fi
rm -rf "$folder"
"#;

/// A server of its own.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    watchdog: Child,
    orders: Option<ChildStdin>,
}

/// A database of its own, dropped with this value.
pub struct Database {
    admin: String,
    name: String,
    pub url: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty database on the server that all tests share.
pub fn database() -> Database {
    // a server that cannot be started fails every test at once, with the first one's reason above
    static SHARED: LazyLock<(Option<Cluster>, String)> =
        LazyLock::new(|| match std::env::var("TEST_DATABASE_URL") {
            Ok(url) if !url.is_empty() => (None, url),
            _ => {
                let cluster = Cluster::start(&[]);
                let admin = cluster.socket_url("postgres");
                (Some(cluster), admin)
            }
        });
    Database::create(&SHARED.1, "UTF8")
}

impl Database {
    pub fn create(admin: &str, encoding: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("pingu_test_{}_{number}", std::process::id());
        sql(
            admin,
            &format!("CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0"),
        );
        let (server, query) = admin.split_once('?').unwrap_or((admin, ""));
        let (server, _) = server.rsplit_once('/').expect("a URL with a database");
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{query}")
        };
        Self {
            admin: admin.to_owned(),
            url: format!("{server}/{name}{query}"),
            name,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A database of the same server.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// The first column of what a statement gives.
    pub fn sql(&self, statement: &str) -> Vec<String> {
        sql(&self.url, statement)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // a server that is gone has dropped it already
        let _ = try_sql(&self.admin, &drop);
    }
}

impl Cluster {
    /// Starts a server with these settings (`name=value`) beside those that all have.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, |_| {})
    }

    /// `prepare` may put files into the server's folder.
    pub fn start_with(settings: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        // the path of a socket has room for 107 bytes, which TMPDIR might take alone
        let folder = TempDir::with_prefix_in("pingu-pg-", "/tmp").expect("a temporary folder");
        let folder = folder.keep();
        let data = folder.join("data");
        let password = folder.join("password");
        fs::write(&password, PASSWORD).expect("writing the password");
        own(&folder);
        own(&password);
        let output = ordinary(&binary("initdb"))
            .arg(format!("--pgdata={}", data.display()))
            .arg(format!("--pwfile={}", password.display()))
            .args(["--username=pingu", "--auth-local=trust"])
            .args(["--auth-host=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync"])
            .output()
            .expect("running initdb");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb failed: {said}");
        prepare(&folder);
        // taken by someone else between now and the server's start: then the test fails, which has never been seen
        let port = {
            let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
            taken.local_addr().expect("its address").port()
        };
        let mut server = ordinary(&binary("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&folder).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        let always = [
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "max_connections=300",
            "shared_buffers=64MB",
            "autovacuum=off",
        ];
        for setting in always.iter().chain(settings) {
            server.args(["-c", setting]);
        }
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            .arg(server.get_program())
            .args(server.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("running sh");
        let orders = watchdog.stdin.take();
        let mut cluster = Self {
            folder,
            port,
            watchdog,
            orders,
        };
        cluster.start_again();
        cluster
    }

    /// Starts the server and waits until it answers.
    pub fn start_again(&mut self) {
        self.order_start();
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = try_sql(&self.socket_url("postgres"), "SELECT 1") {
            assert!(
                Instant::now() < deadline,
                "the server does not start: {error}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn order_start(&mut self) {
        let orders = self.orders.as_mut().expect("taken only at the end");
        orders.write_all(b"start\n").expect("the watchdog listens");
    }

    /// As a crash does it: no goodbye to clients, recovery at the next start.
    pub fn stop_hard(&self) {
        let status = ordinary(&binary("pg_ctl"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-m", "immediate", "-w", "stop"])
            .stdout(Stdio::null())
            .status()
            .expect("running pg_ctl");
        assert!(status.success(), "stopping the server:\n{}", self.log());
    }

    /// Sends a signal to the server and each of its processes.
    pub fn signal_all(&self, name: &str) {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let pid = file.lines().next().expect("its process").to_owned();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("its children");
        for process in std::iter::once(pid.as_str()).chain(children.split_whitespace()) {
            let status = Command::new("kill")
                .args(["-s", name, process])
                .stderr(Stdio::null())
                .status()
                .expect("running kill");
            // a child may have ended by itself since its number was read
            assert!(status.success() || process != pid, "sending {name}");
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// By the socket, where no password is asked for.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string();
        let folder = utf8_percent_encode(&folder, NON_ALPHANUMERIC);
        format!("postgresql://pingu@{folder}:{}/{database}", self.port)
    }

    /// By TCP, where the password is.
    pub fn tcp_url(&self, password: &str, database: &str) -> String {
        let password = utf8_percent_encode(password, NON_ALPHANUMERIC);
        format!(
            "postgresql://pingu:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    pub fn database(&self) -> Database {
        Database::create(&self.socket_url("postgres"), "UTF8")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.watchdog.wait();
    }
}

/// Gives a file to the user that the server runs as.
pub fn own(path: &Path) {
    if is_root() {
        chown(path, Some(ORDINARY_USER), Some(ORDINARY_USER)).expect("root may give files away");
    }
}

/// A file that only the server can read.
pub fn secret_file(path: &Path, text: &str) {
    let mut file = File::create(path).expect("creating a file");
    file.write_all(text.as_bytes()).expect("writing it");
    let private = fs::Permissions::from_mode(0o600);
    file.set_permissions(private).expect("making it private");
    own(path);
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command of an ordinary user, in a folder that this user may enter.
pub fn ordinary(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        let id = ORDINARY_USER.to_string();
        command = Command::new("setpriv");
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
            .arg(program);
    }
    command.current_dir("/");
    command
}

/// A program of the newest Postgres that is installed; Debian keeps them out of the PATH.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    if let Some((_, path)) = found.pop() {
        return path;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!(
                "{name} is not installed: run make test-tools or apt-get install postgresql, or set TEST_DATABASE_URL"
            )
        })
}

/// The first column of what a statement gives.
pub fn sql(url: &str, statement: &str) -> Vec<String> {
    try_sql(url, statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
}

pub fn try_sql(url: &str, statement: &str) -> Result<Vec<String>, String> {
    // tests that have a runtime must not block it with another one on the same thread
    std::thread::scope(|scope| scope.spawn(|| ask(url, statement)).join()).expect("no panic")
}

fn ask(url: &str, statement: &str) -> Result<Vec<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let said = |error: tokio_postgres::Error| {
        let source = std::error::Error::source(&error);
        source.map_or_else(|| error.to_string(), ToString::to_string)
    };
    let asked = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(said)?;
        let connection = tokio::spawn(connection);
        let answer = client.simple_query(statement).await.map_err(said);
        drop(client);
        let _ = connection.await;
        let rows = answer?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        Ok(rows.collect())
    };
    runtime.expect("a runtime").block_on(async {
        // a server that a failed test left paused must not hold up the end of it
        let answered = tokio::time::timeout(PATIENCE, asked).await;
        answered.unwrap_or_else(|_| Err("no answer".to_owned()))
    })
}
