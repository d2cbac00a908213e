//! Every kind's bytes as they have been since the first version, and their way back.

use super::*;
use crate::domain::encoding::hex;
use crate::domain::{
    Action, Disposition, KeyId, LegId, LegState, NoteId, RawId, ReturnId, StrandId,
};
use crate::store::rows::RawIds;

const A: Digest = [0xa1; 32];
const B: Digest = [0xb2; 32];
/// What the bytes of [`step`] begin with.
const STEP: &str = "7,1,40,2,8,9,3,1,3,12,21,22,23,24,25,26";

fn step() -> LegStep {
    let (strand, seq) = (StrandId::new(1), 40);
    let after = Standing {
        state: LegState::Held,
        partner: StrandId::new(8),
        person: KeyId::new(9),
        why: Some(Reason::DeclinedByPerson),
        pending: Some(Action::New),
        asked: Some(Action::Stop),
        closing: Some(LegState::Cancelled),
        raws: RawIds::from_array([21, 22, 23, 24, 25, 26].map(RawId::new)),
    };
    LegStep {
        rev: 7,
        prev: Place { strand, seq },
        after,
    }
}

fn told() -> MirrorBody {
    MirrorBody {
        kind: MirrorKind::Request,
        state: PushState::Confirmed,
        attempts: 1,
        lost: 3,
        timed_out: 2,
        last_status: 20,
        server_id: Some(A),
    }
}

