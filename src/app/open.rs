//! Opening an installation: config, mappings, seal key, store, strands and keys, in this order.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{App, doubts, mark, stand_in};
use crate::actions::approvals::{self, ApprovalLine};
use crate::config::{Config, PushTo, SecretPlace, Source, machine};
use crate::diagnostics::{Code, Diagnostic, Place, Refused};
use crate::domain::clock::SystemClock;
use crate::domain::{Clock, Destination, Entropy, Instant, KeyId};
use crate::partner::agreement::Sends;
use crate::partner::{Partner, Rules};
use crate::pipeline::approval;
use crate::pipeline::run::{
    Anchor, Env, IdRanges, LeaseKeeper, LedgerAccess, PartnerEnv, ReportPlace, SourceEnv,
};
use crate::seal::{HolderKey, KeyFileError, Keys, LookupKey, read_seal_key, unwrap, wrap};
use crate::sheet::write_atomically;
use crate::store::rows::{KeyKind, KeyRow};
use crate::store::{SqliteStore, Store, StoreError};
use crate::transport::{FILE_MODE, FolderTransport, Transport};

/// Row of the keyring that holds the installation's secret.
const SECRET: KeyId = KeyId::new(1);
/// Row of the keyring that holds the installation's own key.
const INSTALLATION: KeyId = KeyId::new(2);

/// How far the number of a drop that lies in `out/` can be ahead of the last one that the store knows.
const NUMBERS_AHEAD_MAX: i64 = 10_000;

/// What an installation is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// To look at it: beside a run that is under way, as of any instant, and whatever is doubtful.
    Looking,
    /// To change it.
    Writing,
    /// To take it into use although something is doubtful.
    Accepting,
}

/// What an app is made of.
pub(crate) struct Options {
    pub(crate) config: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) workers: usize,
}

/// Reads config and mappings, with every problem of both.
///
/// # Errors
/// [`Refused`].
pub(crate) fn load(file: &std::path::Path) -> Result<(Config, Rules, Vec<Diagnostic>), Refused> {
    let (config, found) = load_config(file)?;
    let (rules, found) = load_rules(&config, found)?;
    Ok((config, rules, found))
}

/// Reads the config alone, with its warnings.
///
/// # Errors
/// [`Refused`].
pub(crate) fn load_config(file: &std::path::Path) -> Result<(Config, Vec<Diagnostic>), Refused> {
    let loaded = Config::load(file, &crate::config::variable).map_err(Refused)?;
    crate::telemetry::set_line_bytes_max(loaded.config.limits.log_line_bytes_max);
    Ok((loaded.config, loaded.warnings))
}

/// Reads the mappings of a config; what was found in either.
///
/// # Errors
/// [`Refused`].
pub(crate) fn load_rules(
    config: &Config,
    mut found: Vec<Diagnostic>,
) -> Result<(Rules, Vec<Diagnostic>), Refused> {
    let rules = match Rules::load(&config.mappings, &config.limits) {
        Ok((rules, warnings)) => {
            found.extend(warnings);
            rules
        }
        Err(problems) => {
            found.extend(problems);
            return Err(Refused(found));
        }
    };
    found.extend(config.check_rules(&rules));
    if found.iter().any(|diagnostic| config.refuses(diagnostic)) {
        return Err(Refused(found));
    }
    Ok((rules, found))
}

