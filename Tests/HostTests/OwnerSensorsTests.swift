import Foundation
import Testing

@testable import Host

/// The kernel's files, as a folder of real ones.
private final class Machine {
  let root = FileManager.default.temporaryDirectory.appending(path: "zs-\(UUID().uuidString)").path

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func put(_ path: String, _ text: String) throws {
    let file = root + path
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: file, atomically: false, encoding: .utf8)
  }

  var sensors: OwnerSensors { OwnerSensors(root: root) }
}

struct OwnerSensorsTests {
  @Test func nothingThereMeansNothingKnown() {
    let sensors = OwnerSensors(root: "/no/such/folder")
    #expect(sensors.isOnBattery() == nil)
    #expect(sensors.hottestMilliCelsius() == nil)
    #expect(sensors.idleSeconds(nowMs: 5, unixSeconds: 5) == nil)
    #expect(sensors.processorTime() == nil)
    #expect(sensors.writtenBytes() == 0)
  }

  @Test func powerSupplies() throws {
    let machine = Machine()
    let supply = "/sys/class/power_supply/"
    try machine.put(supply + "AC/type", "Mains\n")
    try machine.put(supply + "AC/online", "1\n")
    #expect(machine.sensors.isOnBattery() == nil)
    try machine.put(supply + "mouse/type", "Battery\n")
    try machine.put(supply + "mouse/scope", "Device\n")
    try machine.put(supply + "mouse/status", "Discharging\n")
    #expect(machine.sensors.isOnBattery() == nil)
    try machine.put(supply + "BAT0/type", "Battery\n")
    for (status, expected) in [
      ("Charging", false), ("Full", false), ("Not charging", false), ("Unknown", false),
      ("Discharging", true),
    ] {
      try machine.put(supply + "BAT0/status", status + "\n")
      #expect(machine.sensors.isOnBattery() == expected, "\(status)")
    }
  }

  /// One in a dock, one that is pulled while it is asked (its files fail then), two of them.
  @Test func batteriesComeAndGo() throws {
    let machine = Machine()
    let sensors = machine.sensors
    let supply = "/sys/class/power_supply/"
    #expect(sensors.isOnBattery() == nil)
    try machine.put(supply + "BAT1/type", "Battery\n")
    #expect(sensors.isOnBattery() == false)
    try machine.put(supply + "BAT1/status", "Discharging\n")
    #expect(sensors.isOnBattery() == true)
    try machine.put(supply + "BAT0/type", "Battery\n")
    try machine.put(supply + "BAT0/status", "Not charging\n")
    #expect(sensors.isOnBattery() == true)
    try FileManager.default.removeItem(atPath: machine.root + supply + "BAT1/status")
    #expect(sensors.isOnBattery() == false)
    try machine.put(supply + "BAT0/status", "Discharging")
    #expect(sensors.isOnBattery() == true)
    try FileManager.default.removeItem(atPath: machine.root + supply)
    #expect(sensors.isOnBattery() == nil)
  }

  @Test func theHottestSensorCounts() throws {
    let machine = Machine()
    try machine.put("/sys/class/thermal/thermal_zone0/temp", "41000\n")
    try machine.put("/sys/class/thermal/thermal_zone1/temp", "-273000\n")
    try machine.put("/sys/class/thermal/cooling_device0/temp", "99000\n")
    #expect(machine.sensors.hottestMilliCelsius() == 41_000)
    try machine.put("/sys/class/hwmon/hwmon0/temp1_input", "63500\n")
    try machine.put("/sys/class/hwmon/hwmon0/temp1_crit", "105000\n")
    try machine.put("/sys/class/hwmon/hwmon0/temp2_input", "255000\n")
    #expect(machine.sensors.hottestMilliCelsius() == 63_500)
    try machine.put("/sys/class/thermal/thermal_zone0/temp", "nonsense")
    #expect(machine.sensors.hottestMilliCelsius() == 63_500)
    // Nothing is connected to it; one that cannot be read now (ENODATA of a chip that sleeps); one more.
    try machine.put("/sys/class/hwmon/hwmon1/temp1_input", "127500\n")
    try FileManager.default.createDirectory(
      atPath: machine.root + "/sys/class/thermal/thermal_zone2/temp",
      withIntermediateDirectories: true)
    try machine.put("/sys/class/thermal/thermal_zone3/temp", "")
    #expect(machine.sensors.hottestMilliCelsius() == 63_500)
    try machine.put("/sys/class/thermal/thermal_zone3/temp", "104000\n")
    #expect(machine.sensors.hottestMilliCelsius() == 104_000)
  }

