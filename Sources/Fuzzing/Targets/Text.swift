import Bitcoin
import Bytes
import Host
import LightClient
import Market

extension FuzzTarget {
  /// What people write: addresses of coins and of machines, hexadecimal, names.
  static let text = FuzzTarget(
    name: "text",
    run: { (bytes) throws(FuzzFinding) in
      let text = String(decoding: bytes, as: UTF8.self)
      for network in [Network.regtest, .bitcoin, .signet] {
        guard let script = try? Address.scriptPubKey(ascii: bytes, network: network) else {
          continue
        }
        guard let again = Address.text(scriptPubKey: script, network: network) else {
          throw FuzzFinding(broken: "an address that is read can be written")
        }
        try require(again == text.lowercased(), "an address round-trips")
      }
      if let address = PeerAddress(text: bytes, defaultPort: 8333) {
        try require(
          PeerAddress(text: address.text, defaultPort: 1) == address, "a peer round-trips")
        _ = address.isPublic
      }
      if let endpoint = Market.Endpoint(text: text) {
        try require(Market.Endpoint(text: endpoint.text) == endpoint, "an endpoint round-trips")
      }
      if let endpoint = try? Host.Endpoint(parsing: text) {
        let again = try? Host.Endpoint(parsing: endpoint.description)
        try require(again == endpoint, "an endpoint of this machine round-trips")
      }
      if let decoded = Hex.decode(text) {
        try require(Hex.encode(decoded) == text.lowercased(), "hexadecimal round-trips")
      }
      _ = ProcessorSet(name: text)
      _ = Network.known(name: bytes)
    },
    seeds: {
      let script = Samples.payoutScript
      return [
        Address.text(scriptPubKey: script, network: .regtest)!,
        Address.text(scriptPubKey: [0, 20] + script[0..<20], network: .bitcoin)!,
        Address.text(scriptPubKey: [0x52, 2, 1, 2], network: .signet)!.uppercased(),
        "192.0.2.1:8333", "[2001:db8::1]:80", "[::]", "host.example:1", "unix:/tmp/s", "00ffAB",
        "x86_64", "testnet4",
      ].map { Array($0.utf8) }
    })
}
