//! Reading bodies back: the fold of the ledger, against which `prove` holds the projections.

use serde_json::Value;

use super::{Body, How, Kind, LegStep, MirrorBody, NewHold, RuleDigits, SignedAct, Vouched};
use crate::domain::encoding::unhex;
use crate::domain::{Action, Counts, Id, LegReference, LegState, Owner, Reason, Stage};
use crate::seal::Digest;
use crate::store::rows::{LedgerRow, MirrorKind, Place, PushKind, PushState, RawIds, Standing};

impl LedgerRow {
    /// What it says; `None` of a kind that this version does not know, or if it says what no version writes.
    pub(crate) fn body(&self) -> Option<Body> {
        Body::read(Kind::from_number(self.kind)?, &self.body)
    }
}

impl Body {
    /// The body of a row of this kind; `None` if no version writes such bytes.
    pub(crate) fn read(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let fields: Vec<Value> = serde_json::from_slice(bytes).ok()?;
        let mut fields = BodyReader(fields.into_iter());
        let body = if kind.of_leg() {
            fields.leg(kind)
        } else {
            fields.plain(kind)
        };
        body.filter(|_| fields.0.len() == 0)
    }
}

/// What is left of a JSON array.
struct BodyReader(std::vec::IntoIter<Value>);

impl BodyReader {
    fn number(&mut self) -> Option<i64> {
        self.0.next()?.as_i64()
    }

    fn id<T>(&mut self) -> Option<Id<T>> {
        self.number().map(Id::new)
    }

