//! DOC

pub(crate) mod deleted;
pub(crate) mod intake;
pub(crate) mod known;
pub(crate) mod load;
pub(crate) mod queue;
pub(crate) mod recent;
pub(crate) mod worker;
pub(crate) mod writer;
