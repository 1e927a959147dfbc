//! SOCKS 5 (RFC 1928), with a name and a password where there are some (RFC 1929).
//!
//! Every answer is of a length that is known before it is read: nothing that a proxy sends is kept but a few bytes.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Host;

use super::{Destination, Refusal, broken};
use crate::model::{Login, Reason};
use crate::probe::wire::failure::Fault;

const VERSION: u8 = 5;
const NO_SIGN_IN: u8 = 0;
const PASSWORD: u8 = 2;
const NOTHING_ACCEPTABLE: u8 = 0xff;

/// Agrees on how to sign in, and does.
pub async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    credentials: Option<&Login>,
) -> Result<(), Refusal> {
    const DOING: &str = "signing in";
    let failed = |error| broken(&error, DOING);
    let greeting: &[u8] = match credentials {
        None => &[VERSION, 1, NO_SIGN_IN],
        Some(_) => &[VERSION, 2, NO_SIGN_IN, PASSWORD],
    };
    send(stream, greeting).await.map_err(failed)?;
    let [version, method] = receive(stream).await.map_err(failed)?;
    is_socks(version)?;
    match (method, credentials) {
        (NO_SIGN_IN, _) => return Ok(()),
        (PASSWORD, Some(credentials)) => {
            let mut message = vec![1];
            for part in [&credentials.user, &credentials.password] {
                // both have at most 255 bytes, or the proxy would not have been accepted
                message.push(part.len() as u8);
                message.extend_from_slice(part);
            }
            send(stream, &message).await.map_err(failed)?;
        }
        (NOTHING_ACCEPTABLE, None) => return Err(own("wants a name and a password")),
        (NOTHING_ACCEPTABLE, Some(_)) => return Err(own("takes neither guests nor passwords")),
        _ => return Err(own("asks for a way to sign in that was not offered")),
    }
    match receive(stream).await.map_err(failed)? {
        [_, 0] => Ok(()),
        [_, _] => Err(own("refuses the name or the password")),
    }
}

/// Has the proxy connect.
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    to: &Destination,
) -> Result<(), Refusal> {
    const DOING: &str = "it was asked to connect";
    const CONNECT: u8 = 1;
    let failed = |error| broken(&error, DOING);
    let mut message = vec![VERSION, CONNECT, 0];
    match &to.host {
        Host::Ipv4(address) => {
            message.push(1);
            message.extend(address.octets());
        }
        Host::Ipv6(address) => {
            message.push(4);
            message.extend(address.octets());
        }
        Host::Domain(name) => {
            let length = u8::try_from(name.len());
            let length = length.map_err(|_| own("takes no name of more than 255 bytes"))?;
            message.extend([3, length]);
            message.extend(name.as_bytes());
        }
    }
    message.extend(to.port.to_be_bytes());
    send(stream, &message).await.map_err(failed)?;
    let [version, reply, _, kind] = receive(stream).await.map_err(failed)?;
    is_socks(version)?;
    if reply != 0 {
        return Err(refused(reply, to));
    }
    // where it connected from, which tells nothing
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => {
            let [length] = receive(stream).await.map_err(failed)?;
            usize::from(length)
        }
        _ => return Err(own("does not speak SOCKS 5")),
    };
    let mut rest = [0; 255 + 2];
    let rest = &mut rest[..length + 2];
    stream.read_exact(rest).await.map_err(failed)?;
    Ok(())
}

/// RFC 1928 section 6.
fn refused(reply: u8, to: &Destination) -> Refusal {
    let target = |reason, why: &str| {
        let error = format!("{to} {why}, says the proxy");
        Refusal::Target(Fault::down(reason, error))
    };
    match reply {
        1 => own("had a fault of its own (general SOCKS server failure)"),
        2 => Refusal::Own(format!("does not allow connections to {to}")),
        3 => target(
            Reason::Unreachable,
            "is in a network that cannot be reached",
        ),
        4 => target(Reason::Unreachable, "cannot be reached"),
        5 => target(Reason::Refused, "refused the connection"),
        6 => target(Reason::Unreachable, "is too far away (TTL expired)"),
        7 => own("cannot connect at all (command not supported)"),
        8 => Refusal::Own(format!("does not know addresses like that of {to}")),
        other => Refusal::Own(format!("answered with the unknown reply {other}")),
    }
}

fn is_socks(version: u8) -> Result<(), Refusal> {
    if version == VERSION {
        Ok(())
    } else {
        Err(own("does not speak SOCKS 5"))
    }
}

fn own(text: &str) -> Refusal {
    Refusal::Own(text.to_owned())
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn receive<S: AsyncRead + Unpin, const N: usize>(stream: &mut S) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
