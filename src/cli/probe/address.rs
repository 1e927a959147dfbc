//! Targets that are written like URLs: `tcp://host:port`, `tls://host:port`, `dns://server/name?type=A`.
//!
//! The form of `dns://` is that of RFC 4501. Other keys of the targets file stand behind the `?`, percent-encoded where needed.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::config;
use crate::model::{
    DnsSpec, Family, Kind, Pattern, Payload, ProbeSpec, Record, StartTls, TcpSpec, TlsSpec,
    Transport,
};

/// What to probe, if `target` has one of these schemes; an error says what to do.
pub fn parse(target: &str, ip: Family) -> Option<Result<ProbeSpec, String>> {
    let (scheme, _) = target.split_once("://")?;
    let kind = [Kind::Tcp, Kind::Dns, Kind::Tls]
        .into_iter()
        .find(|kind| scheme.eq_ignore_ascii_case(kind.as_str()))?;
    let address = Url::parse(target).map_err(|error| format!("{target} is not a URL: {error}"));
    Some(address.and_then(|address| match kind {
        Kind::Dns => dns(&address, ip),
        Kind::Tls => tls(&address, ip),
        _ => tcp(&address, ip),
    }))
}

fn tcp(address: &Url, ip: Family) -> Result<ProbeSpec, String> {
    let port = address.port().filter(|port| *port != 0);
    let port = port.ok_or("give the port to connect to, like tcp://127.0.0.1:22")?;
    let mut spec = TcpSpec {
        host: host(address)?.into(),
        port,
        ip,
        send: None,
        expect: None,
    };
    for (key, value) in parameters(address) {
        match key.as_str() {
            "send" => {
                let send = Payload::try_from(value);
                spec.send = Some(send.map_err(|error| format!("send: {error}"))?);
            }
            "expect" => {
                let expect = Pattern::new(&value);
                spec.expect = Some(expect.map_err(|error| format!("expect: {error}"))?);
            }
            _ => return Err(unknown(&key, "send and expect")),
        }
    }
    Ok(ProbeSpec::Tcp(spec))
}

fn tls(address: &Url, ip: Family) -> Result<ProbeSpec, String> {
    let mut spec = TlsSpec {
        ip,
        ..TlsSpec::new(host(address)?, 0)
    };
    for (key, value) in parameters(address) {
        match key.as_str() {
            "starttls" => {
                let protocol = word(&key, &value, &StartTls::ALL, StartTls::as_str)?;
                spec.starttls = Some(protocol);
            }
            "server_name" => spec.server_name = Some(value),
            "alpn" => spec.alpn = value.split(',').map(str::to_owned).collect(),
            "insecure" if matches!(value.as_str(), "" | "true") => spec.insecure = true,
            "insecure" if value == "false" => {}
            _ => return Err(unknown(&key, "starttls, server_name, alpn and insecure")),
        }
    }
    let standard = spec.starttls.map_or(TlsSpec::DEFAULT_PORT, StartTls::port);
    spec.port = address.port().filter(|port| *port != 0).unwrap_or(standard);
    Ok(ProbeSpec::Tls(spec))
}

fn dns(address: &Url, ip: Family) -> Result<ProbeSpec, String> {
    let name = decoded(address.path().trim_start_matches('/'));
    if name.is_empty() {
        return Err("give the name to ask for, like dns://192.168.1.1/example.com".to_owned());
    }
    let server = match address.host_str() {
        None | Some("") => None,
        Some(_) => Some(host(address)?.into()),
    };
    let mut spec = DnsSpec {
        server,
        port: address.port(),
        ip,
        ..DnsSpec::new(name)
    };
    for (key, value) in parameters(address) {
        match key.as_str() {
            "type" | "record" => spec.record = word(&key, &value, &Record::ALL, Record::as_str)?,
            "transport" => {
                spec.transport = word(&key, &value, &Transport::ALL, Transport::as_str)?;
            }
            "server_name" => spec.server_name = Some(value),
            _ => return Err(unknown(&key, "type, transport and server_name")),
        }
    }
    Ok(ProbeSpec::Dns(spec))
}

fn host(address: &Url) -> Result<String, String> {
    let written = address.host_str().unwrap_or_default();
    let written = decoded(written.trim_matches(['[', ']']));
    config::checked_host(&written).map_err(|(problem, hint)| match hint {
        Some(hint) => format!("{problem}; {hint}"),
        None => problem,
    })
}

/// `a=b&c` by hand: in a regular expression a plus is no space.
fn parameters(address: &Url) -> impl Iterator<Item = (String, String)> {
    let pairs = address.query().unwrap_or_default().split('&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn word<T: Copy>(
    key: &str,
    value: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let mut known = all.iter().copied();
    known
        .find(|it| name(*it).eq_ignore_ascii_case(value))
        .ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|it| name(*it)).collect();
            format!("{key} is one of {}, not {value}", names.join(", "))
        })
}

fn unknown(key: &str, known: &str) -> String {
    format!("behind the ? may stand {known}, not {key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(target: &str) -> Result<ProbeSpec, String> {
        parse(target, Family::Any).expect("one of the schemes")
    }

    #[test]
    fn addresses_are_targets() {
        let expected = TcpSpec {
            host: "::1".into(),
            port: 22,
            ip: Family::Any,
            send: Some(Payload::try_from(r"a\r\n").unwrap()),
            expect: Some(Pattern::new("^SSH-[0-9]+").unwrap()),
        };
        let target = r"tcp://[::1]:22?send=a\r\n&expect=%5ESSH-[0-9]+";
        assert_eq!(parsed(target), Ok(ProbeSpec::Tcp(expected)));
        let expected = TlsSpec {
            starttls: Some(StartTls::Imap),
            insecure: true,
            ..TlsSpec::new("mail.example", 143)
        };
        let target = "tls://mail.example?starttls=imap&insecure";
        assert_eq!(parsed(target), Ok(ProbeSpec::Tls(expected)));
        let expected = DnsSpec {
            server: Some("192.0.2.1".into()),
            port: Some(5353),
            record: Record::Mx,
            ..DnsSpec::new("_a.example.com")
        };
        let target = "DNS://192.0.2.1:5353/_a.example.com?type=mx";
        assert_eq!(parsed(target), Ok(ProbeSpec::Dns(expected)));
        let expected = DnsSpec::new("example.com");
        assert_eq!(parsed("dns:///example.com"), Ok(ProbeSpec::Dns(expected)));
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        for (target, said) in [
            ("tcp://127.0.0.1", "give the port"),
            ("tcp://127.0.0.1:0", "give the port"),
            ("tcp://127.0.0.1:1?expect=(", "unclosed"),
            ("tcp://:22", "not a URL"),
            ("tls://127.0.0.1?starttls=ftp", "smtp, imap, pop3, postgres"),
            ("tls://127.0.0.1?colour=blue", "not colour"),
            ("dns://127.0.0.1/", "give the name"),
            ("dns://127.0.0.1/a?type=B", "AAAA"),
        ] {
            let error = parsed(target).expect_err(target);
            assert!(error.contains(said), "{target}: {error}");
        }
    }

    #[test]
    fn other_schemes_are_not_for_here() {
        for target in ["http://a/", "127.0.0.1", "ftp://a/", "udp://a:1"] {
            assert!(parse(target, Family::Any).is_none(), "{target}");
        }
    }
}
