import Bitcoin

/// One operation of a script: an opcode and the data that it pushes.
struct ScriptStep {
  let opcode: UInt8
  let push: [UInt8]?

  /// True if the push is in its shortest form (BIP62, rule 3).
  var isMinimal: Bool {
    guard let push else { return true }
    if push.isEmpty { return opcode == 0x00 }
    if push.count == 1 && (1...16).contains(push[0]) { return opcode == 0x50 + push[0] }
    if push.count == 1 && push[0] == 0x81 { return opcode == 0x4f }
    if push.count <= 75 { return Int(opcode) == push.count }
    if push.count <= 255 { return opcode == 0x4c }
    return push.count <= 65_535 ? opcode == 0x4d : true
  }

  /// Parses a whole script; nil if a push goes past its end.
  static func all(of script: [UInt8]) -> [ScriptStep]? {
    var reader = ScriptReader(script)
    var steps: [ScriptStep] = []
    while let step = reader.next() {
      steps.append(
        ScriptStep(opcode: step.opCode, push: step.data ?? number(of: step.opCode)))
    }
    return reader.isAtEnd ? steps : nil
  }

  /// The data pushed by OP_1NEGATE and OP_1 to OP_16.
  private static func number(of opcode: UInt8) -> [UInt8]? {
    if opcode == 0x4f { return [0x81] }
    return (0x51...0x60).contains(opcode) ? [opcode - 0x50] : nil
  }
}
