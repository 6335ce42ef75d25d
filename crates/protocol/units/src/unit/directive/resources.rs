//! Resource control: what every unit with a control group has in common.

use super::fate::Fate::{self, CarriedOut, NotCarriedOut};
use super::fate::NETWORK;
use super::kind::Kind::{
    self, Amount, Bool, BoolOr, Choice, Device, NumberOr, Percent, Span, Text, Units, Words,
};
use super::{Directive, row};
use crate::value::DeviceKind;

const WEIGHT: Kind = NumberOr(1, 10_000, &["idle"]);
/// Of the first control groups; the number is taken as it stands.
const SHARES: Kind = NumberOr(2, 262_144, &[]);

const OLD_WEIGHT: Fate = NotCarriedOut("weights of devices are read from IODeviceWeight= alone");
const BOOT: Fate = NotCarriedOut("the boot has no limits of its own");
const CHILDREN: Fate = NotCarriedOut("groups get nothing by default from the one above");
const OOM_DAEMON: Fate = NotCarriedOut("only the kernel ends units when memory is short");
const PRESSURE: Fate = NotCarriedOut("units are not told of pressure");
const SERVICES_ONLY: Fate = NotCarriedOut("only services and slices are limited");

/// For services and slices.
pub(super) static RESOURCES: [Directive; 53] = ROWS;
/// For other units that run commands.
pub(super) static ELSEWHERE: [Directive; 53] = elsewhere(ROWS);

/// What is carried out for services and slices alone.
const fn elsewhere<const N: usize>(mut rows: [Directive; N]) -> [Directive; N] {
    let mut at = 0;
    while at < N {
        if matches!(rows[at].fate, CarriedOut) {
            rows[at].fate = SERVICES_ONLY;
        }
        at += 1;
    }
    rows
}

const ROWS: [Directive; 53] = [
    row("Slice", Units, CarriedOut),
    row("Delegate", Words, CarriedOut),
    row("DisableControllers", Words, CHILDREN),
    row("AllowedCPUs", Words, CarriedOut),
    row("StartupAllowedCPUs", Words, BOOT),
    row("AllowedMemoryNodes", Words, CarriedOut),
    row("StartupAllowedMemoryNodes", Words, BOOT),
    row("CPUAccounting", Bool, CarriedOut),
    row("CPUWeight", WEIGHT, CarriedOut),
    row("StartupCPUWeight", WEIGHT, BOOT),
    row("CPUShares", SHARES, CarriedOut),
    row("StartupCPUShares", SHARES, BOOT),
    row("CPUQuota", Percent, CarriedOut),
    row("CPUQuotaPeriodSec", Span, CarriedOut),
    row("MemoryAccounting", Bool, CarriedOut),
    row("MemoryMin", Amount, CarriedOut),
    row("DefaultMemoryMin", Amount, CHILDREN),
    row("MemoryLow", Amount, CarriedOut),
    row("DefaultMemoryLow", Amount, CHILDREN),
    row("MemoryHigh", Amount, CarriedOut),
    row("MemoryMax", Amount, CarriedOut),
    row("MemorySwapMax", Amount, CarriedOut),
    row("MemoryZSwapMax", Amount, CarriedOut),
    row("TasksAccounting", Bool, CarriedOut),
    row("TasksMax", Amount, CarriedOut),
    row("IOAccounting", Bool, CarriedOut),
    row("IOWeight", WEIGHT, CarriedOut),
    row("StartupIOWeight", WEIGHT, BOOT),
    row("IODeviceWeight", Device(DeviceKind::Weight), CarriedOut),
    row("IOReadBandwidthMax", Device(DeviceKind::Octets), CarriedOut),
    row("IOWriteBandwidthMax", Device(DeviceKind::Octets), CarriedOut),
    row("IOReadIOPSMax", Device(DeviceKind::Requests), CarriedOut),
    row("IOWriteIOPSMax", Device(DeviceKind::Requests), CarriedOut),
    row("IODeviceLatencyTargetSec", Device(DeviceKind::Latency), CarriedOut),
    row("BlockIOWeight", WEIGHT, CarriedOut),
    row("StartupBlockIOWeight", WEIGHT, BOOT),
    row("BlockIODeviceWeight", Text, OLD_WEIGHT),
    row("DeviceAllow", Device(DeviceKind::Access), CarriedOut),
    row("DevicePolicy", Choice(&["auto", "closed", "strict"]), CarriedOut),
    row("ManagedOOMSwap", Choice(&["auto", "kill"]), OOM_DAEMON),
    row("ManagedOOMMemoryPressure", Choice(&["auto", "kill"]), OOM_DAEMON),
    row("ManagedOOMMemoryPressureLimit", Percent, OOM_DAEMON),
    row("ManagedOOMPreference", Choice(&["none", "avoid", "omit"]), OOM_DAEMON),
    row("IPAccounting", Bool, NETWORK),
    row("IPAddressAllow", Words, NETWORK),
    row("IPAddressDeny", Words, NETWORK),
    row("IPIngressFilterPath", Text, NETWORK),
    row("IPEgressFilterPath", Text, NETWORK),
    row("BPFProgram", Text, NETWORK),
    row("SocketBindAllow", Text, NETWORK),
    row("SocketBindDeny", Text, NETWORK),
    row("RestrictNetworkInterfaces", Words, NETWORK),
    row("MemoryPressureWatch", BoolOr(&["auto", "skip"]), PRESSURE),
];
