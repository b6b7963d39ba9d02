import Bytes
import Foundation
import MadeChain

/// A made chain, for whoever wants one: over the network or as a file.
enum ChainCommand {
  private struct Listening: Encodable {
    let port: UInt16
    let tip: String
    let height: UInt32
  }

  static func serve(_ options: Options) throws {
    let server = try MadeChainServer(MadeChain(options.chain), port: options.port)
    let line = Listening(
      port: server.port, tip: server.chain.tipHash.reversed.hex, height: server.chain.tipHeight)
    FileHandle.standardOutput.write(try JSONEncoder().encode(line) + Data("\n".utf8))
    try server.run()
  }

  /// The form of bitcoind's own block files: magic, length, block, again and again.
  static func write(_ options: Options) throws {
    let chain = MadeChain(options.chain)
    guard FileManager.default.createFile(atPath: options.file, contents: nil),
      let file = FileHandle(forWritingAtPath: options.file)
    else { throw CocoaError(.fileWriteUnknown) }
    var pending = Data()
    for height in 1...chain.tipHeight {
      let block = chain.block(at: height).bytes()
      var frame = ByteWriter(reserving: 8 + block.count)
      frame.append(chain.network.magic)
      frame.u32le(UInt32(block.count))
      frame.append(block)
      pending.append(contentsOf: frame.bytes)
      if pending.count > 1 << 20 || height == chain.tipHeight {
        try file.write(contentsOf: pending)
        pending.removeAll(keepingCapacity: true)
      }
    }
    try file.close()
    note("tip \(chain.tipHash.reversed.hex) at height \(chain.tipHeight)")
  }
}
