//! Says what the parser's syntax errors mean for someone who writes a targets file.

use granit_parser::{ErrorKind, ScanError};

use super::super::report::{Report, Span};

/// Tells one syntax error: what is wrong in plain words, and what usually causes it.
pub fn explain(error: &ScanError, text: &str, report: &mut Report) {
    let mark = error.marker();
    let at = Span {
        offset: mark.byte_offset().unwrap_or(text.len()) as u32,
        line: mark.line() as u32,
        column: mark.col() as u32 + 1,
        length: 1,
    };
    let kind = error.kind();
    if is_tab(kind) {
        return tabs(at, text, report);
    }
    let (message, hint) = plain_words(kind);
    let message = message.map_or_else(|| format!("not valid YAML: {kind}"), str::to_owned);
    report.error(at, message, hint.map(str::to_owned));
}

const fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabNotAllowed
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    )
}

/// Where one line is indented with a tab, most are: name them all, so that they are replaced in one go.
fn tabs(at: Span, text: &str, report: &mut Report) {
    let mut first = None;
    let mut lines = Vec::new();
    let mut offset = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let column = line
            .find(|c| c != ' ')
            .filter(|&column| line[column..].starts_with('\t'));
        match column {
            // the parser points at the text before a tab, which may be a line above
            Some(column) if first.is_none() && number >= at.line => {
                first = Some(Span {
                    offset: (offset + column) as u32,
                    line: number,
                    column: column as u32 + 1,
                    length: 1,
                });
            }
            Some(_) if lines.len() < 10 => lines.push(number.to_string()),
            Some(_) => {
                lines.push("…".to_owned());
                break;
            }
            None => {}
        }
        offset += line.len();
    }
    let mut hint = "indent with spaces".to_owned();
    if !lines.is_empty() {
        hint += "; these lines are indented with tabs as well: ";
        hint += &lines.join(", ");
    }
    report.error(
        first.unwrap_or(at),
        "a tab: YAML is indented with spaces only",
        hint,
    );
}

fn plain_words(kind: &ErrorKind) -> (Option<&'static str>, Option<&'static str>) {
    let (message, hint) = match kind {
        ErrorKind::MappingValueNotAllowed => (
            "a `:` where no value may follow",
            "a text that holds `: ` needs quotes; if it is a key, look at its indentation and at the line above",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            "expected `key: value`",
            "a space must follow the `:`, and a key fits on one line",
        ),
        ErrorKind::ExpectedBlockMappingKey => (
            "expected a key here",
            "the keys of one target stand exactly below each other; a quote inside a text needs quotes around the text",
        ),
        ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::InvalidIndentation
        | ErrorKind::InvalidBlockScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidFlowScalarIndent => (
            "the indentation fits nothing above",
            "the `-` of all targets stand exactly below each other, and so do the keys of one target",
        ),
        ErrorKind::BlockEntryInFlowCollection
        | ErrorKind::PlainScalarStartsWithDashFlowIndicator => (
            "a `-` entry inside `[ ]` or `{ }`",
            "inside brackets values are separated with commas",
        ),
        ErrorKind::InvalidBlockEntryWhitespace => ("a space must follow the `-`", ""),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => (
            "the quote that begins here is never closed",
            "a text that holds an apostrophe needs double quotes",
        ),
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "text after the closing quote",
            "put the whole text between quotes; inside single quotes an apostrophe is doubled: 'it''s'",
        ),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => (
            "an unknown escape after a backslash",
            "inside double quotes a backslash is doubled: \"C:\\\\dir\"; single quotes take it as it is",
        ),
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::ExpectedFlowMappingSeparator => (
            "a bracket is not closed, or a comma is missing",
            "a text that begins with `[` or `{` needs quotes",
        ),
        ErrorKind::InvalidColonPlacement | ErrorKind::FlowMappingValueAdjacentCollection => (
            "a `:` inside brackets where none may stand",
            "is a bracket above not closed? a text that holds `: ` needs quotes",
        ),
        ErrorKind::MisplacedFlowCollectionEnd | ErrorKind::MismatchedFlowCollectionEnd { .. } => {
            ("a closing bracket without its opening one", "")
        }
        ErrorKind::UnexpectedCharacter {
            character: '@' | '`' | '%',
        } => (
            "a text cannot begin with this character",
            "put the text between quotes",
        ),
        ErrorKind::CommentNotSeparated => (
            "a comment needs a space before its `#`",
            "a text that holds `#` needs quotes",
        ),
        ErrorKind::CommentInterceptedScalar => (
            "text goes on below a comment",
            "put the text on one line, between quotes",
        ),
        ErrorKind::RecursionLimitExceeded => (
            "nested too deep",
            "a targets file needs a list of mappings, no more",
        ),
        ErrorKind::BomInsideDocument => (
            "an invisible byte-order mark in the middle of the file",
            "two files were joined: delete the mark",
        ),
        ErrorKind::MissingAnchorOrAliasName => (
            "a text cannot begin with `*` or `&`",
            "put the text between quotes",
        ),
        ErrorKind::UndeclaredTagHandle => (
            "a text cannot begin with `!`",
            "put the text between quotes",
        ),
        _ => return (None, None),
    };
    (Some(message), (!hint.is_empty()).then_some(hint))
}
