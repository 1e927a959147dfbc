//! The dialogue in plain text that a protocol has before it turns to TLS.
//!
//! Strict: what is not the protocol ends the probe, and so does anything that follows the go-ahead, because whoever can put it there
//! can speak for the server inside of TLS (CVE-2011-0411, CVE-2021-23222). Bounded: so many lines of such a length. What a server says
//! instead of the go-ahead is told.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::model::{Reason, StartTls};
use crate::probe::wire::failure::{self, Fault};
use crate::probe::wire::timeline::Deadline;

/// A line may be so long: 512 bytes in SMTP (RFC 5321 section 4.5.3.1.5), 8 KiB in IMAP (RFC 7162 section 4).
const LINE: usize = 8 * 1024;
/// The whole dialogue, in lines and in bytes.
const LINES: usize = 128;
const BYTES: usize = 64 * 1024;

/// Asks for TLS. Afterwards the handshake may begin.
pub(super) async fn ask(
    tcp: &mut TcpStream,
    protocol: StartTls,
    deadline: Deadline,
) -> Result<(), Fault> {
    let mut dialogue = Dialogue {
        tcp,
        protocol,
        held: Vec::new(),
        lines: 0,
        bytes: 0,
    };
    let stuck = || format!("in the {} dialogue before TLS", protocol.as_str());
    let asking = async {
        match protocol {
            StartTls::Smtp => dialogue.smtp().await,
            StartTls::Imap => dialogue.imap().await,
            StartTls::Pop3 => dialogue.pop3().await,
            StartTls::Postgres => dialogue.postgres().await,
        }?;
        dialogue.nothing_more()
    };
    deadline.bound(stuck, asking).await?
}

struct Dialogue<'a> {
    tcp: &'a mut TcpStream,
    protocol: StartTls,
    /// What came after the last line that was read.
    held: Vec<u8>,
    lines: usize,
    bytes: usize,
}

