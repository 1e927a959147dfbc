//! What an answer means for the target: its code, and the records that belong to the question.

use std::net::IpAddr;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::{Name, RData, Record as Entry};

use super::question;
use crate::model::{DnsSpec, Rcode, Reason, Record};
use crate::probe::wire::failure::Fault;

/// Records that a sentence lists.
const SHOWN: usize = 4;

/// Whether the answer is the expected one.
pub(super) fn judge(spec: &DnsSpec, message: &Message) -> Result<(), Fault> {
    let number = u16::from(message.metadata.response_code);
    let code = Rcode::ALL.get(usize::from(number)).copied();
    if code != Some(spec.expect_rcode) {
        let said = code.map_or_else(|| format!("code {number}"), |it| it.as_str().to_owned());
        let error = format!(
            "the name server answered {said}, expected {}",
            spec.expect_rcode.as_str()
        );
        return Err(Fault::down(Reason::Dns, error));
    }
    if spec.expect_rcode != Rcode::NoError {
        return Ok(());
    }
    let found = found(spec, message);
    let Some(expected) = &spec.expect_answers else {
        return match found[..] {
            [] => {
                let record = spec.record.as_str();
                let error = format!("the answer has no {record} record for {}", spec.query);
                Err(Fault::down(Reason::Dns, error))
            }
            _ => Ok(()),
        };
    };
    for written in expected {
        let form = spec.record.canonical(written).unwrap_or_default();
        if !found.iter().any(|it| spec.record.is_met(&form, it)) {
            let error = format!("{written} is not among the answers: {}", listed(&found));
            return Err(Fault::down(Reason::Body, error));
        }
    }
    Ok(())
}

/// The records of the type, of the name itself and of what it is an alias of, each in its canonical form.
fn found(spec: &DnsSpec, message: &Message) -> Vec<String> {
    let mut names: Vec<Name> = question::name(&spec.query).into_iter().collect();
    // a chain of aliases may stand in any order; each pass finds one more at least, or it is the last
    loop {
        let before = names.len();
        for entry in &message.answers {
            if let RData::CNAME(alias) = &entry.data
                && names.contains(&entry.name)
                && !names.contains(&alias.0)
                && names.len() < ALIASES
            {
                names.push(alias.0.clone());
            }
        }
        if names.len() == before {
            break;
        }
    }
    let kind = question::kind(spec.record);
    let of_type = message.answers.iter().filter(|it| it.record_type() == kind);
    let own = of_type.filter(|entry| names.contains(&entry.name));
    own.filter_map(|entry| text(spec.record, entry)).collect()
}

/// Longer chains are a loop, or a joke.
const ALIASES: usize = 16;

fn text(record: Record, entry: &Entry) -> Option<String> {
    let written = match &entry.data {
        RData::A(it) => IpAddr::V4(it.0).to_string(),
        RData::AAAA(it) => IpAddr::V6(it.0).to_string(),
        RData::CNAME(it) => it.0.to_ascii(),
        RData::NS(it) => it.0.to_ascii(),
        RData::PTR(it) => it.0.to_ascii(),
        RData::MX(it) => format!("{} {}", it.preference, it.exchange.to_ascii()),
        RData::SRV(it) => format!(
            "{} {} {} {}",
            it.priority,
            it.weight,
            it.port,
            it.target.to_ascii()
        ),
        RData::SOA(it) => {
            let [refresh, retry, expire] =
                [it.refresh, it.retry, it.expire].map(i32::cast_unsigned);
            format!(
                "{} {} {} {refresh} {retry} {expire} {}",
                it.mname.to_ascii(),
                it.rname.to_ascii(),
                it.serial,
                it.minimum
            )
        }
        // texts keep what stands in them, quotation marks too
        RData::TXT(it) => {
            let bytes = it.txt_data.concat();
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        RData::CAA(it) => {
            let value = String::from_utf8_lossy(&it.value);
            format!("{} {} {value}", it.flags(), it.tag)
        }
        _ => return None,
    };
    record.canonical(&written)
}

fn listed(found: &[String]) -> String {
    let shown: Vec<_> = found.iter().take(SHOWN).map(String::as_str).collect();
    match found.len() {
        0 => "there are none".to_owned(),
        count if count > SHOWN => format!("{} and {} more", shown.join(", "), count - SHOWN),
        _ => shown.join(", "),
    }
}