    fn count(&mut self) -> Option<u64> {
        self.0.next()?.as_u64()
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.count()?).ok()
    }

    fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Hexadecimal.
    fn digits<const N: usize>(&mut self) -> Option<[u8; N]> {
        unhex(self.0.next()?.as_str()?)?.try_into().ok()
    }

    /// A digest, where the empty text stands for none.
    #[expect(clippy::option_option, reason = "unreadable, or readable and none")]
    fn digest(&mut self) -> Option<Option<Digest>> {
        if self.0.as_slice().first()?.as_str()?.is_empty() {
            self.0.next();
            return Some(None);
        }
        self.digits().map(Some)
    }

    /// What has a number, where 0 stands for none.
    #[expect(clippy::option_option, reason = "unreadable, or readable and none")]
    fn known<T>(&mut self, from_number: fn(i64) -> Option<T>) -> Option<Option<T>> {
        match self.number()? {
            0 => Some(None),
            number => from_number(number).map(Some),
        }
    }

    fn vouched(&mut self) -> Option<Vouched> {
        let pair = |pair: &Value| {
            let digest = unhex(pair.get(1)?.as_str()?)?.try_into().ok()?;
            Some((pair.get(0)?.as_i64()?, digest))
        };
        self.0.next()?.as_array()?.iter().map(pair).collect()
    }

    fn counts(&mut self) -> Option<Counts> {
        let (accepted, repeated) = (self.count()?, self.count()?);
        let (rejected, held) = (self.count()?, self.count()?);
        let object = self.0.next()?;
        let read = |(code, n): (&String, &Value)| Some((Reason::from_code(code)?, n.as_u64()?));
        let reasons: Option<_> = object.as_object()?.iter().map(read).collect();
        let reasons = reasons?;
        Some(Counts::from_parts(
            accepted, repeated, rejected, held, reasons,
        ))
    }

    fn step(&mut self) -> Option<LegStep> {
        let rev = self.number()?;
        let prev = Place {
            strand: self.id()?,
            seq: self.number()?,
        };
        let after = Standing {
            state: LegState::from_number(self.number()?)?,
            partner: self.id()?,
            person: self.number()?,
            why: self.known(Reason::from_number)?,
            pending: self.known(Action::from_number)?,
            asked: self.known(Action::from_number)?,
            closing: self.known(LegState::from_number)?,
            raws: {
                let mut ids = [0; 6];
                for id in &mut ids {
                    *id = self.number()?;
                }
                RawIds::from_array(ids)
            },
        };
        Some(LegStep { rev, prev, after })
    }

    fn leg(&mut self, kind: Kind) -> Option<Body> {
        let step = self.step()?;
        Some(match kind {
            Kind::Received => Body::Received {
                step,
                reference: LegReference::from_bytes(self.digits()?),
                source: self.id()?,
                vouched: self.vouched()?,
            },
            Kind::Decided => {
                let rule: RuleDigits = self.digits()?;
                Body::Decided { step, rule }
            }
            Kind::Amended => {
                let vouched = self.vouched()?;
                Body::Amended { step, vouched }
            }
            Kind::Settled => {
                let joined = match self.0.len() {
                    0 => None,
                    _ => Some(self.id()?),
                };
                Body::Settled { step, joined }
            }
            Kind::Reported => {
                let events = self.size()?;
                Body::Reported { step, events }
            }
            Kind::Delivered => Body::Delivered { step },
            _ => return None,
        })
    }

    /// What is not about a leg's standing.
    fn plain(&mut self, kind: Kind) -> Option<Body> {
        Some(match kind {
            Kind::Opened => Body::Opened,
            Kind::Run => {
                let rules = self.digits()?;
                let names = self.text()?;
                let stages: Option<_> = names.split_whitespace().map(Stage::from_code).collect();
                let stages = stages?;
                Body::Run { rules, stages }
            }
            Kind::RulesInForce => Body::RulesInForce {
                file: self.digits()?,
                destination: self.digits()?,
                how: {
                    let word = self.text()?;
                    How::ALL.into_iter().find(|how| how.code() == word)?
                },
                approved: match self.0.len() {
                    0 => None,
                    _ => Some((self.text()?, self.number()?)),
                },
            },
            Kind::Resource => match self.vouched()?.as_slice() {
                [vouched] => Body::Resource { vouched: *vouched },
                _ => return None,
            },
            Kind::Counted => Body::Counted {
                stage: Stage::from_number(self.number()?)?,
                source: self.id()?,
                partner: self.id()?,
                file: self.number()?,
                received: self.count()?,
                counts: self.counts()?,
            },
            Kind::Certified => Body::Certified {
                digest: self.digits()?,
                high: self.number()?,
            },
            Kind::Held => Body::Held(self.hold()?),
            Kind::Released => Body::Released,
            Kind::Signed => self.signed()?,
            Kind::Viewed => Body::Viewed {
                at: self.text()?,
                by: self.text()?,
                note: self.number()?,
            },
            other => return self.file(other),
        })
    }

    fn hold(&mut self) -> Option<NewHold> {
        Some(NewHold {
            leg: self.id()?,
            stage: Stage::from_number(self.number()?)?,
            reason: Reason::from_number(self.number()?)?,
            source: self.id()?,
            partner: self.id()?,
            return_id: self.number()?,
            row: self.number()?,
        })
    }

    fn signed(&mut self) -> Option<Body> {
        let (act, by, owner) = (self.text()?, self.text()?, self.text()?);
        Some(Body::Signed {
            act: SignedAct::ALL
                .into_iter()
                .find(|known| known.code() == act)?,
            by,
            owner: Owner::from_code(&owner)?,
            note: self.number()?,
        })
    }

    fn mirrored(&mut self) -> Option<MirrorBody> {
        Some(MirrorBody {
            kind: MirrorKind::from_number(self.number()?)?,
            state: PushState::from_number(self.number()?)?,
            attempts: self.number()?,
            said: self.number()?,
            server_id: self.digest()?,
        })
    }

    /// Drops, returns, writes and reports.
    fn file(&mut self, kind: Kind) -> Option<Body> {
        Some(match kind {
            Kind::Prepared => Body::Prepared {
                sequence: self.number()?,
                rows: self.number()?,
                digest: self.digits()?,
                root: self.digits()?,
                rule: self.digest()?,
            },
            Kind::Sent => Body::Sent {
                sequence: self.number()?,
                rows: self.number()?,
            },
            Kind::DropDelivered => Body::DropDelivered {
                sequence: self.number()?,
            },
            Kind::Returned => Body::Returned {
                rows: self.size()?,
                events: self.size()?,
                root: self.digits()?,
            },
            Kind::Undone => Body::Undone {
                return_id: self.number()?,
                events: self.size()?,
                root: self.digits()?,
            },
            Kind::Queued => Body::Queued {
                leg: self.id()?,
                source: self.id()?,
                state: PushState::from_number(self.number()?)?,
                reason: self.known(Reason::from_number)?,
                kind: PushKind::from_number(self.number()?)?,
            },
            Kind::Pushing => Body::Pushing {
                attempts: self.number()?,
            },
            Kind::Pushed => Body::Pushed {
                state: PushState::from_number(self.number()?)?,
                attempts: self.number()?,
                reason: self.known(Reason::from_number)?,
                server_id: self.digest()?,
            },
            Kind::Mirroring => Body::Mirroring(self.mirrored()?),
            Kind::Mirrored => Body::Mirrored(self.mirrored()?),
            Kind::DaySealed => Body::DaySealed {
                root: self.digits()?,
            },
            Kind::Published => Body::Published {
                commissioner: self.text()?,
                name: self.text()?,
                digest: self.digits()?,
            },
            _ => return None,
        })
    }
}
