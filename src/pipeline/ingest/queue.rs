//! Between a source of referrals and its line: one side reads and starts the work, the other writes, at the same time.
//!
//! In: a source's steps. Out: the line has taken what was read, in the order in which it was read. The reader is ahead by a
//! bounded number of chunks, so that a commit stops neither the network nor the workers. A step that counts what came before
//! it waits until that is in the store.

use tokio::sync::{mpsc, oneshot};

use super::deleted_requests::DeletedRequest;
use super::intake::{Chunk, Intake, Starter};
use super::load::Load;

/// What gives referrals, one step after the other.
pub(crate) trait Steps: Send {
    /// Why it can give no more.
    type Error: Send;

    /// The next step; `None` after the last. After an error nothing more is asked for.
    fn next(&mut self) -> impl Future<Output = Result<Option<Step>, Self::Error>> + Send;
}

/// What is to be done next.
pub(crate) enum Step {
    /// Takes these in.
    Load(Load),
    /// From here on come referrals that earlier pulls must have seen: what is new among them was missed.
    Sweep,
    /// The source has deleted the requests with these ids.
    Gone(Vec<DeletedRequest>),
}

/// Why a source was not read to its end, and how many referrals were new and changed when a sweep began.
type Fed<E> = (Option<E>, Option<(u64, u64)>);

/// What passes from the reader to the writer.
enum Handed {
    Chunk(Chunk),
    /// A sweep begins; the answer says that all before it is in the store.
    Sweep(oneshot::Sender<()>),
    /// The source has deleted the requests with these ids.
    Gone(Vec<DeletedRequest>, oneshot::Sender<()>),
}

/// Hands on what a source gives.
pub(crate) async fn feed<S: Steps>(
    intake: &mut Intake<'_>,
    steps: &mut S,
) -> anyhow::Result<Fed<S::Error>> {
    let starter = intake.starter.clone();
    let (handing, handed) = mpsc::channel(starter.ahead());
    let (read, written) = tokio::join!(read(starter, steps, handing), write(intake, handed));
    let swept = written?;
    Ok((read?, swept))
}

/// Reads to the end, or until the writer has failed.
async fn read<S: Steps>(
    starter: Starter<'_>,
    steps: &mut S,
    handing: mpsc::Sender<Handed>,
) -> anyhow::Result<Option<S::Error>> {
    loop {
        let step = match steps.next().await {
            Ok(Some(step)) => step,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        };
        let taken = match step {
            Step::Load(load) => {
                let mut taken = true;
                for chunk in load.chunks() {
                    let chunk = Handed::Chunk(starter.start(chunk).await?);
                    taken &= handing.send(chunk).await.is_ok();
                }
                taken
            }
            Step::Sweep => settled(&handing, Handed::Sweep).await,
            Step::Gone(ids) => settled(&handing, |done| Handed::Gone(ids, done)).await,
        };
        if !taken {
            // The writer says why.
            return Ok(None);
        }
    }
}

/// Waits until the writer has settled all that came before.
async fn settled(
    handing: &mpsc::Sender<Handed>,
    step: impl FnOnce(oneshot::Sender<()>) -> Handed,
) -> bool {
    let (done, settled) = oneshot::channel();
    handing.send(step(done)).await.is_ok() && settled.await.is_ok()
}

/// Takes what was read, in its order.
async fn write(
    intake: &mut Intake<'_>,
    mut handed: mpsc::Receiver<Handed>,
) -> anyhow::Result<Option<(u64, u64)>> {
    let mut swept = None;
    while let Some(next) = handed.recv().await {
        let done = match next {
            Handed::Chunk(chunk) => {
                intake.take(chunk).await?;
                continue;
            }
            Handed::Sweep(done) => {
                intake.finish().await?;
                swept = Some((intake.writer.news, intake.writer.changes));
                done
            }
            Handed::Gone(ids, done) => {
                intake.gone(&ids).await?;
                done
            }
        };
        // A reader that has gone away was told of a failure of its own.
        done.send(()).unwrap_or(());
    }
    Ok(swept)
}
