import Bitcoin
import Bytes
import CSodium
import LightClient
import MadeChain

/// Headers through all the rules of the light client, beside the double SHA-256 of their eighty
/// bytes, which nobody can save.
final class HeaderValidation {
  private static let metric = "header_validate"
  private let headers: [BlockHeader]
  private let bytes: [UInt8]
  private let hashes: [Bytes32]

  init(headers count: Int) throws {
    let chain = MadeChain(MadeChain.Options(blocks: UInt32(count)))
    bytes = chain.headerBytes
    hashes = chain.hashes
    var list: [BlockHeader] = []
    for height in 1...count {
      var reader = ByteReader(bytes, range: (80 * height)..<(80 * height + 80))
      list.append(try BlockHeader.decode(&reader))
    }
    headers = list
  }

  func measure(_ rounds: Int) throws {
    let contest = Contest(stopwatch: .processor, amount: Double(headers.count), unit: "/s")
    let rates = try contest.rates(
      rounds,
      [
        Contestant(name: "\(HeaderValidation.metric) zennet", work: validate),
        Contestant(name: "\(HeaderValidation.metric) sha256d", work: hash),
      ])
    for (subject, rate) in zip(["zennet", "sha256d"], rates) {
      try Row(metric: HeaderValidation.metric, subject: subject, value: rate, unit: "/s").write()
    }
  }

  /// From decoded headers to a chain that took them in, two thousand at a time.
  private func validate() throws {
    var trial = HeaderTrial(network: .regtest, unixSeconds: 1_800_000_000)
    var start = 0
    while start < headers.count {
      let end = min(headers.count, start + PeerMessage.maxHeaders)
      try trial.append(Array(headers[start..<end]))
      start = end
    }
    precondition(trial.tipHash == hashes[headers.count])
  }

  private func hash() {
    var first = [UInt8](repeating: 0, count: 32)
    var second = [UInt8](repeating: 0, count: 32)
    bytes.withUnsafeBufferPointer { all in
      for height in 1...headers.count {
        crypto_hash_sha256(&first, all.baseAddress! + 80 * height, 80)
        crypto_hash_sha256(&second, first, 32)
      }
    }
    precondition(Bytes32(second) == hashes[headers.count])
  }
}