pub(super) async fn open(options: Options, opening: Opening) -> anyhow::Result<App> {
    let (config, _) = load_config(&options.config)?;
    let (rules, broken) = stand_in::rules(&config).await?;
    let marked = mark::whole(&config, &rules, opening == Opening::Accepting)?;
    if opening == Opening::Accepting && !config.store.exists() {
        return Err(mark::empty(&config).into());
    }
    make_folder(&config.home.join("var"))?;
    if let Some(folder) = config.store.parent() {
        make_folder(folder)?;
    }
    let store = SqliteStore::open(&config.store, &config.limits)
        .await
        .map_err(|error| store_refused(&error, &config))?;
    let store = Arc::new(store);
    same_installation(&config, marked, store.installation().await.ok())?;
    let begun = marked.is_some() || store.last_at().await? > 0;
    let seal_key = seal_key(&config, &store, &options.entropy).await?;
    let (keys, key) = keys(&store, &seal_key, &options.entropy, begun).await?;
    let ledger =
        ledger_access(&store, &config, options.clock, options.entropy, (keys, key)).await?;
    let accepted = doubts::accepted(&*store, ledger.strand).await?;
    let env = Env {
        ledger,
        activity_system: config.activity_system(),
        partner_system: format!("{}/Id/partner", config.namespace),
        sources: Vec::new(),
        partners: Vec::new(),
        reports: reports(&config),
        restored: accepted.restored,
        doubts: Vec::new(),
        broken,
        workers: options.workers.max(1),
        calls: Arc::new(Semaphore::new(config.limits.calls_at_once_max)),
        config,
        rules,
    };
    let env = complete(env, opening, marked.is_some(), &accepted).await?;
    // The mark comes last: without it, what is there is a first run that was cut off.
    if opening == Opening::Writing && marked.is_none() {
        env.anchor.raise(&env, None).await?;
        mark::write(&env.config.home, &env.store.installation().await?)?;
    }
    Ok(App {
        env: Arc::new(env),
        store,
        opening,
    })
}

/// An installation with its sources and partners, once nothing speaks against it; where somebody only looks, with its doubts.
async fn complete(
    mut env: Env,
    opening: Opening,
    marked: bool,
    accepted: &doubts::Accepted,
) -> anyhow::Result<Env> {
    // What is recorded first, the time second: a run beside this one records meanwhile.
    let last = Instant(env.store.last_at().await?);
    let now = env.now();
    if opening == Opening::Writing && env.clock.fixed() && now < last {
        return Err(Refused::one(Diagnostic::new(
            Code::AsOfInPast,
            "the run's time lies before the last recorded event",
            Place::detail(now.utc_text()),
        ))
        .into());
    }
    env.doubts = doubts::of(&env, marked, last, accepted).await?;
    if opening == Opening::Writing && !env.doubts.is_empty() {
        return Err(Refused(env.doubts).into());
    }
    if let Some(rows) = doubts::lost_keys(&*env.store).await? {
        return Err(key_gone(rows).into());
    }
    for place in 0..env.config.sources.len() {
        let source = source(&env, place).await?;
        env.sources.push(source);
    }
    partners(&mut env).await?;
    Ok(env)
}

/// Makes what a new installation needs beside its config: key, store, anchor and mark.
///
/// # Errors
/// [`Refused`] if something cannot be made.
pub(super) async fn found(config: &Config, entropy: Entropy) -> anyhow::Result<()> {
    make_folder(&config.home.join("var"))?;
    let store = SqliteStore::open(&config.store, &config.limits)
        .await
        .map_err(|error| store_refused(&error, config))?;
    let store = Arc::new(store);
    let seal_key = seal_key(config, &store, &entropy).await?;
    let (keys, key) = keys(&store, &seal_key, &entropy, false).await?;
    let clock = Arc::new(SystemClock);
    let ledger = ledger_access(&store, config, clock, entropy, (keys, key)).await?;
    ledger.anchor.raise(&ledger, None).await?;
    mark::write(&config.home, &store.installation().await?)?;
    store.close().await;
    Ok(())
}

/// What needs the ledger alone, of a store that is open; its own strand is made if it is new.
async fn ledger_access(
    store: &Arc<SqliteStore>,
    config: &Config,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    (keys, key): (Keys, HolderKey),
) -> Result<LedgerAccess, StoreError> {
    let strand = store.strand("installation").await?.id;
    let anchor = Anchor::of(&config.home, store.installation().await?);
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    Ok(LedgerAccess {
        leases: LeaseKeeper::new(Arc::clone(&store), config.limits.lock_wait_seconds),
        store,
        keys,
        clock,
        entropy,
        strand,
        key_id: INSTALLATION,
        key,
        streams: AtomicU64::new(16),
        ids: IdRanges::default(),
        anchor,
    })
}

