//! DOC

pub(crate) mod deleted_requests;
pub(crate) mod intake;
pub(crate) mod known;
pub(crate) mod load;
pub(crate) mod queue;
pub(crate) mod recently_written;
pub(crate) mod worker;
pub(crate) mod writer;
