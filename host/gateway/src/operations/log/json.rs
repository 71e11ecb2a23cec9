//! Events as JSON objects, one per line, with the fields beside the message, where log collectors expect them.
//!
//! The JSON format of `tracing-subscriber` neither cuts long values nor supports fields whose names only a transform
//! knows.

use super::lengths::{MAX_MESSAGE, MAX_VALUE, longest};
use super::text::{Unprintable, write_cut};
use ocpp_gateway_pipeline::LogFields;
use serde::ser::{SerializeMap, Serializer as _};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `{"timestamp":…,"level":…,"message":…,FIELD:…,"target":…}`; fields of a transform are an object, `fields`.
pub(super) struct JsonEvents;

impl<S, N> FormatEvent<S, N> for JsonEvents
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let object = object(&timestamp, event).map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", String::from_utf8_lossy(&object))
    }
}

fn object(timestamp: &str, event: &Event<'_>) -> serde_json::Result<Vec<u8>> {
    let mut object = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut object);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", timestamp)?;
    map.serialize_entry("level", event.metadata().level().as_str())?;
    let mut visitor = JsonVisitor { map, target: None, result: Ok(()) };
    event.record(&mut visitor);
    let JsonVisitor { mut map, target, result } = visitor;
    result?;
    map.serialize_entry("target", target.as_deref().unwrap_or(event.metadata().target()))?;
    map.end()?;
    Ok(object)
}

struct JsonVisitor<M: SerializeMap> {
    map: M,
    /// The target of a record of the `log` crate.
    target: Option<String>,
    result: Result<(), M::Error>,
}

impl<M: SerializeMap> JsonVisitor<M> {
    fn write<T: serde::Serialize + ?Sized>(&mut self, field: &Field, value: &T) {
        if self.result.is_ok() {
            self.result = self.map.serialize_entry(field.name().trim_start_matches("r#"), value);
        }
    }

    fn write_text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if field.name().starts_with("log.") {
            if field.name() == "log.target" {
                self.target = Some(cut(value, longest(field.name())));
            }
            return;
        }
        self.write(field, &cut(value, longest(field.name())));
    }
}

impl<M: SerializeMap> Visit for JsonVisitor<M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // The line of a record of the `log` crate.
        if !field.name().starts_with("log.") {
            self.write(field, &value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write_text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let Some(fields) = value.downcast_ref::<LogFields>() else {
            return self.write_text(field, format_args!("{value}"));
        };
        // Values of one name are joined. Some readers refuse an object with duplicate names, others lose a value.
        let texts = fields
            .iter()
            .map(|(name, value)| (cut(format_args!("{name}"), MAX_VALUE), cut(format_args!("{value}"), MAX_MESSAGE)));
        let mut object = BTreeMap::<_, Vec<_>>::new();
        texts.for_each(|(name, value)| object.entry(name).or_default().push(value));
        let object: BTreeMap<_, _> = object.into_iter().map(|(name, values)| (name, values.join(" "))).collect();
        self.write(field, &object);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write_text(field, format_args!("{value:?}"));
    }
}

fn cut(value: fmt::Arguments<'_>, most: usize) -> String {
    let mut text = String::new();
    // Writing to a string does not fail. A value that cannot be formatted ends where it fails.
    let _ = write_cut(&mut text, value, most, Unprintable::Keep);
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::written;
    use super::*;
    use serde_json::Value;
    use tracing::info;

    fn objects(event: impl FnOnce()) -> Vec<Value> {
        let text = written(tracing_subscriber::fmt::layer().event_format(JsonEvents), event);
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    #[test]
    fn fields_of_a_transform_are_an_object() {
        let pairs = [("code", "7\n"), ("kind", "a"), ("kind", "b")];
        let fields = LogFields::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let lines = objects(|| {
            info!(target: "transform", charge_point = %"CP1", count = 2, fields = &fields as &(dyn Error + 'static), "said");
        });
        assert_eq!(lines[0]["fields"], serde_json::json!({"code": "7\n", "kind": "a b"}));
        assert_eq!((&lines[0]["message"], &lines[0]["level"]), (&"said".into(), &"INFO".into()));
        assert_eq!((&lines[0]["charge_point"], &lines[0]["count"]), (&"CP1".into(), &2.into()));
        assert_eq!(lines[0]["target"], "transform");
        assert!(lines[0]["timestamp"].is_string());
    }

    #[test]
    fn long_values_are_cut_and_short_ones_are_unchanged() {
        let long = "\u{1}".repeat(45_000);
        let lines = objects(|| info!(action = long, charge_point = %long, id = "\n\x1b", "{long}"));
        let length = |name: &str| lines[0][name].as_str().expect("text").chars().count();
        assert_eq!([length("action"), length("charge_point"), length("message")], [513, 513, 4097]);
        assert_eq!(lines[0]["id"], "\n\x1b");
    }
}
