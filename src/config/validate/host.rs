//! What a host may be: an address, with a scope where needed, or a name.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::problem::quoted;

/// The host as written, or what is wrong with it and what was probably meant.
///
/// Names follow RFC 1123 §2.1 and RFC 1035 §2.3.4; underscores are allowed, because real names have them. Others than ASCII go through
/// IDNA when they are resolved.
pub fn checked(text: &str) -> Result<String, (String, Option<String>)> {
    let shown = quoted(text);
    let wrong =
        |what: &str, hint: &str| Err((format!("the host {shown} {what}"), Some(hint.to_owned())));
    if text.trim().is_empty() {
        return Err((
            "`host` is empty".to_owned(),
            Some("expected a name or an address, like 192.168.1.1".to_owned()),
        ));
    }
    if text.contains("://") {
        return wrong(
            "is a URL",
            "write the host alone, or use `type: http` with `url`",
        );
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong(
            "holds a space",
            "expected one name or one address, like 192.168.1.1",
        );
    }
    if text.contains('/') {
        let hint = "expected one name or one address, like 192.168.1.1; a network or a path cannot be probed";
        return wrong("holds a slash", hint);
    }
    if text.starts_with('[') || text.ends_with(']') {
        return wrong(
            "stands in brackets",
            "write the address without them, like ::1",
        );
    }
    if text.contains(':') {
        return address6(text, &shown);
    }
    if text.contains(['%', '@']) {
        return wrong(
            "is neither a name nor an address",
            "a scope like `%eth0` belongs to an IPv6 address",
        );
    }
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return match text.parse::<Ipv4Addr>() {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => wrong(
                "is no IPv4 address",
                "expected four numbers from 0 to 255 without leading zeros, like 192.168.1.1",
            ),
        };
    }
    name(text, &shown)
}

fn address6(text: &str, shown: &str) -> Result<String, (String, Option<String>)> {
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (text, None),
    };
    // an interface name has at most 15 bytes (IFNAMSIZ, netdevice(7))
    let scope_fits = scope.is_none_or(|scope| {
        (1..=15).contains(&scope.len()) && scope.bytes().all(|byte| byte.is_ascii_graphic())
    });
    if address.parse::<Ipv6Addr>().is_ok() {
        return if scope_fits {
            Ok(text.to_owned())
        } else {
            Err((
                format!("the scope of {shown} is no interface"),
                Some("expected like fe80::1%eth0".to_owned()),
            ))
        };
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && !host.contains(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        let hint = format!("write {}; tcp and tls have a key `port`", quoted(host));
        return Err((format!("the host {shown} has a port"), Some(hint)));
    }
    Err((
        format!("the host {shown} is no IPv6 address"),
        Some("expected like ::1 or fe80::1%eth0".to_owned()),
    ))
}

/// A name as it is looked up (RFC 5891); nothing if it cannot be.
pub fn ascii(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(text.to_owned());
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(ascii)) => Some(ascii),
        _ => None,
    }
}

fn name(text: &str, shown: &str) -> Result<String, (String, Option<String>)> {
    let Some(ascii) = ascii(text) else {
        return Err((
            format!("the host {shown} is no name that can be looked up"),
            None,
        ));
    };
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    if name.len() > 253 {
        return Err((
            format!("the host {shown} is longer than 253 characters"),
            None,
        ));
    }
    for label in name.split('.') {
        let problem = if label.is_empty() {
            "has an empty part between its dots".to_owned()
        } else if label.len() > 63 {
            "has a part longer than 63 characters".to_owned()
        } else if let Some(bad) = label
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        {
            format!("holds {}, which no name has", quoted(&bad.to_string()))
        } else if label.starts_with('-') || label.ends_with('-') {
            "has a part that begins or ends with a hyphen".to_owned()
        } else {
            continue;
        };
        let hint =
            "expected a name or an address, like router.example.com or 192.168.1.1".to_owned();
        return Err((format!("the host {shown} {problem}"), Some(hint)));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_hosts() {
        for text in [
            "127.0.0.1",
            "::1",
            "fe80::1%eth0",
            "::ffff:192.0.2.1",
            "localhost",
            "example.com",
            "example.com.",
            "_dmarc.example.com",
            "my_router",
            "4chan.org",
            "xn--mnchen-3ya.example",
            "münchen.example",
        ] {
            assert_eq!(checked(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.com", "a".repeat(64));
        let longer = "a.".repeat(127) + "com";
        for text in [
            "",
            " ",
            "exa mple",
            " example.com",
            "http://example.com/",
            "example.com/path",
            "10.0.0.0/8",
            "example.com:80",
            "[::1]",
            "::1%",
            "fe80::1%an-interface-too-long",
            "1:2:3",
            "256.1.1.1",
            "1.2.3",
            "192.168.001.001",
            "123",
            "10.0.0.1%eth0",
            "root@example.com",
            "a..b",
            ".",
            "-a.com",
            "*.example.com",
            "$(reboot)",
            &long,
            &longer,
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }
}
