import CHost

/// Sensors of the owner's activity and of the host, read from the kernel's files. Input content is
/// never read: only whether there was input.
public final class OwnerSensors {
  private let root: String
  private var inputs: [(path: String, fd: Int32)] = []
  /// Monotonic; negative if the input was before the host started.
  private var lastInputMs: Int64?
  /// The sum of all terminals' access times; nil before the first sample.
  private var accessSum: UInt64?
  private var lastTicks: (busy: UInt64, total: UInt64)?

  /// - Parameter root: prefix of every path; for tests.
  public init(root: String = "") { self.root = root }

  deinit { for input in inputs { _ = host_close(input.fd) } }

  private func text(_ path: String) -> [UInt8]? { try? Files.read(root + path, limit: 65_536) }

  private func names(_ path: String, _ prefix: StaticString) -> [String] {
    let wanted = Array(
      UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
    return ((try? Files.list(root + path)) ?? []).filter { $0.utf8.starts(with: wanted) }
  }

  /// The first number of a text, with its sign.
  private static func number(_ text: [UInt8]?) -> Int64? {
    guard let text, let first = text.first else { return nil }
    var value: Int64 = 0
    var digits = 0
    for byte in first == 0x2d ? text.dropFirst() : text[...] {
      if byte < 0x30 || byte > 0x39 || digits > 15 { break }
      value = value * 10 + Int64(byte - 0x30)
      digits += 1
    }
    return digits == 0 ? nil : (first == 0x2d ? -value : value)
  }

  private static func says(_ text: [UInt8]?, _ word: StaticString) -> Bool {
    guard let text else { return false }
    let wanted = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    return text.starts(with: wanted)
      && (text.count == wanted.count || text[wanted.count] == 0x0a)
  }

  // MARK: Load

  /// Busy and total processor time of the whole host since the last call, in milliseconds; nil at
  /// the first call.
  public func processorTime() -> (busyMs: UInt64, totalMs: UInt64)? {
    guard let text = text("/proc/stat") else { return nil }
    var fields: [UInt64] = []
    for word in text.prefix(while: { $0 != 0x0a }).split(separator: 0x20).dropFirst() {
      fields.append(UInt64(max(0, OwnerSensors.number(Array(word)) ?? 0)))
    }
    if fields.count < 7 { return nil }
    // user nice system idle iowait irq softirq (proc(5)); waiting and stolen time are not busy.
    let busy = fields[0] + fields[1] + fields[2] + fields[5] + fields[6]
    let total = busy + fields[3] + fields[4]
    defer { lastTicks = (busy, total) }
    guard let last = lastTicks, busy >= last.busy, total > last.total else { return nil }
    // A tick is 1/100 s on every Linux.
    return ((busy - last.busy) * 10, (total - last.total) * 10)
  }

  // MARK: Input

  /// Seconds since the last use of keyboard, mouse or a terminal; nil if no sensor is available.
  ///
  /// A terminal's access time uses the real-time clock, which may have been set: it is trusted only
  /// at the first sample, and only if it is not in the future. Later, any change of an access time
  /// counts as use.
  public func idleSeconds(nowMs: UInt64, unixSeconds: UInt64) -> UInt64? {
    let nowMs = Int64(nowMs)
    watchNewInputs(nowMs)
    for index in inputs.indices where host_input_waits(inputs[index].fd) == 1 {
      lastInputMs = nowMs
      // Reopened, it reports only later input. An unplugged device is dropped.
      _ = host_close(inputs[index].fd)
      inputs[index].fd = inputs[index].path.withCString { host_input_open($0) }
    }
    inputs.removeAll { $0.fd < 0 }
    var sum: UInt64 = 0
    for terminal in terminals() {
      var accessed: UInt64 = 0
      if terminal.withCString({ host_accessed($0, &accessed) }) != 0 { continue }
      sum &+= accessed
      if accessSum == nil && accessed <= unixSeconds {
        lastInputMs = max(lastInputMs ?? Int64.min, nowMs - Int64(unixSeconds - accessed) * 1000)
      }
    }
    if let accessSum, accessSum != sum { lastInputMs = nowMs }
    accessSum = sum
    return lastInputMs.map { UInt64((nowMs - $0) / 1000) }
  }

  private func terminals() -> [String] {
    let local = names("/dev", "tty").filter { name in
      guard let last = name.utf8.last else { return false }
      return last >= 0x30 && last <= 0x39
    }
    let remote = names("/dev/pts", "").filter { !$0.utf8.elementsEqual("ptmx".utf8) }
    return local.map { root + "/dev/" + $0 } + remote.map { root + "/dev/pts/" + $0 }
  }

  private func watchNewInputs(_ nowMs: Int64) {
    for name in names("/dev/input", "event") {
      let path = root + "/dev/input/" + name
      if inputs.contains(where: { $0.path.utf8.elementsEqual(path.utf8) }) { continue }
      if !isTouched(name) { continue }
      let fd = path.withCString { host_input_open($0) }
      if fd < 0 { continue }
      inputs.append((path, fd))
      // Without earlier data, assume that the owner was just active.
      if lastInputMs == nil { lastInputMs = nowMs }
    }
  }

  /// Whether a person operates the device: it has keys, or moves. Sensors have neither.
  private func isTouched(_ name: String) -> Bool {
    for kind in ["key", "rel"] {
      let bits = text("/sys/class/input/" + name + "/device/capabilities/" + kind) ?? []
      if bits.contains(where: { $0 != 0x30 && $0 != 0x20 && $0 != 0x0a }) { return true }
    }
    return false
  }

  // MARK: Power and heat

  /// True while the host runs on battery; nil for a host without one.
  public func isOnBattery() -> Bool? {
    let folder = "/sys/class/power_supply"
    var hasBattery = false
    var isDischarging = false
    for name in names(folder, "") {
      let supply = folder + "/" + name
      // Skip batteries of devices, such as a mouse.
      if OwnerSensors.says(text(supply + "/scope"), "Device") { continue }
      if !OwnerSensors.says(text(supply + "/type"), "Battery") { continue }
      hasBattery = true
      if OwnerSensors.says(text(supply + "/status"), "Discharging") { isDischarging = true }
    }
    return hasBattery ? isDischarging : nil
  }

  /// The hottest sensor, in thousandths of a degree Celsius; nil for a host without one.
  public func hottestMilliCelsius() -> Int64? {
    var hottest: Int64?
    for zone in names("/sys/class/thermal", "thermal_zone") {
      hottest = higher(hottest, "/sys/class/thermal/" + zone + "/temp")
    }
    for chip in names("/sys/class/hwmon", "hwmon") {
      let folder = "/sys/class/hwmon/" + chip
      for input in names(folder, "temp") where OwnerSensors.endsInInput(input) {
        hottest = higher(hottest, folder + "/" + input)
      }
    }
    return hottest
  }

  private static func endsInInput(_ name: String) -> Bool {
    Array(name.utf8).suffix(6).elementsEqual("_input".utf8)
  }

  /// Ignores broken sensors: values below freezing, or hotter than any processor allows (mostly 127
  /// or 128 degrees).
  private func higher(_ hottest: Int64?, _ path: String) -> Int64? {
    guard let value = OwnerSensors.number(text(path)), value > 0, value < 126_000 else {
      return hottest
    }
    return max(hottest ?? value, value)
  }

  // MARK: Storage and time

  /// Bytes that this process has written to storage since its start, see proc(5), `io`.
  public func writtenBytes() -> UInt64 {
    for line in (text("/proc/self/io") ?? []).split(separator: 0x0a) {
      let words = line.split(separator: 0x20)
      if words.count == 2 && OwnerSensors.says(Array(words[0]), "write_bytes:") {
        return UInt64(max(0, OwnerSensors.number(Array(words[1])) ?? 0))
      }
    }
    return 0
  }

  public static func minuteOfDay(unixSeconds: UInt64) -> UInt32 { host_minute_of_day(unixSeconds) }

  /// Processor time of this process so far.
  public static func ownProcessorMs() -> UInt64 { ownProcessorNs() / 1_000_000 }
  public static func ownProcessorNs() -> UInt64 { host_own_cpu_ns() }
}
