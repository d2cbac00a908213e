//! Processes that a test started: each has an end, by its own process id.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take: many times what one needs on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// Between two looks whether a process has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Runs a command to its end and gives what it said.
///
/// One that has not ended within the limit is killed, and the test fails and names it.
pub(crate) fn finish(command: &mut Command, limit: Duration) -> Output {
    finish_reading(command, b"", limit)
}

/// The same, with something to read on standard input.
pub(crate) fn finish_reading(command: &mut Command, read: &[u8], limit: Duration) -> Output {
    let input = if read.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    command.stdin(input);
    let until = Instant::now() + limit;
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    // Each pipe has a thread of its own: a full one would stop the process, and so would an empty one.
    let (sender, taken) = channel();
    if let Some(mut stdin) = process.child.stdin.take() {
        let bytes = read.to_vec();
        // Nobody waits any more for a process that was killed.
        thread::spawn(move || sender.send(stdin.write_all(&bytes)).unwrap_or(()));
    }
    let stdout = everything_of(process.child.stdout.take());
    let stderr = everything_of(process.child.stderr.take());
    let left = || until.saturating_duration_since(Instant::now());
    let said = stdout
        .recv_timeout(left())
        .and_then(|stdout| Ok((stdout, stderr.recv_timeout(left())?)));
    let status = process.wait_until(left(), || said.is_err());
    let (Some(status), Ok((stdout, stderr))) = (status, said) else {
        process.is_late(limit)
    };
    if !read.is_empty() {
        let taken = taken.recv_timeout(left());
        let taken = taken.unwrap_or_else(|_| process.is_late(limit));
        taken.unwrap_or_else(|error| panic!("{} did not read all: {error}", process.name));
    }
    Output {
        status,
        stdout,
        stderr,
    }
}

/// What comes out of a pipe until it is closed.
fn everything_of(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        // Nobody waits any more for a process that was killed.
        if !matches!(read, Some(Err(_))) {
            sender.send(bytes).unwrap_or(());
        }
    });
    receiver
}

/// A child process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
    lines: Option<Receiver<String>>,
}

impl Process {
    /// Starts a command.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = name(command);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self {
            child,
            name,
            lines: None,
        }
    }

    /// Starts a command that reads nothing, and whose words nobody hears.
    pub(crate) fn start_silent(command: &mut Command) -> Self {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::start(silent.stderr(Stdio::null()))
    }

    /// Starts a command whose lines on stdout the test waits for.
    pub(crate) fn start_telling(command: &mut Command) -> Self {
        let mut process = Self::start(command.stdout(Stdio::piped()));
        let stdout = process.child.stdout.take().expect("stdout was asked for");
        let (sender, receiver) = channel();
        // It reads on when nobody listens: a full pipe would stop the process.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                sender.send(line).unwrap_or(());
            }
        });
        process.lines = Some(receiver);
        process
    }

    /// The next line of a process that was started telling.
    pub(crate) fn line(&mut self) -> String {
        let lines = self.lines.as_ref().expect("it was started telling");
        match lines.recv_timeout(LIMIT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => panic!("{} says no more", self.name),
            Err(RecvTimeoutError::Timeout) => self.is_late(LIMIT),
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has ended, or something else is so, or the time is over; `None` while it still runs.
    pub(crate) fn wait_until(
        &mut self,
        limit: Duration,
        so: impl Fn() -> bool,
    ) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            let status = self.child.try_wait().expect("a child can be asked after");
            if status.is_some() || so() || Instant::now() >= until {
                return status;
            }
            thread::sleep(LOOK);
        }
    }

    /// Fails the test by its name if it has ended.
    pub(crate) fn assert_alive(&mut self) {
        assert!(self.alive(), "ended too early: {}", self.name);
    }

    /// Ends it, and fails the test by its name.
    pub(crate) fn is_late(&mut self, limit: Duration) -> ! {
        self.end();
        panic!("killed after {} s: {}", limit.as_secs(), self.name)
    }

    /// Already ended is as good as ended now.
    fn end(&mut self) {
        self.child.kill().unwrap_or(());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Program and arguments, without the folders of this machine.
fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let short = words.map(|word| {
        let path = Path::new(word);
        let last = path.file_name().filter(|_| path.is_absolute());
        last.unwrap_or(word).to_string_lossy().into_owned()
    });
    short.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_process_that_does_not_end_is_ended_and_named() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let id = folder.path().join("id");
    let started = Instant::now();
    let late = std::panic::catch_unwind(|| {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0\"; echo begun; exec sleep 600"]);
        finish(command.arg(&id), Duration::from_secs(1))
    });
    let told = late.expect_err("the test fails that waits for it");
    let told = told.downcast_ref::<String>().expect("a failure has words");
    let (when, which) = told.split_once(": ").expect("when, and which");
    assert_eq!(when, "killed after 1 s");
    assert!(
        which.starts_with("sh -c ") && which.ends_with("exec sleep 600 id"),
        "{told}"
    );
    assert!(started.elapsed() < LIMIT);
    let id = std::fs::read_to_string(id).expect("the process wrote its id");
    let mut ask = Command::new("sh");
    let asked = finish(ask.args(["-c", "kill -0 $0", id.trim()]), LIMIT);
    assert!(!asked.status.success(), "it is there no more");
}

#[test]
fn more_than_a_pipe_holds_goes_in_and_comes_out() {
    let much = vec![b'x'; 1 << 20];
    let output = finish_reading(&mut Command::new("cat"), &much, LIMIT);
    assert!(output.status.success() && output.stdout == much);
}
