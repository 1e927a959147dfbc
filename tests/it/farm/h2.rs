//! HTTP/2 servers on loopback: one that is polite, and frames written by hand for those that are not.

use std::io;

use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::Server;

/// What a server does once the connection stands.
#[derive(Debug, Clone, Copy)]
pub enum Two {
    /// Answers by the path: `/ok`, `/status/N`, `/endless`, `/drip`, `/secret` (wants authorization), `/moved` (to `/ok`).
    Polite,
    /// Ends the one stream with a code.
    Reset(u32),
    /// Says goodbye with a code.
    GoAway(u32),
    /// Pings without end, and no answer.
    Pings,
    /// Settings without end, and no answer.
    Settings,
    /// Answers 103 without end.
    Interim,
    /// One header list of 100 KiB.
    LongHeaders,
    /// Headers that go on without end.
    EndlessHeaders,
    /// Header fields that are no HTTP.
    BadHeaders,
    /// A frame of a length that was not allowed.
    LongFrame,
    /// Sends a body that nobody gave room for.
    Pushy,
    /// Settings, and then nothing.
    Stalls,
    /// The headers of an answer with a body, and then nothing.
    StallsInBody,
    /// The headers of an answer with a body, and then the end.
    CutsBody,
    /// The headers of an answer, and then pings without end.
    PingsInBody,
    /// Speaks HTTP/1.1 although HTTP/2 was agreed on.
    SpeaksOne,
    /// Not even settings: the end.
    Closes,
}

impl Server {
    /// An HTTP/2 server over TLS; `acceptor` offers `h2`.
    pub async fn two(acceptor: TlsAcceptor, does: Two) -> Self {
        Self::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    drop(serve(stream, does).await);
                }
            }
        })
        .await
    }

    /// The same without TLS.
    pub async fn two_plain(does: Two) -> Self {
        Self::start(move |stream| async move { drop(serve(stream, does).await) }).await
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    does: Two,
) -> io::Result<()> {
    if matches!(does, Two::Polite) {
        return polite(stream).await.map_err(io::Error::other);
    }
    let (mut read, mut write) = tokio::io::split(stream);
    if !matches!(does, Two::Closes | Two::SpeaksOne) {
        write.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
        write.flush().await?;
        // nothing may be said on a stream that was not begun
        until_asked(&mut read).await?;
    }
    // what the prober says is of no interest, but it must not wait for a place to say it in
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    let done = rude(&mut write, does).await;
    drop(write.shutdown().await);
    reading.abort();
    done
}

/// Reads as far as the headers of the request.
async fn until_asked<R: AsyncRead + Unpin>(read: &mut R) -> io::Result<()> {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
    read.read_exact(&mut vec![0; preface]).await?;
    loop {
        let mut head = [0; 9];
        read.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        read.read_exact(&mut vec![0; length as usize]).await?;
        if head[3] == HEADERS {
            return Ok(());
        }
    }
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const DATA: u8 = 0;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;
/// `:status: 200` (RFC 7541 appendix A).
const OK: &[u8] = &[0x88];

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field without Huffman's code and without an index (RFC 7541 section 6.2.2); lengths below 127.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0, name.len() as u8];
    bytes.extend(name.as_bytes());
    bytes.push(value.len() as u8);
    bytes.extend(value.as_bytes());
    bytes
}

