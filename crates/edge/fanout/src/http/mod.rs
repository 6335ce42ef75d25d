//! The HTTP side: who may ask for what, the answers, and the page's files.

pub(crate) mod account;
pub(crate) mod alarms;
pub(crate) mod assets;
pub(crate) mod database;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod input;
pub(crate) mod reception;
pub(crate) mod routes;
pub(crate) mod units;
pub(crate) mod values;
