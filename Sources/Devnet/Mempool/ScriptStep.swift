/// One step of a script: an opcode, and what it pushes.
struct ScriptStep {
  let opcode: UInt8
  let push: [UInt8]?

  /// True when the push could not have been written shorter (BIP62's rule 3).
  var isMinimal: Bool {
    guard let push else { return true }
    if push.isEmpty { return opcode == 0x00 }
    if push.count == 1 && (1...16).contains(push[0]) { return opcode == 0x50 + push[0] }
    if push.count == 1 && push[0] == 0x81 { return opcode == 0x4f }
    if push.count <= 75 { return Int(opcode) == push.count }
    if push.count <= 255 { return opcode == 0x4c }
    return push.count <= 65_535 ? opcode == 0x4d : true
  }
}

/// Cuts a script into steps, without running it.
enum ScriptReader {
  /// Nil when a push goes past the end.
  static func steps(_ script: [UInt8]) -> [ScriptStep]? {
    var steps: [ScriptStep] = []
    var offset = 0
    while offset < script.count {
      let opcode = script[offset]
      offset += 1
      guard let length = pushLength(opcode, script, &offset) else {
        steps.append(ScriptStep(opcode: opcode, push: constant(opcode)))
        continue
      }
      guard length >= 0, length <= script.count - offset else { return nil }
      steps.append(ScriptStep(opcode: opcode, push: Array(script[offset..<(offset + length)])))
      offset += length
    }
    return steps
  }

  /// The number of bytes that follow a pushing opcode, -1 when they are cut off; nil for an opcode
  /// that pushes nothing from the script.
  private static func pushLength(_ opcode: UInt8, _ script: [UInt8], _ offset: inout Int) -> Int? {
    if (1...0x4b).contains(opcode) { return Int(opcode) }
    guard (0x4c...0x4e).contains(opcode) else { return nil }
    let width = 1 << Int(opcode - 0x4c)
    if script.count - offset < width { return -1 }
    var length = 0
    for index in (0..<width).reversed() { length = length << 8 | Int(script[offset + index]) }
    offset += width
    return length
  }

  /// What OP_0, OP_1NEGATE and OP_1 to OP_16 push.
  private static func constant(_ opcode: UInt8) -> [UInt8]? {
    if opcode == 0x00 { return [] }
    if opcode == 0x4f { return [0x81] }
    return (0x51...0x60).contains(opcode) ? [opcode - 0x50] : nil
  }
}
