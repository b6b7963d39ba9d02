import Bitcoin
import Bytes
import Ini

/// A custom signet (BIP325) as a file, of which every participant has a copy: challenge, peers and,
/// for long chains, a checkpoint to start from.
///
/// ```
/// [network]
/// name = zen
/// challenge = 0020…           ; continued on indented lines where it is long
/// witness_script = 5221…      ; what a P2WSH challenge hides, so that it can be checked here
/// peer = node.example.org     ; repeatable
/// [checkpoint]
/// height = 201600             ; a multiple of 2016
/// header = 00000020…          ; bitcoin-cli getblockheader HASH false
/// work = 0000…                ; its `chainwork`: bitcoin-cli getblockheader HASH
/// filter_header = 9f3c…       ; optional: bitcoin-cli getblockfilter HASH
/// ```
public struct NetworkFile {
  /// A node to follow the chain with; port 0 is the network's default.
  public struct Peer: Equatable {
    public let host: [UInt8]
    public let port: UInt16
  }

  public static let maxPeers = 32
  /// Largest challenge, and largest script of a P2WSH challenge, in bytes: enough for 16 keys.
  static let maxScriptBytes = 1200

  public private(set) var network: Network
  public private(set) var peers: [Peer]

  /// The entries read so far, not yet checked against each other.
  private final class Draft {
    var name: [UInt8] = []
    var challenge: [UInt8] = []
    var witnessScript: [UInt8] = []
    var peers: [Peer] = []
    var height: UInt32?
    var header: BlockHeader?
    var work: ChainWork?
    var filterHeader: Bytes32?
    var seen: [[UInt8]] = []
  }

  /// Parses INI text. `file` is only for messages. Throws for the first wrong line, also if only
  /// several lines together are wrong.
  public static func parse(
    _ text: [UInt8], file: String
  ) throws(ConfigurationError) -> NetworkFile {
    let draft = Draft()
    try IniFile.read(text, file: file) { entry in take(entry, draft) }
    func refusal(
      _ section: StaticString, _ key: StaticString, _ reason: String
    ) -> ConfigurationError {
      let name = "\(string(section)).\(string(key))"
      return ConfigurationError(
        file: file, line: IniFile.line(of: section, key, in: text), key: name, reason: reason)
    }
    if draft.name.isEmpty { throw refusal("network", "name", "is missing") }
    if draft.challenge.isEmpty {
      throw refusal("network", "challenge", "is missing: the challenge identifies the network")
    }
    var network: Network
    do throws(BitcoinError) {
      try SignetSolution.checkChallenge(draft.challenge)
    } catch { throw refusal("network", "challenge", error.message) }
    if draft.witnessScript.isEmpty == SignetSolution.hidesScript(draft.challenge) {
      throw refusal(
        "network", "witness_script",
        draft.witnessScript.isEmpty
          ? "is missing: a P2WSH challenge requires its script"
          : "belongs to a P2WSH challenge only")
    }
    if !draft.witnessScript.isEmpty {
      do throws(BitcoinError) {
        try SignetSolution.checkChallenge(draft.challenge, hidden: draft.witnessScript)
      } catch { throw refusal("network", "witness_script", error.message) }
    }
    do throws(BitcoinError) {
      network = try Network.customSignet(name: draft.name, challenge: draft.challenge)
    } catch { throw refusal("network", "name", error.message) }
    if let reason = addCheckpoint(draft, &network) {
      throw refusal("checkpoint", reason.key, reason.text)
    }
    return NetworkFile(network: network, peers: draft.peers)
  }

  private static func string(_ text: StaticString) -> String {
    String(
      decoding: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount),
      as: UTF8.self)
  }

  /// Why an entry is refused, or nil.
  private static func take(_ entry: IniEntry, _ draft: Draft) -> String? {
    let name = entry.section + [0x2e] + entry.key
    let value = entry.value
    let text = String(decoding: value, as: UTF8.self)
    // inih reports each continuation line as an entry of its own.
    if name.isAscii("network.challenge") { return extend(&draft.challenge, text) }
    if name.isAscii("network.witness_script") { return extend(&draft.witnessScript, text) }
    if name.isAscii("network.peer") {
      guard let peer = ConfigurationValue.endpoint(value, defaultPort: 0),
        draft.peers.count < maxPeers
      else { return "expected host or host:port, at most 32 peers" }
      draft.peers.append(Peer(host: peer.host, port: peer.port))
      return nil
    }
    if draft.seen.contains(name) { return "is given twice" }
    draft.seen.append(name)
    if name.isAscii("network.name") {
      draft.name = value
      return value.isEmpty ? "has no value" : nil
    }
    if name.isAscii("checkpoint.height") {
      draft.height = ConfigurationValue.number(value).flatMap { UInt32(exactly: $0) }
      return draft.height == nil ? "expected a height" : nil
    }
    if name.isAscii("checkpoint.header") {
      if let bytes = Hex.decode(text), bytes.count == BlockHeader.byteCount {
        var reader = ByteReader(bytes)
        draft.header = try? BlockHeader.decode(&reader)
      }
      return draft.header == nil ? "expected a block's header, 160 hexadecimal digits" : nil
    }
    if name.isAscii("checkpoint.work") {
      draft.work = Bytes32(hex: text).map { ChainWork(bigEndian: $0) }
      return draft.work == nil ? "expected a chain's work, 64 hexadecimal digits" : nil
    }
    if name.isAscii("checkpoint.filter_header") {
      draft.filterHeader = Bytes32(hex: text)?.reversed
      return draft.filterHeader == nil ? "expected a filter header, 64 hexadecimal digits" : nil
    }
    return "no such key; there are network.name, challenge, witness_script, peer and "
      + "checkpoint.height, header, work, filter_header"
  }

  private static func extend(_ script: inout [UInt8], _ text: String) -> String? {
    guard let bytes = Hex.decode(text), !bytes.isEmpty else {
      return "expected a script in hexadecimal"
    }
    if script.count + bytes.count > maxScriptBytes {
      return "too large: a challenge's script has at most \(maxScriptBytes) bytes"
    }
    script += bytes
    return nil
  }

  private static func addCheckpoint(
    _ draft: Draft, _ network: inout Network
  ) -> (key: StaticString, text: String)? {
    if draft.height == nil && draft.header == nil && draft.work == nil
      && draft.filterHeader == nil
    {
      return nil
    }
    guard let height = draft.height else { return ("height", "is missing") }
    guard let header = draft.header else { return ("header", "is missing") }
    guard let work = draft.work else { return ("work", "is missing") }
    if height == 0 || height % HeaderRules.retargetInterval != 0 {
      return ("height", "not a multiple of 2016, the blocks between two changes of difficulty")
    }
    do throws(BitcoinError) { try HeaderRules.checkWork(header, network: network) } catch {
      return ("header", error.message)
    }
    if header.time <= network.genesis.time { return ("header", "older than the genesis block") }
    // Every block below had at least the work of the network's easiest target.
    if work.value < ChainWork(bits: network.powLimitBits).value &* height {
      return ("work", "less than the minimum work of so many blocks")
    }
    network.checkpoint = Network.Checkpoint(
      height: height, header: header, work: work, filterHeader: draft.filterHeader)
    network.minimumChainWork = work
    return nil
  }
}
