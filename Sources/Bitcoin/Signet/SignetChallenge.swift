import Bytes
import Crypto

/// The supported forms of challenge. They are checked as by Bitcoin Core's interpreter with its
/// rules for signet: P2SH, WITNESS, DERSIG, NULLDUMMY.
enum SignetChallenge: Equatable {
  /// `OP_TRUE`.
  case anyone
  /// `<key> CHECKSIG`, or `m <key>… n CHECKMULTISIG`.
  case signatures(needed: Int, keys: [[UInt8]], isMulti: Bool, script: [UInt8])
  /// P2WSH: the hash of one of the others.
  case hidden(hash: Bytes32)

  init(_ script: [UInt8]) throws(BitcoinError) {
    if let form = SignetChallenge.plain(script) {
      self = form
    } else if let (version, program) = Script.witnessProgram(script), version == 0,
      let hash = Bytes32(exactly: program)
    {
      self = .hidden(hash: hash)
    } else {
      throw BitcoinError.invalid(SignetChallenge.refusal(of: script))
    }
  }

  /// Why a script is not accepted as a challenge. Bitcoin Core checks solutions with few of its
  /// rules: a challenge that needs the others could be satisfied by anyone.
  private static func refusal(of script: [UInt8]) -> StaticReason {
    if script.isEmpty { return "an empty challenge can never be satisfied" }
    if script.count > Script.maxBytes { return "a challenge of more than 10000 bytes" }
    if Script.isOpReturn(script) { return "OP_RETURN can never be satisfied" }
    if let (version, _) = Script.witnessProgram(script), version > 0 {
      return "signets do not enforce taproot: anyone could make blocks"
    }
    var reader = ScriptReader(script)
    while let step = reader.next() {
      if step.data == nil && (step.opCode == 0xb1 || step.opCode == 0xb2) {
        return "time locks (CLTV, CSV) are not enforced on signets"
      }
    }
    return "a signet's challenge must be a key, a multisignature of keys, or P2WSH of these"
  }

  private static func plain(_ script: [UInt8]) -> SignetChallenge? {
    if script == [Script.OpCode.one] { return .anyone }
    var reader = ScriptReader(script)
    guard let first = reader.next() else { return nil }
    if let key = first.data {
      guard isKey(key), reader.next()?.opCode == Script.OpCode.checkSig, reader.isAtEnd else {
        return nil
      }
      return .signatures(needed: 1, keys: [key], isMulti: false, script: script)
    }
    guard let needed = small(first.opCode) else { return nil }
    var keys: [[UInt8]] = []
    while let step = reader.next() {
      if let key = step.data {
        if !isKey(key) || keys.count == 16 { return nil }
        keys.append(key)
        continue
      }
      guard small(step.opCode) == keys.count, needed <= keys.count,
        reader.next()?.opCode == Script.OpCode.checkMultiSig, reader.isAtEnd
      else { return nil }
      return .signatures(needed: needed, keys: keys, isMulti: true, script: script)
    }
    return nil
  }

  private static func isKey(_ data: [UInt8]) -> Bool {
    (data.count == 33 || data.count == 65) && Secp256k1.isPoint(data)
  }

  /// The number 1 to 16 of an op code.
  private static func small(_ opCode: UInt8) -> Int? {
    if opCode < Script.OpCode.one || opCode > Script.OpCode.sixteen { return nil }
    return Int(opCode - Script.OpCode.one) + 1
  }

  /// Throws unless `script` is the P2WSH challenge's script, and has a supported form.
  func check(hidden script: [UInt8]) throws(BitcoinError) {
    guard case .hidden(let hash) = self else {
      throw BitcoinError.invalid("only a P2WSH challenge has a hidden script")
    }
    if Sha256.hash(script) != hash {
      throw BitcoinError.invalid("not the script whose hash the P2WSH challenge contains")
    }
    if SignetChallenge.plain(script) == nil {
      throw BitcoinError.invalid(SignetChallenge.refusal(of: script))
    }
  }

  /// Whether a solution satisfies the challenge. Throws if it reveals a script of an unsupported
  /// form.
  func isSatisfied(by solution: SignetSolution) throws(BitcoinError) -> Bool {
    guard case .hidden(let hash) = self else {
      // Only witness programs have a witness.
      guard solution.witness.isEmpty, let stack = SignetChallenge.pushes(solution.scriptSig) else {
        return false
      }
      return accepts(stack, solution.toSign, isWitness: false)
    }
    guard solution.scriptSig.isEmpty, let script = solution.witness.last,
      Sha256.hash(script) == hash
    else { return false }
    guard let inner = SignetChallenge.plain(script) else {
      throw BitcoinError.invalid("a signet's P2WSH challenge has a script of an unsupported form")
    }
    return inner.accepts(Array(solution.witness.dropLast()), solution.toSign, isWitness: true)
  }

  /// The stack after a script that only pushes; nil for any other script.
  private static func pushes(_ script: [UInt8]) -> [[UInt8]]? {
    var stack: [[UInt8]] = []
    var reader = ScriptReader(script)
    while let step = reader.next() {
      guard let data = step.data else { return nil }
      stack.append(data)
    }
    return reader.isAtEnd ? stack : nil
  }

  private func accepts(_ stack: [[UInt8]], _ toSign: Transaction, isWitness: Bool) -> Bool {
    guard case .signatures(let needed, let keys, let isMulti, let script) = self else {
      return !isWitness || stack.isEmpty
    }
    // CHECKMULTISIG pops one extra element, which must be empty.
    let taken = isMulti ? needed + 1 : 1
    // A witness must leave nothing else on the stack (BIP141).
    if stack.count < taken || (isWitness && stack.count != taken) { return false }
    let top = Array(stack[(stack.count - taken)...])
    if isMulti && !top[0].isEmpty { return false }
    let signatures = isMulti ? Array(top.dropFirst()) : top
    // Signatures are in the order of their keys.
    var nextKey = 0
    for signature in signatures {
      var isFound = false
      while !isFound && nextKey < keys.count {
        isFound = SignetChallenge.isValid(
          signature, key: keys[nextKey], script: script, toSign: toSign, isWitness: isWitness)
        nextKey += 1
      }
      if !isFound { return false }
    }
    return true
  }

  private static func isValid(
    _ signature: [UInt8], key: [UInt8], script: [UInt8], toSign: Transaction, isWitness: Bool
  ) -> Bool {
    guard let hashType = signature.last else { return false }
    let digest =
      isWitness
      ? Sighash.segwitV0(
        toSign, inputIndex: 0, scriptCode: script, amountSat: 0, hashType: hashType)
      : Sighash.legacy(toSign, inputIndex: 0, scriptCode: script, hashType: UInt32(hashType))
    return Secp256k1.verifyEcdsa(
      der: Array(signature.dropLast()), digest: digest, publicKey: key, allowsHighS: true)
  }
}
