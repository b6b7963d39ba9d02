import Bitcoin
import ChainFollower
import Ini

extension FuzzTarget {
  /// A network's file, as somebody may have sent it to an owner.
  static let network = FuzzTarget(
    name: "network",
    run: { (bytes) throws(FuzzFinding) in
      let lines = bytes.count { $0 == 0x0a } + 1
      let file: NetworkFile
      do throws(ConfigurationError) {
        file = try NetworkFile.parse(bytes, file: "zen.network")
      } catch {
        try require(error.line >= 0 && error.line <= lines, "an error names a line of the file")
        try require(!error.reason.isEmpty && !error.message.isEmpty, "an error says what is wrong")
        return
      }
      let network = file.network
      try require(Network.known(name: network.name) == nil, "no known network is replaced")
      try require((1...32).contains(network.name.count), "a name is bounded")
      try require(file.peers.count <= NetworkFile.maxPeers, "peers are bounded")
      guard let challenge = network.signetChallenge else {
        throw FuzzFinding(broken: "a network of one's own has signers")
      }
      try require(
        (try? SignetSolution.checkChallenge(challenge)) != nil, "what signs can be checked")
      let same = try? Network.customSignet(name: network.name, challenge: challenge)
      try require(same?.magic == network.magic, "the challenge decides the magic")
      try require(same?.identity == network.identity, "and what is signed")
      guard let checkpoint = network.checkpoint else { return }
      try require(
        checkpoint.height > 0 && checkpoint.height % HeaderRules.retargetInterval == 0,
        "a checkpoint begins a period")
      try require(
        (try? HeaderRules.checkWork(checkpoint.header, network: network)) != nil,
        "a checkpoint has its work")
      try require(
        checkpoint.work >= ChainWork(bits: checkpoint.header.bits), "a chain has its tip's work")
    },
    seeds: {
      let key = "210279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798ac"
      let hidden = Script.p2wsh(witnessScript: [0x51]).map { byte in
        String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
      }.joined()
      return [
        "[network]\nname = zen\nchallenge = 51\npeer = node.example\n",
        "[network]\nname = zen\nchallenge = \(key)\npeer = 127.0.0.1:38333\npeer = [::1]:1\n",
        "[network]\nname = zen\nchallenge = \(hidden)\nwitness_script = 51\n",
        "[network]\nname = zen\nchallenge = 51\n[checkpoint]\nheight = 2016\nheader = "
          + checkpointHeader + "\nwork = \(String(repeating: "0", count: 56))02000000\n",
      ].map { Array($0.utf8) }
    })

  /// The public signet's first header, which does as much work as any.
  private static let checkpointHeader: String = {
    var text = ""
    for byte in Network.signet.genesis.bytes {
      text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }
    return text
  }()
}
