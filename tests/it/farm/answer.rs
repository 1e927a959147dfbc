//! What is answered to which path, byte by byte.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

use super::content;

/// How a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Close,
    Reset,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const DRIP: Duration = Duration::from_millis(20);

/// Reads one request and answers it in the way of its path.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> End {
    let Some(head) = request(stream).await else {
        // what servers say to a TLS handshake on a plain port
        let text = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        drop(cut(stream, text).await);
        return End::Close;
    };
    let target = head.split(' ').nth(1).unwrap_or("/");
    let path = target.split('?').next().unwrap_or("/").to_owned();
    // errors mean that the prober has gone, which many answers wait for
    answer(stream, &path, &head).await.unwrap_or(End::Close)
}

/// A request with its body, as it came.
pub async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        if head.len() > 64 * 1024 || !head[0].is_ascii_alphabetic() {
            return None;
        }
    }
    let mut said = String::from_utf8(head).ok()?;
    let length = said.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok()).flatten()
    });
    let mut body = vec![0; length.unwrap_or(0).min(1024 * 1024)];
    stream.read_exact(&mut body).await.ok()?;
    said.push_str(&String::from_utf8_lossy(&body));
    Some(said)
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    path: &str,
    head: &str,
) -> std::io::Result<End> {
    if let Some(text) = fixed(path, head) {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        return Ok(End::Close);
    }
    match path {
        "/close" => {}
        "/reset" => return Ok(End::Reset),
        "/hang" => std::future::pending().await,
        "/close-in-headers" => cut(stream, "HTTP/1.1 200 OK\r\nX-Begun: y").await?,
        "/reset-in-headers" => {
            cut(stream, "HTTP/1.1 200 OK\r\nX-Begun: y").await?;
            // the bytes must have been read before the reset throws them away
            sleep(Duration::from_millis(50)).await;
            return Ok(End::Reset);
        }
        "/reset-in-body" => {
            cut(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun",
            )
            .await?;
            sleep(Duration::from_millis(50)).await;
            return Ok(End::Reset);
        }
        "/gigabyte" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
            flood(stream, head, &"0123456789".repeat(6400)).await?;
        }
        "/drip-json" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[1";
            drip(stream, head, ",1").await?;
        }
        "/drip-moved" => {
            drip(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: /ok\r\nX-Slow: ",
                "a",
            )
            .await?;
        }
        "/drip-headers" => drip(stream, "HTTP/1.1 200 OK\r\nX-Slow: ", "a").await?,
        "/drip-body" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
            drip(stream, head, "a").await?;
        }
        "/drip-nothing" => drip(stream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "").await?,
        "/endless-body" => {
            let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x1_0000));
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            flood(stream, head, &chunk).await?;
        }
        "/endless-interim" => flood(stream, "", "HTTP/1.1 100 Continue\r\n\r\n").await?,
        "/drip-interim" => drip(stream, "", "HTTP/1.1 102 Processing\r\n\r\n").await?,
        "/endless-header" => {
            let long = "a".repeat(4096);
            flood(stream, "HTTP/1.1 200 OK\r\nX-Long: ", &long).await?;
        }
        "/endless-headers" => flood(stream, "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n").await?,
        "/gzip-bomb" => {
            let bomb = gzip_bomb();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                bomb.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bomb).await?;
            stream.shutdown().await?;
        }
        _ => match content::of(path) {
            Some(whole) => {
                stream.write_all(&whole).await?;
                stream.shutdown().await?;
            }
            None => return other(stream, path).await,
        },
    }
    Ok(End::Close)
}

