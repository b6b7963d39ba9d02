import Bitcoin

/// Effects in the order in which the driver carries them out.
struct Outbox {
  private let magic: [UInt8]
  private var effects: [LightClientEffect] = []
  /// Effects before this one are handed out.
  private var head = 0

  init(magic: [UInt8]) { self.magic = magic }

  mutating func push(_ effect: LightClientEffect) { effects.append(effect) }
  mutating func push(_ event: LightClientEvent) { effects.append(.event(event)) }

  mutating func send(_ message: PeerMessage, to id: PeerId) {
    effects.append(.send(id, MessageFrame.encode(message, magic: magic)))
  }

  mutating func next() -> LightClientEffect? {
    if head == effects.count {
      if head > 0 {
        effects.removeAll(keepingCapacity: effects.count <= 64)
        head = 0
      }
      return nil
    }
    // Overwrite the slot, so that a large block is freed as soon as the driver is done with it.
    let effect = effects[head]
    effects[head] = .setTimer(atMs: 0)
    head += 1
    return effect
  }
}
