//! Which cells of a partner's row a new version of the records changes.

use super::{Tokens, changed, facts, row};
use crate::domain::{Action, Reason};
use crate::partner::{DropColumn, Partner};
use crate::pipeline::referral::{ReferralTrees, Setting};

/// `Changed: …`: the headers of the partner's columns whose cells differ between two versions of the records; the
/// setting's rules are those that the partner's file stands in.
///
/// # Errors
/// The reason why the new row cannot be written.
pub(crate) fn changed_headers(
    setting: Setting<'_>,
    partner: &Partner,
    reference: &str,
    (old, new): (&ReferralTrees<'_>, &ReferralTrees<'_>),
    tokens: &Tokens<'_>,
) -> Result<String, Reason> {
    let facts = facts(reference, Action::Amend, "", 0);
    let (old, new) = (old.view(setting, facts), new.view(setting, facts));
    let ours = |column: &DropColumn| {
        column.field().is_some_and(|field| {
            setting
                .rules
                .vocabulary
                .fields
                .field(field)
                .name
                .starts_with("leg.")
        })
    };
    let after = row(partner, &new, tokens).map_err(|problem| problem.reason)?;
    // What was sent once and could not be written today differs in any case, but nobody could say where.
    Ok(match row(partner, &old, tokens) {
        Ok(before) => changed(partner, &before, &after, ours),
        Err(_) => String::new(),
    })
}
