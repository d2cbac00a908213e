//! An installation with one partner and one person referred to it, to which things are done one after another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::{Timestamp, ToSpan as _};

use super::partner_file::PartnerFile;
use super::people::{ndjson, referral};
use super::source::Source;
use super::world::World;

/// An installation that something is done to.
pub(crate) struct Case {
    pub(crate) world: World,
    start: Timestamp,
    /// What lives as long.
    pub(crate) with: Option<Mounted>,
}

/// Something mounted; taken away when dropped.
pub(crate) struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        quiet(Command::new("umount").arg("-l").arg(&self.0));
    }
}

/// Runs a command, and says whether it went well.
pub(crate) fn quiet(command: &mut Command) -> bool {
    let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

/// A small disk.
pub(crate) fn small_disk(at: &Path) -> Option<Mounted> {
    fs::create_dir_all(at).unwrap();
    let mounted = quiet(
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "none"])
            .arg(at),
    );
    mounted.then(|| Mounted(at.to_owned()))
}

impl Case {
    /// A world whose first run was then.
    pub(crate) fn of_world(world: World, start: Timestamp) -> Self {
        let with = None;
        Self { world, start, with }
    }

    /// A practice with an extract, and this partner; nothing has run.
    pub(crate) fn of(partner: PartnerFile) -> Self {
        let world = World::of(&[Source::folder("gp", "extracts")], &[partner]);
        let anna = referral(1, "Anna", "Beech", "elm");
        world.home.write("extracts/a.ndjson", ndjson(&anna));
        let start = Timestamp::now();
        Self::of_world(world, start)
    }

    /// The same after one run to which nothing was wrong.
    pub(crate) fn well() -> Self {
        Self::of(PartnerFile::of("elm")).ran(0)
    }

    /// With a GP system that is there.
    pub(crate) fn served() -> Self {
        let anna = referral(1, "Anna", "Beech", "elm");
        let world = World::of_gp(&[PartnerFile::of("elm")], &anna);
        let start = Timestamp::now();
        Self::of_world(world, start)
    }

    /// So many seconds after the first run.
    pub(crate) fn after(self, seconds: i64) -> Self {
        let at = self.start + seconds.seconds();
        self.world.home.is_at(&at.to_string());
        self
    }

    /// A run that ends with this code.
    pub(crate) fn ran(self, code: i32) -> Self {
        self.does(&["run", "--once"], code)
    }

    pub(crate) fn does(self, arguments: &[&str], code: i32) -> Self {
        self.world.kith(arguments, code);
        self
    }

    /// A file below home.
    pub(crate) fn writes(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.world.home.write(path, content);
        self
    }

    pub(crate) fn edits(self, path: &str, from: &str, to: &str) -> Self {
        self.world.home.edit(path, from, to);
        self
    }

    /// Something is moved from one place below home to another.
    pub(crate) fn moves(self, from: &str, to: &str) -> Self {
        let at = |path| self.world.home.below(path);
        fs::rename(at(from), at(to)).unwrap();
        self
    }

    /// A day, so many after the first run.
    pub(crate) fn day(&self, days: i64) -> String {
        let at = self.start + (days * 24).hours();
        at.to_zoned(jiff::tz::TimeZone::get("Europe/London").unwrap())
            .date()
            .to_string()
    }

    /// The only drop of elm.
    pub(crate) fn drop_name(&self) -> String {
        let drop = self.world.home.drops("elm").pop().unwrap();
        drop.file_name().unwrap().to_string_lossy().into_owned()
    }

    pub(crate) fn folder(&self) -> String {
        self.world
            .home
            .below("var/partners/elm")
            .display()
            .to_string()
    }

    pub(crate) fn gp_base(&self) -> String {
        self.world.gp().fhir.base.clone()
    }
}
