//! Services with a name on the message bus.

use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_units::machine::{Change, UnitId};
use perigee_units::service::Type;

use super::{Source, Supervisor, now};

impl Supervisor {
    /// The name of a service whose readiness is seen on the bus.
    fn bus_name_of(&self, unit: UnitId) -> Option<String> {
        let service = self.table.service_ref(unit)?.life.service();
        service.bus_name.clone().filter(|_| service.kind == Type::Dbus)
    }

    /// A unit has come up or gone: its name is of interest, or no more.
    pub(super) fn tell_bus(&mut self, change: &Change) {
        if change.from.is_down() == change.to.is_down() {
            return;
        }
        let Some(name) = self.bus_name_of(change.unit) else { return };
        if change.to.is_down() {
            self.bus.forget(&name);
        } else {
            self.bus.watch(&name);
            self.open_bus();
        }
    }

    /// The name of a unit that is there is of interest.
    pub(super) fn watch_name(&mut self, unit: UnitId) {
        if let Some(name) = self.bus_name_of(unit) {
            self.bus.watch(&name);
            self.open_bus();
        }
    }

    /// Connects to the bus if that is wanted and can be had.
    pub(super) fn open_bus(&mut self) {
        if !self.bus.wants_connection() || !self.bus.connect() {
            return;
        }
        if let Some(fd) = self.bus.fd() {
            let _ = self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, Source::Bus.token()));
        }
    }

    pub(super) fn take_in_bus(&mut self) {
        for owned in self.bus.ready() {
            for unit in self.machine.units() {
                if self.bus_name_of(unit).as_ref() != Some(&owned.name) {
                    continue;
                }
                if let Some(service) = self.table.service(unit) {
                    service.life.bus_name(owned.owned, now());
                }
                self.live(unit);
            }
        }
    }
}
