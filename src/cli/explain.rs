//! `kith explain`: the manual page of a diagnostic or reason, the field list, the whole manual.

use std::fmt::Write as _;

use super::{DONE, FAILED, emit};
use crate::diagnostics::{Code, Severity, nearest};
use crate::domain::Reason;
use crate::partner::Rules;

/// The manual page of a diagnostic or reason; the field list; the schemas
#[derive(clap::Args)]
#[command(after_help = "Example: kith explain tie")]
pub(super) struct Args {
    /// A code (CFG-003), a reason (no-patient), `reasons`, `fields`, `all`, or `schema NAME`
    #[arg(value_name = "CODE|fields", required = true, num_args = 1..=2)]
    what: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    let what = args.what.first().map_or("", String::as_str);
    let page = match what {
        "fields" => fields()?,
        "all" => all(),
        "reasons" => reasons(),
        "schema" => super::schema::of(args.what.get(1).map_or("", String::as_str))?,
        _ => match (Code::parse(what), Reason::from_code(what)) {
            (Some(code), _) => page(code),
            (None, Some(reason)) => of_reason(reason),
            (None, None) => {
                let codes = Code::all().map(Code::text);
                let reasons = Reason::ALL.iter().map(|reason| reason.code());
                let hint = nearest(what, codes.chain(reasons))
                    .map_or_else(String::new, |near| format!("; did you mean {near}?"));
                let what = format!("there is no code or reason \"{what}\"{hint}");
                super::say(Some(Severity::Error), &what);
                return Ok(FAILED);
            }
        },
    };
    emit(format_args!("{page}"))?;
    Ok(DONE)
}

fn page(code: Code) -> String {
    format!(
        "{} ({})\n\n{}\n",
        code.text(),
        code.severity().word(),
        code.page().join("\n")
    )
}

/// What a reason means, an example, who does what, and which command.
fn of_reason(reason: Reason) -> String {
    let guide = reason.guide();
    let owner = reason.owner();
    let told = match (reason.now(), reason.quiet()) {
        (true, _) => "told in the same run",
        (false, true) => "nobody has to act",
        (false, false) => "told with the worklist",
    };
    let mut page = format!(
        "{}: {}\n\nWhat it means   {}\nExample         {}\nWhose it is     {} ({}), {told}\nWho does what   {}\nCommand         {}\n",
        reason.code(),
        reason.practice_words(),
        guide.means,
        guide.example,
        owner.code(),
        owner.words(),
        guide.does,
        guide.command(),
    );
    if !reason.partner_words().is_empty() {
        // Writing to a String cannot fail.
        let _ignored = writeln!(page, "The partner reads: {}", reason.partner_words());
    }
    page
}

/// Every reason, a line each.
fn reasons() -> String {
    let line = |reason: Reason| {
        let (code, owner) = (reason.code(), reason.owner().code());
        format!("{code:<24}{owner:<10}{}\n", reason.practice_words())
    };
    Reason::ALL.into_iter().map(line).collect()
}

/// `docs/errors.md`.
fn all() -> String {
    let mut text =
        "# Diagnostics\n\nMade by `kith explain all`; each page is the doc comment of its code.\n"
            .to_owned();
    for code in Code::all() {
        let body = code.page().join("\n");
        let _ignored = write!(
            text,
            "\n## {} ({})\n\n{body}\n",
            code.text(),
            code.severity().word()
        );
    }
    text
}

fn fields() -> anyhow::Result<String> {
    let (rules, _) = Rules::from_texts(&crate::partner::agreement::built_in())
        .map_err(crate::diagnostics::Refused)?;
    let mut text = String::new();
    for field in rules.vocabulary.fields.iter() {
        let prsb = field
            .prsb
            .as_ref()
            .map_or_else(String::new, |heading| format!("  [PRSB: {heading}]"));
        let _ignored = writeln!(
            text,
            "{:<32} {}{prsb}\n{:<32} reads {}",
            field.name,
            field.says,
            "",
            field.elements.all().collect::<Vec<_>>().join(", ")
        );
    }
    Ok(text)
}
