//! The two forms that Prometheus reads: `OpenMetrics` 1.0, and the text format 0.0.4 that every older reader knows.
//!
//! The library writes the first. The second says the same with other words for a family: a counter's carries `_total`, an info's
//! `_info`, a unit has no line, and nothing says that it is the end.

use std::fmt;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    Text,
}

impl Format {
    /// The one that an `Accept` header names first, if it names one: a scrape lists them in the order of its liking.
    pub fn accepted(header: &str) -> Self {
        let named = header.split(',').find_map(|it| {
            let kind = it.split(';').next().unwrap_or_default().trim();
            match kind.to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => Some(Self::OpenMetrics),
                "text/plain" => Some(Self::Text),
                _ => None,
            }
        });
        named.unwrap_or(Self::Text)
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What says that nothing is missing.
    pub(super) const fn end(self) -> &'static str {
        match self {
            Self::OpenMetrics => "# EOF\n",
            Self::Text => "",
        }
    }
}

/// Takes `OpenMetrics` and keeps it in the form that was asked for.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
    /// What came of the present line.
    line: String,
    /// The line before, where it explains what the present one may be the type of.
    help: String,
}

impl Exposition {
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            text: String::new(),
            line: String::new(),
            help: String::new(),
        }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    /// Keeps a whole line in the older form.
    fn line(&mut self) {
        let line = self.line.as_str();
        if line.starts_with("# HELP ") {
            self.help.clear();
            self.help.push_str(line);
        } else if let Some(said) = line.strip_prefix("# TYPE ") {
            let (name, kind) = said.trim_end().split_once(' ').unwrap_or((said, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            let help = self.help.strip_prefix("# HELP ");
            let help = help.and_then(|help| help.split_once(' '));
            if let Some((_, help)) = help.filter(|(of, _)| *of == name) {
                for part in ["# HELP ", name, suffix, " ", help] {
                    self.text.push_str(part);
                }
            }
            for part in ["# TYPE ", name, suffix, " ", kind, "\n"] {
                self.text.push_str(part);
            }
        } else if !line.starts_with('#') {
            self.text.push_str(line);
        }
        self.line.clear();
    }
}

impl fmt::Write for Exposition {
    fn write_str(&mut self, some: &str) -> fmt::Result {
        if self.format == Format::OpenMetrics {
            self.text.push_str(some);
            return Ok(());
        }
        for piece in some.split_inclusive('\n') {
            self.line.push_str(piece);
            if piece.ends_with('\n') {
                self.line();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// As it comes: in pieces of any length.
    fn put(format: Format, open: &str) -> String {
        let mut exposition = Exposition::new(format);
        for piece in open.split_inclusive(' ') {
            exposition.write_str(piece).unwrap();
        }
        exposition.into_text()
    }

    #[test]
    fn the_older_form_names_families_as_their_lines_do() {
        let open = "# HELP a_b What.\n# TYPE a_b counter\na_b_total{x=\"# TYPE\"} 3\n# HELP c Which.\n# TYPE c info\nc_info{v=\"1\"} 1\n\
                    # HELP d_seconds How long.\n# TYPE d_seconds gauge\n# UNIT d_seconds seconds\nd_seconds 0.5\n# EOF\n";
        let text = "# HELP a_b_total What.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE\"} 3\n# HELP c_info Which.\n# TYPE c_info gauge\n\
                    c_info{v=\"1\"} 1\n# HELP d_seconds How long.\n# TYPE d_seconds gauge\nd_seconds 0.5\n";
        assert_eq!(put(Format::Text, open), text);
        assert_eq!(put(Format::OpenMetrics, open), open);
    }

    #[test]
    fn what_a_reader_likes_best_it_gets() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (header, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html, */*;q=0.1", Format::Text),
            ("text/plain", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "Application/OpenMetrics-Text; version=1.0.0",
                Format::OpenMetrics,
            ),
            (prometheus, Format::OpenMetrics),
            (
                "text/plain;version=0.0.4,application/openmetrics-text",
                Format::Text,
            ),
        ] {
            assert_eq!(Format::accepted(header), expected, "{header}");
        }
    }
}
