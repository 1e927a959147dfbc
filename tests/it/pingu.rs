//! The real program in a folder of its own: started, asked, stopped, killed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Far more than anything takes on an idle machine: only a fault reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The path of a script of the embedded pages, whichever they are.
pub fn script() -> String {
    let script = pingu_web::assets().find(|it| it.content_type.starts_with("text/javascript"));
    format!("/{}", script.expect("pages have a script").path)
}

/// A folder with a targets file and a database.
pub struct Home {
    pub folder: TempDir,
}

/// A running Pingu.
pub struct Pingu {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    reading: Option<std::thread::JoinHandle<()>>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Home {
    pub fn new(targets: &str) -> Self {
        let home = Self {
            folder: TempDir::with_prefix("pingu-it-").expect("a temporary folder"),
        };
        home.write_targets(targets);
        home
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// As an editor does it: a new file takes the old one's place.
    pub fn write_targets(&self, targets: &str) {
        let new = self.path().join("targets.yaml.new");
        fs::write(&new, targets).expect("writing the targets file");
        fs::rename(&new, self.path().join("targets.yaml")).expect("replacing the targets file");
    }

    /// The program with nothing of this process's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pingu"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    pub fn start(&self) -> Pingu {
        Pingu::start(&mut self.command(&[]))
    }
}

impl Pingu {
    /// Waits until it says where it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting pingu");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let written = Arc::clone(&log);
        let reading = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("listening url=http://") {
                    // nobody listens any more if the test has failed already
                    let _ = found.send(url.trim().parse().expect("an address"));
                }
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let Ok(address) = address.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("pingu did not start:\n{}", log.lock().unwrap());
        };
        Self {
            child,
            address,
            log,
            reading: Some(reading),
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .expect("running kill");
        assert!(status.success(), "sending {name}");
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = self.wait();
        // its last lines may still be on their way
        if let Some(reading) = self.reading.take() {
            reading.join().expect("reading the log");
        }
        (status, self.log())
    }

    pub fn kill(mut self) {
        self.signal("KILL");
        self.wait();
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for pingu") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "pingu does not end:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn request(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("connecting to the API");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).expect("asking");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("reading the answer");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .expect("a status"),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub fn ask(&self, method: &str, path: &str) -> Answer {
        self.request(&format!(
            "{method} {path} HTTP/1.1\r\nHost: pingu\r\nConnection: close\r\n\r\n"
        ))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    /// The JSON of a route that must answer with 200.
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub fn items(&self, path: &str) -> Vec<Value> {
        self.json(path)["items"].as_array().expect("items").clone()
    }

    /// Asks again and again until `wanted` finds what it looks for.
    pub fn until<T>(&self, what: &str, wanted: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = wanted(self) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "waiting for {what} in vain:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The newest result of a target, once there is one.
    pub fn latest(&self, name: &str) -> Value {
        self.until(&format!("a result of {name}"), |pingu| {
            let items = pingu.items("/results/latest-by-target");
            items.into_iter().find(|item| item["target_name"] == name)
        })
    }

    /// One of Pingu's own counts, summed over its labels.
    pub fn metric(&self, name: &str) -> i64 {
        let text = self.get("/metrics").body;
        text.lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with([' ', '{']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<i64>().ok())
            .sum()
    }
}

impl Drop for Pingu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
