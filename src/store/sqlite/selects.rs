//! Which columns of each table are read, in the order in which `columns` takes them.

pub(super) const LEG: &str = "SELECT leg.id, leg.reference, leg.look, leg.source, leg.partner, leg.person, leg.state, leg.why, leg.pending, leg.asked, leg.closing, \
                   leg.since, leg.born, leg.raw_request, leg.raw_patient, leg.raw_requester, leg.raw_role, leg.raw_practice, leg.raw_consent, leg.rev, \
                   leg.last_strand, leg.last_seq FROM leg";
pub(super) const DROP_ROW: &str = "SELECT drop_id, row, leg, rev, prev_strand, prev_seq, action, raw_request, raw_patient, raw_requester, raw_role, \
                        raw_practice, raw_consent, changed, digest FROM drop_row";
pub(super) const DROP_FILE: &str = "SELECT id, partner, sequence, name, day, rows, digest, root, rule, mapper, state FROM drop_file";
pub(super) const BOOK: &str = "SELECT run, stage, source, partner, file, accepted, repeated, rejected, held, reasons, received FROM book";
pub(super) const EVENT: &str =
    "SELECT id, look, leg, rev, kind, return_id, row, holder, sealed FROM event";
pub(super) const PUSH: &str = "SELECT event, leg, source, kind, state, attempts, reason, due, server_id, lost, timed_out FROM push";
pub(super) const MIRROR: &str =
    "SELECT leg, kind, source, state, attempts, said, server_id, lost, timed_out FROM mirror";
pub(super) const RAW: &str = "SELECT id, holder, kind, look, sealed FROM raw";
pub(super) const HELD: &str =
    "SELECT number, leg, stage, reason, source, partner, return_id, row, since, open FROM held";
pub(super) const RETURN: &str = "SELECT id, sender, holder, look, rows, root, sealed_name, sealed_frame, state, version, written FROM return_file";
