//! What an export holds: a hash of type and id, and the place of the line; 16 bytes a resource, so that millions fit.
//!
//! In: lines with their places. Out: requests in the order in which they came, and records by id or NHS number. A hash
//! only narrows down: what is found is looked at again before it is taken.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;

use super::spool::{Place, Spool};
use crate::fhir::resources::bundle::content;
use crate::fhir::resources::operation_outcome::says_incomplete;
use crate::fhir::resources::version::age_order;
use crate::fhir::resources::{patient, resource};
use crate::json::{Arena, Json};
use crate::store::rows::RawKind;

/// The types that a referral is made of.
const KINDS: [RawKind; 7] = [
    RawKind::ServiceRequest,
    RawKind::Patient,
    RawKind::Practitioner,
    RawKind::PractitionerRole,
    RawKind::Organization,
    RawKind::Consent,
    RawKind::HealthcareService,
];

/// Hash and place.
type Row = (u64, Place);

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A resource we need.
    Kept,
    /// A resource of another type: not spooled.
    Other,
    /// A word about the export itself; whether something is missing.
    Outcome { missing: bool },
    /// No JSON, or no resource with an id.
    Unreadable,
}

/// The index of an export.
#[derive(Default)]
pub(super) struct Index {
    hasher: RandomState,
    requests: Vec<Row>,
    records: Vec<Row>,
    /// By NHS number.
    numbers: Vec<Row>,
    /// Resources kept, by type.
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) others: u64,
    /// Requests whose id came again with newer content.
    pub(super) superseded: u64,
}

/// How far an index had come: a file that breaks off is begun again from there.
pub(super) struct Mark {
    lengths: [usize; 3],
    kinds: BTreeMap<&'static str, u64>,
    others: u64,
}

impl Index {
    /// Looks at a line, and spools it if it is needed.
    ///
    /// # Errors
    /// The spool fails.
    pub(super) fn take(&mut self, line: &[u8], spool: &mut Spool) -> io::Result<Taken> {
        let arena = Arena::for_bytes(line.len());
        let Ok(tree) = Json::parse(line, &arena) else {
            return Ok(Taken::Unreadable);
        };
        let Some(name) = resource::resource_type(&tree) else {
            return Ok(Taken::Unreadable);
        };
        match name {
            "OperationOutcome" => {
                let missing = says_incomplete(&tree);
                return Ok(Taken::Outcome { missing });
            }
            // They may hold what we need, and no export should have them.
            "Bundle" | "Parameters" => return Ok(Taken::Unreadable),
            _ => {}
        }
        let Some(kind) = KINDS.into_iter().find(|kind| kind.resource_type() == name) else {
            self.others += 1;
            return Ok(Taken::Other);
        };
        let Some(id) = resource::id(&tree) else {
            return Ok(Taken::Unreadable);
        };
        let place = spool.add(line)?;
        *self.kinds.entry(kind.resource_type()).or_default() += 1;
        let row = (self.hash(kind, id), place);
        if kind == RawKind::ServiceRequest {
            self.requests.push(row);
            return Ok(Taken::Kept);
        }
        self.records.push(row);
        if kind == RawKind::Patient {
            for number in patient::every_nhs_number(&tree) {
                self.numbers
                    .push((self.hasher.hash_one(number.as_ref()), place));
            }
        }
        Ok(Taken::Kept)
    }