/// Refuses a store that is empty, or another one, where home bears a mark.
fn same_installation(
    config: &Config,
    marked: Option<LookupKey>,
    found: Option<LookupKey>,
) -> Result<(), Refused> {
    match (marked, found) {
        (Some(_), None) => Err(mark::empty(config)),
        (Some(marked), Some(found)) if marked != found => Err(mark::foreign(config)),
        _ => Ok(()),
    }
}

/// What a person took into use, where an older store was put back: the anchor begins anew, and so does the mark.
///
/// # Errors
/// The store failed, or a file cannot be written.
pub(super) async fn accepted(env: &Env) -> anyhow::Result<()> {
    env.anchor.replace(env).await?;
    for (_, partner, at) in env.each_partner() {
        let last = env.store.last_drop(at.strand).await?;
        let last = last.map_or(0, |file| file.sequence);
        let Destination::Folder(folder) = approval::destination_wanted(&env.config, partner);
        let lies = mark::last_number(&folder.join("out"), last + NUMBERS_AHEAD_MAX);
        let strand = format!("partner:{}", partner.id);
        let given = last.max(lies);
        env.anchor.note_forgotten(env, &strand, given).await?;
    }
    Ok(mark::write(
        &env.config.home,
        &env.store.installation().await?,
    )?)
}

/// Each partner's strand and folder, and whether its file may send what is new.
async fn partners(env: &mut Env) -> anyhow::Result<()> {
    let known = approval::recorded(&*env.store, env.strand).await?;
    for place in 0..env.rules.partners.len() {
        let partner = &env.rules.partners[place];
        let name = format!("partner:{}", partner.id);
        let strand = env.store.strand(&name).await?.id;
        let asked = approval::Asked {
            rules: &env.rules,
            partner,
            strand,
            home: &env.config.home,
            destination: approval::destination_wanted(&env.config, partner),
        };
        let (approval, destination) = approval::judge(&*env.store, &known, asked).await?;
        let transport = transport_to(&destination, &partner.id, mode_for(&env.config, partner));
        if approval.waiting().is_some() {
            env.rules.partners[place].sends = Sends::NothingNew;
        }
        env.partners.push(PartnerEnv {
            strand,
            transport,
            destination,
            approval,
        });
    }
    Ok(())
}

/// The mode of files for a partner.
fn mode_for(config: &Config, partner: &Partner) -> u32 {
    let transport = config.transport(&partner.deliver.transport.value);
    transport.map_or(FILE_MODE, |transport| transport.mode)
}

/// The way to where a partner's drops go.
fn transport_to(destination: &Destination, partner: &str, mode: u32) -> Arc<dyn Transport> {
    match destination {
        Destination::Folder(path) => Arc::new(FolderTransport::of_partner(path, partner, mode)),
    }
}

/// Where the report of each commissioner goes.
fn reports(config: &Config) -> BTreeMap<String, ReportPlace> {
    let places = config.commissioners.iter().filter_map(|commissioner| {
        let transport = config.transport(commissioner.report_transport.as_deref()?)?;
        Some((
            commissioner.id.clone(),
            report_place(transport.path(), transport.mode),
        ))
    });
    places.collect()
}

/// A folder for reports.
pub(super) fn report_place(path: &std::path::Path, mode: u32) -> ReportPlace {
    ReportPlace {
        destination: Destination::Folder(path.to_owned()),
        transport: Arc::new(FolderTransport::for_reports(path, mode)),
    }
}

/// The way to a practice's import, where writes go as files.
fn import(env: &Env, source: &Source) -> Option<Arc<dyn Transport>> {
    match &source.push.to {
        PushTo::Folder { path } => {
            let folder = env.config.home.join(path);
            Some(Arc::new(FolderTransport::for_import(&folder)))
        }
        PushTo::Off | PushTo::Fhir { .. } => None,
    }
}

