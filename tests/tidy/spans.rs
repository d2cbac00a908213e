//! What runs beside its caller stays in the span of its run, so that each line it logs has the run's id.

use crate::report;
use crate::source::Source;
use crate::tokens::starts;

/// Modules that have no run: the command line itself, and the made-up GP system.
const WITHOUT_A_RUN: [&str; 2] = ["cli", "sandbox"];

#[test]
fn what_runs_beside_its_caller_keeps_the_span_of_its_run() {
    report(&lost_spans(Source::of_repository()));
}

/// Files in which more is spawned than put into a span.
pub(crate) fn lost_spans(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in &source.files {
        let module = file.module.first().map_or("lib", String::as_str);
        if WITHOUT_A_RUN.contains(&module) {
            continue;
        }
        let (mut spawned, mut kept) = (Vec::new(), 0);
        for at in file.shipped() {
            let called = |name: &str| starts(&file.tokens, at, &[name, "("]);
            if called("spawn") || called("spawn_blocking") {
                spawned.extend(file.tokens.get(at).map(|token| token.line));
            }
            if called("in_current_span") || called("in_scope") {
                kept += 1;
            }
        }
        if let Some(line) = spawned.last().filter(|_| spawned.len() > kept) {
            breaches.push(format!(
                "{}:{line}: work is spawned without its span: a future `.in_current_span()`, a closure `span.in_scope(work)` with `let span = Span::current()` before",
                file.file.display()
            ));
        }
    }
    breaches
}
