//! Units of devices at work: they are there when the kernel has them. Nobody listens before a unit names one.

use perigee_device::is_there;
use perigee_journal::Priority;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_units::machine::{Event, Outcome, State, UnitId};
use perigee_units::unit::UnitName;

use super::{Source, Supervisor, now};

impl Supervisor {
    /// Units were loaded: devices among them are looked at.
    pub(super) fn see_devices(&mut self) {
        let units = self.table.devices();
        // A supervisor on a thread of another program has no devices.
        if units.is_empty() || self.signals.is_none() {
            return;
        }
        if !self.devices.has_begun() {
            for why in self.devices.begin() {
                self.say_of(None, Priority::WARNING, &why);
            }
            let sources = [(self.devices.kernel(), Source::Devices), (self.devices.folders(), Source::Nodes)];
            let sources = sources.into_iter().filter_map(|(fd, source)| Some((fd?, source)));
            let event = |source: Source| EpollEvent::new(EpollFlags::EPOLLIN, source.token());
            let added = sources.map(|(fd, source)| self.epoll.add(fd, event(source))).find_map(Result::err);
            if let Some(error) = added {
                let text = format!("devices are seen at daemon-reload alone: {error}");
                self.say_of(None, Priority::WARNING, &text);
            }
        }
        let table = &self.table;
        self.devices.watch(units.iter().map(|unit| &table.get(*unit).unit.name));
        self.look_at_devices(units);
    }

    /// Loads devices that bring units along when they come, by folders such as `dev-NAME.device.wants`.
    pub(super) fn load_devices(&mut self) {
        let names: Vec<UnitName> = self
            .settings
            .search
            .devices()
            .into_iter()
            .filter(|name| self.table.find(name.as_str()).is_none())
            .collect();
        if self.signals.is_some()
            && let Err(error) = self.load_anew(&names, false)
        {
            self.tell(&format!("devices are not seen: {error}"));
        }
        self.see_devices();
    }

    /// The kernel has told of devices.
    pub(super) fn take_in_devices(&mut self) {
        let heard = self.devices.hear();
        let units = match heard.any {
            true => self.table.devices(),
            false => heard.units.iter().filter_map(|name| self.table.find(name.as_str())).collect(),
        };
        self.look_at_devices(units);
    }

    /// Something has changed below `/dev`.
    pub(super) fn take_in_nodes(&mut self) {
        if self.devices.changed() {
            self.look_at_devices(self.table.devices());
        }
    }

    fn look_at_devices(&mut self, units: Vec<UnitId>) {
        for unit in units {
            let event = match (is_there(&self.table.get(unit).unit.name), self.machine.state(unit)) {
                (true, State::Inactive) if self.stopping.is_none() => Event::Ready,
                (false, State::Active) => Event::Ended(Outcome::Success),
                _ => continue,
            };
            self.machine.event(unit, event, now());
        }
    }
}
