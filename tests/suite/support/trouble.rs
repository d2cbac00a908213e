//! Troubles with disks: what goes wrong at a folder, how it begins, and how it ends.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::home::{Ran, files_in};
use super::people::day;
use super::world::World;

/// Bytes of the small disks: some drops, and some reports.
pub(crate) const SMALL: usize = 256 * 1024;
pub(crate) const SMALL_FOR_REPORTS: usize = 4 * 1024 * 1024;

/// Ends a trouble.
pub(crate) type Off = Box<dyn FnOnce()>;

/// What goes wrong, at which place, and how it begins in a partner's folder.
pub(crate) struct Trouble {
    pub(crate) kind: &'static str,
    pub(crate) place: &'static str,
    pub(crate) mounts: bool,
    pub(crate) on: fn(&Path) -> Off,
}

/// Something mounted; taken away when dropped.
pub(crate) struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        quiet(Command::new("umount").arg("-l").arg(&self.0));
    }
}

fn quiet(command: &mut Command) -> bool {
    let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

fn mount(arguments: &[&str], at: &Path) -> Option<Mounted> {
    let mounted = quiet(Command::new("mount").args(arguments).arg(at));
    mounted.then(|| Mounted(at.to_owned()))
}

/// A small disk.
pub(crate) fn small_disk(at: &Path, bytes: usize) -> Option<Mounted> {
    fs::create_dir_all(at).unwrap();
    mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "none"], at)
}

/// Nothing may be written there.
fn read_only(at: &Path) -> Off {
    fs::create_dir_all(at).unwrap();
    let path = at.display().to_string();
    let mounted = mount(&["--bind", &path], at).expect("root mounts");
    assert!(quiet(Command::new("mount").args([
        "-o",
        "remount,ro,bind",
        &path
    ])));
    Box::new(move || drop(mounted))
}

/// A file stands where a folder was.
fn a_file(at: &Path) -> Off {
    let away = at.with_extension("away");
    fs::rename(at, &away).unwrap();
    fs::write(at, "a file").unwrap();
    let at = at.to_owned();
    Box::new(move || {
        fs::remove_file(&at).unwrap();
        fs::rename(&away, &at).unwrap();
    })
}

fn a_folder(at: &Path) -> Off {
    fs::create_dir_all(at).unwrap();
    let at = at.to_owned();
    Box::new(move || fs::remove_dir(at).unwrap())
}

/// The name of the second drop, and of its manifest.
pub(crate) fn name(folder: &Path, ending: &str) -> PathBuf {
    let today = day(0).strftime("%Y%m%d");
    folder.join(format!("out/referrals_{today}_000002{ending}"))
}

/// It is away, and comes back.
fn away(at: &Path) -> Off {
    let (at, away) = (at.to_owned(), at.with_extension("away"));
    fs::rename(&at, &away).unwrap();
    // Something that was put in its place meanwhile would not let it.
    Box::new(move || fs::rename(&away, &at).unwrap())
}

/// A disk has no room left.
fn fill(folder: &Path) -> Off {
    let filler = folder.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    Box::new(move || fs::remove_file(filler).unwrap())
}

