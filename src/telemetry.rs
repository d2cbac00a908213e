//! Logs: to standard error, as text or JSON, at the level asked for; never a person's data.
//!
//! Only our own targets go below `warn`, whatever `RUST_LOG` says: HTTP and SQL crates print URLs and statements.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(targets);
    // A second start (a test in one process) keeps the first.
    let started = match format {
        LogFormat::Text => registry.with(layer.without_time()).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
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
