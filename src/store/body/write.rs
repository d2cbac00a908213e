//! Writing bodies, straight into bytes: a leg's step is written for every referral twice.

use std::io::Write as _;

use super::{Body, LegStep, MirrorBody, NewHold};
use crate::domain::encoding::push_hex;
use crate::domain::{Action, Counts, LegState, Reason};
use crate::seal::Digest;

/// A JSON array under way.
struct BodyWriter(Vec<u8>);

impl BodyWriter {
    /// An empty array; `capacity`: bytes that it is likely to need.
    fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.push(b'[');
        Self(bytes)
    }

    fn next(&mut self) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
    }

    /// A number.
    fn number(&mut self, number: impl std::fmt::Display) -> &mut Self {
        self.next();
        // Writing to a vector cannot fail.
        write!(self.0, "{number}").unwrap_or_default();
        self
    }

    fn numbers<const N: usize>(&mut self, numbers: [i64; N]) -> &mut Self {
        for number in numbers {
            self.number(number);
        }
        self
    }

    /// The number of a reason, 0 for none.
    fn reason(&mut self, reason: Option<Reason>) -> &mut Self {
        self.number(reason.map_or(0, Reason::number))
    }

    /// A string, escaped as JSON has it.
    fn text(&mut self, text: &str) -> &mut Self {
        self.next();
        // Writing to a vector cannot fail.
        serde_json::to_writer(&mut self.0, text).unwrap_or_default();
        self
    }

    /// Bytes as hexadecimal.
    fn digits(&mut self, bytes: &[u8]) -> &mut Self {
        self.next();
        self.0.push(b'"');
        push_hex(&mut self.0, bytes);
        self.0.push(b'"');
        self
    }

    /// A digest, empty for none.
    fn digest(&mut self, digest: Option<&Digest>) -> &mut Self {
        self.digits(digest.map_or(&[], |digest| digest))
    }

    fn vouched(&mut self, vouched: &[(i64, Digest)]) -> &mut Self {
        self.next();
        self.0.push(b'[');
        let mut first = true;
        for (id, digest) in vouched {
            let open = if std::mem::take(&mut first) {
                "["
            } else {
                ",["
            };
            // Writing to a vector cannot fail.
            write!(self.0, "{open}{id},\"").unwrap_or_default();
            push_hex(&mut self.0, digest);
            self.0.extend(b"\"]");
        }
        self.0.push(b']');
        self
    }

    /// Four counts, and the reasons as an object.
    fn counts(&mut self, counts: &Counts) -> &mut Self {
        self.number(counts.accepted())
            .number(counts.repeated())
            .number(counts.rejected())
            .number(counts.held());
        self.next();
        self.0.extend(reasons_json(counts).as_bytes());
        self
    }

    fn step(&mut self, step: &LegStep) -> &mut Self {
        let LegStep { rev, prev, after } = step;
        self.numbers([
            *rev,
            prev.strand.number(),
            prev.seq,
            after.state.number(),
            after.partner.number(),
            after.person,
        ])
        .reason(after.why)
        .numbers([after.pending, after.asked].map(|action| action.map_or(0, Action::number)))
        .number(after.closing.map_or(0, LegState::number))
        .numbers(after.raws.to_array())
    }

    fn hold(&mut self, hold: &NewHold) -> &mut Self {
        self.numbers([
            hold.leg.number(),
            hold.stage.number(),
            hold.reason.number(),
            hold.source.number(),
            hold.partner.number(),
            hold.return_id,
            hold.row,
        ])
    }

    fn mirrored(&mut self, told: &MirrorBody) -> &mut Self {
        self.numbers([
            told.kind.number(),
            told.state.number(),
            told.attempts,
            told.said,
        ])
        .digest(told.server_id.as_ref())
    }
}