    /// Where the index stands now.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            lengths: [self.requests.len(), self.records.len(), self.numbers.len()],
            kinds: self.kinds.clone(),
            others: self.others,
        }
    }

    /// Forgets what came after a mark.
    pub(super) fn back_to(&mut self, mark: Mark) {
        let [requests, records, numbers] = mark.lengths;
        self.requests.truncate(requests);
        self.records.truncate(records);
        self.numbers.truncate(numbers);
        self.kinds = mark.kinds;
        self.others = mark.others;
    }

    /// Makes the index ready for reading: of several versions of one resource the newest stands.
    ///
    /// # Errors
    /// The spool fails.
    pub(super) fn finish(&mut self, spool: &mut Spool) -> io::Result<()> {
        spool.write()?;
        let came = self.requests.len();
        keep_newest(&mut self.requests, spool)?;
        self.superseded = (came - self.requests.len()) as u64;
        self.requests.sort_unstable_by_key(|(_, place)| *place);
        keep_newest(&mut self.records, spool)?;
        self.numbers.sort_unstable();
        self.numbers.shrink_to_fit();
        Ok(())
    }

    /// How many requests there are.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Places of requests, in the order in which they came.
    pub(super) fn requests(&self, from: usize, count: usize) -> impl Iterator<Item = Place> {
        let rows = self.requests.iter().skip(from).take(count);
        rows.map(|(_, place)| *place)
    }

    /// Places of records, in no order that means anything.
    pub(super) fn records(&self, from: usize, count: usize) -> impl Iterator<Item = Place> {
        let rows = self.records.iter().skip(from).take(count);
        rows.map(|(_, place)| *place)
    }

    /// How many records there are.
    pub(super) fn records_len(&self) -> usize {
        self.records.len()
    }

    /// A record by type and id.
    ///
    /// # Errors
    /// The spool fails.
    pub(super) fn find(
        &self,
        kind: RawKind,
        id: &str,
        spool: &Spool,
    ) -> io::Result<Option<(Place, Vec<u8>)>> {
        for place in with_hash(&self.records, self.hash(kind, id)) {
            let bytes = spool.read(place)?;
            if is(&bytes, kind, id) {
                return Ok(Some((place, bytes)));
            }
        }
        Ok(None)
    }

    /// Id of the one Patient with this NHS number; `None` of none, and of several.
    ///
    /// # Errors
    /// The spool fails.
    pub(super) fn patient_with(&self, number: &str, spool: &Spool) -> io::Result<Option<String>> {
        let mut found: Option<String> = None;
        for place in with_hash(&self.numbers, self.hasher.hash_one(number)) {
            let bytes = spool.read(place)?;
            let arena = Arena::default();
            let Ok(tree) = Json::parse(&bytes, &arena) else {
                continue;
            };
            let Some(id) = resource::id(&tree) else {
                continue;
            };
            let numbers = patient::every_nhs_number(&tree);
            if !numbers.iter().any(|known| known == number) {
                continue;
            }
            if found.as_deref().is_some_and(|other| other != id) {
                return Ok(None);
            }
            found = Some(id.to_owned());
        }
        Ok(found)
    }

    fn hash(&self, kind: RawKind, id: &str) -> u64 {
        self.hasher.hash_one((kind, id))
    }
}

fn is(bytes: &[u8], kind: RawKind, id: &str) -> bool {
    Json::parse(bytes, &Arena::for_bytes(bytes.len())).is_ok_and(|tree| {
        let name = resource::resource_type(&tree);
        name == Some(kind.resource_type()) && resource::id(&tree) == Some(id)
    })
}

fn with_hash(rows: &[Row], hash: u64) -> impl Iterator<Item = Place> {
    let from = rows.partition_point(|(other, _)| *other < hash);
    rows.iter()
        .skip(from)
        .take_while(move |(other, _)| *other == hash)
        .map(|(_, place)| *place)
}

/// Sorts by hash; of rows about one resource only the one that was updated last stays, the later of two alike.
fn keep_newest(rows: &mut Vec<Row>, spool: &Spool) -> io::Result<()> {
    rows.sort_unstable();
    rows.shrink_to_fit();
    let mut kept = 0;
    let mut from = 0;
    while from < rows.len() {
        let hash = rows[from].0;
        let alike = rows[from..]
            .iter()
            .take_while(|(other, _)| *other == hash)
            .count();
        let places: Vec<Place> = rows[from..from + alike]
            .iter()
            .map(|(_, place)| *place)
            .collect();
        let newest = if alike == 1 {
            places
        } else {
            newest(&places, spool)?
        };
        for place in newest {
            rows[kept] = (hash, place);
            kept += 1;
        }
        from += alike;
    }
    rows.truncate(kept);
    Ok(())
}

