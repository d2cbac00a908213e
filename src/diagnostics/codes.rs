//! Every diagnostic Kith can raise. A variant's doc comment is its manual page: `kith explain` and `docs/errors.md` print it.
//! The blank lines after the first line and before `Fix` may be left out here to keep the file short; they are printed all the same.

/// The code of a diagnostic; never reused, never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Code {
    /// the config file cannot be read
    /// Kith needs `config/kith.toml` (or the file named with `--config`) to know its sources, partners and store.
    /// Fix (it): Name the file with `--config`, or make a new installation with `kith init DIR`.
    ConfigUnreadable,
    /// a file is not valid TOML
    /// The file could not be read at all, so nothing in it is in force.
    /// Fix (it): Correct the place named; strings need quotes, tables need `[name]`.
    ConfigSyntax,
    /// a key is not known
    /// A misspelt key would silently change nothing, so unknown keys are errors. The nearest known key is named.
    /// Fix (it): Correct the spelling, or remove the key.
    UnknownKey,
    /// a required key is missing
    /// Without this key the section cannot work.
    /// Fix (it): Add the key named to the section at the line named; `kith init DIR` writes an example of every section, `kith partner new ID` one of a partner file.
    MissingKey,
    /// a value has the wrong type
    /// The key is known, but its value is of another kind than the key takes.
    /// Fix (it): Write the value as the message says.
    WrongType,
    /// a value is not one of those allowed
    /// The key is known, but the value cannot be used.
    /// Fix (it): Use one of the values named.
    BadValue,
    /// two entries have the same id
    /// Ids name sources, partners, transports and commissioners everywhere; each must be one of a kind.
    /// Fix (it): Rename one of the two.
    DuplicateId,
    /// an id names nothing that exists
    /// An entry refers to a transport, commissioner or instrument that is not configured.
    /// Fix (it): Correct the id, or add the entry it names.
    UnknownId,
    /// a secret cannot be read
    /// Secrets are named in the config and live in a file or an environment variable; the one named is absent, empty or too open.
    /// Fix (it): Create the file with mode 0600, or set the variable.
    SecretUnreadable,
    /// an address is not allowed
    /// Plain HTTP is allowed to this machine only: anything else would send patient data unencrypted.
    /// Fix (it): Use an `https://` address.
    InsecureAddress,
    /// a schedule never comes due or cannot be read
    /// A stage whose schedule never comes due would never run, and nobody would notice.
    /// Fix (it): Write crontab's five fields, for example `0 6 * * MON-FRI`.
    ScheduleNever,
    /// a source has no safety contact
    /// A worry about somebody's safety would have nobody to go to.
    /// Fix (practice): Add `safety = [{ name = "…", email = "…" }]` to the source.
    NoSafetyContact,
    /// a folder does not exist
    /// A pull folder that does not exist yields nothing, which looks like a quiet night.
    /// Fix (it): Create the folder, or correct the path.
    FolderMissing,
    /// a setting belongs to a part that this version does not have
    /// Kith refuses what it cannot do rather than ignore it.
    /// Fix (it): Use one of the values named, or a version that has the part.
    NotYetBuilt,
    /// the folder with keys and data can be read by others
    /// Home is 0750 and `var` 0700: else other users of the machine could read the exchange files.
    /// Fix (it): Run `chmod 750` on home, `chmod 700` on `var`.
    HomeTooOpen,
    /// no retention period is set
    /// How long a closed person's data is kept is the controller's decision, so there is no default.
    /// Fix (ig): Set `[retain] person_years`.
    RetentionUnset,
    /// a secret, key or certificate cannot be used
    /// It can be read, but it is not what it is named for: a key of another kind, a certificate that is not PEM, a password with a line break.
    /// Fix (it): Put the right file in its place. ES384 needs a P-384 key, RS384 and RS512 an RSA key of 2,048 bits or more, without a password.
    SecretUnusable,
    /// a partner's id is not its file's name
    /// The id is the file's name, so that a partner is found at once.
    /// Fix (it): Rename the file or the id.
    PartnerIdMismatch,
    /// a column, criterion or file name reads what `[share]` does not allow
    /// Nothing may leave that the agreement's list does not name; this is decided from the file alone, not by trust.
    /// Fix (ig): Add the field to `[share] fields` if the agreement covers it, else remove the column.
    ShareViolation,
    /// a field is not in the field list
    /// `from` takes names of one closed list; `kith explain fields` prints it.
    /// Fix (it): Use the name given, or a name of the list.
    UnknownField,
    /// a `FHIRPath` expression cannot be used
    /// What the engine does not support is refused when the file is loaded, never a silent blank.
    /// Fix (it): Correct the expression at the column named.
    BadExpression,
    /// what an expression reads cannot be decided
    /// An expression that could read anything cannot be held against the agreement.
    /// Fix (ig): Name the elements, for example `%patient.extension('…')`.
    ShareUndecidable,
    /// a column needs exactly one of from, fhirpath or text
    /// A column with no source is always blank; with two it is ambiguous.
    /// Fix (it): Keep one of the three.
    ColumnSource,
    /// a code file cannot be used
    /// A code file is CSV with a header and two columns; a code that appears twice has two answers.
    /// Fix (it): Correct the file at the line named.
    CodesUnreadable,
    /// a code list does not cover every value
    /// A value without a word would be held or blank on the day it first comes.
    /// Fix (it): Add the values named, or say what to do with `unmapped`.
    CodesIncomplete,
    /// no column carries the reference
    /// Without `leg.reference` nothing that comes back can be matched.
    /// Fix (it): Add a column with `from = "leg.reference"`, or name the column in `[collect] reference`.
    NoReferenceColumn,
    /// two columns have the same header
    /// A return could not tell them apart.
    /// Fix (it): Rename one of the two.
    DuplicateHeader,
    /// the file name has no {sequence}
    /// Two drops of one day would overwrite each other.
    /// Fix (it): Use `referrals_{date}_{sequence}.csv`.
    FileNameSequence,
    /// a file name has a placeholder that is not allowed
    /// File names hold dates and sequences only: they are seen by everyone on the way.
    /// Fix (it): Use `{date}`, `{sequence}` and `{partner}`.
    FileNameField,
    /// implied consent needs `care_provider = true`
    /// Consent may be implied only where the partner provides care (`safety.md` §4).
    /// Fix (ig): Set `care_provider = true` if it is true, else `consent = "required"`.
    ImpliedConsent,
    /// a layout with neither check nor identity column
    /// A sorted column could put one person's outcome into another's record, and nothing would show it.
    /// Fix (it): Add a column with `from = "leg.check"` or a patient field, or set `[collect] unguarded = "hold-all"`.
    NoGuard,
    /// no column says what a row asks for
    /// A stop could not be told from a new referral; such rows go in a separate notice file.
    /// Fix (it): Add a column with `from = "leg.action"`.
    NoActionColumn,
    /// an instrument is not in the catalogue
    /// A measure is built from the catalogue, never from a template.
    /// Fix (it): Use an id of `mappings/instruments`, or add the instrument there.
    UnknownInstrument,
    /// a file or date pattern cannot be used
    /// The pattern would match nothing, or everything.
    /// Fix (it): Correct the pattern as the message says.
    BadPattern,
    /// returns have no concern column
    /// A worry about somebody's safety has no place in the sheet.
    /// Fix (practice): Add a concern column with the partner when this version reads it.
    NoConcernColumn,
    /// a column may cut a text short
    /// A cut text can lose its meaning; it ends in […] so that the reader sees it.
    /// Fix (it): Prefer `too_long = "hold"`.
    TruncatedText,
    /// the referral code is used where it must not be
    /// SNOMED CT 871731000000106 counts referrals nationally; used for anything else it inflates the count.
    /// Fix (it): Use another code.
    ForbiddenSnomed,
    /// unmapped = "blank" on a column about safety
    /// A blank risk, interpreter or contact cell reads as "nothing to know".
    /// Fix (it): Use `unmapped = "hold"`.
    UnsafeUnmapped,
    /// a text has a placeholder
    /// `text`, `default`, `unmapped`, `join`, headers and the words of `codes` are written as they stand. A placeholder in them would reach the partner as braces, and if it ever meant a value it would be one that `[share]` does not see.
    /// Fix (it): Use a column with `from` or `fhirpath` for what is of the record.
    TextPlaceholder,
    /// an expression is shared by the name of a field
    /// To a column with `from` the name means the one value that the field's rule chooses; to an expression it means the whole element, old addresses and former names among it.
    /// Fix (ig): Use `from` if the field says enough; else give the expression a share entry of its own, as narrow as it can be, for example `patient.name.suffix`.
    SharedByField,
    /// a rule can never apply
    /// Something in the file has no effect, or lets nobody through: what it was meant for does not happen, and nothing would show it.
    /// Fix (it): Correct the rule named, or take it out.
    NeverApplies,
    /// one value has two answers
    /// Two rules of a return read the same cell and would tell two different things, or the same thing twice.
    /// Fix (it): Keep one of the two.
    TwoAnswers,
    /// an activity is not in the list
    /// A referral for this activity is found only if the practice's system uses exactly this name in `<namespace>/CodeSystem/activity`; a misspelt name is never found.
    /// Fix (it): Correct the spelling, or add the activity to `codes/activities.csv`.
    UnlistedActivity,
    /// a partner can never be chosen
    /// Whenever its criteria hold, another partner's of the same kind hold too, and that one has the same or a higher priority. Only a referral that names the partner reaches it.
    /// Fix (it): Raise `priority`, or narrow the other's criteria.
    NeverChosen,
    /// an agreement has ended
    /// After `[share] expires_on` nothing new goes to the partner.
    /// Fix (ig): Renew the agreement and the day, or close the partner.
    AgreementEnded,
    /// a partner file allows more than was approved
    /// `[share]` or `[deliver]` shows more, `[select]` takes more people, or drops would go elsewhere. Nothing new is sent; changes go by the approved version, stops always.
    /// Fix (ig): Look at what is wider and run `kith partner approve ID --by NAME --because "…"`, or take it back.
    AwaitsApproval,
    /// an approval needs somebody else than the writer
    /// `[partner] changed_by` says who wrote the version; what it widens is looked at by a second person.
    /// Fix (ig): Let somebody else run `kith partner approve ID --by NAME --because "…"`; if the file does not say who changed it, write `changed_by = "NAME"` into `[partner]`.
    ApprovedByWriter,
    /// there is nothing to approve
    /// The first version of a partner file, and one that allows no more than before, need nobody.
    /// Fix (ig): Nothing; `kith status` names the files that wait.
    NothingToApprove,
    /// a partner goes on by the last good version of its file
    /// Its file has a fault, which is named beside. A live partner must not wait for that, so the last version that a run has recorded is in
    /// force for it; the others are as they were.
    /// Fix (it): Correct the file; `kith check` shows every fault of it.
    PartnerStandsIn,
    /// a partner is left out
    /// Its file has a fault, which is named beside, and no run has recorded an earlier version of it: nothing is sent to this partner, and
    /// nothing is read from it. The others are as they were.
    /// Fix (it): Correct the file; `kith check` shows every fault of it.
    PartnerLeftOut,
    /// an example of a partner comes out otherwise
    /// `kith check --fixtures` maps the made-up referrals of `mappings/partners/ID.examples/NAME.ndjson` and compares each cell with `NAME.csv`; line and column are those of the CSV.
    /// Fix (it): Correct the partner file; if the agreement has changed, correct the example.
    ExampleDiffers,
    /// a placeholder of a draft is left in a file
    /// `kith partner new` writes `"?"` where only a person can know. In shadow nothing goes out by the file, so it may stay for a while; live it is an error.
    /// Fix (it): Put in what the line asks for, or take out a column that is the partner's own.
    Placeholder,
    /// a file or line is not JSON
    ///
    /// It cannot be read as a FHIR resource; the rest of the input goes on.
    ///
    /// Fix (it): Ask the system that made the extract for a new one.
    Unreadable,
    /// JSON that is no FHIR resource
    ///
    /// Kith reads resources and Bundles; this has no resourceType it could use.
    ///
    /// Fix (it): Remove the file from the folder, or correct the extract.
    NotAResource,
    /// a resource breaks a rule of FHIR that Kith relies on
    ///
    /// Without it the referral cannot be told apart or routed.
    ///
    /// Fix (practice): The practice's system must send the element named.
    BadResource,
    /// a GP system could not be reached
    ///
    /// Nothing was read from it, so this pull proves nothing about it; the next one reads the same window again.
    ///
    /// Fix (it): See that the server runs and that this machine reaches the host and port named; `kith check --online` tries each step.
    SourceUnreachable,
    /// a GP system refused the search
    ///
    /// The pull is not complete.
    ///
    /// Fix (it): See the status named; sign-in and search parameters are the usual causes.
    SourceRefused,
    /// a search or an export ended before it was whole
    ///
    /// What was read is kept; the high mark does not move, so the window is read again.
    ///
    /// Fix (it): Run again; if it stays, tell the GP system's supplier.
    PagesIncomplete,
    /// a next page points to another server
    ///
    /// Following it would send credentials or people's data to a stranger.
    ///
    /// Fix (it): The GP system must give its own address in `next` links.
    ForeignLink,
    /// a referenced resource could not be found
    ///
    /// The referral is held until the record can be found.
    ///
    /// Fix (practice): The practice's system must include it or let it be read.
    Unresolved,
    /// a GP system gives what it was not asked for
    ///
    /// Most of what came has another code or lies outside the window, so the search is not what the server answers. What matched is kept; the high mark does not move.
    ///
    /// Fix (it): The GP system must support the search parameters `code` and `_lastUpdated`; see `kith check --online`, or use an extract folder.
    NotMatching,
    /// a source says itself that something is missing
    /// An `OperationOutcome` of severity error or fatal, or of code `incomplete`; an answer to a part that failed; a saved page that leads to one that is not there; fewer matches than the server counted. What came is taken in, and the certificate is not `complete`.
    /// Fix (it): Have the extract made again, with every page; ask the GP system's supplier where it says so again.
    ExtractIncomplete,
    /// a folder of extracts holds something that is not read
    /// Read are `.json`, `.ndjson`, `.jsonl` and their `.gz`, in folders below too; links are not followed. What else may hold resources is not passed over in silence: the certificate is not `complete` while it lies there.
    /// Fix (it): Unpack or convert it, give it its ending once it is whole, put the file there instead of a link, or take it away.
    ExtractUnread,
    /// the GP system's clock and ours differ
    ///
    /// Windows follow the server's time; a clock that jumps can hide a change until the weekly sweep.
    ///
    /// Fix (it): Set both machines' clocks by a time server.
    ClockSkew,
    /// a GP system does not say what time it has
    ///
    /// The next window begins by this machine's clock, less the overlap.
    ///
    /// Fix (it): The GP system should send a `Date` header.
    NoServerTime,
    /// the weekly sweep found referrals that no pull had seen
    ///
    /// They are taken in now. The GP system made them visible late, or without a new `meta.lastUpdated`.
    ///
    /// Fix (it): Widen `overlap_minutes` of the source; if it stays, tell the GP system's supplier.
    SweepFound,
    /// the weekly sweep could not be finished
    ///
    /// What the window brought is not in doubt; the sweep is tried again in the next run.
    ///
    /// Fix (it): Nothing, unless it stays; then ask whether the GP system can search `ServiceRequest` by `authored`.
    SweepUnfinished,
    /// no referral comes from a source where many are usual
    ///
    /// By the four weeks before, five or more should have come on the working days since the last one. Bank holidays are not known to this rule.
    ///
    /// Fix (practice): Ask whether referrals are still coded as before, and whether the GP system still shows them to Kith.
    QuietSource,
    /// the clock is behind the last recorded event
    ///
    /// Times in the ledger never go back; the later time is used.
    ///
    /// Fix (it): Correct the machine's clock.
    ClockBehind,
    /// a GP system's certificate cannot be trusted
    ///
    /// It has expired, is for another host name, or comes from an authority that this machine does not trust. Nothing was sent. There is no switch to go on all the same.
    ///
    /// Fix (it): Have the certificate renewed, correct the address, or name the authority with `auth = { …, mtls = { ca = { file = "…" } } }`.
    ServerCertificate,
    /// no secure connection to a GP system could be made
    ///
    /// The server refused the handshake, wants a client certificate, does not take ours, or does not speak TLS at this address.
    ///
    /// Fix (it): Check address and port; where the server wants a client certificate set `mtls = { cert, key }` in `auth`.
    NoSecureConnection,
    /// no token could be had
    ///
    /// The token server does not know the client or its key, or the GP system does not say where tokens are given. The GP system itself was not asked.
    ///
    /// Fix (it): Compare `client_id`, `kid` and key with what is registered, and `token_url` with the supplier's page.
    SignInFailed,
    /// a scope that was asked for is not granted
    ///
    /// The token server refuses it, or gives a token without it. The GP system would refuse part of the work, or answer a search as if there were nothing.
    ///
    /// Fix (it): Have the scope named added to the client's registration, or take it out of `scopes` if it is not needed.
    ScopeMissing,
    /// a GP system did not accept the credentials
    ///
    /// With status 401 they are wrong or have ended, also after one new token; with 403 they are known and may not do this.
    ///
    /// Fix (it): Put the right password, token or key in place, or have the permission added at the GP system.
    NotAuthorised,
    /// a GP system's answer is not FHIR
    ///
    /// A login page, a proxy's page or an error page came in its place.
    ///
    /// Fix (it): Check `base_url`, and whether a proxy or sign-in page stands in between.
    NotFhir,
    /// an answer is beyond the limits
    ///
    /// It was not read further: an answer without end would take all memory.
    ///
    /// Fix (it): Tell the GP system's supplier; `limits` of the source can be raised up to its ceiling.
    AnswerTooLarge,
    /// a GP system lacks what Kith needs of it
    ///
    /// Its `CapabilityStatement` does not have the version, interaction or search parameter named. Some servers do more than they say.
    ///
    /// Fix (it): Ask the GP system's supplier, or use an extract folder.
    LacksCapability,
    /// the GP system's clock and ours differ by more than a minute
    ///
    /// Windows follow the server's time, and signed assertions are good for minutes only.
    ///
    /// Fix (it): Set both machines' clocks by a time server.
    ClocksDiffer,
    /// a GP system does not say whether it can do what Kith needs
    ///
    /// Many do it all the same. Without conditional create an entry is looked up before it is written again.
    ///
    /// Fix (it): Nothing, if the runs show that it works; else ask the GP system's supplier.
    CapabilityUnsaid,
    /// open referrals could not be read again at the practice
    ///
    /// Nothing new is sent or written about these people until their records were read: they may have died, or said no. Stops go all the same.
    ///
    /// Fix (it): Find out why the practice's system cannot be read; the next run reads them again.
    NotReRead,
    /// a referral is held
    ///
    /// It waits for the person named as owner.
    ///
    /// Fix (practice): See `kith explain` for the reason, and `kith why` for the referral.
    RowHeld,
    /// a resource is not mapped
    ///
    /// It is not a referral that could go to a partner.
    ///
    /// Fix (it): Nothing, if the reason named is right.
    RowRejected,
    /// a text is longer than the partner's column takes
    ///
    /// A cut text can lose its meaning, so the row waits.
    ///
    /// Fix (practice): Shorten the text at the practice, or set `too_long = "truncate"` for the column and say why.
    ColumnTooLong,
    /// a code has no word in the partner's file
    ///
    /// The partner has agreed no word for it.
    ///
    /// Fix (it): Add it to the column's `codes`, with the partner's agreement.
    ColumnUnmapped,
    /// a required cell would be empty
    ///
    /// The partner has said that a row is of no use without it.
    ///
    /// Fix (practice): Complete the record at the practice.
    ColumnRequired,
    /// a text cannot be written in the file's encoding
    ///
    /// A name with a question mark in it is a wrong name.
    ///
    /// Fix (it): Agree UTF-8 with the partner, or allow the nearest plain letter with `unencodable = "replace"`.
    ColumnUnencodable,
    /// a drop could not be written
    /// The referrals stay routed and go with the next run.
    /// Fix (it): Check the folder, its owner and the free space.
    DropFailed,
    /// an unfinished drop was finished
    /// The last run ended between two steps; the same bytes were written under the same number.
    /// Fix (it): Nothing.
    DropRemade,
    /// an unfinished drop cannot be made again alike
    /// The record of it and what would be written now differ, so nothing is written under that number, and no other drop goes to this partner.
    /// Fix (it): If a practice was taken out of the config, put it back. Else tell the maintainers, and ask the partner whether it has the file; if not, `kith void PARTNER:NUMBER` takes it back, and if it has, `kith void PARTNER:NUMBER --it-left` records that it was sent.
    DropUnlike,
    /// a prepared drop was taken back
    /// It could not leave when it was made, and nobody can have seen it. What it said is no longer what should be said, or it could not be made again alike, or the records of its people could not be read, so its rows go in the next drop as they are now; its number is not given again.
    /// Fix (it): Nothing.
    DropVoided,
    /// a prepared drop does not leave as it was
    /// The run that made it ended before it was known whether the drop had left, it does not lie in `out/`, and what it says is no longer so: somebody died, was stopped, or changed. Until it is settled nothing goes to this partner, stops neither.
    /// Fix (it): Ask the partner whether it has the file. If not: `kith void PARTNER:NUMBER --by NAME --because "..."`. If it has: the same with `--it-left`, which records that it was sent; who died or was stopped since gets a STOP row with the next drop, and nobody is told twice.
    DropStale,
    /// a partner's folder is gone
    /// Drops were laid there before. It may be a share that is not mounted: nobody would see what is made in its stead, and what lies there would count as fetched. So nothing is made, rows and returns wait, and other partners go on.
    /// Fix (it): Mount the share. Only if it is gone for good and shall begin anew: make the folder, with `out` in it, by hand.
    ExchangeGone,
    /// a prepared drop waits
    /// An earlier run made it, it does not lie in `out/`, and a row of it may not go today: the records of its people could not be read again, another run works for their practice, the agreement has ended, or a wider version of the partner's file waits for approval. Nobody knows whether it left, so until then nothing else goes to this partner, stops neither.
    /// Fix (it): Mend what `kith status` names: the GP system that is not reached, the approval that waits. The next run of *deliver* puts the drop out, or says what became of it. If a stop cannot wait: ask the partner whether it has the file, and say so with `kith void PARTNER:NUMBER`, with `--it-left` if it has.
    DropWaits,
    /// the list of people lacks somebody who is open with the partner
    /// `out/your people.csv` holds everybody who is open with the partner, as last sent. A row of one of them cannot be written by the file of today, or
    /// there are more than a drop takes. The list says that whoever is not on it is not contacted.
    /// Fix (it): Find the person by `kith status` and the last change of the partner file; tell the partner.
    ListLacks,
    /// a link, folder or device lay in the partner's in folder
    /// It was not opened. It lies in `in/refused`, and its receipt says what to send instead.
    /// Fix (partner): Ask the partner for a plain file.
    ReturnUnsafe,
    /// a return could not be read
    /// Nothing of it was taken in; it lies in `in/refused`, and the receipt says why.
    /// Fix (partner): Ask the partner to save the sheet as CSV and send it again.
    ReturnUnreadable,
    /// a return lacks a column that is needed
    /// Without it no row can be placed.
    /// Fix (partner): Ask the partner to use the headers agreed.
    ReturnColumns,
    /// a receipt could not be written
    /// What was taken in is recorded; the receipt is made again in the next run.
    /// Fix (it): Check the folder, its owner and the free space.
    ReceiptFailed,
    /// something in the partner's in folder is no return
    /// It could not be read, and it is not called as this partner's returns usually are (`[collect] file`). It lies in `in/refused`, and its
    /// receipt says how to save a sheet. A sheet of any name that can be read is taken.
    /// Fix (partner): Ask the partner what it is, and for the sheet as CSV if it is one.
    ReturnForeign,
    /// a partner's in folder holds more than one run takes
    /// As many files as a run takes were read, the oldest first; nothing is lost, and the next run reads on.
    /// Fix (it): Nothing, if the next run takes the rest; `[limits] return_files_max` lets a run take more.
    ReturnsWait,
    /// a return was written into after it had been taken
    /// The program that wrote it had not finished, or somebody opened it where it was put away. It was judged again, and a new receipt says what
    /// became of it.
    /// Fix (partner): Ask the partner to put a file into `in/` when it is finished, or raise `[collect] settle_seconds`.
    ReturnGrown,
    /// references and names of a return belong to each other's rows
    /// One column was probably sorted alone: nothing of the file was taken in.
    /// Fix (partner): Ask the partner to open the original file and copy the answers across.
    FileSorted,
    /// a report could not be written
    /// The night is issued and kept; its files are written by the next run that closes the books, or by `kith report --date`.
    /// Fix (it): Check the folder, its owner and the free space.
    ReportFailed,
    /// a GP system refused an entry
    /// The entry stays queued as refused, and nobody else's is held up.
    /// Fix (it): See the status named; ask the GP system's supplier.
    WriteRefused,
    /// the answer to a write was lost
    /// It is looked up by its identifier before anything is sent again; where the server does not promise to heed `If-None-Exist`,
    /// nothing is sent again within two minutes, for its searches may not show yet what it has.
    /// Fix (it): Nothing; if it stays, check the network.
    WriteLost,
    /// a GP system could not be reached for writing
    /// Entries stay queued.
    /// Fix (it): Check address, network and certificate.
    WriteUnreachable,
    /// a GP system cannot take what Kith writes
    /// By its own `CapabilityStatement` it is not FHIR R4, or takes no Observations. Nothing is sent; entries stay queued.
    /// Fix (it): Correct the address, ask the supplier to allow creating Observations, or set `push = { kind = "off" }`.
    WriteUnfit,
    /// an entry is in the record more than once
    /// Several resources on the GP system carry the identifier of one entry. None of them is touched.
    /// Fix (practice): Mark all but one as entered in error, then release the hold.
    WriteDuplicate,
    /// a prepared file for an import does not leave as it was
    /// It is not known whether the file had left when its run ended, it does not lie in the folder whole, and it cannot be made again alike: a name, a label or a count in it has changed, or a partner's file is gone. It may also be that something else has its name. Until it is settled no other file is made for this practice.
    /// Fix (it): Ask the practice whether it has imported the file. If not: `kith void SOURCE:NUMBER --by NAME --because "..."`; its entries go in the next file, as they are now. If it has: lay its manifest back into the folder, and the next run records that it left. Where something else has its name, take that away.
    ImportStale,
    /// the store cannot be opened
    /// Without the store nothing can be recorded, so nothing is done.
    /// Fix (it): Give the folder to the user that runs Kith, or make room on its disk; nothing was lost.
    StoreUnreadable,
    /// the store was written by a newer version
    /// An older version must not write into it.
    /// Fix (it): Use the newer version.
    StoreNewer,
    /// a part of the installation is gone
    /// The home bears the mark of an installation, `.kith`, but its store, its seal key or its var folder is not there. A new one in its
    /// place would send everybody to the partners a second time, so nothing is made and nothing is sent.
    /// Fix (it): Mount the volume, or put back what is named from its copy. Only to begin anew for good: move `.kith` and what is left away.
    HomeIncomplete,
    /// the store is older than it was
    /// The anchor, `var/anchor`, or a manifest in a partner's `out/` remembers rows that the store does not have: it is an older copy, or has lost
    /// its write-ahead log. What it has forgotten may have been sent.
    /// Fix (it): Put the newest store back. If there is none: `kith store accept --by NAME --because "..."`; what this store has not sent is then held (`restored`).
    StoreBehind,
    /// the anchor cannot be used
    /// `var/anchor` says how far the store had come. It is gone, was changed, or is of another installation, so nobody can tell whether the store is
    /// an older one.
    /// Fix (it): Put it back. If the store is the newest: `kith store accept --by NAME --because "..."`.
    AnchorUnusable,
    /// files of an earlier installation lie here
    /// A drop, manifest, receipt or report was made here, but the home bears no mark (`.kith`): whatever made it is gone, and would be sent again.
    /// Fix (it): Put the mark and the store back. If the store is there and is the newest: `kith store accept --by NAME --because "..."`. In a new installation, move the old files away.
    MarkMissing,
    /// the store lies on a shared file system
    /// The store needs locks and shared memory that network and user-space file systems do not promise: the store can be destroyed there.
    /// Fix (it): Put `[store] url` on a local disk.
    StorePlace,
    /// the write-ahead log of the store is long
    /// A process reads from the store and does not end, so what is written cannot be folded into it: the log takes ever more of the disk. It is longer than
    /// `[limits] write_ahead_bytes_max`.
    /// Fix (it): End the process named (`kill PID`): the next run folds the log in. A backup is made with the `.backup` of `sqlite3`, in a short time.
    LogLong,
    /// the seal key does not open this store
    ///
    /// A new key would make everything sealed unreadable for ever, so none is made.
    /// Fix (it): Put the right key back; see where `kith init` told you to keep a copy.
    SealMismatch,
    /// the store has rows but no seal key
    ///
    /// A new key would make everything sealed unreadable for ever, so none is made.
    /// Fix (it): Restore the key from its copy.
    SealMissing,
    /// a key of the store is gone
    /// A row of the keyring is missing that the store needs, its own or that of a person whose referral is under way: what it
    /// sealed can be read no more, and a new key would hide that.
    /// Fix (it): Put the newest store back from its copy.
    KeyringIncomplete,
    /// the seal key can be read by others
    ///
    /// Whoever reads the key and the store reads everything.
    /// Fix (it): Run `chmod 0600` on the key, and make sure it belongs to the user that runs Kith.
    SealTooOpen,
    /// --as-of lies before the last recorded event
    ///
    /// The ledger's time never goes back.
    /// Fix (it): Give a later instant, or leave `--as-of` away. Without `--as-of` this machine's clock is behind: set it (`timedatectl`), and run again.
    AsOfInPast,
    /// --as-of lies in the future
    /// What is recorded would lie ahead of the machine's clock, and every run until then would be refused.
    /// Fix (it): Leave `--as-of` away, or give an instant that has passed.
    AsOfInFuture,
    /// the machine's clock is far from the last recorded event
    /// More than a day before it, or more than a year after it. Dates of birth, ages, windows and seals go by the clock, so a wrong one does harm.
    /// Fix (it): Set the clock right. If it is right: `kith store accept --by NAME --because "..."`, and runs go on.
    ClockOff,
    /// another run is under way
    ///
    /// Each stage of a source or partner belongs to one process at a time; what another one has is left to it. Removing a file changes nothing.
    /// Fix (it): Wait for it, or end the process named by its number (`kill PID`); `kith status` shows it. One that was killed is taken over at once, one on another machine after 30 seconds.
    RunBusy,
    /// there were more problems than are kept
    ///
    /// Of one file so many problems are kept as `[limits] diagnostics_max` says; the rest is counted here, and counts as the others do.
    /// Fix (it): Mend the problems named, then look again; or raise `diagnostics_max`, to 10000 at most.
    MoreDiagnostics,
    /// the books do not balance
    ///
    /// A finding names the record; nothing was changed.
    /// Fix (it): Keep the store as it is and read the finding.
    ProveFinding,
}