impl Dialogue<'_> {
    /// RFC 3207.
    async fn smtp(&mut self) -> Result<(), Fault> {
        self.smtp_reply("220", "the greeting").await?;
        // a client without a name gives its address (RFC 5321 section 4.1.3)
        let own = match self.tcp.local_addr().map(|address| address.ip()) {
            Ok(std::net::IpAddr::V4(address)) => address.to_string(),
            Ok(std::net::IpAddr::V6(address)) => format!("IPv6:{address}"),
            Err(error) => return Err(self.broken(&error)),
        };
        self.say(&format!("EHLO [{own}]\r\n")).await?;
        let offers = self.smtp_reply("250", "EHLO").await?;
        let is_offered = |line: &String| line.get(4..).is_some_and(|word| is(word, "STARTTLS"));
        if !offers.iter().skip(1).any(is_offered) {
            return Err(self.not_offered(&offers.join(" ")));
        }
        self.say("STARTTLS\r\n").await?;
        self.smtp_reply("220", "STARTTLS").await?;
        Ok(())
    }

    /// The lines of one reply with the code that goes on (RFC 5321 section 4.2.1).
    async fn smtp_reply(&mut self, code: &str, to: &str) -> Result<Vec<String>, Fault> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let is_last = match line.as_bytes().get(..4) {
                Some([a, b, c, b'-']) if [*a, *b, *c] == code.as_bytes() => false,
                Some([a, b, c, b' ']) if [*a, *b, *c] == code.as_bytes() => true,
                None if line == code => true,
                _ => return Err(self.refused(to, &line)),
            };
            lines.push(line);
            if is_last {
                return Ok(lines);
            }
        }
    }

    /// RFC 9051 section 6.2.1.
    async fn imap(&mut self) -> Result<(), Fault> {
        let greeting = self.line().await?;
        if !starts(&greeting, "* OK") {
            return Err(self.refused("the greeting", &greeting));
        }
        self.say("a1 CAPABILITY\r\n").await?;
        let offers = self.imap_reply("a1", "CAPABILITY").await?;
        let words = offers.iter().filter(|line| starts(line, "* CAPABILITY"));
        let is_offered = words
            .flat_map(|line| line.split_ascii_whitespace())
            .any(|word| is(word, "STARTTLS"));
        if !is_offered {
            return Err(self.not_offered(&offers.join(" ")));
        }
        self.say("a2 STARTTLS\r\n").await?;
        self.imap_reply("a2", "STARTTLS").await?;
        Ok(())
    }

    /// The lines up to the tagged one, which must be `OK`.
    async fn imap_reply(&mut self, tag: &str, to: &str) -> Result<Vec<String>, Fault> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if starts(&line, &format!("{tag} OK")) {
                return Ok(lines);
            }
            if !line.starts_with("* ") || starts(&line, "* BYE") {
                return Err(self.refused(to, &line));
            }
            lines.push(line);
        }
    }

    /// RFC 2595 section 4, RFC 2449 section 5.
    async fn pop3(&mut self) -> Result<(), Fault> {
        self.pop3_ok("the greeting").await?;
        self.say("CAPA\r\n").await?;
        let answer = self.line().await?;
        // an old server that lists nothing may know the command all the same
        if starts(&answer, "+OK") {
            let mut offers = Vec::new();
            loop {
                let line = self.line().await?;
                if line == "." {
                    break;
                }
                offers.push(line);
            }
            if !offers.iter().any(|line| is(line, "STLS")) {
                return Err(self.not_offered(&offers.join(" ")));
            }
        } else if !starts(&answer, "-ERR") {
            return Err(self.refused("CAPA", &answer));
        }
        self.say("STLS\r\n").await?;
        self.pop3_ok("STLS").await
    }

    async fn pop3_ok(&mut self, to: &str) -> Result<(), Fault> {
        let line = self.line().await?;
        if starts(&line, "+OK") {
            Ok(())
        } else {
            Err(self.refused(to, &line))
        }
    }

    /// `SSLRequest`: one letter is the answer.
    async fn postgres(&mut self) -> Result<(), Fault> {
        const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
        let sent = self.tcp.write_all(&REQUEST).await;
        sent.map_err(|error| self.broken(&error))?;
        self.more().await?;
        let answer = self.held.remove(0);
        match answer {
            b'S' => Ok(()),
            b'N' => Err(self.not_offered("N")),
            // an error message, in the form of any version of the protocol
            b'E' => {
                let text = String::from_utf8_lossy(&self.held).replace('\0', " ");
                Err(self.refused("SSLRequest", &text))
            }
            other => {
                let text = char::from(other).escape_default().to_string();
                Err(self.refused("SSLRequest", &text))
            }
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), Fault> {
        // before a command nothing may be waiting: the server would be speaking out of turn
        self.nothing_more()?;
        let sent = self.tcp.write_all(text.as_bytes()).await;
        sent.map_err(|error| self.broken(&error))
    }

    /// One line without its end.
    async fn line(&mut self) -> Result<String, Fault> {
        self.lines += 1;
        if self.lines > LINES {
            return Err(self.wrong(&format!("more than {LINES} lines before TLS")));
        }
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let rest = self.held.split_off(end + 1);
                let line = std::mem::replace(&mut self.held, rest);
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.held.len() >= LINE {
                let said = String::from_utf8_lossy(&self.held[..80]).into_owned();
                return Err(self.wrong(&format!("a line of more than 8 KiB: {said}")));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Fault> {
        let mut piece = [0; 1024];
        match self.tcp.read(&mut piece).await {
            Ok(0) => Err(self.broken(&io::ErrorKind::UnexpectedEof.into())),
            Ok(length) => {
                self.held.extend_from_slice(&piece[..length]);
                self.bytes += length;
                if self.bytes > BYTES {
                    return Err(self.wrong(&format!("more than {} KiB before TLS", BYTES / 1024)));
                }
                Ok(())
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Nobody speaks out of turn: neither in what was read with the last line, nor in what came since.
    fn nothing_more(&mut self) -> Result<(), Fault> {
        if self.held.is_empty() {
            let mut piece = [0; 64];
            if let Ok(length @ 1..) = self.tcp.try_read(&mut piece) {
                self.held.extend_from_slice(&piece[..length]);
            }
        }
        if self.held.is_empty() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&self.held[..self.held.len().min(80)]).into_owned();
        Err(self.wrong(&format!(
            "the server spoke out of turn: \"{}\"",
            said.trim()
        )))
    }

    fn not_offered(&self, said: &str) -> Fault {
        let name = self.protocol.as_str();
        Fault::down(
            Reason::Protocol,
            format!("the {name} server does not offer TLS: \"{said}\""),
        )
    }

    fn refused(&self, to: &str, said: &str) -> Fault {
        self.wrong(&format!("the answer to {to} is \"{said}\""))
    }

    fn wrong(&self, what: &str) -> Fault {
        let name = self.protocol.as_str();
        Fault::down(Reason::Protocol, format!("{name}: {what}"))
    }

    fn broken(&self, error: &io::Error) -> Fault {
        let name = self.protocol.as_str();
        failure::broken(error, &format!("in the {name} dialogue before TLS"))
    }
}

/// Words of these protocols have no case.
fn is(word: &str, expected: &str) -> bool {
    word.trim().eq_ignore_ascii_case(expected)
}

/// Whether a line begins with these words, and the last of them ends there.
fn starts(line: &str, words: &str) -> bool {
    let begin = line.get(..words.len());
    let rest = line.get(words.len()..).unwrap_or_default();
    begin.is_some_and(|begin| is(begin, words)) && (rest.is_empty() || rest.starts_with(' '))
}