pub(crate) const TROUBLES: [Trouble; 18] = [
    Trouble {
        kind: "full",
        place: "the partner's folder",
        mounts: true,
        on: fill,
    },
    Trouble {
        kind: "read-only",
        place: "the partner's folder",
        mounts: true,
        on: read_only,
    },
    Trouble {
        kind: "read-only",
        place: "out",
        mounts: true,
        on: |folder| read_only(&folder.join("out")),
    },
    Trouble {
        kind: "read-only",
        place: "out/receipts",
        mounts: true,
        on: |folder| read_only(&folder.join("out/receipts")),
    },
    Trouble {
        kind: "read-only",
        place: "in",
        mounts: true,
        on: |folder| read_only(&folder.join("in")),
    },
    Trouble {
        kind: "read-only",
        place: "in/done",
        mounts: true,
        on: |folder| read_only(&folder.join("in/done")),
    },
    Trouble {
        kind: "taken name",
        place: "drop",
        mounts: false,
        on: |folder| {
            let taken = name(folder, ".csv");
            fs::write(&taken, "somebody else's").unwrap();
            Box::new(move || fs::remove_file(taken).unwrap())
        },
    },
    Trouble {
        kind: "folder in the way",
        place: "drop",
        mounts: false,
        on: |folder| a_folder(&name(folder, ".csv")),
    },
    Trouble {
        kind: "folder in the way",
        place: "manifest",
        mounts: false,
        on: |folder| a_folder(&name(folder, ".manifest.json")),
    },
    Trouble {
        kind: "file in the way",
        place: "out",
        mounts: false,
        on: |folder| a_file(&folder.join("out")),
    },
    Trouble {
        kind: "file in the way",
        place: "out/receipts",
        mounts: false,
        on: |folder| a_file(&folder.join("out/receipts")),
    },
    Trouble {
        kind: "file in the way",
        place: "in/done",
        mounts: false,
        on: |folder| a_file(&folder.join("in/done")),
    },
    Trouble {
        kind: "folder in the way",
        place: "receipt",
        mounts: false,
        on: |folder| a_folder(&folder.join("out/receipts/returns 1.receipt.csv")),
    },
    Trouble {
        kind: "vanished",
        place: "in/done and out/receipts",
        mounts: false,
        on: |folder| {
            fs::remove_dir_all(folder.join("in/done")).unwrap();
            fs::remove_dir_all(folder.join("out/receipts")).unwrap();
            Box::new(|| {})
        },
    },
    Trouble {
        kind: "vanished",
        place: "out/.kith",
        mounts: false,
        on: |folder| {
            fs::remove_dir_all(folder.join("out/.kith")).unwrap();
            Box::new(|| {})
        },
    },
    Trouble {
        kind: "vanished",
        place: "in",
        mounts: false,
        on: |folder| {
            let (at, away) = (folder.join("in"), folder.join("in.away"));
            fs::rename(&at, &away).unwrap();
            Box::new(move || {
                for file in files_in(&away) {
                    fs::rename(&file, at.join(file.file_name().unwrap())).unwrap();
                }
                fs::remove_dir_all(away).unwrap();
            })
        },
    },
    Trouble {
        kind: "away",
        place: "out",
        mounts: false,
        on: |folder| away(&folder.join("out")),
    },
    Trouble {
        kind: "away",
        place: "the partner's folder",
        mounts: false,
        on: away,
    },
];

/// The troubles of report folders; the night before the last is in them.
pub(crate) const REPORT_TROUBLES: [Trouble; 5] = [
    Trouble {
        kind: "full",
        place: "the report folder",
        mounts: true,
        on: fill,
    },
    Trouble {
        kind: "read-only",
        place: "the report folder",
        mounts: true,
        on: read_only,
    },
    Trouble {
        kind: "file in the way",
        place: "the report folder",
        mounts: false,
        on: a_file,
    },
    Trouble {
        kind: "folder in the way",
        place: "the page",
        mounts: false,
        on: |folder| a_folder(&night_in(folder).join("report.html")),
    },
    Trouble {
        kind: "vanished",
        place: "the report folder",
        mounts: false,
        on: |folder| {
            fs::remove_dir_all(folder).unwrap();
            Box::new(|| {})
        },
    },
];

/// Where the last night is put, below the report folder of a commissioner.
pub(crate) fn night_in(folder: &Path) -> PathBuf {
    folder
        .join(folder.file_name().unwrap())
        .join(day(-1).to_string())
}

/// Kith, with each rename of these folders or each sync answered so.
pub(crate) fn injecting(world: &World, what: &str, folders: &[PathBuf]) -> Command {
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &format!("inject={what}"),
    ]);
    let call = what.split(':').next().unwrap_or_default();
    command.args(["-e", &format!("trace={call}")]);
    for folder in folders {
        command.arg("-P").arg(folder);
    }
    command.arg(env!("CARGO_BIN_EXE_kith"));
    command.args(["run", "--once", "--now", "--config", &world.home.config()]);
    command
}

/// The same, to its end.
pub(crate) fn injected(world: &World, what: &str, folders: &[PathBuf]) -> Ran {
    let output = injecting(world, what, folders).output();
    output.expect("strace runs").into()
}

/// Whether errors can be injected here.
pub(crate) fn injects() -> bool {
    quiet(Command::new("strace").args(["-f", "-o", "/dev/null", "true"]))
}

/// What can be done to a disk here.
pub(crate) struct Means {
    pub(crate) mounts: bool,
    pub(crate) injects: bool,
}

impl Means {
    /// As far as this machine lets us.
    pub(crate) fn here() -> Self {
        let mounts = tempfile::tempdir().is_ok_and(|at| small_disk(at.path(), SMALL).is_some());
        let injects = injects();
        Self { mounts, injects }
    }
}
