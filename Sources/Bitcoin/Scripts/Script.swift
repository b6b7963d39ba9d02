import Bytes
import Crypto

/// Scripts as bytes: builds and recognises the forms that are used here.
public enum Script {
  /// The largest script (consensus).
  public static let maxBytes = 10_000

  /// Op codes (Bitcoin Core's `script.h`).
  public enum OpCode {
    public static let zero: UInt8 = 0x00
    public static let pushData1: UInt8 = 0x4c
    public static let pushData2: UInt8 = 0x4d
    public static let pushData4: UInt8 = 0x4e
    public static let negativeOne: UInt8 = 0x4f
    public static let one: UInt8 = 0x51
    public static let sixteen: UInt8 = 0x60
    public static let `if`: UInt8 = 0x63
    public static let notIf: UInt8 = 0x64
    public static let `else`: UInt8 = 0x67
    public static let endIf: UInt8 = 0x68
    public static let verify: UInt8 = 0x69
    public static let `return`: UInt8 = 0x6a
    public static let drop: UInt8 = 0x75
    public static let dup: UInt8 = 0x76
    public static let equal: UInt8 = 0x87
    public static let equalVerify: UInt8 = 0x88
    public static let hash160: UInt8 = 0xa9
    public static let codeSeparator: UInt8 = 0xab
    public static let checkSig: UInt8 = 0xac
    public static let checkSigVerify: UInt8 = 0xad
    public static let checkMultiSig: UInt8 = 0xae
    public static let checkLockTimeVerify: UInt8 = 0xb1
    public static let checkSequenceVerify: UInt8 = 0xb2
  }

  /// Pushes data with the shortest length prefix. For numbers use ``number(_:)``: minimality
  /// requires the op codes of 1 to 16.
  public static func push(_ data: [UInt8]) -> [UInt8] {
    var writer = ByteWriter(reserving: data.count + 5)
    if data.count < Int(OpCode.pushData1) {
      writer.u8(UInt8(data.count))
    } else if data.count <= 0xff {
      writer.u8(OpCode.pushData1)
      writer.u8(UInt8(data.count))
    } else if data.count <= 0xffff {
      writer.u8(OpCode.pushData2)
      writer.u16le(UInt16(data.count))
    } else {
      writer.u8(OpCode.pushData4)
      writer.u32le(UInt32(data.count))
    }
    writer.append(data)
    return writer.bytes
  }

  /// Pushes a number in minimal form (BIP62).
  public static func number(_ value: Int64) -> [UInt8] {
    if value == 0 { return [OpCode.zero] }
    if value == -1 { return [OpCode.negativeOne] }
    if value >= 1 && value <= 16 { return [OpCode.one + UInt8(value - 1)] }
    return push(numberBytes(value))
  }

  /// A script number: little-endian, the sign in the highest bit, minimal.
  static func numberBytes(_ value: Int64) -> [UInt8] {
    var bytes: [UInt8] = []
    var magnitude = value.magnitude
    while magnitude > 0 {
      bytes.append(UInt8(truncatingIfNeeded: magnitude))
      magnitude >>= 8
    }
    guard let last = bytes.last else { return [] }
    if last & 0x80 != 0 {
      bytes.append(value < 0 ? 0x80 : 0)
    } else if value < 0 {
      bytes[bytes.count - 1] |= 0x80
    }
    return bytes
  }

  /// The P2WSH output script of a witness script (BIP141).
  public static func p2wsh(witnessScript: [UInt8]) -> [UInt8] {
    [OpCode.zero] + push(Sha256.hash(witnessScript).array)
  }

  /// The taproot output script (BIP341). `outputKey` is the tweaked x-only key.
  public static func p2tr(outputKey: Bytes32) -> [UInt8] {
    [OpCode.one] + push(outputKey.array)
  }

  /// An unspendable output script that holds data.
  public static func opReturn(_ data: [UInt8]) -> [UInt8] { [OpCode.return] + push(data) }

  /// True for an unspendable output, which filters leave out (BIP158).
  public static func isOpReturn(_ script: [UInt8]) -> Bool {
    script.first == OpCode.return
  }

  /// The version and the program of a witness output (BIP141); nil for any other script.
  public static func witnessProgram(
    _ script: [UInt8]
  ) -> (version: UInt8, program: [UInt8])? {
    if script.count < 4 || script.count > 42 || Int(script[1]) != script.count - 2 { return nil }
    let program = Array(script[2...])
    if script[0] == OpCode.zero { return (0, program) }
    if script[0] < OpCode.one || script[0] > OpCode.sixteen { return nil }
    return (script[0] - OpCode.one + 1, program)
  }

  /// True for a witness program: the signatures of its spend do not change the transaction id.
  public static func isWitnessProgram(_ script: [UInt8]) -> Bool {
    witnessProgram(script) != nil
  }

  /// The data of a script that is `OP_RETURN` and one push; nil for any other.
  public static func opReturnData(_ script: [UInt8]) -> [UInt8]? {
    if !isOpReturn(script) { return nil }
    var reader = ScriptReader(script, from: 1)
    guard let step = reader.next(), let data = step.data, reader.isAtEnd else { return nil }
    return data
  }
}
