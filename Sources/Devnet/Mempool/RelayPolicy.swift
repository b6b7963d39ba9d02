import Bitcoin
import Bytes

/// Relay policy beyond consensus, as in Bitcoin Core 30 (`src/policy/policy.cpp`), where it may
/// affect Zennet's transactions.
///
/// libbitcoinkernel only enforces consensus rules for scripts. The script policy that Core enforces
/// during execution (low S, minimal IF, minimal pushes, compressed keys) is approximated here from
/// the witness and the script.
public struct RelayPolicy: Sendable {
  /// Minimum relay fee rate, sat per 1000 virtual bytes: 0.1 sat/vB.
  public var minimumFeeSatPerKvB: UInt64 = 100
  /// The fee rate that a replacement pays in addition, for its own relay.
  public var incrementalFeeSatPerKvB: UInt64 = 100
  /// Limit for all OP_RETURN scripts of a transaction together.
  public var dataCarrierBytes = 100_000

  static let maxWeight = 400_000
  static let minBytes = 65
  static let maxScriptSigBytes = 1650
  static let maxWitnessScriptBytes = 3600
  static let maxWitnessItems = 100
  static let maxWitnessItemBytes = 80
  /// The fee rate that defines dust, sat per 1000 virtual bytes.
  static let dustFeeSatPerKvB: UInt64 = 3000

  public init() {}

  /// The fee, in sat, that `virtualSize` bytes cost at `satPerKvB`, rounded up.
  public static func feeSat(virtualSize: Int, satPerKvB: UInt64) -> UInt64 {
    (UInt64(virtualSize) * satPerKvB + 999) / 1000
  }

  /// The dust limit, in sat, of an output with this script.
  public static func dustLimitSat(scriptPubKey: [UInt8]) -> UInt64 {
    switch OutputKind(scriptPubKey) {
    case .data: return 0
    case .witnessKeyHash, .witnessScriptHash, .taproot, .anchor, .witnessUnknown:
      // Spending takes an outpoint, a sequence, an empty script and a quarter of a 107-byte
      // witness.
      return UInt64(outputBytes(scriptPubKey) + 67) * dustFeeSatPerKvB / 1000
    default: return UInt64(outputBytes(scriptPubKey) + 148) * dustFeeSatPerKvB / 1000
    }
  }

  private static func outputBytes(_ script: [UInt8]) -> Int {
    8 + (script.count < 0xfd ? 1 : 3) + script.count
  }

  // MARK: Checks of the transaction alone

  /// Rules that need only the transaction.
  func check(_ transaction: Transaction) throws(TransactionRejection) {
    if transaction.isCoinbase { throw .coinbase }
    if transaction.inputs.isEmpty || transaction.outputs.isEmpty {
      throw .malformed("no inputs or no outputs")
    }
    if !(1...3).contains(transaction.version) { throw .nonStandardVersion(transaction.version) }
    if transaction.weight > RelayPolicy.maxWeight { throw .tooLarge(weight: transaction.weight) }
    let stripped = transaction.bytes(witness: false).count
    if stripped < RelayPolicy.minBytes { throw .tooSmall(bytes: stripped) }
    if transaction.totalOutputSat == nil { throw .amountOutOfRange }
    var seen: Set<OutPoint> = []
    for (index, input) in transaction.inputs.enumerated() {
      if !seen.insert(input.previous).inserted { throw .duplicateInput(input.previous) }
      if input.previous == .coinbase { throw .missingInput(input.previous) }
      if input.scriptSig.count > RelayPolicy.maxScriptSigBytes {
        throw .nonStandardInput(index: index, why: "scriptsig-size")
      }
      let steps = ScriptStep.all(of: input.scriptSig)
      if steps?.allSatisfy({ $0.push != nil && $0.isMinimal }) != true {
        throw .nonStandardInput(index: index, why: "scriptsig-not-pushonly")
      }
    }
    try checkOutputs(transaction)
  }

