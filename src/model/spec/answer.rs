//! Answers of name servers as people write them, in a form in which two can be compared.
//!
//! Names lose the root's dot and their capitals (RFC 4343), addresses their leading zeros, texts their quotation marks.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Record;

impl Record {
    /// An answer of this type, for advice.
    pub const fn example(self) -> &'static str {
        match self {
            Self::A => "192.0.2.1",
            Self::Aaaa => "2001:db8::1",
            Self::Cname | Self::Ns | Self::Ptr => "host.example.com",
            Self::Mx => "10 mail.example.com, or the name alone",
            Self::Txt => "v=spf1 -all",
            Self::Soa => "the name of the first name server, or all seven fields",
            Self::Srv => "10 5 5060 sip.example.com, or the name alone",
            Self::Caa => "0 issue letsencrypt.org",
        }
    }

    /// The answer in the form that is compared; nothing if it cannot be one of this type.
    pub fn canonical(self, written: &str) -> Option<String> {
        let words: Vec<&str> = written.split_whitespace().collect();
        match (self, &words[..]) {
            (Self::A, [address]) => Some(address.parse::<Ipv4Addr>().ok()?.to_string()),
            (Self::Aaaa, [address]) => Some(address.parse::<Ipv6Addr>().ok()?.to_string()),
            (Self::Cname | Self::Ns | Self::Ptr | Self::Mx | Self::Srv | Self::Soa, [host]) => {
                name(host)
            }
            (Self::Mx, [preference, host]) => {
                Some(format!("{} {}", number(preference)?, name(host)?))
            }
            (Self::Srv, [priority, weight, port, host]) => {
                let [priority, weight, port] = [number(priority)?, number(weight)?, number(port)?];
                Some(format!("{priority} {weight} {port} {}", name(host)?))
            }
            (Self::Soa, [first, mailbox, numbers @ ..]) if numbers.len() == 5 => {
                let numbers = numbers.iter().map(|it| number(it).map(|it| it.to_string()));
                let numbers: Vec<String> = numbers.collect::<Option<_>>()?;
                let numbers = numbers.join(" ");
                Some(format!("{} {} {numbers}", name(first)?, name(mailbox)?))
            }
            (Self::Txt, _) => Some(unquoted(written)),
            (Self::Caa, [flags, tag, ..]) => {
                let value = written.trim_start().split_once(char::is_whitespace)?.1;
                let value = value.trim_start().split_once(char::is_whitespace)?.1;
                let (flags, tag) = (number(flags)?, tag.to_ascii_lowercase());
                let value = unquoted(value.trim());
                // an authority is a name (RFC 8659 section 4.2), other values are not
                let value = match tag.as_str() {
                    "issue" | "issuewild" => value.trim_end_matches('.').to_ascii_lowercase(),
                    _ => value,
                };
                Some(format!("{flags} {tag} {value}"))
            }
            _ => None,
        }
    }

    /// Whether an answer is the expected one, both in their canonical form. A name alone stands for any record that has it in its place.
    pub fn is_met(self, expected: &str, answer: &str) -> bool {
        let own_name = match self {
            Self::Mx | Self::Srv => answer.rsplit(' ').next(),
            Self::Soa => answer.split(' ').next(),
            _ => None,
        };
        expected == answer || own_name == Some(expected)
    }
}

fn name(written: &str) -> Option<String> {
    // the root is its dot: it is the name in a record that says "none" (RFC 7505)
    let name = match written.strip_suffix('.') {
        Some("") => ".",
        Some(bare) => bare,
        None => written,
    };
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

fn number(written: &str) -> Option<u32> {
    written.parse().ok()
}

/// `"one" "two"` as the one text that it is (RFC 7208 section 3.3); a text without quotation marks as it is.
fn unquoted(written: &str) -> String {
    let trimmed = written.trim();
    let inner = trimmed
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return written.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut is_inside = true;
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if is_inside => text.extend(characters.next()),
            '"' => is_inside = !is_inside,
            other if is_inside => text.push(other),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_one_form() {
        for (record, written, form) in [
            (Record::A, "192.0.2.1", "192.0.2.1"),
            (Record::Aaaa, "2001:DB8:0::1", "2001:db8::1"),
            (Record::Ns, "NS1.Example.COM.", "ns1.example.com"),
            (Record::Mx, "10  Mail.example.com.", "10 mail.example.com"),
            (Record::Mx, "0 .", "0 ."),
            (
                Record::Srv,
                "10 5 5060 sip.example.com.",
                "10 5 5060 sip.example.com",
            ),
            (
                Record::Soa,
                "ns1.example.com. admin.example.com. 1 2 3 4 5",
                "ns1.example.com admin.example.com 1 2 3 4 5",
            ),
            (Record::Txt, "v=spf1 -all", "v=spf1 -all"),
            (Record::Txt, "\"v=spf1 \" \"-all\"", "v=spf1 -all"),
            (Record::Txt, "\"a \\\"b\\\"\"", "a \"b\""),
            (
                Record::Caa,
                "0 Issue \"letsencrypt.org\"",
                "0 issue letsencrypt.org",
            ),
            (
                Record::Caa,
                "128 issue letsencrypt.org; a=b",
                "128 issue letsencrypt.org; a=b",
            ),
        ] {
            assert_eq!(
                record.canonical(written).as_deref(),
                Some(form),
                "{written}"
            );
        }
    }

    #[test]
    fn what_cannot_be_an_answer_is_none() {
        for (record, written) in [
            (Record::A, "::1"),
            (Record::A, "example.com"),
            (Record::A, ""),
            (Record::Aaaa, "192.0.2.1"),
            (Record::Mx, "ten mail.example.com"),
            (Record::Srv, "10 5 sip.example.com"),
            (Record::Soa, "a b 1 2"),
            (Record::Cname, "a b"),
            (Record::Caa, "0 issue"),
        ] {
            assert_eq!(record.canonical(written), None, "{written}");
        }
    }

    #[test]
    fn a_name_alone_stands_for_its_record() {
        assert!(Record::Mx.is_met("mail.example.com", "10 mail.example.com"));
        assert!(Record::Soa.is_met("ns1.a", "ns1.a admin.a 1 2 3 4 5"));
        assert!(!Record::Mx.is_met("20 mail.example.com", "10 mail.example.com"));
        assert!(!Record::Ns.is_met("b", "a b"));
    }
}
