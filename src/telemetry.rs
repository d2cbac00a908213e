//! Logs: to standard error, as text or JSON, at the level asked for; never a person's data.
//!
//! Everything that Kith says there goes this way, so that with `--log-format json` every line is one object. Only our own
//! targets go below `warn`, whatever `RUST_LOG` says: HTTP and SQL crates print URLs and statements.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Full, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Scope};
use tracing_subscriber::util::SubscriberInitExt;

/// The target of what is told whatever the level.
const TOLD: &str = "kith::told";
/// Fields that every line has, however long it is.
const ALWAYS: [&str; 4] = ["timestamp", "level", "target", "left_out"];
/// Fields of such an event: what stands on standard error in text, and what the JSON object holds.
const TEXT: &str = "told.text";
const OBJECT: &str = "told.object";

/// The most bytes of a line; what is usual until a config says otherwise.
static LINE_BYTES_MAX: AtomicUsize = AtomicUsize::new(8 << 10);

/// From here on no line of the log is longer than this.
pub(crate) fn set_line_bytes_max(line_bytes_max: usize) {
    LINE_BYTES_MAX.store(line_bytes_max, Ordering::Relaxed);
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For a terminal and the journal.
    Text,
    /// One object a line.
    Json,
}

/// Starts logging; `verbosity` counts `-v`, negative for `-q`.
pub(crate) fn start(format: LogFormat, verbosity: i32) {
    let level = match verbosity {
        i32::MIN..=-1 => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("kith", level);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // Where standard error is gone, nothing more can be said there.
        .log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(targets);
    // A second start (a test in one process) keeps the first.
    let started = match format {
        LogFormat::Text => {
            let lines = TextLines(tracing_subscriber::fmt::format().without_time());
            registry.with(layer.event_format(lines)).try_init()
        }
        LogFormat::Json => {
            let layer = layer.fmt_fields(JsonFields::new()).event_format(JsonLines);
            registry.with(layer).try_init()
        }
    };
    drop(started);
    std::panic::set_hook(Box::new(|info| {
        // The place, never the payload: it may quote what was being worked on.
        let place = info.location().map_or_else(String::new, |place| {
            format!("{}:{}", place.file(), place.line())
        });
        tracing::error!(panic.place = %place, "stopped by a fault of the program at {place}");
    }));
}

/// Tells something whatever the level: `text` as it stands, or one line with what `object` holds, at least a `level` and a
/// `message`.
pub(crate) fn tell(text: &str, object: &Value) {
    tracing::event!(target: TOLD, Level::ERROR, told.text = text, told.object = %object);
}

/// Lines for a terminal; what is told stands as it is.
struct TextLines(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        if event.metadata().target() == TOLD {
            let mut line = JsonLine::default();
            event.record(&mut line);
            text = line.text;
        } else {
            self.0
                .format_event(context, Writer::new(&mut text), event)?;
        }
        let line_bytes_max = LINE_BYTES_MAX.load(Ordering::Relaxed);
        for line in text.split_inclusive('\n') {
            match left_out(line, line_bytes_max) {
                Some(instead) => writeln!(writer, "{instead}")?,
                None => writer.write_str(line)?,
            }
        }
        Ok(())
    }
}

/// One object a line: `timestamp`, `level`, `target`, `message`, and beside them the fields of the event and of its spans.
struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut line = JsonLine::default();
        line.put("timestamp", timestamp);
        line.put("level", event.metadata().level().as_str());
        line.put("target", event.metadata().target());
        let spans = context.event_scope();
        for span in spans.into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<JsonFields>>() {
                line.merge(fields);
            }
        }
        event.record(&mut line);
        let line_bytes_max = LINE_BYTES_MAX.load(Ordering::Relaxed);
        writeln!(writer, "{}", line.within(line_bytes_max))
    }
}

/// What stands in the place of a text of more bytes than these: a text that is cut would be taken for the whole.
fn left_out(text: &str, bytes_max: usize) -> Option<String> {
    let bytes = text.trim_end_matches('\n').len();
    (bytes > bytes_max)
        .then(|| format!("({bytes} bytes left out: longer than [limits] log_line_bytes_max)"))
}

/// A line that is being put together.
#[derive(Default)]
struct JsonLine {
    object: Map<String, Value>,
    /// What stands there in text.
    text: String,
}

impl JsonLine {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.object.insert(name.to_owned(), value.into());
    }

    /// The object in at most these bytes: the longest fields are left out, and that they were is said in their place.
    fn within(mut self, bytes_max: usize) -> String {
        loop {
            let text = serde_json::to_string(&self.object).unwrap_or_default();
            if text.len() <= bytes_max {
                return text;
            }
            let fields = self
                .object
                .iter()
                .filter(|(name, _)| !ALWAYS.contains(&name.as_str()));
            let sizes = fields.map(|(name, value)| (value.to_string().len(), name.clone()));
            let Some((bytes, name)) = sizes.max() else {
                return text;
            };
            let instead = left_out(&"x".repeat(bytes), 0).unwrap_or_default();
            if bytes > instead.len() + 2 {
                self.put(&name, instead);
            } else {
                self.object.remove(&name);
                self.put("left_out", true);
            }
        }
    }

    fn merge(&mut self, json: &str) {
        if let Ok(Value::Object(fields)) = serde_json::from_str(json) {
            self.object.extend(fields);
        }
    }
}

impl Visit for JsonLine {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            OBJECT => self.merge(&format!("{value:?}")),
            name => self.put(name, format!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            TEXT => value.clone_into(&mut self.text),
            name => self.put(name, value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::{self, LOG_LINE_BYTES};

    /// A line of so many bytes; the last field is as long as that needs.
    fn line_of(bytes: usize) -> JsonLine {
        let mut line = JsonLine::default();
        line.put("level", "WARN");
        line.put("message", "a message");
        line.put("what", "");
        let short = Value::Object(line.object.clone()).to_string().len();
        line.put("what", "y".repeat(bytes - short));
        line
    }

    #[test]
    fn a_line_of_the_log_is_no_longer_than_the_limit_and_what_is_left_out_is_said() {
        for bytes_max in [200, LOG_LINE_BYTES.usual, LOG_LINE_BYTES.most] {
            let most = usize::try_from(bytes_max).unwrap();
            limits::holds_at(bytes_max, |bytes| {
                let bytes = usize::try_from(bytes).unwrap();
                let shown = line_of(bytes).within(most);
                assert!(
                    shown.len() <= most && shown.contains("a message"),
                    "{shown}"
                );
                let read: Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(read["level"], "WARN");
                let said = shown.contains("log_line_bytes_max");
                assert_eq!(said, shown.len() != bytes);
                !said
            });
            limits::holds_at(bytes_max, |bytes| {
                let text = format!("{}\n", "y".repeat(usize::try_from(bytes).unwrap()));
                left_out(&text, most).is_none()
            });
        }
        // However small the limit, a line is whole JSON, and says that something is missing.
        let mut many = JsonLine::default();
        many.put("level", "WARN");
        (0..500).for_each(|number| many.put(&format!("field{number}"), number));
        let shown = many.within(100);
        let read: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            (&read["level"], &read["left_out"]),
            (&"WARN".into(), &true.into())
        );
        assert!(shown.len() <= 100, "{shown}");
    }
}
