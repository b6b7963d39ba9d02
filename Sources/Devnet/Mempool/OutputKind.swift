/// The kinds of output script that nodes relay.
enum OutputKind: Equatable {
  case publicKey
  case publicKeyHash
  case scriptHash
  case multisig
  case witnessKeyHash
  case witnessScriptHash
  case taproot
  /// Pay to anchor: anyone may spend it.
  case anchor
  /// An undefined witness version: payments to it are relayed, spends are not.
  case witnessUnknown
  /// OP_RETURN and pushes.
  case data
  case unknown

  init(_ script: [UInt8]) {
    self = OutputKind.witness(script) ?? OutputKind.legacy(script)
  }

  private static func witness(_ script: [UInt8]) -> OutputKind? {
    guard (4...42).contains(script.count), Int(script[1]) == script.count - 2 else { return nil }
    let length = script.count - 2
    switch script[0] {
    case 0x00 where length == 20: return .witnessKeyHash
    case 0x00 where length == 32: return .witnessScriptHash
    // Other version 0 programs are unspendable.
    case 0x00: return .unknown
    case 0x51 where length == 32: return .taproot
    case 0x51 where script == [0x51, 0x02, 0x4e, 0x73]: return .anchor
    case 0x51...0x60: return .witnessUnknown
    default: return nil
    }
  }

  private static func legacy(_ script: [UInt8]) -> OutputKind {
    let count = script.count
    if script.first == 0x6a {
      let steps = ScriptStep.all(of: Array(script.dropFirst()))
      return steps?.allSatisfy({ $0.push != nil }) == true ? .data : .unknown
    }
    if count == 25 && script.starts(with: [0x76, 0xa9, 0x14]) && script.suffix(2) == [0x88, 0xac] {
      return .publicKeyHash
    }
    if count == 23 && script.starts(with: [0xa9, 0x14]) && script[22] == 0x87 {
      return .scriptHash
    }
    if (count == 35 && script[0] == 33 || count == 67 && script[0] == 65) && script.last == 0xac {
      return .publicKey
    }
    return isMultisig(script) ? .multisig : .unknown
  }

  /// m of n with n at most three.
  private static func isMultisig(_ script: [UInt8]) -> Bool {
    guard let steps = ScriptStep.all(of: script), steps.count >= 4, steps.last?.opcode == 0xae,
      let wanted = steps[0].push?.first, let total = steps[steps.count - 2].push?.first
    else { return false }
    let keys = steps[1..<(steps.count - 2)]
    return (1...3).contains(total) && (1...total).contains(wanted) && keys.count == Int(total)
      && keys.allSatisfy { $0.push?.count == 33 || $0.push?.count == 65 }
  }
}
