//! `/metrics` in the requested format: OpenMetrics 1.0.0, or the older text format 0.0.4 of Prometheus.
//!
//! prometheus-client writes OpenMetrics only. The differences are few: in 0.0.4, comments name a counter with its
//! `_total`, there are neither units nor an end mark, and types that it lacks have other names.

use std::fmt::Write as _;

/// A format of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    Text,
    OpenMetrics,
}

impl Exposition {
    /// The format that the values of `Accept` prefer (RFC 9110 section 12.5.1); the text format if they name none or
    /// neither.
    pub fn wanted<'a>(accept: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut text, mut open_metrics) = (0.0, 0.0);
        for range in accept.into_iter().flat_map(|line| line.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let quality = quality.map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0));
            match media_type.as_str() {
                "application/openmetrics-text" => open_metrics = quality.max(open_metrics),
                "text/plain" | "text/*" | "*/*" => text = quality.max(text),
                _ => {}
            }
        }
        // OpenMetrics wins a tie, because a client names it only if it supports it.
        if open_metrics > 0.0 && open_metrics >= text { Exposition::OpenMetrics } else { Exposition::Text }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Exposition::Text => "text/plain; version=0.0.4; charset=utf-8",
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Converts a page in OpenMetrics to this format.
    pub fn of(self, open_metrics: String) -> String {
        match self {
            Exposition::Text => to_text(&open_metrics),
            Exposition::OpenMetrics => open_metrics,
        }
    }
}

fn to_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // HELP comes before TYPE, which decides the name of the metric.
    let mut help = None;
    for line in open_metrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(_), rest) => help = Some(rest.unwrap_or_default()),
            (Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "stateset" => ("", "gauge"),
                    "unknown" | "gaugehistogram" => ("", "untyped"),
                    _ => ("", kind),
                };
                // Writing to a string does not fail.
                if let Some(help) = help.take() {
                    let _ = writeln!(text, "# HELP {name}{suffix} {help}");
                }
                let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
            }
            // UNIT and EOF.
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};

    #[test]
    fn accept_header_selects_the_format() {
        use Exposition::{OpenMetrics, Text};
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, wanted) in [
            (&[][..], Text),
            (&["*/*"], Text),
            (&["text/plain"], Text),
            (&[prometheus], OpenMetrics),
            (&["application/openmetrics-text"], OpenMetrics),
            (&["text/plain;q=0.1", "Application/OpenMetrics-Text; q=0.9"], OpenMetrics),
            (&["application/openmetrics-text;q=0.2, text/plain;q=0.7"], Text),
            (&["application/openmetrics-text;q=0"], Text),
            (&["application/json"], Text),
        ] {
            assert_eq!(Exposition::wanted(accept.iter().copied()), wanted, "{accept:?}");
        }
    }

    #[test]
    fn text_format_names_metrics_as_their_samples() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        registry.register("messages", "Messages", counter.clone());
        registry.register_with_unit("waiting", "How long", Unit::Seconds, Gauge::<i64>::default());
        registry.register("took", "Times", Histogram::new([1.0]));
        registry.register("build", "The program", Info::new([("version", "a\"b")]));
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).expect("encoded");
        assert_eq!(Exposition::OpenMetrics.of(page.clone()), page);
        let expected = "# HELP messages_total Messages.\n# TYPE messages_total counter\nmessages_total 0\n\
                        # HELP waiting_seconds How long.\n# TYPE waiting_seconds gauge\nwaiting_seconds 0\n\
                        # HELP took Times.\n# TYPE took histogram\ntook_sum 0.0\ntook_count 0\n\
                        took_bucket{le=\"1.0\"} 0\ntook_bucket{le=\"+Inf\"} 0\n\
                        # HELP build_info The program.\n# TYPE build_info gauge\nbuild_info{version=\"a\\\"b\"} 1\n";
        assert_eq!(Exposition::Text.of(page), expected);
    }
}
