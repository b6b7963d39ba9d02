import Bitcoin
import Bytes

extension FuzzTarget {
  /// The payload of a peer's message; the first byte chooses the command.
  static let message = FuzzTarget(
    name: "message",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let command = PeerSamples.commands[input.below(PeerSamples.commands.count)]
      let payload = input.rest()
      guard let message = try? PeerMessage.decode(command: command, payload: payload) else {
        return
      }
      if case .unknown = message { return }
      var writer = ByteWriter()
      message.encodePayload(to: &writer)
      let again = try? PeerMessage.decode(command: command, payload: writer.bytes)
      try require(again == message, "a message means the same when it is sent on")
      guard case .block(let block) = message else { return }
      let bare = try? PeerMessage.decode(
        command: command, payload: payload, keepsBlockWitnesses: false)
      guard case .block(let stripped)? = bare else {
        throw FuzzFinding(broken: "a block without its witnesses decodes too")
      }
      try require(
        stripped.transactions.map(\.txid) == block.transactions.map(\.txid),
        "witnesses do not change a block's transaction ids")
    },
    seeds: {
      PeerSamples.messages.map { message in
        var writer = ByteWriter()
        message.encodePayload(to: &writer)
        let index = PeerSamples.index(of: message)
        return [UInt8(index)] + writer.bytes
      }
    })

  /// What comes over a connection, cut anywhere: messages with a right checksum among anything else.
  static let stream = FuzzTarget(
    name: "stream",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let limit = [100, 1000, 4_000_000][input.below(3)]
      let step = 1 + Int(input.u8())
      let stream = PeerSamples.stream(&input)
      let whole = read(stream, step: max(stream.count, 1), limit: limit)
      let cut = read(stream, step: step, limit: limit)
      try require(whole.messages == cut.messages, "where a stream is cut does not matter")
      try require(whole.error == cut.error, "where a stream is cut does not matter for its end")
    },
    seeds: {
      PeerSamples.messages.map { message in
        var writer = ByteWriter()
        message.encodePayload(to: &writer)
        var seed = SeedWriter()
        seed.u8(2, 7, 0, UInt8(PeerSamples.index(of: message)))
        seed.piece(writer.bytes)
        return seed.bytes
      }
    })

  private static func read(
    _ stream: [UInt8], step: Int, limit: Int
  ) -> (messages: [PeerMessage], error: BitcoinError?) {
    var framer = MessageFramer(magic: Network.regtest.magic, maxPayloadBytes: limit)
    var messages: [PeerMessage] = []
    var offset = 0
    do {
      while offset < stream.count {
        let end = min(stream.count, offset + step)
        framer.append(Array(stream[offset..<end]))
        offset = end
        while let message = try framer.next() { messages.append(message) }
      }
    } catch { return (messages, error) }
    return (messages, nil)
  }
}
