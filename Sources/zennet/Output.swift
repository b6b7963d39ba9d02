import Host
import Publisher

/// Output on standard output. All of `zennet`'s own output goes through here, so that a failed
/// write gives an error exit status (``HostProcess/answer(_:program:failure:)``).
enum Output {
  static func bytes(_ bytes: [UInt8]) {
    HostProcess.answer(bytes, program: "zennet", failure: 1)
  }

  static func text(_ text: String) { bytes(Array(text.utf8)) }
  static func line(_ line: String) { text(line + "\n") }

  static func json<Value: Encodable>(_ value: Value) {
    bytes(ControlJson.encode(value, pretty: true) + [0x0a])
  }
}