/// Makes a folder that only its owner may enter.
fn make_folder(path: &std::path::Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| {
            let what = format!("a folder cannot be made: {}", error.kind());
            let place = Place::detail(machine::about(path));
            let refused = Diagnostic::new(Code::StoreUnreadable, what, place);
            let fix = format!(
                "Nothing was lost. {}; then run it again.",
                machine::remedy(path)
            );
            Refused::one(refused.fix(fix)).into()
        })
}

/// Partner files that wait for an approval, before anything is opened: a mappings folder without a store has nothing to be wider than.
///
/// # Errors
/// [`Refused`] if there is a store that cannot be read.
pub(crate) async fn approvals_of(
    config: &Config,
    rules: &Rules,
) -> Result<Vec<ApprovalLine>, Refused> {
    if !config.store.exists() {
        return Ok(Vec::new());
    }
    let read = async {
        let store = SqliteStore::open(&config.store, &config.limits).await?;
        let lines = approvals::of_store(&store, config, rules).await;
        store.close().await;
        lines
    };
    read.await
        .map_err(|error| crate::app::open::store_refused(&error, config))
}

pub(super) fn store_refused(error: &StoreError, config: &Config) -> Refused {
    let code = if matches!(error, StoreError::Newer { .. }) {
        Code::StoreNewer
    } else {
        Code::StoreUnreadable
    };
    let place = config
        .store
        .strip_prefix(&config.home)
        .unwrap_or(&config.store)
        .display()
        .to_string();
    let place = Place::file(place).and(machine::about(&config.store));
    let refused = Diagnostic::new(code, error.to_string(), place);
    Refused::one(match error {
        StoreError::Engine { .. } => refused.fix(format!(
            "Nothing was lost: what was being written was rolled back. {}; then run it again.",
            machine::remedy(&config.store)
        )),
        _ => refused,
    })
}

/// The same of an error that ended a command, where the engine of the store is at fault; any other as it is.
pub(crate) fn of_the_store(error: anyhow::Error, config: &Config) -> anyhow::Error {
    match error.downcast_ref::<StoreError>() {
        Some(failed @ StoreError::Engine { .. }) => store_refused(failed, config).into(),
        _ => error,
    }
}

/// The seal key; made for a new store only. A store that has rows and no key is never given a new one.
async fn seal_key(
    config: &Config,
    store: &SqliteStore,
    entropy: &Entropy,
) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    if let Some(value) = config.seal_key.env_value() {
        let bytes = crate::domain::encoding::unhex(value.trim()).map(Zeroizing::new);
        let bytes = bytes.and_then(|bytes| bytes.as_slice().try_into().ok().map(Zeroizing::new));
        let place = Place::detail(config.seal_key.masked());
        return bytes.ok_or_else(|| {
            Refused::one(Diagnostic::new(
                Code::SecretUnreadable,
                "the seal key is not 64 hexadecimal digits",
                place,
            ))
            .into()
        });
    }
    let SecretPlace::File(path) = config.seal_key.place() else {
        return Err(Refused::one(Diagnostic::new(
            Code::SecretUnreadable,
            "the seal key's variable is not set",
            Place::detail(config.seal_key.masked()),
        ))
        .into());
    };
    let place = || {
        Place::file(
            path.strip_prefix(&config.home)
                .unwrap_or(path)
                .display()
                .to_string(),
        )
    };
    let read = || read_seal_key(path, crate::config::guarded(path));
    let mut found = read();
    let missing = matches!(found, Err(KeyFileError::Missing));
    if missing && store.installation().await.is_ok() {
        // Somebody else may have begun the installation since the key was looked for: it is there before the store has its name.
        found = read();
    } else if missing {
        // Of several processes that begin the installation one makes the key, and the others take it.
        let made = store.unless_named(|| match read() {
            Err(KeyFileError::Missing) => {
                let key: Zeroizing<[u8; 32]> = Zeroizing::new(entropy.stream(0).bytes());
                write_atomically(path, key.as_slice(), 0o600).map(|()| Ok(key))
            }
            found => Ok(found),
        });
        found = match made.await? {
            Some(made) => made?,
            None => read(),
        };
    }
    match found {
        Ok(key) => Ok(key),
        Err(KeyFileError::Missing) => Err(Refused::one(Diagnostic::new(
            Code::SealMissing,
            "the store has rows but no seal key",
            place(),
        ))
        .into()),
        Err(error @ (KeyFileError::TooOpen(_) | KeyFileError::Owner { .. })) => Err(Refused::one(
            Diagnostic::new(Code::SealTooOpen, error.to_string(), place()),
        )
        .into()),
        Err(error) => Err(Refused::one(Diagnostic::new(
            Code::SecretUnreadable,
            error.to_string(),
            place(),
        ))
        .into()),
    }
}

