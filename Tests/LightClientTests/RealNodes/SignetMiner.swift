import Bitcoin
import Bytes
import CSodium
import Crypto
import TestSupport

/// Makes and signs the blocks of a signet of its own (BIP325) for a real bitcoind, which has no
/// wallet to do it with. A block costs some five million hashes.
struct SignetMiner {
  /// Who signs: what the challenge asks for.
  enum Form: CaseIterable { case key, oneOfTwo, witnessKey, witnessTwoOfTwo }

  let challenge: [UInt8]
  private let form: Form
  private let secrets: [Bytes32]
  /// What the signatures are for: the challenge, or what its hash stands for.
  private let script: [UInt8]

  private static let checkSig: UInt8 = 0xac
  private static let checkMultiSig: UInt8 = 0xae

  init(_ form: Form) throws {
    self.form = form
    secrets = [11, 12].map { Bytes32([UInt8](repeating: $0, count: 32)) }
    let keys = try secrets.map { try Secp256k1.publicKey(of: $0) }
    switch form {
    case .key, .witnessKey: script = Script.push(keys[0]) + [SignetMiner.checkSig]
    case .oneOfTwo, .witnessTwoOfTwo:
      let needed: UInt8 = form == .oneOfTwo ? 0x51 : 0x52
      script =
        [needed] + Script.push(keys[0]) + Script.push(keys[1]) + [0x52, SignetMiner.checkMultiSig]
    }
    isWitness = form == .witnessKey || form == .witnessTwoOfTwo
    challenge = isWitness ? Script.p2wsh(witnessScript: script) : script
  }

  private let isWitness: Bool

  /// A signed block on `parent`, which stands below `height`.
  func block(
    on parent: Bytes32, height: UInt32, time: UInt32, paying script: [UInt8], bits: UInt32
  ) throws -> Block {
    let nothing = [UInt8](repeating: 0, count: 32)
    let commitment: [UInt8] =
      [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed] + Sha256.double(nothing + nothing).array
    var coinbase = Transaction(
      inputs: [
        TransactionInput(
          previous: .coinbase, scriptSig: Script.number(Int64(height)) + [0x00],
          sequence: 0xffff_ffff, witness: [nothing])
      ],
      outputs: [
        TransactionOutput(amountSat: 50 * Amount.satPerCoin, scriptPubKey: script),
        TransactionOutput(
          amountSat: 0, scriptPubKey: commitment + Script.push(SignetSolution.marker)),
      ])
    var header = BlockHeader(
      version: 0x2000_0000, previous: parent, merkleRoot: coinbase.txid, time: time, bits: bits,
      nonce: 0)
    let solution = try solution(header)
    coinbase.outputs[1].scriptPubKey = commitment + Script.push(SignetSolution.marker + solution)
    header.merkleRoot = coinbase.txid
    SignetMiner.work(&header)
    return Block(header: header, transactions: [coinbase])
  }

  private func solution(_ header: BlockHeader) throws -> [UInt8] {
    let toSign = SignetSolution.toSign(header, root: header.merkleRoot, challenge: challenge)
    let digest =
      isWitness
      ? Sighash.segwitV0(toSign, inputIndex: 0, scriptCode: script, amountSat: 0, hashType: 1)
      : Sighash.legacy(toSign, inputIndex: 0, scriptCode: script, hashType: 1)
    let signatures = try secrets.map { try Secp256k1.signEcdsa(digest: digest, secret: $0) + [1] }
    var stack: [[UInt8]]
    switch form {
    case .key, .witnessKey: stack = [signatures[0]]
    // The second signer alone will do; CHECKMULTISIG takes one element too many.
    case .oneOfTwo: stack = [[], signatures[1]]
    case .witnessTwoOfTwo: stack = [[]] + signatures
    }
    var writer = ByteWriter()
    if isWitness {
      stack.append(script)
      writer.compactSize(0)
      writer.compactSize(stack.count)
      for item in stack { writer.lengthPrefixed(item) }
    } else {
      writer.lengthPrefixed(stack.flatMap { $0.isEmpty ? [0x00] : Script.push($0) })
      writer.compactSize(0)
    }
    return writer.bytes
  }

  /// libsodium directly, from the middle of the header on: a test is compiled without optimisation.
  private static func work(_ header: inout BlockHeader) {
    guard let target = Target(bits: header.bits) else { return }
    let bytes = header.bytes
    var middle = crypto_hash_sha256_state()
    crypto_hash_sha256_init(&middle)
    crypto_hash_sha256_update(&middle, bytes, 64)
    var tail = Array(bytes[64...])
    var digest = [UInt8](repeating: 0, count: 32)
    tail.withUnsafeMutableBytes { tail in
      digest.withUnsafeMutableBufferPointer { digest in
        let out = digest.baseAddress!
        let rest = tail.baseAddress!.assumingMemoryBound(to: UInt8.self)
        while true {
          var state = middle
          crypto_hash_sha256_update(&state, rest, 16)
          crypto_hash_sha256_final(&state, out)
          crypto_hash_sha256(out, out, 32)
          // Signets begin with three zero bytes: most hashes are seen to fail by one look.
          if out[31] == 0 && out[30] == 0
            && target.isMet(by: Bytes32(loading: UnsafeRawBufferPointer(digest)))
          {
            return
          }
          header.nonce &+= 1
          tail.storeBytes(of: header.nonce.littleEndian, toByteOffset: 12, as: UInt32.self)
        }
      }
    }
  }
}