/// `{"code": n}` of the reasons of counts.
pub(crate) fn reasons_json(counts: &Counts) -> String {
    let pairs: Vec<String> = counts
        .reasons()
        .iter()
        .map(|(reason, n)| format!("\"{}\":{n}", reason.code()))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

impl Body {
    /// Its bytes in the ledger.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut fields = BodyWriter::new(self.capacity());
        match self {
            Self::Received {
                step,
                reference,
                source,
                vouched,
            } => {
                fields.step(step).digits(&reference.to_bytes());
                fields.number(source).vouched(vouched);
            }
            Self::Decided { step, rule } => {
                fields.step(step).digits(rule);
            }
            Self::Amended { step, vouched } => {
                fields.step(step).vouched(vouched);
            }
            Self::Settled { step, joined } => {
                fields.step(step);
                if let Some(leg) = joined {
                    fields.number(leg);
                }
            }
            Self::Reported { step, events } => {
                fields.step(step).number(events);
            }
            Self::Delivered { step } => {
                fields.step(step);
            }
            other => other.write_plain(&mut fields),
        }
        fields.0.push(b']');
        fields.0
    }

    fn capacity(&self) -> usize {
        96 + 96 * self.vouched().len() + usize::from(self.step().is_some()) * 96
    }

    /// What is not about a leg's standing.
    fn write_plain(&self, fields: &mut BodyWriter) {
        match self {
            Self::Run { rules, stages } => {
                let names: Vec<&str> = stages.iter().map(|stage| stage.code()).collect();
                fields.digits(rules).text(&names.join(" "));
            }
            Self::RulesInForce {
                file,
                destination,
                how,
                approved,
            } => {
                fields.digits(file).digits(destination).text(how.code());
                if let Some((by, note)) = approved {
                    fields.text(by).number(note);
                }
            }
            Self::Resource { vouched } => {
                fields.vouched(std::slice::from_ref(vouched));
            }
            Self::Counted {
                stage,
                source,
                partner,
                file,
                received,
                counts,
            } => {
                fields.number(stage.number()).number(source).number(partner);
                fields.number(file).number(received).counts(counts);
            }
            Self::Certified { digest, high } => {
                fields.digits(digest).number(high);
            }
            Self::Held(hold) => {
                fields.hold(hold);
            }
            Self::Signed {
                act,
                by,
                owner,
                note,
            } => {
                fields.text(act.code()).text(by);
                fields.text(owner.code()).number(note);
            }
            Self::Viewed { at, by, note } => {
                fields.text(at).text(by).number(note);
            }
            other => other.write_files(fields),
        }
    }

    /// Drops, returns, writes and reports.
    fn write_files(&self, fields: &mut BodyWriter) {
        match self {
            Self::Prepared {
                sequence,
                rows,
                digest,
                root,
                rule,
            } => {
                fields.numbers([*sequence, *rows]).digits(digest);
                fields.digits(root).digest(rule.as_ref());
            }
            Self::Sent { sequence, rows } => {
                fields.numbers([*sequence, *rows]);
            }
            Self::DropDelivered { sequence } => {
                fields.number(sequence);
            }
            Self::Returned { rows, events, root } => {
                fields.number(rows).number(events).digits(root);
            }
            Self::Undone {
                return_id,
                events,
                root,
            } => {
                fields.number(return_id).number(events).digits(root);
            }
            Self::Queued {
                leg,
                source,
                state,
                reason,
                kind,
            } => {
                fields.number(leg).number(source).number(state.number());
                fields.reason(*reason).number(kind.number());
            }
            Self::Pushing { attempts } => {
                fields.number(attempts);
            }
            Self::Pushed {
                state,
                attempts,
                reason,
                server_id,
            } => {
                fields.numbers([state.number(), *attempts]);
                fields.reason(*reason).digest(server_id.as_ref());
            }
            Self::Mirroring(told) | Self::Mirrored(told) => {
                fields.mirrored(told);
            }
            Self::DaySealed { root } => {
                fields.digits(root);
            }
            Self::Published {
                commissioner,
                name,
                digest,
            } => {
                fields.text(commissioner).text(name).digits(digest);
            }
            // Nothing more to say than the kind: `Opened`, `Released`; what is above was written there.
            _ => {}
        }
    }
}