async fn rude<W: AsyncWrite + Unpin>(write: &mut W, does: Two) -> io::Result<()> {
    let settings = frame(SETTINGS, 0, 0, &[]);
    let ping = frame(PING, 0, 0, &[7; 8]);
    let many = |frame: &[u8]| frame.repeat(100);
    match does {
        Two::Closes => return Ok(()),
        Two::SpeaksOne => {
            let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
            return write.write_all(text).await;
        }
        Two::Reset(code) => {
            let reset = frame(RST_STREAM, 0, 1, &code.to_be_bytes());
            write.write_all(&reset).await?;
            write.flush().await?;
            std::future::pending::<()>().await;
        }
        Two::GoAway(code) => {
            let payload = [0_u32.to_be_bytes(), code.to_be_bytes()].concat();
            write.write_all(&frame(GOAWAY, 0, 0, &payload)).await?;
            write.flush().await?;
            std::future::pending::<()>().await;
        }
        Two::Pings => endless(write, &many(&ping)).await?,
        Two::Settings => endless(write, &many(&settings)).await?,
        Two::Interim => {
            let mut early = vec![0x08, 3];
            early.extend(b"103");
            let early = frame(HEADERS, END_HEADERS, 1, &early);
            endless(write, &many(&early)).await?;
        }
        Two::LongHeaders => {
            let long: Vec<u8> = (0..1000)
                .flat_map(|number| field(&format!("x-{number}"), &"a".repeat(100)))
                .collect();
            let block = [OK, &long].concat();
            let mut chunks = block.chunks(16_000).peekable();
            let first = chunks.next().unwrap_or_default();
            write
                .write_all(&frame(HEADERS, END_STREAM, 1, first))
                .await?;
            while let Some(chunk) = chunks.next() {
                let flags = if chunks.peek().is_none() {
                    END_HEADERS
                } else {
                    0
                };
                write
                    .write_all(&frame(CONTINUATION, flags, 1, chunk))
                    .await?;
            }
            write.flush().await?;
            std::future::pending::<()>().await;
        }
        Two::EndlessHeaders => {
            write.write_all(&frame(HEADERS, 0, 1, OK)).await?;
            let more = frame(CONTINUATION, 0, 1, &field("x-more", &"a".repeat(100)));
            endless(write, &many(&more)).await?;
        }
        Two::BadHeaders => {
            let bad = [OK, &field("Upper-Case", "is forbidden")].concat();
            write
                .write_all(&frame(HEADERS, END_HEADERS, 1, &bad))
                .await?;
            write.flush().await?;
            std::future::pending::<()>().await;
        }
        Two::LongFrame => {
            write
                .write_all(&frame(DATA, 0, 1, &vec![0; 1 << 20]))
                .await?;
            write.flush().await?;
            std::future::pending::<()>().await;
        }
        Two::Pushy => {
            write.write_all(&frame(HEADERS, END_HEADERS, 1, OK)).await?;
            let data = frame(DATA, 0, 1, &[0; 16_384]);
            endless(write, &data).await?;
        }
        Two::StallsInBody => {
            write.write_all(&frame(HEADERS, END_HEADERS, 1, OK)).await?;
            write.flush().await?;
            std::future::pending::<()>().await;
        }
        Two::CutsBody => {
            write.write_all(&frame(HEADERS, END_HEADERS, 1, OK)).await?;
            write.flush().await?;
        }
        Two::PingsInBody => {
            write.write_all(&frame(HEADERS, END_HEADERS, 1, OK)).await?;
            endless(write, &many(&ping)).await?;
        }
        _ => {
            write.flush().await?;
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

async fn endless<W: AsyncWrite + Unpin>(write: &mut W, bytes: &[u8]) -> io::Result<()> {
    loop {
        write.write_all(bytes).await?;
    }
}

async fn polite<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let path = request.uri().path().to_owned();
        let is_known = request.headers().contains_key("authorization");
        let whole = request.uri().authority().is_some() && !request.headers().contains_key("host");
        tokio::spawn(async move {
            let mut response = Response::new(());
            let status = match path.strip_prefix("/status/") {
                Some(status) => status.parse().unwrap_or(500),
                None if !whole => 400,
                None if path == "/secret" && !is_known => 401,
                None if path == "/moved" => 302,
                None => 200,
            };
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
            if path == "/moved" {
                let place = http::HeaderValue::from_static("/ok");
                response.headers_mut().insert("location", place);
            }
            let Ok(mut body) = respond.send_response(response, false) else {
                return;
            };
            match path.as_str() {
                "/endless" => {
                    let piece = Bytes::from(vec![0; 16_384]);
                    loop {
                        body.reserve_capacity(piece.len());
                        match std::future::poll_fn(|cx| body.poll_capacity(cx)).await {
                            Some(Ok(room)) if room > 0 => {
                                let piece = piece.slice(..room.min(piece.len()));
                                if body.send_data(piece, false).is_err() {
                                    return;
                                }
                            }
                            Some(Ok(_)) => {}
                            _ => return,
                        }
                    }
                }
                "/drip" => loop {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    if body.send_data(Bytes::from_static(b"a"), false).is_err() {
                        return;
                    }
                },
                _ => drop(body.send_data(Bytes::from_static(b"hello"), true)),
            }
        });
    }
    Ok(())
}
