//! What a server's [`Config`] says of all this.

use super::access_log::AccessLog;
use super::request_id::RequestIds;
use crate::Config;

/// The part of [`Config`] that is about seeing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(super) access_log: Option<AccessLog>,
    pub(super) request_ids: RequestIds,
}

impl Config {
    /// Logs each request that was answered or refused. Default: none, as a library should; whoever
    /// runs a server decides where its lines go.
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        self.seeing.access_log = Some(log);
        self
    }

    /// Where the ids of requests come from, and whether peers are told. Default: the server's own,
    /// and no.
    pub fn with_request_ids(mut self, ids: RequestIds) -> Self {
        self.seeing.request_ids = ids;
        self
    }
}
