import CHost

/// Kills the program at a chosen point, for crash tests: `ZENNET_FAULT=NAME[:N][:after][:trap]`
/// kills it just before (or after) the Nth effect of that name is carried out, or traps there. No
/// effect unless the variable is set.
public struct FaultPoint {
  private let name: [UInt8]
  private let isAfter: Bool
  private let isTrap: Bool
  private var left: UInt64

  /// Reads the variable. Invalid text is ignored.
  public init() {
    self.init(text: Machine.environment("ZENNET_FAULT") ?? "")
  }

  init(text: String) {
    var parts: [[UInt8]] = [[]]
    for byte in text.utf8 {
      if byte == 0x3a { parts.append([]) } else { parts[parts.count - 1].append(byte) }
    }
    name = parts[0]
    var count: UInt64 = 1
    var isAfter = false
    var isTrap = false
    for part in parts.dropFirst() {
      if let number = UInt64(String(decoding: part, as: UTF8.self)) { count = number }
      if part == Array("after".utf8) { isAfter = true }
      if part == Array("trap".utf8) { isTrap = true }
    }
    left = count
    self.isAfter = isAfter
    self.isTrap = isTrap
  }

  /// Call it before the effect is carried out.
  public mutating func before(_ effect: StaticString) {
    if left == 0 || !matches(effect) { return }
    left -= 1
    if left == 0 && !isAfter { die() }
  }

  /// Call it after the effect was carried out.
  public mutating func after(_ effect: StaticString) {
    if isAfter && left == 0 && matches(effect) { die() }
  }

  private func matches(_ effect: StaticString) -> Bool {
    if name.isEmpty || name.count != effect.utf8CodeUnitCount { return false }
    for index in 0..<name.count where name[index] != effect.utf8Start[index] { return false }
    return true
  }

  private func die() {
    precondition(!isTrap)
    _ = host_kill(Machine.processId, Signal.kill.rawValue)
  }
}
