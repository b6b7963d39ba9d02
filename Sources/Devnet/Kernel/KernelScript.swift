internal import CBitcoinKernel

/// An output that a transaction spends; signatures may commit to it.
public struct SpentOutput: Equatable, Sendable {
  public var amountSat: UInt64
  public var scriptPubKey: [UInt8]

  public init(amountSat: UInt64, scriptPubKey: [UInt8]) {
    self.amountSat = amountSat
    self.scriptPubKey = scriptPubKey
  }
}

/// Script rules, with the values of libbitcoinkernel (`btck_ScriptVerificationFlags`). All of them
/// are consensus rules; for policy (low S, minimal IF, standardness) see ``RelayPolicy``.
public struct KernelScriptFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// BIP16.
  public static let p2sh = KernelScriptFlags(rawValue: 1 << 0)
  /// BIP66: strict DER signatures.
  public static let dersig = KernelScriptFlags(rawValue: 1 << 2)
  /// BIP147: the extra argument of CHECKMULTISIG must be empty.
  public static let nulldummy = KernelScriptFlags(rawValue: 1 << 4)
  /// BIP65.
  public static let checkLockTimeVerify = KernelScriptFlags(rawValue: 1 << 9)
  /// BIP112.
  public static let checkSequenceVerify = KernelScriptFlags(rawValue: 1 << 10)
  /// BIP141.
  public static let witness = KernelScriptFlags(rawValue: 1 << 11)
  /// BIPs 341 and 342. Needs every spent output.
  public static let taproot = KernelScriptFlags(rawValue: 1 << 17)

  /// The rules for blocks on every network today.
  public static let all: KernelScriptFlags = [
    .p2sh, .dersig, .nulldummy, .checkLockTimeVerify, .checkSequenceVerify, .witness, .taproot,
  ]
}

/// Bitcoin Core's script interpreter (libbitcoinkernel), which verifies every transaction made
/// here.
public enum KernelScript {
  /// Whether input `inputIndex` of `tx` may spend an output of `amountSat` locked by
  /// `scriptPubKey`.
  ///
  /// - Parameters:
  ///   - tx: the serialised transaction, with witnesses.
  ///   - spentOutputs: the outputs that the inputs spend, in input order. Only taproot inputs and
  ///     the ``KernelScriptFlags/taproot`` flag need them. With that flag and no outputs given,
  ///     `scriptPubKey` and `amountSat` are used for a transaction with one input.
  /// - Returns: false also for a transaction that does not parse, an index without input, spent
  ///   outputs that do not match the inputs one to one, amounts above 21e14 sat, and unknown flags.
  public static func verify(
    scriptPubKey: [UInt8], amountSat: UInt64, tx: [UInt8], inputIndex: Int,
    spentOutputs: [SpentOutput] = [], flags: KernelScriptFlags = .all
  ) -> Bool {
    guard
      let transaction = tx.withUnsafeBytes({ btck_transaction_create($0.baseAddress, $0.count) })
    else { return false }
    defer { btck_transaction_destroy(transaction) }
    let inputCount = btck_transaction_count_inputs(transaction)
    guard inputIndex >= 0, inputIndex < inputCount, amountSat <= maximumSat else { return false }
    guard KernelScriptFlags.all.isSuperset(of: flags) else { return false }
    var spent = spentOutputs
    if spent.isEmpty && inputCount == 1 {
      spent = [SpentOutput(amountSat: amountSat, scriptPubKey: scriptPubKey)]
    }
    // The kernel aborts the process on a wrong count, and requires the outputs for taproot.
    guard spent.isEmpty ? !flags.contains(.taproot) : spent.count == inputCount else {
      return false
    }
    guard spent.allSatisfy({ $0.amountSat <= maximumSat }) else { return false }
    guard let script = makeScript(scriptPubKey) else { return false }
    defer { btck_script_pubkey_destroy(script) }
    var outputs: [OpaquePointer?] = []
    defer { for output in outputs { btck_transaction_output_destroy(output) } }
    for output in spent {
      guard let made = makeOutput(output) else { return false }
      outputs.append(made)
    }
    let precomputed = outputs.withUnsafeMutableBufferPointer {
      btck_precomputed_transaction_data_create(transaction, $0.baseAddress, $0.count)
    }
    guard let precomputed else { return false }
    defer { btck_precomputed_transaction_data_destroy(precomputed) }
    var status: UInt8 = 0
    let answer = btck_script_pubkey_verify(
      script, Int64(amountSat), transaction, precomputed, UInt32(inputIndex), flags.rawValue,
      &status)
    return answer == 1 && status == 0
  }

  /// Whether every input of `tx` may spend its output of `spentOutputs`, given in input order.
  /// Checks scripts only: amounts, lock times and double spends are not checked.
  public static func verifyAll(
    tx: [UInt8], spentOutputs: [SpentOutput], flags: KernelScriptFlags = .all
  ) -> Bool {
    if spentOutputs.isEmpty { return false }
    for (index, output) in spentOutputs.enumerated() {
      let good = verify(
        scriptPubKey: output.scriptPubKey, amountSat: output.amountSat, tx: tx, inputIndex: index,
        spentOutputs: spentOutputs, flags: flags)
      if !good { return false }
    }
    return true
  }

  /// The upper limit of amounts; above it the kernel's signed amounts are out of range.
  private static let maximumSat: UInt64 = 2_100_000_000_000_000

  private static func makeScript(_ bytes: [UInt8]) -> OpaquePointer? {
    bytes.withUnsafeBytes { btck_script_pubkey_create($0.baseAddress, $0.count) }
  }

  private static func makeOutput(_ output: SpentOutput) -> OpaquePointer? {
    guard let script = makeScript(output.scriptPubKey) else { return nil }
    defer { btck_script_pubkey_destroy(script) }
    return btck_transaction_output_create(script, Int64(output.amountSat))
  }
}
