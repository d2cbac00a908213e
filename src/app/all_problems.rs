//! What `kith check` says where config or mappings cannot be used: the problems of later steps with those of earlier ones.

use std::path::Path;

use super::open::{load_config, load_rules};
use crate::diagnostics::{Diagnostic, Refused};
use crate::domain::Limits;
use crate::partner::Rules;

/// Every problem of config and mappings, also where one stage cannot be entered for those of an earlier one.
pub(crate) fn all_problems(file: &Path) -> Vec<Diagnostic> {
    match load_config(file) {
        Ok((config, found)) => {
            let mut found = match load_rules(&config, found) {
                Ok((_, found)) | Err(Refused(found)) => found,
            };
            found.extend(config.check_places());
            found
        }
        Err(Refused(mut found)) => {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            let home = file.parent().and_then(Path::parent);
            let mappings = home.map(|home| home.join("mappings"));
            // A config that cannot be read says nothing of its limits nor of another folder.
            if let Some(mappings) = mappings.filter(|folder| folder.is_dir()) {
                match Rules::load(&mappings, &Limits::default()) {
                    Ok((_, more)) | Err(more) => found.extend(more),
                }
            }
            found
        }
    }
}