/// Paths with a number in them.
async fn other<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    path: &str,
) -> std::io::Result<End> {
    let (name, number) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let number: u64 = number.parse().unwrap_or(404);
    let text = match name {
        "status" => format!("HTTP/1.1 {number} Whatever\r\nContent-Length: 0\r\n\r\n"),
        "hops" if number == 0 => OK.to_owned(),
        "hops" => moved(&format!("/hops/{}", number - 1)),
        // always one more
        "weary" => {
            sleep(Duration::from_millis(30)).await;
            moved(&format!("/weary/{}", number + 1))
        }
        "slow" => {
            sleep(Duration::from_millis(number)).await;
            OK.to_owned()
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone".to_owned(),
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(End::Close)
}

/// Answers that are the same bytes every time.
fn fixed(path: &str, head: &str) -> Option<String> {
    let many = "X-Many: 1\r\n";
    Some(match path {
        "/" | "/ok" => OK.to_owned(),
        "/secret" if head.contains("uthorization: Basic dXNlcjpzZWNyZXQ=\r\n") => OK.to_owned(),
        "/secret" => "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/loop" => moved("/loop"),
        "/ping" => moved("/pong"),
        "/pong" => moved("/ping"),
        "/to-file" => moved("file:///etc/passwd"),
        "/to-ftp" => moved("ftp://127.0.0.1/"),
        "/to-nonsense" => moved("http://[::1"),
        "/deep/relative" => moved("../ok?from=relative#part"),
        "/to-secret" => moved("/secret"),
        "/nowhere" => "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/not-modified" => "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
        "/no-content" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "/interim" => format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{OK}"),
        "/big-header" => format!(
            "HTTP/1.1 200 OK\r\nX-Big: {}\r\nContent-Length: 0\r\n\r\n",
            "a".repeat(70 * 1024)
        ),
        "/fat-header" => format!(
            "HTTP/1.1 200 OK\r\nX-Fat: {}\r\nContent-Length: 0\r\n\r\n",
            "a".repeat(60 * 1024)
        ),
        "/many-headers" => format!("HTTP/1.1 200 OK\r\n{}\r\n", many.repeat(1000)),
        "/garbage" => "\u{1b}[31mnot http at all\r\n\r\n".to_owned(),
        "/bad-status" => "HTTP/1.1 20 OK\r\n\r\n".to_owned(),
        "/until-close" => "HTTP/1.0 200 OK\r\n\r\nread until I close".to_owned(),
        "/chunked" => chunked("5\r\nhello\r\n0\r\n\r\n"),
        "/chunked-and-more" => chunked("5\r\nhello\r\n0\r\n\r\nand garbage after the end"),
        "/chunked-badly" => chunked("5\r\nhello\r\nnot a size\r\n"),
        "/chunked-cut" => chunked("ff\r\nhello"),
        "/length-short" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello".to_owned(),
        "/length-long" => format!("{OK}{}", "and more than was promised"),
        "/length-nonsense" => "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello".to_owned(),
        "/sloppy" => "HTTP/1.1 200\nX-Folded: a\r\n b\r\nX-Spaced : c\r\nbad header\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "/hostile-status" => "HTTP/1.1 500 <script>alert(1)</script>\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/hostile-location" => moved("http://[\u{202e}<script>alert(1)</script>"),
        _ => return None,
    })
}

fn moved(place: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")
}

fn chunked(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

async fn cut<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// A little at a time, for ever.
async fn drip<S: AsyncWrite + Unpin>(
    stream: &mut S,
    head: &str,
    drop: &str,
) -> std::io::Result<()> {
    cut(stream, head).await?;
    loop {
        sleep(DRIP).await;
        cut(stream, drop).await?;
    }
}

/// As much as it takes, for ever.
async fn flood<S: AsyncWrite + Unpin>(
    stream: &mut S,
    head: &str,
    more: &str,
) -> std::io::Result<()> {
    cut(stream, head).await?;
    loop {
        stream.write_all(more.as_bytes()).await?;
    }
}

/// 500 kB that inflate to 80 MB of zeros: one fixed Huffman block (RFC 1951 section 3.2.6) of repeats of 258 bytes.
fn gzip_bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut held, mut bits) = (0_u32, 0);
    // Huffman codes go out from their highest bit, numbers from their lowest
    let mut put = |bytes: &mut Vec<u8>, code: &str| {
        for bit in code.bytes() {
            held |= u32::from(bit == b'1') << bits;
            bits += 1;
            if bits == 8 {
                bytes.push(held as u8);
                (held, bits) = (0, 0);
            }
        }
    };
    put(&mut bytes, "1"); // the last block
    put(&mut bytes, "10"); // of fixed codes
    put(&mut bytes, "00110000"); // the literal 0
    for _ in 0..310_000 {
        put(&mut bytes, "1100010100000"); // 258 bytes from 1 back
    }
    put(&mut bytes, "0000000"); // end
    put(&mut bytes, "0000000");
    bytes.extend([0; 8]);
    bytes
}
