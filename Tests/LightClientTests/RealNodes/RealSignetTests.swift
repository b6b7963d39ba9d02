import Bitcoin
import Bytes
import Foundation
import LightClient
import TestSupport
import Testing

/// Signets of our own, whose blocks Bitcoin Core takes and the light client authenticates.
@Suite(.serialized, .enabled(if: BitcoinNode.isHere, "\(BitcoinNode.missing)"))
struct RealSignetTests {
  private let script = Script.p2wsh(witnessScript: [0x51])

  private func extend(
    _ node: BitcoinNode, _ miner: SignetMiner, by count: UInt32, network: Network, salt: UInt32
  ) throws {
    for _ in 0..<count {
      let height = try node.height + 1
      // Recent, or the node believes that it is still catching up and announces nothing.
      let time = UInt32(Date().timeIntervalSince1970) - 7200 + 60 * height + salt
      let block = try miner.block(
        on: try node.tip, height: height, time: time, paying: script, bits: network.powLimitBits)
      try node.submit(block: Hex.encode(block.bytes()))
    }
  }

  @Test(arguments: SignetMiner.Form.allCases)
  func signedBlocksAreFollowed(_ form: SignetMiner.Form) throws {
    let folder = try TemporaryFolder()
    let miner = try SignetMiner(form)
    let network = try Network.customSignet(name: Array("ours".utf8), challenge: miner.challenge)
    let node = try BitcoinNode(
      folder: try folder.sub("node"), chain: .signet(miner.challenge))
    try extend(node, miner, by: 2, network: network, salt: 0)
    let second = try BitcoinNode(folder: try folder.sub("second"), chain: .signet(miner.challenge))
    try second.call("addnode", ["127.0.0.1:\(node.port)", "onetry"])
    func connect(_ nodes: [BitcoinNode]) throws -> LiveClient {
      try LiveClient(
        ports: nodes.map(\.port), folder: try folder.sub("client"), network: network)
    }
    do {
      let client = try connect([node, second])
      client.follower.watch(script, fromHeight: 1)
      #expect(try client.isLevel(with: node))
      #expect(client.follower.client.authenticatedHeight == 2)
      #expect(client.matchedHeights == [1, 2])

      // The signers change their minds about the last block.
      try node.call("invalidateblock", [try node.tipHash])
      try extend(node, miner, by: 2, network: network, salt: 7)
      #expect(try client.isLevel(with: node))
      #expect(client.follower.client.authenticatedHeight == 3)
      #expect(client.matchedHeights == [1, 2, 2, 3])
      #expect(client.bans.isEmpty)
    }

    // From its disk it has what was authenticated, and nothing more; then one node is enough.
    node.stop()
    let client = try connect([node, second])
    #expect(client.follower.client.authenticatedHeight == 3)
    client.follower.watch(script, fromHeight: 3)
    #expect(try client.isLevel(with: second))
    #expect(client.matchedHeights == [3])
    #expect(client.bans.isEmpty)
  }
}