/// A body of each kind, and its bytes; a kind without one does not compile.
#[expect(clippy::too_many_lines, reason = "one arm a kind")]
fn sample(kind: Kind) -> (Body, String) {
    let (a, b) = (hex(&A), hex(&B));
    let step = step();
    let by = "J. \"Q\" Test".to_owned();
    match kind {
        Kind::Opened => (Body::Opened, "[]".to_owned()),
        Kind::Run => {
            let (rules, stages) = (A, vec![Stage::Pull, Stage::Select]);
            (
                Body::Run { rules, stages },
                format!(r#"["{a}","pull select"]"#),
            )
        }
        Kind::RunEnded => (
            Body::RunEnded {
                result: RunResult::Waits,
                unreachable: "GP-001 DELIVER-001".to_owned(),
            },
            r#"["waits","GP-001 DELIVER-001"]"#.to_owned(),
        ),
        Kind::RulesInForce => (
            Body::RulesInForce {
                file: A,
                destination: B,
                how: How::Approved,
                approved: Some((by, NoteId::new(70))),
            },
            format!(r#"["{a}","{b}","approved","J. \"Q\" Test",70]"#),
        ),
        Kind::Received => (
            Body::Received {
                step,
                reference: LegReference::from_bytes([0, 2, 3, 4, 5, 6, 7, 8]),
                source: StrandId::new(2),
                vouched: vec![(RawId::new(21), A), (RawId::new(22), B)],
            },
            format!(r#"[{STEP},"0002030405060708",2,[[21,"{a}"],[22,"{b}"]]]"#),
        ),
        Kind::Decided => (
            Body::Decided {
                step,
                rule: [0x0f; 16],
            },
            format!(r#"[{STEP},"{}"]"#, "0f".repeat(16)),
        ),
        Kind::Amended => {
            let vouched = vec![];
            (Body::Amended { step, vouched }, format!("[{STEP},[]]"))
        }
        Kind::Settled => {
            let joined = Some(LegId::new(12));
            (Body::Settled { step, joined }, format!("[{STEP},12]"))
        }
        Kind::Reported => (Body::Reported { step, events: 2 }, format!("[{STEP},2]")),
        Kind::Delivered => (Body::Delivered { step }, format!("[{STEP}]")),
        Kind::Resource => {
            let vouched = (RawId::new(21), A);
            (Body::Resource { vouched }, format!(r#"[[[21,"{a}"]]]"#))
        }
        Kind::Counted => {
            let mut counts = Counts::default();
            counts.add_many(Disposition::Accepted, None, 3);
            counts.add(Disposition::Held, Some(Reason::Tie));
            counts.add(Disposition::Rejected, Some(Reason::NotOurs));
            let body = Body::Counted {
                stage: Stage::Select,
                source: StrandId::new(2),
                partner: StrandId::new(0),
                file: 0,
                received: 5,
                counts,
            };
            let bytes = r#"[2,2,0,0,5,3,0,1,1,{"not-ours":1,"tie":1}]"#;
            (body, bytes.to_owned())
        }
        Kind::Certified => {
            let (digest, high) = (A, 5);
            (Body::Certified { digest, high }, format!(r#"["{a}",5]"#))
        }
        Kind::Held => (
            Body::Held {
                hold: NewHold {
                    leg: LegId::new(4),
                    stage: Stage::Match,
                    reason: Reason::Correction,
                    source: StrandId::new(2),
                    partner: StrandId::new(3),
                    return_id: ReturnId::new(60),
                    row: 9,
                },
            },
            "[4,6,49,2,3,60,9]".to_owned(),
        ),
        Kind::Released => (Body::Released, "[]".to_owned()),
        Kind::Signed => (
            Body::Signed {
                act: SignedAct::Undo,
                by,
                owner: Owner::It,
                note: NoteId::new(70),
            },
            r#"["undo","J. \"Q\" Test","it",70]"#.to_owned(),
        ),
        Kind::Accepted => (
            Body::Accepted {
                by,
                note: NoteId::new(70),
                clock: 5,
                restored: 6,
            },
            r#"["J. \"Q\" Test",70,5,6]"#.to_owned(),
        ),
        Kind::Voided => {
            let by = Some((by, NoteId::new(70)));
            let body = Body::Voided { sequence: 3, by };
            (body, r#"[3,"J. \"Q\" Test",70]"#.to_owned())
        }
        Kind::SaidSent => (
            Body::SaidSent {
                sequence: 3,
                by,
                note: NoteId::new(70),
            },
            r#"[3,"J. \"Q\" Test",70]"#.to_owned(),
        ),
        Kind::Leaving => (Body::Leaving { sequence: 3 }, "[3]".to_owned()),
        Kind::Kept => (Body::Kept { sequence: 3 }, "[3]".to_owned()),
        Kind::PeopleListed => (
            Body::PeopleListed {
                sequence: 3,
                rows: 4,
                digest: [1; 32],
            },
            format!("[3,4,\"{}\"]", "01".repeat(32)),
        ),
        Kind::PeopleRenewed => (Body::PeopleRenewed { sequence: 3 }, "[3]".to_owned()),
        Kind::Left => (Body::Left { step }, format!("[{STEP}]")),
        Kind::Viewed => (
            Body::Viewed {
                at: "worklist".to_owned(),
                by,
                note: NoteId::new(70),
            },
            r#"["worklist","J. \"Q\" Test",70]"#.to_owned(),
        ),
        Kind::Prepared => (
            Body::Prepared {
                sequence: 3,
                rows: 40,
                digest: A,
                root: B,
                rule: None,
            },
            format!(r#"[3,40,"{a}","{b}",""]"#),
        ),
        Kind::Sent => {
            let (sequence, rows) = (3, 40);
            (Body::Sent { sequence, rows }, "[3,40]".to_owned())
        }
        Kind::DropDelivered => (Body::DropDelivered { sequence: 3 }, "[3]".to_owned()),
        Kind::Returned => (
            Body::Returned {
                rows: 5,
                events: 9,
                root: A,
            },
            format!(r#"[5,9,"{a}"]"#),
        ),
        Kind::Undone => (
            Body::Undone {
                return_id: ReturnId::new(60),
                events: 9,
                root: A,
            },
            format!(r#"[60,9,"{a}"]"#),
        ),
        Kind::Queued => (
            Body::Queued {
                leg: LegId::new(4),
                source: StrandId::new(2),
                state: PushState::Off,
                reason: Some(Reason::PushOff),
                kind: PushKind::Amend,
            },
            "[4,2,7,61,2]".to_owned(),
        ),
        Kind::Pushing => (Body::Pushing { attempts: 2 }, "[2]".to_owned()),
        Kind::Pushed => (
            Body::Pushed {
                state: PushState::Confirmed,
                attempts: 2,
                lost: 1,
                timed_out: 0,
                reason: None,
                server_id: None,
            },
            r#"[5,2,1,0,0,""]"#.to_owned(),
        ),
        Kind::Mirroring => (
            Body::Mirroring { told: told() },
            format!(r#"[2,5,1,3,2,20,"{a}"]"#),
        ),
        Kind::Mirrored => (
            Body::Mirrored { told: told() },
            format!(r#"[2,5,1,3,2,20,"{a}"]"#),
        ),
        Kind::DaySealed => (Body::DaySealed { root: A }, format!(r#"["{a}"]"#)),
        Kind::Published => (
            Body::Published {
                commissioner: "icb".to_owned(),
                name: "report.html".to_owned(),
                digest: A,
            },
            format!(r#"["icb","report.html","{a}"]"#),
        ),
        Kind::Written => {
            let commissioner = "icb".to_owned();
            (Body::Written { commissioner }, r#"["icb"]"#.to_owned())
        }
    }
}

#[test]
fn every_kind_keeps_its_bytes_and_reads_them_back() {
    for kind in Kind::ALL {
        let (body, golden) = sample(kind);
        let bytes = body.to_json();
        assert_eq!(body.kind(), kind);
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            golden,
            "{kind:?}"
        );
        assert_eq!(Body::read(kind, &bytes), Some(body), "{kind:?}");
        let more = format!("{},1]", golden.strip_suffix(']').unwrap());
        assert_eq!(Body::read(kind, more.as_bytes()), None, "{kind:?}");
        assert_eq!(Body::read(kind, b"no array"), None, "{kind:?}");
    }
}

#[test]
fn what_may_be_absent_is_absent_in_the_bytes() {
    let (step, joined) = (step(), None);
    let rejected = Body::Settled { step, joined };
    let first = Body::RulesInForce {
        file: A,
        destination: B,
        how: How::First,
        approved: None,
    };
    let by_a_run = Body::Voided {
        sequence: 3,
        by: None,
    };
    let (a, b) = (hex(&A), hex(&B));
    for (body, golden) in [
        (by_a_run, "[3]".to_owned()),
        (rejected, format!("[{STEP}]")),
        (first, format!(r#"["{a}","{b}","first"]"#)),
    ] {
        let bytes = body.to_json();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), golden);
        assert_eq!(Body::read(body.kind(), &bytes), Some(body));
    }
}
