/// The user and group ids that root's agent gives to jobs. They lie above what systemd gives to containers
/// (up to 0x6fffffff) and above the subordinate ids of adduser(8) (`SUB_UID_MAX`, 600,100,000), so that no
/// other user of the host has them. subuid(5); systemd's UIDS-GIDS.
public struct IdentityRange {
  /// The first id of the ranges from which the agents of one host choose.
  public static let first: UInt32 = 0x7000_0000
  static let ranges: UInt32 = 1024

  /// The first id of an agent's range; nil if every range is taken. The owner's name selects a range (FNV-1a);
  /// the next one follows if `/etc/subuid` or `/etc/subgid` gives it to another user.
  ///
  /// - Parameter taken: the contents of these files.
  static func start(
    owner: String, first: UInt32 = first, size: UInt32, taken: [[UInt8]]
  ) -> UInt32? {
    var hash: UInt32 = 0x811c_9dc5
    for byte in owner.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    var others: [(start: UInt64, count: UInt64)] = []
    for text in taken { others += parse(text) }
    for step in 0..<ranges {
      let start = UInt64(first) + UInt64((hash % ranges + step) % ranges) * UInt64(size)
      let end = start + UInt64(size)
      let isFree = !others.contains { $0.start < end && start < $0.start &+ $0.count }
      if isFree && end <= UInt64(Int32.max) { return UInt32(start) }
    }
    return nil
  }

  /// Lines `name:start:count`; others are ignored.
  private static func parse(_ text: [UInt8]) -> [(start: UInt64, count: UInt64)] {
    var found: [(start: UInt64, count: UInt64)] = []
    for line in Text.lines(text) {
      let parts = Text.split(line, on: 0x3a)
      guard parts.count == 3, let start = Text.number(parts[1]), let count = Text.number(parts[2])
      else { continue }
      found.append((start, min(count, 1 << 32)))
    }
    return found
  }
}
