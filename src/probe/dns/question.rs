//! What is asked, as bytes, and how its answer is recognised.

use std::net::IpAddr;

use hickory_resolver::proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};

use crate::model::{DnsSpec, Reason, Record};
use crate::probe::wire::failure::Fault;

/// One question with an id of its own.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) bytes: Vec<u8>,
    query: Query,
}

/// What a message is to a question.
#[derive(Debug)]
pub(super) enum Kinship {
    /// Boxed: it is large and the others are nothing.
    Answer(Box<Message>),
    /// Of another question, or no answer at all.
    Foreign,
    /// It bears the id, and cannot be read.
    Malformed,
}

impl Question {
    pub(super) fn new(spec: &DnsSpec) -> Result<Self, Fault> {
        let name = name(&spec.query).ok_or_else(|| {
            let error = format!("{} is no name that can be asked for", spec.query);
            Fault::down(Reason::Dns, error)
        })?;
        let query = Query::query(name, kind(spec.record));
        // a new message has a random id
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(query.clone());
        let bytes = message
            .to_vec()
            .map_err(|error| Fault::local(format!("writing the question: {error}")))?;
        Ok(Self { bytes, query })
    }

    /// Two bytes that an answer begins with.
    fn id(&self) -> &[u8] {
        &self.bytes[..2]
    }

    pub(super) fn recognise(&self, bytes: &[u8]) -> Kinship {
        if bytes.get(..2) != Some(self.id()) {
            return Kinship::Foreign;
        }
        let Ok(message) = Message::from_vec(bytes) else {
            return Kinship::Malformed;
        };
        let is_echoed = match &message.queries[..] {
            [query] => *query == self.query,
            // a server that could not or would not read the question has none to give back (RFC 1035 section 4.1.1)
            [] => message.metadata.response_code != ResponseCode::NoError,
            _ => false,
        };
        if is_echoed && message.metadata.message_type == MessageType::Response {
            Kinship::Answer(Box::new(message))
        } else {
            Kinship::Foreign
        }
    }
}

/// The name as it is asked for: complete, and of an address the name below `arpa` (RFC 1035 section 3.5, RFC 3596 section 2.5).
pub(super) fn name(written: &str) -> Option<Name> {
    if let Ok(address) = written.parse::<IpAddr>() {
        return Some(address.into());
    }
    let mut name = if written.is_ascii() {
        Name::from_ascii(written).ok()?
    } else {
        match url::Host::parse(written).ok()? {
            url::Host::Domain(ascii) => Name::from_ascii(ascii).ok()?,
            _ => return None,
        }
    };
    name.set_fqdn(true);
    Some(name)
}

pub(super) const fn kind(record: Record) -> RecordType {
    match record {
        Record::A => RecordType::A,
        Record::Aaaa => RecordType::AAAA,
        Record::Cname => RecordType::CNAME,
        Record::Mx => RecordType::MX,
        Record::Ns => RecordType::NS,
        Record::Txt => RecordType::TXT,
        Record::Soa => RecordType::SOA,
        Record::Srv => RecordType::SRV,
        Record::Ptr => RecordType::PTR,
        Record::Caa => RecordType::CAA,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_asked_for_as_they_travel() {
        for (written, asked) in [
            ("Example.com", "Example.com."),
            ("example.com.", "example.com."),
            (".", "."),
            ("münchen.example", "xn--mnchen-3ya.example."),
            ("_sip._tcp.example.com", "_sip._tcp.example.com."),
            ("*.example.com", "*.example.com."),
            ("192.0.2.1", "1.2.0.192.in-addr.arpa."),
        ] {
            assert_eq!(name(written).unwrap().to_ascii(), asked, "{written}");
        }
    }

    #[test]
    fn each_question_has_its_own_id() {
        let spec = DnsSpec::new("example.com");
        let ids: std::collections::HashSet<Vec<u8>> = (0..64)
            .map(|_| Question::new(&spec).unwrap().id().to_vec())
            .collect();
        assert!(ids.len() > 50, "{ids:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_are_an_answer_by_chance(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let question = Question::new(&DnsSpec::new("example.com")).unwrap();
            let forged = [question.id(), &bytes].concat();
            let is_answer = matches!(question.recognise(&forged), Kinship::Answer(_));
            // an error without a question is one; whatever else must repeat it
            prop_assert!(!is_answer || bytes.get(2..4) == Some(&[0, 0]));
        }
    }
}