/// Of these lines, the newest of each id. Of records that differ and do not say which is the newer none is taken: they are
/// asked for by their id. Of such requests the later stands.
fn newest(places: &[Place], spool: &Spool) -> io::Result<Vec<Place>> {
    let mut by_id: BTreeMap<(String, String), (Vec<u8>, Place, bool)> = BTreeMap::new();
    for place in places {
        let bytes = spool.read(*place)?;
        let arena = Arena::default();
        let Ok(tree) = Json::parse(&bytes, &arena) else {
            continue;
        };
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let key = (
            text(resource::resource_type(&tree)),
            text(resource::id(&tree)),
        );
        let request = key.0 == "ServiceRequest";
        let Some((known, at, unsure)) = by_id.get_mut(&key) else {
            by_id.insert(key, (bytes, *place, false));
            continue;
        };
        let known_arena = Arena::default();
        let order = Json::parse(known, &known_arena)
            .ok()
            .and_then(|known| age_order(&known, &tree));
        let alike = content(known) == content(&bytes);
        let newer = match order {
            Some(Ordering::Less) => true,
            Some(Ordering::Greater) => false,
            _ => request || alike,
        };
        let undecided = !alike && !matches!(order, Some(Ordering::Less | Ordering::Greater));
        *unsure |= undecided && !request;
        if newer {
            (*known, *at) = (bytes, *place);
        }
    }
    let sure = by_id.into_values().filter(|(.., unsure)| !unsure);
    let mut newest: Vec<Place> = sure.map(|(_, place, _)| place).collect();
    newest.sort_unstable();
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::resources::bundle::Head;

    fn line(kind: &str, id: &str, updated: &str, rest: &str) -> Vec<u8> {
        format!(
            r#"{{"resourceType":"{kind}","id":"{id}","meta":{{"lastUpdated":"{updated}"}}{rest}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn the_newest_of_each_stands_whatever_the_order_and_a_broken_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path(), [3; 32]).unwrap();
        let mut index = Index::default();
        let number = r#","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]"#;
        let mut take = |index: &mut Index, line: &[u8]| index.take(line, &mut spool).unwrap();
        assert_eq!(
            take(&mut index, &line("Patient", "p", "2026-02", number)),
            Taken::Kept
        );
        let mark = index.mark();
        assert_eq!(
            take(&mut index, &line("ServiceRequest", "lost", "2026", "")),
            Taken::Kept
        );
        index.back_to(mark);
        take(&mut index, &line("ServiceRequest", "a", "2026-03", ""));
        take(&mut index, &line("ServiceRequest", "b", "2026-01", ""));
        take(&mut index, &line("ServiceRequest", "a", "2026-02", ""));
        take(&mut index, &line("Patient", "p", "2026-01", number));
        assert_eq!(
            take(&mut index, &line("Observation", "o", "2026", "")),
            Taken::Other
        );
        for bad in [&b"<html>"[..], b"{}", br#"{"resourceType":"Patient"}"#] {
            assert_eq!(take(&mut index, bad), Taken::Unreadable);
        }
        index.finish(&mut spool).unwrap();
        let ids: Vec<String> = index
            .requests(0, 9)
            .map(|place| {
                Head::of(&spool.read(place).unwrap())
                    .id
                    .unwrap()
                    .into_owned()
            })
            .collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!((index.superseded, index.others, index.len()), (1, 1, 2));
        let (_, found) = index.find(RawKind::Patient, "p", &spool).unwrap().unwrap();
        assert!(String::from_utf8(found).unwrap().contains("2026-02"));
        assert!(index.find(RawKind::Consent, "p", &spool).unwrap().is_none());
        assert_eq!(
            index.patient_with("9990000018", &spool).unwrap().as_deref(),
            Some("p")
        );
        assert_eq!(index.patient_with("9990000026", &spool).unwrap(), None);
    }
}
