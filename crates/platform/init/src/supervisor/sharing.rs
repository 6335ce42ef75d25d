//! What units share, and what is left of it: namespaces and temporary files (`JoinsNamespaceOf=`), and what a unit's user
//! has left behind when the last unit of this user has ended (`RemoveIPC=`).

use std::path::Path;

use perigee_exec::{Context, Owners, remove_ipc};
use perigee_process::accounts::Accounts;
use perigee_units::machine::{Relation, UnitId};
use perigee_units::service::Phase;

use super::Supervisor;

/// A user or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Account {
    User(u32),
    Group(u32),
}

impl Supervisor {
    /// With whom a unit shares temporary files and namespaces: `JoinsNamespaceOf=`, whichever of the two says so.
    pub(super) fn joined(&self, unit: UnitId) -> Vec<Context> {
        let relation = Relation::JoinsNamespaceOf;
        let both = self.machine.related(unit, relation).iter().chain(self.machine.referring(unit, relation));
        both.filter_map(|other| self.table.service_ref(*other)).map(|work| work.context().clone()).collect()
    }

    /// A unit has ended: what its user and its group have left behind goes, unless another unit still runs as one of
    /// them; then it goes with that one.
    pub(super) fn remove_leavings(&mut self, unit: UnitId) {
        let Some(context) = self.table.service_ref(unit).map(|service| service.context()) else { return };
        let removes = context.removes_ipc();
        if !removes && self.leavings.is_empty() {
            return;
        }
        let Ok(accounts) = Accounts::read(Path::new("/")) else { return };
        let owners = context.runs_as(&accounts);
        let others: Vec<_> = self
            .machine
            .units()
            .filter(|other| *other != unit)
            .filter_map(|other| self.table.service_ref(other))
            .filter(|service| service.life.phase() != Phase::Dead)
            .map(|service| service.context().runs_as(&accounts))
            .collect();
        let mut due = |account: Option<Account>, shared: bool| {
            let account = account?;
            if shared {
                if removes {
                    self.leavings.insert(account);
                }
                return None;
            }
            (self.leavings.remove(&account) || removes).then_some(account)
        };
        let user = due(owners.uid.map(Account::User), others.iter().any(|other| other.uid == owners.uid));
        let group = due(owners.gid.map(Account::Group), others.iter().any(|other| other.gid == owners.gid));
        if user.is_some() || group.is_some() {
            remove_ipc(Owners { uid: user.and(owners.uid), gid: group.and(owners.gid) });
        }
    }
}
