//! How often a server misbehaves, and how: `all=25`, `429=5,drop-after=3`, `all=25,slow=0,no-post-search=100`.

use super::super::routes::Call;
use super::catalogue::{CATALOGUE, CatalogueEntry, FaultKind};
use super::rng::Dice;

/// Shares in per cent.
const PERCENT_MAX: u32 = 100;
/// The most characters of a specification.
const SPEC_CHARACTERS_MAX: usize = 2_000;

/// What share of the requests is struck by what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultSpec {
    all: u32,
    named: Vec<(FaultKind, u32)>,
}

impl FaultSpec {
    /// Reads a specification: `NAME=PERCENT`, separated by commas; empty for none.
    ///
    /// # Errors
    /// A text that says which part is not understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > SPEC_CHARACTERS_MAX {
            return Err("the list of faults is too long".to_owned());
        }
        let mut spec = Self::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, percent) = part
                .split_once('=')
                .ok_or_else(|| format!("{part} has no share: write {part}=PERCENT"))?;
            let percent = percent
                .parse::<u32>()
                .ok()
                .filter(|share| *share <= PERCENT_MAX);
            let percent = percent
                .ok_or_else(|| format!("the share of {name} is not a number from 0 to 100"))?;
            if name == "all" {
                spec.all = percent;
                continue;
            }
            let entry = CATALOGUE.iter().find(|entry| entry.name == name);
            let entry = entry.ok_or_else(|| format!("no fault is called {name}"))?;
            if spec.share(entry.fault).is_some() {
                return Err(format!("{name} is there twice"));
            }
            spec.named.push((entry.fault, percent));
        }
        Ok(spec)
    }

    /// The share that a fault was given by its name.
    pub(super) fn share(&self, fault: FaultKind) -> Option<u32> {
        let held = self.named.iter().find(|(named, _)| *named == fault);
        held.map(|(_, share)| *share)
    }

    /// The faults that strike a request: each named one by its own chance, and one of the mix.
    pub(super) fn draw(&self, call: &Call, dice: &mut Dice) -> Vec<FaultKind> {
        let mut drawn = Vec::new();
        for (fault, share) in &self.named {
            let reaches = fault.entry().is_some_and(|entry| entry.reaches(call));
            if dice.percent(*share) && reaches {
                drawn.push(*fault);
            }
        }
        if dice.percent(self.all) {
            let mix = |entry: &&CatalogueEntry| {
                entry.of_the_mix && self.share(entry.fault).is_none() && entry.reaches(call)
            };
            let mix = CATALOGUE.iter().filter(mix);
            let (general, own): (Vec<&CatalogueEntry>, Vec<&CatalogueEntry>) =
                mix.partition(|entry| entry.general());
            // Half of the strikes are of this kind of request's own faults, which would else be rare.
            let from = if own.is_empty() || dice.percent(50) {
                general
            } else {
                own
            };
            drawn.extend(from.get(dice.below(from.len())).map(|entry| entry.fault));
        }
        drawn
    }
}

/// The catalogue for people.
pub(crate) fn help() -> String {
    let mut text = "Faults, for --faults NAME=PERCENT,…\n\n".to_owned();
    for (of_the_mix, heading) in [
        (
            true,
            "of the mix (all=PERCENT): whoever asks again later gets everything, once",
        ),
        (false, "only where they are named"),
    ] {
        text.push_str(heading);
        text.push('\n');
        for entry in CATALOGUE
            .iter()
            .filter(|entry| entry.of_the_mix == of_the_mix)
        {
            let room = " ".repeat(18_usize.saturating_sub(entry.name.len()));
            text.extend(["  ", entry.name, &room, entry.what, "\n"]);
        }
        text.push('\n');
    }
    text.push_str(
        "A name beside `all` has its own share and is out of the mix. The nth request of a kind (POST Observation, say) has\n\
         the same fate for the same seed. GET [base]/$faults tells which requests were struck; POST [base]/$faults tells\n\
         it too, takes another list as its body and begins a new log; POST [base]/$clock sets the sandbox's clock to the instant in its body. The header\n\
         `X-Sandbox-Faults: off` keeps a request from harm.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_or_its_fault_is_named() {
        for (text, wanted) in [
            ("", Ok((0, None))),
            ("all=25", Ok((25, None))),
            (" all=25 , 429=100 ", Ok((25, Some(100)))),
            ("429=0", Ok((0, Some(0)))),
            ("429", Err("429 has no share: write 429=PERCENT")),
            (
                "429=101",
                Err("the share of 429 is not a number from 0 to 100"),
            ),
            (
                "all=-1",
                Err("the share of all is not a number from 0 to 100"),
            ),
            ("nonsense=1", Err("no fault is called nonsense")),
            ("429=1,429=2", Err("429 is there twice")),
        ] {
            let found = FaultSpec::parse(text);
            let found = found.map(|spec| (spec.all, spec.share(FaultKind::TooManyRequests)));
            assert_eq!(found, wanted.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn names_are_unique_and_explained() {
        let help = help();
        for entry in CATALOGUE {
            assert_eq!(entry.fault.name(), entry.name);
            assert!(
                help.contains(&format!("  {} ", entry.name)),
                "{}",
                entry.name
            );
            let same = CATALOGUE
                .iter()
                .filter(|other| other.name == entry.name || other.fault == entry.fault);
            assert_eq!(same.count(), 1, "{}", entry.name);
        }
    }
}