  private func checkOutputs(_ transaction: Transaction) throws(TransactionRejection) {
    var dataBytes = 0
    for (index, output) in transaction.outputs.enumerated() {
      let kind = OutputKind(output.scriptPubKey)
      if kind == .unknown { throw .nonStandardOutput(index: index) }
      if kind == .data {
        dataBytes += output.scriptPubKey.count
        continue
      }
      let limit = RelayPolicy.dustLimitSat(scriptPubKey: output.scriptPubKey)
      if output.amountSat < limit {
        throw .dust(index: index, amountSat: output.amountSat, limitSat: limit)
      }
    }
    if dataBytes > dataCarrierBytes { throw .dataCarrierTooLarge(bytes: dataBytes) }
  }

  // MARK: Checks with the spent outputs

  /// Rules for spending; `spent` is in input order.
  func checkInputs(
    _ transaction: Transaction, spent: [TransactionOutput]
  ) throws(TransactionRejection) {
    for (index, input) in transaction.inputs.enumerated() {
      if let why = fault(input, spending: spent[index].scriptPubKey) {
        throw .nonStandardInput(index: index, why: why)
      }
    }
  }

  private func fault(_ input: TransactionInput, spending script: [UInt8]) -> StaticReason? {
    var kind = OutputKind(script)
    if kind == .scriptHash, let redeem = ScriptStep.all(of: input.scriptSig)?.last?.push {
      let inner = OutputKind(redeem)
      if inner == .witnessScriptHash || inner == .witnessKeyHash { kind = inner }
    }
    switch kind {
    case .unknown, .data: return "spends an output of an unknown kind"
    case .witnessUnknown: return "spends an undefined witness version"
    case .anchor: return input.witness.isEmpty ? nil : "an anchor needs no witness"
    case .witnessScriptHash: return witnessScriptFault(input.witness)
    case .taproot: return taprootFault(input.witness)
    case .witnessKeyHash: return signatureFault(input.witness)
    default:
      let pushes = ScriptStep.all(of: input.scriptSig)?.compactMap(\.push) ?? []
      return signatureFault(pushes)
    }
  }

  private func witnessScriptFault(_ witness: [[UInt8]]) -> StaticReason? {
    guard let script = witness.last else { return "the witness is empty" }
    let items = witness.dropLast()
    if script.count > RelayPolicy.maxWitnessScriptBytes { return "script above 3600 bytes" }
    if items.count > RelayPolicy.maxWitnessItems { return "more than 100 witness items" }
    if items.contains(where: { $0.count > RelayPolicy.maxWitnessItemBytes }) {
      return "a witness item above 80 bytes"
    }
    guard let steps = ScriptStep.all(of: script) else { return "the script is truncated" }
    if !steps.allSatisfy(\.isMinimal) { return "a push is not minimal" }
    if steps.contains(where: { $0.push?.count == 65 && $0.push?.first == 0x04 }) {
      return "an uncompressed key"
    }
    // A script that starts with IF takes its argument from the top of the stack.
    if let first = steps.first, first.opcode == 0x63 || first.opcode == 0x64 {
      guard let argument = items.last else { return "IF without an argument" }
      if argument != [] && argument != [1] { return "the argument of IF is not empty or 01" }
    }
    return signatureFault(Array(items))
  }

  private func taprootFault(_ witness: [[UInt8]]) -> StaticReason? {
    var stack = witness
    if stack.isEmpty { return "the witness is empty" }
    if stack.count >= 2 && stack.last?.first == 0x50 { return "a taproot annex" }
    if stack.count == 1 { return nil }
    guard let control = stack.popLast(), let leaf = control.first else {
      return "the control block is empty"
    }
    _ = stack.popLast()
    if leaf & 0xfe == 0xc0 && stack.contains(where: { $0.count > RelayPolicy.maxWitnessItemBytes })
    {
      return "a witness item above 80 bytes"
    }
    return nil
  }

  /// ECDSA signatures must have a low S: anyone can compute the high one from it (BIP146).
  private func signatureFault(_ items: [[UInt8]]) -> StaticReason? {
    for item in items {
      if let signature = DerSignature(item), !signature.hasLowS { return "a signature with high S" }
    }
    return nil
  }
}