  @Test func processorTimeBetweenTwoLooks() throws {
    let machine = Machine()
    let sensors = machine.sensors
    try machine.put("/proc/stat", "cpu  100 10 50 1000 30 4 6 99 0 0\ncpu0 1 1 1 1 1 1 1 1\n")
    #expect(sensors.processorTime() == nil)
    try machine.put("/proc/stat", "cpu  130 15 60 1100 40 5 7 199 0 0\n")
    let time = try #require(sensors.processorTime())
    #expect(time.busyMs == 470)
    #expect(time.totalMs == 470 + 1100)
    // A counter that fell is no reason to compute nonsense.
    try machine.put("/proc/stat", "cpu  1 1 1 1 1 1 1 1\n")
    #expect(sensors.processorTime() == nil)
    try machine.put("/proc/stat", "cpu 1 2\n")
    #expect(sensors.processorTime() == nil)
  }

  /// A pipe is as readable as an input device after an event, and is emptied by nobody but its end.
  @Test func inputDevicesAreAskedAndNeverRead() throws {
    let machine = Machine()
    try machine.put("/sys/class/input/event0/device/capabilities/key", "120013 0 fffffffe\n")
    try machine.put("/sys/class/input/event0/device/capabilities/rel", "0\n")
    // A sensor without keys: its events say nothing of people.
    try machine.put("/sys/class/input/event1/device/capabilities/key", "0\n")
    try machine.put("/dev/input/mice", "")
    let devices = [machine.root + "/dev/input/event0", machine.root + "/dev/input/event1"]
    for device in devices { #expect(mkfifo(device, 0o600) == 0) }
    let sensors = machine.sensors
    #expect(sensors.idleSeconds(nowMs: 10_000, unixSeconds: 0) == 0)
    #expect(sensors.idleSeconds(nowMs: 40_000, unixSeconds: 0) == 30)
    let writer = open(devices[0], O_RDWR)
    let other = open(devices[1], O_RDWR)
    defer {
      close(writer)
      close(other)
    }
    #expect(write(other, "x", 1) == 1)
    #expect(sensors.idleSeconds(nowMs: 50_000, unixSeconds: 0) == 40)
    #expect(write(writer, "x", 1) == 1)
    #expect(sensors.idleSeconds(nowMs: 60_000, unixSeconds: 0) == 0)
    var byte: UInt8 = 0
    #expect(read(writer, &byte, 1) == 1 && byte == UInt8(ascii: "x"))
    #expect(sensors.idleSeconds(nowMs: 75_000, unixSeconds: 0) == 15)
  }

  /// What is plugged in again has the same name: it is watched again. To unplug it is to use the machine.
  @Test func aKeyboardMayBeUnplugged() throws {
    let machine = Machine()
    try machine.put("/sys/class/input/event0/device/capabilities/key", "fffffffe\n")
    try machine.put("/dev/input/mice", "")
    let device = machine.root + "/dev/input/event0"
    #expect(mkfifo(device, 0o600) == 0)
    let sensors = machine.sensors
    #expect(sensors.idleSeconds(nowMs: 1_000, unixSeconds: 0) == 0)
    let writer = open(device, O_RDWR)
    #expect(sensors.idleSeconds(nowMs: 11_000, unixSeconds: 0) == 10)
    // A pipe without writers hangs up, as a device without hardware does.
    close(writer)
    #expect(unlink(device) == 0)
    #expect(sensors.idleSeconds(nowMs: 12_000, unixSeconds: 0) == 0)
    #expect(sensors.idleSeconds(nowMs: 22_000, unixSeconds: 0) == 10)
    #expect(mkfifo(device, 0o600) == 0)
    #expect(sensors.idleSeconds(nowMs: 32_000, unixSeconds: 0) == 20)
    let again = open(device, O_RDWR)
    defer { close(again) }
    #expect(write(again, "x", 1) == 1)
    #expect(sensors.idleSeconds(nowMs: 42_000, unixSeconds: 0) == 0)
  }

  @Test func terminalsTellWhenSomebodyTyped() throws {
    let machine = Machine()
    for name in ["/dev/tty1", "/dev/tty", "/dev/ttyS0", "/dev/pts/3", "/dev/pts/ptmx"] {
      try machine.put(name, "x")
    }
    func touch(_ name: String, _ seconds: Int) {
      let times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
      #expect(utimensat(AT_FDCWD, machine.root + name, times, 0) == 0)
    }
    touch("/dev/tty1", 1000)
    touch("/dev/ttyS0", 1500)
    touch("/dev/pts/3", 1700)
    // Neither is anybody's terminal.
    touch("/dev/tty", 1990)
    touch("/dev/pts/ptmx", 1995)
    let sensors = machine.sensors
    #expect(sensors.idleSeconds(nowMs: 0, unixSeconds: 2000) == 300)
    // It was another time before, whatever the calendar says now: seen at this look.
    touch("/dev/tty1", 1999)
    #expect(sensors.idleSeconds(nowMs: 1_000, unixSeconds: 2000) == 0)
    #expect(sensors.idleSeconds(nowMs: 9_000, unixSeconds: 900_000) == 8)
    #expect(sensors.idleSeconds(nowMs: 10_000, unixSeconds: 3) == 9)
    touch("/dev/pts/3", 4)
    #expect(sensors.idleSeconds(nowMs: 11_000, unixSeconds: 4) == 0)
  }

  /// A machine whose clock was ahead when it started: its terminals are from the future, and stay so.
  @Test func terminalsOfTheFutureSayNothing() throws {
    let machine = Machine()
    for name in ["/dev/tty1", "/dev/tty2"] {
      try machine.put(name, "x")
      let times = [timespec(tv_sec: 9000, tv_nsec: 0), timespec(tv_sec: 9000, tv_nsec: 0)]
      #expect(utimensat(AT_FDCWD, machine.root + name, times, 0) == 0)
    }
    let sensors = machine.sensors
    #expect(sensors.idleSeconds(nowMs: 0, unixSeconds: 2000) == nil)
    #expect(sensors.idleSeconds(nowMs: 5_000, unixSeconds: 2005) == nil)
    let times = [timespec(tv_sec: 2008, tv_nsec: 0), timespec(tv_sec: 2008, tv_nsec: 0)]
    #expect(utimensat(AT_FDCWD, machine.root + "/dev/tty2", times, 0) == 0)
    #expect(sensors.idleSeconds(nowMs: 10_000, unixSeconds: 2010) == 0)
    #expect(sensors.idleSeconds(nowMs: 70_000, unixSeconds: 2070) == 60)
  }

  @Test func whatWasWritten() throws {
    let machine = Machine()
    try machine.put("/proc/self/io", "rchar: 9\nread_bytes: 5\nwrite_bytes: 123456\n")
    #expect(machine.sensors.writtenBytes() == 123_456)
    #expect(OwnerSensors.ownProcessorMs() > 0)
  }

  @Test func theMinuteOfTheDayFollowsTheTimeZone() {
    var parts = tm()
    var seconds = time_t(1_700_000_000)
    localtime_r(&seconds, &parts)
    #expect(
      OwnerSensors.minuteOfDay(unixSeconds: 1_700_000_000)
        == UInt32(parts.tm_hour * 60 + parts.tm_min))
  }
}