/// Opens the installation's keys, making them for a store that has not `begun`.
async fn keys(
    store: &SqliteStore,
    seal_key: &[u8; 32],
    entropy: &Entropy,
    begun: bool,
) -> anyhow::Result<(Keys, HolderKey)> {
    let mut stream = entropy.stream(1);
    if store.installation().await.is_err() {
        store.name_installation(stream.bytes()).await?;
    }
    let installation = store.installation().await?;
    let wrapping = Keys::wrapping(seal_key, &installation, 1);
    let known = store.keys(vec![SECRET, INSTALLATION]).await?;
    for (id, kind) in [
        (SECRET, KeyKind::Secret),
        (INSTALLATION, KeyKind::Installation),
    ] {
        if !known.iter().any(|row| row.id == id) {
            if begun {
                return Err(key_gone(format!("keyring, row {id}")).into());
            }
            let wrapped = wrap(
                &wrapping,
                id,
                stream.bytes(),
                &HolderKey::new(stream.bytes()),
            );
            store
                .add_key(KeyRow {
                    id,
                    kind,
                    lookup: None,
                    wrapped,
                })
                .await?;
        }
    }
    let rows = store.keys(vec![SECRET, INSTALLATION]).await?;
    let open = |id: KeyId| {
        let row = rows.iter().find(|row| row.id == id);
        let key = row.and_then(|row| unwrap(&wrapping, id, &row.wrapped).ok());
        key.ok_or_else(|| {
            Refused::one(Diagnostic::new(
                Code::SealMismatch,
                "the seal key does not open this store",
                Place::detail("keyring"),
            ))
        })
    };
    let (secret, key) = (open(SECRET)?, open(INSTALLATION)?);
    Ok((Keys::new(wrapping, &installation, &secret), key))
}

/// That a row of the keyring is gone.
fn key_gone(place: String) -> Refused {
    Refused::one(Diagnostic::new(
        Code::KeyringIncomplete,
        "a key of the store is gone",
        Place::detail(place),
    ))
}

async fn source(env: &Env, place: usize) -> anyhow::Result<SourceEnv> {
    let config = env.config.sources[place].clone();
    let import = import(env, &config);
    let own = env.store.strand(&format!("source:{}", config.id)).await?;
    let strand = own.id;
    let lookup = env.keys.lookup(&[b"source", config.id.as_bytes()]);
    if let Some(row) = env.store.keys_by_lookup(vec![lookup]).await?.pop() {
        let key = env.unwrap_key(&row)?;
        return Ok(SourceEnv {
            config,
            strand,
            key_id: row.id,
            key,
            import,
            session: OnceLock::new(),
        });
    }
    if own.seq > 0 {
        return Err(key_gone(format!("keyring, source {}", config.id)).into());
    }
    let id = env.ids.take(&*env.store, strand, 1).await?.next();
    let mut stream = env.stream();
    let key = HolderKey::new(stream.bytes());
    let wrapped = env.keys.wrap(id, stream.bytes(), &key);
    env.store
        .add_key(KeyRow {
            id,
            kind: KeyKind::Source,
            lookup: Some(lookup),
            wrapped,
        })
        .await?;
    // Another process may have made the source's key at the same moment.
    let row = env.store.keys_by_lookup(vec![lookup]).await?.pop();
    let row = row.ok_or(StoreError::Corrupt("keyring"))?;
    Ok(SourceEnv {
        config,
        strand,
        key_id: row.id,
        key: env.unwrap_key(&row)?,
        import,
        session: OnceLock::new(),
    })
}
