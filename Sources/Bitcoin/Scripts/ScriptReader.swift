import Bytes

/// Reads a script one operation at a time.
public struct ScriptReader {
  public struct Step {
    public let opCode: UInt8
    /// The pushed data; nil if the operation pushes none, and for 1 to 16 and -1, which are
    /// numbers.
    public let data: [UInt8]?
  }

  private let script: [UInt8]
  public private(set) var offset: Int

  public init(_ script: [UInt8], from offset: Int = 0) {
    self.script = script
    self.offset = min(offset, script.count)
  }

  public var isAtEnd: Bool { offset == script.count }

  /// The next operation. Nil at the end, and for a push beyond it; ``isAtEnd`` distinguishes the
  /// two.
  public mutating func next() -> Step? {
    if isAtEnd { return nil }
    let opCode = script[offset]
    if opCode > Script.OpCode.pushData4 {
      offset += 1
      return Step(opCode: opCode, data: nil)
    }
    var reader = ByteReader(script, range: (offset + 1)..<script.count)
    do {
      let count: Int
      switch opCode {
      case Script.OpCode.pushData1: count = Int(try reader.u8())
      case Script.OpCode.pushData2: count = Int(try reader.u16le())
      case Script.OpCode.pushData4:
        let wide = try reader.u32le()
        if wide > UInt32(Transaction.maxBytes) { return nil }
        count = Int(wide)
      default: count = Int(opCode)
      }
      let data = try reader.take(count)
      offset = reader.offset
      return Step(opCode: opCode, data: data)
    } catch {
      return nil
    }
  }
}
