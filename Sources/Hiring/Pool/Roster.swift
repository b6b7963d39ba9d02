import Bytes

/// Members by id, iterated in insertion order, so that behaviour is deterministic.
struct Roster<Member: AnyObject> {
  private(set) var all: [Member] = []
  private var byId: [Bytes32: Member] = [:]

  subscript(id: Bytes32) -> Member? { byId[id] }

  mutating func add(_ member: Member, _ id: Bytes32) {
    if byId.updateValue(member, forKey: id) == nil { all.append(member) }
  }

  mutating func remove(_ id: Bytes32) {
    guard let member = byId.removeValue(forKey: id) else { return }
    all.removeAll { $0 === member }
  }
}
