//! What the tests share, one file a thing.

pub(crate) mod bad_servers;
pub(crate) mod between;
pub(crate) mod edit;
pub(crate) mod elements;
pub(crate) mod expected;
pub(crate) mod expressions;
pub(crate) mod fhir_server;
pub(crate) mod gp_world;
pub(crate) mod hfs;
pub(crate) mod home;
pub(crate) mod installed;
pub(crate) mod partner_file;
pub(crate) mod people;
pub(crate) mod planted;
pub(crate) mod process;
pub(crate) mod sekmet;
pub(crate) mod shared;
pub(crate) mod source;
pub(crate) mod spreadsheet;
pub(crate) mod table;
pub(crate) mod token_server;
pub(crate) mod validator;
pub(crate) mod weak;
pub(crate) mod workload;
pub(crate) mod world;
pub(crate) mod xml;
