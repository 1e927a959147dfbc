//! What goes wrong in HTTP/2 alone, in words.
//!
//! The same rule as for HTTP/1: a connection that ends before the answer does is `reset`, one that brings something else than the
//! protocol is `protocol`, and headers beyond the cap are `too_large`.

use h2::Reason as Code;

use super::link::HEADERS;
use crate::model::Reason;
use crate::probe::wire::failure::{self, Fault};

/// What the server, or the library on its account, objected to while `doing` something. `early` says how many bytes came before the
/// headers of the answer were complete.
pub(super) fn broken(error: &h2::Error, early: usize, doing: &str) -> Fault {
    if let Some(error) = error.get_io() {
        return failure::broken(error, doing);
    }
    let code = error.reason().unwrap_or(Code::INTERNAL_ERROR);
    let name = name(code);
    if error.is_remote() {
        return match code {
            Code::HTTP_1_1_REQUIRED => {
                let error = "the server asks for HTTP/1.1: write `http_version: 1.1`";
                Fault::down(Reason::Protocol, error)
            }
            _ if error.is_go_away() => {
                let error = format!("the server went away (GOAWAY, {name}) while {doing}");
                Fault::down(Reason::Reset, error)
            }
            _ => {
                let error = format!("the server reset the stream ({name}) while {doing}");
                Fault::down(Reason::Reset, error)
            }
        };
    }
    // the library refuses long headers and malformed ones alike; Huffman's code shortens no text to less than five eighths
    let is_long = match code {
        Code::PROTOCOL_ERROR => error.is_reset() && early > HEADERS / 2,
        Code::COMPRESSION_ERROR => early > HEADERS,
        Code::ENHANCE_YOUR_CALM => doing.contains("first byte"),
        _ => false,
    };
    if is_long {
        let error = format!("headers beyond {} KiB", HEADERS / 1024);
        return Fault::down(Reason::TooLarge, error);
    }
    let error = format!("the answer is not HTTP/2: {name} while {doing}");
    Fault::down(Reason::Protocol, error)
}

/// RFC 9113 section 7.
fn name(code: Code) -> String {
    format!("{code:?}")
}
