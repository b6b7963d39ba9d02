import Bytes
import Market
import Session

/// All connections, with limits. Unauthenticated callers cannot displace authenticated ones.
final class Callers {
  private let context: HiringContext
  private var byKey: [CallKey: Call] = [:]
  /// The oldest first.
  private var calls: [Call] = []

  /// Most authenticated callers without a lease, in addition to three per free place.
  private static let guests = 128

  init(_ context: HiringContext) { self.context = context }

  subscript(key: CallKey) -> Call? { byKey[key] }

  func connected(_ key: CallKey, address: String) {
    let strangers = calls.filter(\.isStranger)
    let atAddress = strangers.filter { $0.address == address }
    let session = try? SessionMachine(
      role: .responder, identity: context.secrets.identity, expectedPeer: nil,
      ephemeral: context.random(), nowMs: context.now.nowMs, limits: context.settings.session)
    guard let session, atAddress.count < context.settings.strangersPerAddress else {
      return context.emit(.hangUp(key))
    }
    if strangers.count >= context.settings.strangers, let oldest = strangers.first {
      remove(oldest)
      context.emit(.hangUp(oldest.key))
    }
    let call = Call(key: key, address: address, session: session, context)
    byKey[key] = call
    calls.append(call)
  }

  /// Whether a newly authenticated caller is within the limits.
  func hasRoom(for call: Call, freePlaces: Int) -> Bool {
    let guests = calls.filter { $0 !== call && $0.isGuest }
    return guests.count < Callers.guests + 3 * freePlaces
      && guests.filter { $0.address == call.address }.count < context.settings.guestsPerAddress
  }

  func remove(_ call: Call) {
    call.enter(.over)
    if byKey.removeValue(forKey: call.key) != nil { calls.removeAll { $0 === call } }
  }

  func timePassed() {
    let nowMs = context.now.nowMs
    for call in calls where nowMs >= call.nextDeadlineMs { call.timePassed() }
  }

  var nextDeadlineMs: UInt64 {
    var earliest = UInt64.max
    for call in calls { earliest = min(earliest, call.nextDeadlineMs) }
    return earliest
  }
}
